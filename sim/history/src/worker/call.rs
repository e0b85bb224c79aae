//! One request of a worker, by the client library.

use quorid_api::{
    AccountName, Attribute, AttributeDefinition, AttributeEdit, ChangeMembers, Client,
    DeleteAccount, DeleteGroup, Error, GroupName, HistoryOf, MemberName, NewAccount, NewAttribute,
    NewGroup, PasswordChange, Read, SettingChange, UpdateAccount, proto::restore_response,
};
use uuid::Uuid;

use super::PASSWORD;
use crate::operation::{Asked, Freshness, Shown, Which, shown, shown_group};

/// What came of a call.
pub(super) enum Told {
    Object(Shown),
    Members(Vec<String>),
    Deleted,
    Directory,
    Level(u32),
}

/// How requests are made.
pub(super) struct Call {
    pub(super) client: Client,
    /// New accounts get the password that all of them have.
    pub(super) with_password: bool,
    /// A bug on purpose: what was to be linearizable is read as it comes.
    pub(super) stale_reads: bool,
}

impl Call {
    pub(super) async fn make(&self, asked: &Asked) -> Result<Told, Error> {
        match asked {
            Asked::CreateGroup { .. }
            | Asked::DeleteGroup { .. }
            | Asked::Member { .. }
            | Asked::Members { .. } => self.about_a_group(asked).await,
            Asked::Create {
                request,
                login_name,
                real_name,
                numbered,
            } => {
                let account = NewAccount {
                    login_name: login_name.spelled.clone(),
                    real_name: real_name.clone(),
                    request_id: Some(request.uuid()),
                    assign_posix_number: *numbered,
                    password: self.with_password.then(|| PASSWORD.into()),
                    ..NewAccount::default()
                };
                account_told(self.client.create_account(account).await)
            }
            Asked::Rename {
                request,
                account,
                to,
            } => {
                let mut change = UpdateAccount::of(account_name(account));
                change.login_name = Some(to.spelled.clone());
                change.request_id = Some(request.uuid());
                account_told(self.client.update_account(change).await)
            }
            Asked::Edit {
                request,
                account,
                attribute,
                value,
            } => {
                let mut change = UpdateAccount::of(account_name(account));
                change.edits = vec![match value {
                    Some(value) => AttributeEdit::replace(attribute, [value.clone()]),
                    None => AttributeEdit::clear(attribute),
                }];
                change.request_id = Some(request.uuid());
                account_told(self.client.update_account(change).await)
            }
            Asked::SetPassword {
                request,
                account,
                password,
            } => {
                let mut change = UpdateAccount::of(account_name(account));
                change.password = PasswordChange::Set((*password).into());
                change.request_id = Some(request.uuid());
                account_told(self.client.update_account(change).await)
            }
            Asked::Delete { request, account } => {
                let mut removal = DeleteAccount::of(account_name(account));
                removal.request_id = Some(request.uuid());
                let deleted = self.client.delete_account(removal).await;
                deleted.map(|()| Told::Deleted)
            }
            Asked::Define { request, attribute } => {
                let definition = AttributeDefinition {
                    name: attribute.clone(),
                    kinds: vec!["account".to_owned()],
                    syntax: "line".to_owned(),
                    ..AttributeDefinition::default()
                };
                let new = NewAttribute {
                    attribute: definition,
                    request_id: Some(request.uuid()),
                };
                self.client
                    .add_attribute(new)
                    .await
                    .map(|_| Told::Directory)
            }
            Asked::Restore { request, account } => {
                let of = HistoryOf::Account(account_name(account));
                let restored = self.client.restore(&of, Some(request.uuid())).await?;
                match restored.object {
                    Some(restore_response::Object::Account(account)) => {
                        Ok(Told::Object(shown(account)))
                    }
                    Some(restore_response::Object::Group(group)) => {
                        Ok(Told::Object(shown_group(group)))
                    }
                    None => Ok(Told::Directory),
                }
            }
            Asked::Purge { request, account } => {
                let of = HistoryOf::Account(account_name(account));
                let purged = self.client.purge(&of, Some(request.uuid())).await;
                purged.map(|()| Told::Deleted)
            }
            Asked::FreeName { request, name } => {
                let freed = self.client.free_name(&name.spelled, Some(request.uuid()));
                freed.await.map(|()| Told::Directory)
            }
            Asked::Keep {
                request,
                tombstones_ms,
                names_ms,
            } => {
                let change = |name: &str, value: u64| SettingChange {
                    name: name.to_owned(),
                    value: Some(value),
                };
                let changes = vec![
                    change("tombstones", *tombstones_ms),
                    change("reserved_names", *names_ms),
                ];
                let changed = self.client.change_settings(changes, Some(request.uuid()));
                changed.await.map(|_| Told::Directory)
            }
            Asked::RaiseLevel => self.client.raise_level(None).await.map(Told::Level),
            Asked::Look { account, freshness } => {
                let (name, read) = (account_name(account), self.read(*freshness));
                account_told(self.client.get_account(&name, read).await)
            }
            Asked::LogIn { account, freshness } => {
                let (name, password) = (account_name(account), PASSWORD.into());
                let read = self.read(*freshness);
                account_told(self.client.check_password(&name, &password, read).await)
            }
        }
    }

    async fn about_a_group(&self, asked: &Asked) -> Result<Told, Error> {
        match asked {
            Asked::CreateGroup {
                request,
                group,
                numbered,
                role,
            } => {
                let role = role.map(|role| Attribute {
                    name: "role".to_owned(),
                    values: vec![role.to_owned()],
                });
                let group = NewGroup {
                    attributes: role.into_iter().collect(),
                    group_name: group.as_str().to_owned(),
                    assign_posix_number: *numbered,
                    request_id: Some(request.uuid()),
                };
                group_told(self.client.create_group(group).await)
            }
            Asked::DeleteGroup { request, group } => {
                let removal = DeleteGroup {
                    group: GroupName::Name(group.as_str().to_owned()),
                    etag: None,
                    request_id: Some(request.uuid()),
                };
                let deleted = self.client.delete_group(removal).await;
                deleted.map(|()| Told::Deleted)
            }
            Asked::Member {
                request,
                group,
                account,
                joins,
            } => {
                let member = vec![MemberName::Account(account_name(account))];
                let (add, remove) = match joins {
                    true => (member, Vec::new()),
                    false => (Vec::new(), member),
                };
                let change = ChangeMembers {
                    group: GroupName::Name(group.as_str().to_owned()),
                    etag: None,
                    add,
                    remove,
                    request_id: Some(request.uuid()),
                };
                group_told(self.client.change_members(change).await)
            }
            Asked::Members { group, freshness } => {
                let name = GroupName::Name(group.as_str().to_owned());
                let read = self.read(*freshness);
                let page = self.client.list_members(&name, 0, "", read).await?;
                let members = page.members.into_iter().map(|member| member.id);
                Ok(Told::Members(members.collect()))
            }
            Asked::Create { .. }
            | Asked::Rename { .. }
            | Asked::Edit { .. }
            | Asked::SetPassword { .. }
            | Asked::Delete { .. }
            | Asked::Define { .. }
            | Asked::Restore { .. }
            | Asked::Purge { .. }
            | Asked::FreeName { .. }
            | Asked::Keep { .. }
            | Asked::RaiseLevel
            | Asked::Look { .. }
            | Asked::LogIn { .. } => unreachable!("not about a group"),
        }
    }

    fn read(&self, freshness: Freshness) -> Read {
        match freshness {
            Freshness::Linearizable if self.stale_reads => Read::Stale,
            Freshness::Linearizable => Read::Linearizable,
            Freshness::AtLeast(revision) => Read::AtLeast(revision),
            Freshness::Stale => Read::Stale,
        }
    }
}

fn account_told(answer: Result<quorid_api::Account, Error>) -> Result<Told, Error> {
    answer.map(shown).map(Told::Object)
}

fn group_told(answer: Result<quorid_api::Group, Error>) -> Result<Told, Error> {
    answer.map(shown_group).map(Told::Object)
}

fn account_name(which: &Which) -> AccountName {
    match which {
        Which::Id(id) => AccountName::Id(Uuid::parse_str(id).expect("an id that was answered")),
        Which::Name(name) => AccountName::Login(name.spelled.clone()),
    }
}
