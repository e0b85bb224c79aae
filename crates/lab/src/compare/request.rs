//! One request, and whether its answer is what it must be.

use futures_util::StreamExt as _;
use quorid_api::{
    AccountName, Attribute, AttributeEdit, ChangeMembers, Client, GroupName, MemberName,
    NewAccount, NewGroup, Read, UpdateAccount,
};

use crate::error::LabError;

/// One request.
pub(super) enum Request {
    /// A new account.
    Create {
        login_name: String,
        attributes: Vec<Attribute>,
    },
    /// A new group of this name.
    CreateGroup(String),
    /// Other members of a group.
    Members {
        group: String,
        add: Vec<MemberName>,
        remove: Vec<MemberName>,
    },
    /// An account has this value and no other.
    Set {
        login_name: String,
        attribute: &'static str,
        value: String,
    },
    /// A lookup by login name.
    Get { login_name: String, read: Read },
    /// The same, with the groups of the account: so many.
    GetWithGroups {
        login_name: String,
        groups: usize,
        read: Read,
    },
    /// A search for one account.
    Find {
        attribute: &'static str,
        value: String,
        read: Read,
    },
}

impl Request {
    pub(super) async fn send(&self, client: &Client) -> Result<(), LabError> {
        match self {
            Self::Create {
                login_name,
                attributes,
            } => {
                let new = NewAccount {
                    login_name: login_name.clone(),
                    real_name: "Bench".to_owned(),
                    attributes: attributes.clone(),
                    ..NewAccount::default()
                };
                client.create_account(new).await?;
            }
            Self::CreateGroup(name) => {
                let new = NewGroup {
                    group_name: name.clone(),
                    ..NewGroup::default()
                };
                client.create_group(new).await?;
            }
            Self::Members { group, add, remove } => {
                let change = ChangeMembers {
                    group: GroupName::Name(group.clone()),
                    etag: None,
                    add: add.clone(),
                    remove: remove.clone(),
                    request_id: None,
                };
                client.change_members(change).await?;
            }
            Self::Set {
                login_name,
                attribute,
                value,
            } => {
                let edit = AttributeEdit::replace(attribute, [value.clone()]);
                let change = UpdateAccount {
                    edits: vec![edit],
                    ..UpdateAccount::of(login(login_name))
                };
                client.update_account(change).await?;
            }
            Self::Get { login_name, read } => {
                client.get_account(&login(login_name), *read).await?;
            }
            Self::GetWithGroups {
                login_name,
                groups,
                read,
            } => {
                let name = login(login_name);
                let account = client.get_account_with_groups(&name, *read).await?;
                let found = account.groups.len();
                if found != *groups {
                    return wrong(format!(
                        "{login_name} is in {found} groups, not in {groups}"
                    ));
                }
            }
            Self::Find {
                attribute,
                value,
                read,
            } => {
                let filter = format!("{attribute}={value}");
                let mut found = Box::pin(client.accounts_where(&filter, *read));
                if found.next().await.transpose()?.is_none() {
                    return wrong(format!("nobody has the {attribute} {value}"));
                }
            }
        }
        Ok(())
    }
}

pub(super) fn login(name: &str) -> AccountName {
    AccountName::Login(name.to_owned())
}

fn wrong(what: String) -> Result<(), LabError> {
    Err(LabError::fault(what))
}
