//! `quorid restore`, `quorid purge` and `quorid free-name`, and the lists of what these are for: deleted accounts and
//! groups, and login names that stay reserved.

use std::{
    io::{IsTerminal as _, Write as _},
    pin::pin,
};

use clap::Args;
use futures_util::StreamExt as _;
use quorid_api::{
    AccountName, Client, DeletedObject, Error, GroupName, HistoryOf, Read, Reason, ReservedName,
    proto::{deleted_object, restore_response},
};
use serde::Serialize;
use serde_json::json;

use super::{
    changes::named,
    context::Context,
    errors::Failure,
    group::{self, GroupRecord},
    record::{Record, time},
    terminal::escape,
};

pub(crate) const RESTORE_EXAMPLES: &str = "\
Examples:
  quorid get deleted                         lists what can be restored
  quorid restore ana                         with her id, password, groups and numbers
  quorid restore group:staff                 with its members
  quorid restore 0199e0f2-7c3a-7b52-9a4e-0c5f3f1f2a10";

pub(crate) const PURGE_EXAMPLES: &str = "\
Examples:
  quorid delete ana && quorid purge ana      asks whether it is meant
  quorid purge group:staff --yes

Nothing of it can be got back, and its names are free. Logs and backups that were made before still have it.";

pub(crate) const FREE_NAME_EXAMPLES: &str = "\
Examples:
  quorid get reserved                        lists the names that are reserved
  quorid free-name ana                       anybody may have it from now on";

/// What was deleted.
#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// A login name, `group:` and the name of a group, or the UUID of an account or a group
    of: String,
}

/// What was deleted.
#[derive(Args, Debug)]
pub(crate) struct PurgeArgs {
    /// A login name, `group:` and the name of a group, or the UUID of an account or a group
    of: String,
    /// Do not ask whether it is meant
    #[arg(long)]
    yes: bool,
}

/// Which name.
#[derive(Args, Debug)]
pub(crate) struct FreeNameArgs {
    /// The reserved login name
    login_name: String,
}

pub(crate) async fn restore(args: RestoreArgs, context: &Context) -> Result<(), Failure> {
    let restored = of_either(&args.of, &context.client, async |client, of| {
        client.restore(of, None).await
    })
    .await?;
    match restored.object {
        Some(restore_response::Object::Account(account)) => {
            Record::from(account).show(context.out, context.client.session_revision())
        }
        Some(restore_response::Object::Group(group)) => group::shown(group, context),
        None => Err(Failure::fault(
            "the server's answer does not say what was restored",
        )),
    }
}

pub(crate) async fn purge(args: PurgeArgs, context: &Context) -> Result<(), Failure> {
    if !args.yes {
        confirm(&args.of)?;
    }
    of_either(&args.of, &context.client, async |client, of| {
        client.purge(of, None).await
    })
    .await?;
    if context.out.is_json() {
        return context.out.json(&json!({
            "purged": args.of,
            "revision": context.client.session_revision(),
        }));
    }
    context.out.line(format!("purged {}", escape(&args.of)))
}

/// Asks on the terminal, if there is one.
fn confirm(of: &str) -> Result<(), Failure> {
    let refused = || {
        Failure::usage("nothing was erased: it can never be got back, so this asks first")
            .hint("--yes does not ask")
    };
    if !std::io::stdin().is_terminal() {
        return Err(refused());
    }
    let mut terminal = std::io::stderr();
    let asked = write!(terminal, "Erase {} for ever? [y/N] ", escape(of));
    let mut answer = String::new();
    let read = asked
        .and_then(|()| terminal.flush())
        .and_then(|()| std::io::stdin().read_line(&mut answer));
    match read {
        Ok(_) if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) => Ok(()),
        Ok(_) | Err(_) => Err(refused()),
    }
}

pub(crate) async fn free_name(args: FreeNameArgs, context: &Context) -> Result<(), Failure> {
    let name = &args.login_name;
    context.client.free_name(name, None).await?;
    if context.out.is_json() {
        return context.out.json(&json!({
            "freed": name,
            "revision": context.client.session_revision(),
        }));
    }
    context.out.line(format!("freed {}", escape(name)))
}

/// A UUID does not say what it is of: an account is tried first, and then a group.
async fn of_either<T>(
    named_as: &str,
    client: &Client,
    ask: impl AsyncFn(&Client, &HistoryOf) -> Result<T, Error>,
) -> Result<T, Error> {
    let of = named(named_as);
    match ask(client, &of).await {
        Err(Error::Rejected(no))
            if no.reason == Reason::WrongKind
                && let HistoryOf::Account(AccountName::Id(id)) = of =>
        {
            ask(client, &HistoryOf::Group(GroupName::Id(id))).await
        }
        answered => answered,
    }
}

/// What was deleted and can be restored, one a line.
pub(crate) async fn list(read: Read, context: &Context) -> Result<(), Failure> {
    let out = context.out;
    let mut objects = pin!(context.client.deleted(read));
    while let Some(object) = objects.next().await {
        let record = DeletedRecord::from(object?);
        if out.is_json() {
            out.json(&record)?;
        } else {
            out.line(record.to_text())?;
        }
    }
    out.flush()
}

/// Login names that stay reserved, one a line.
pub(crate) async fn list_reserved(read: Read, context: &Context) -> Result<(), Failure> {
    let out = context.out;
    let mut names = pin!(context.client.reserved_names(read));
    while let Some(name) = names.next().await {
        let record = ReservedRecord::from(name?);
        if out.is_json() {
            out.json(&record)?;
        } else {
            out.line(record.to_text())?;
        }
    }
    out.flush()
}

/// A deleted object under the names of the API.
#[derive(Debug, Serialize)]
struct DeletedRecord {
    /// `account` or `group`.
    object_kind: &'static str,
    #[serde(flatten)]
    object: ObjectRecord,
    delete_time: String,
    delete_actor: String,
    delete_address: String,
    restorable_until: String,
    revision: u64,
    #[serde(skip)]
    name: String,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ObjectRecord {
    Account(Box<Record>),
    Group(Box<GroupRecord>),
}

impl From<DeletedObject> for DeletedRecord {
    fn from(deleted: DeletedObject) -> Self {
        let (object_kind, name, object) = match deleted.object {
            Some(deleted_object::Object::Group(group)) => (
                "group",
                group.group_name.clone(),
                ObjectRecord::Group(Box::new(GroupRecord::from(group))),
            ),
            account => {
                let account = match account {
                    Some(deleted_object::Object::Account(account)) => account,
                    Some(deleted_object::Object::Group(_)) | None => Default::default(),
                };
                (
                    "account",
                    account.login_name.clone(),
                    ObjectRecord::Account(Box::new(Record::from(account))),
                )
            }
        };
        Self {
            object_kind,
            object,
            delete_time: time(deleted.delete_time),
            delete_actor: deleted.delete_actor,
            delete_address: deleted.delete_address,
            restorable_until: time(deleted.restorable_until),
            revision: deleted.revision,
            name,
        }
    }
}

impl DeletedRecord {
    fn to_text(&self) -> String {
        format!(
            "{} {}  deleted {} by {}, can be restored until {}",
            self.object_kind,
            escape(&self.name),
            self.delete_time,
            escape(&self.delete_actor),
            self.restorable_until,
        )
    }
}

/// A reserved name under the names of the API.
#[derive(Debug, Serialize)]
struct ReservedRecord {
    login_name: String,
    owner_id: String,
    /// Empty: it is gone.
    owner_login_name: String,
    reserved_until: String,
}

impl From<ReservedName> for ReservedRecord {
    fn from(name: ReservedName) -> Self {
        Self {
            login_name: name.login_name,
            owner_id: name.owner.trim_start_matches("accounts/").to_owned(),
            owner_login_name: name.owner_login_name,
            reserved_until: time(name.reserved_until),
        }
    }
}

impl ReservedRecord {
    fn to_text(&self) -> String {
        let owner = match self.owner_login_name.as_str() {
            "" => "an account that is gone".to_owned(),
            name => format!("account {}", escape(name)),
        };
        format!(
            "{}  reserved for {owner} until {}",
            escape(&self.login_name),
            self.reserved_until,
        )
    }
}
