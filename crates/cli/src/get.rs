//! `quorid get`: everything there is, one account or group after the other.

use std::pin::pin;

use clap::{Args, ValueEnum};
use futures_util::{Stream, StreamExt as _};
use quorid_api::{Account, AccountKinds, Error, Read};
use serde_json::json;

use super::{
    consistency::ReadOptions, context::Context, deleted, errors::Failure, group::GroupRecord,
    record::Record, terminal::escape,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid get users                           the login names, one a line
  quorid get users --where mail=ana@example.org
  quorid get all --where 'department=Sales and not (title=head* or phone=*)'
  quorid get uuids | wc -l
  quorid get all --output json               one JSON object a line
  quorid get groups                          the names of the groups, one a line
  quorid get deleted                         what can be restored, and until when
  quorid get reserved                        login names that nobody else may have yet";

/// What of each account.
#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// What of each account
    #[arg(value_enum)]
    what: What,
    /// Only accounts for which this holds, such as mail=ana@example.org
    #[arg(long = "where", value_name = "CONDITION")]
    filter: Option<String>,
    #[command(flatten)]
    read: ReadOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// The login names of persons
    Users,
    /// The login names of services
    Services,
    /// The UUIDs
    Uuids,
    /// Everything but the passwords' verifiers
    All,
    /// The names of the groups; with --output json all but their members
    Groups,
    /// Accounts and groups that were deleted and can be restored
    Deleted,
    /// Login names that nobody has and that are reserved
    Reserved,
}

pub(crate) async fn run(args: GetArgs, context: &Context) -> Result<(), Failure> {
    let read = args.read.read(context)?;
    let filter = args.filter.as_deref().unwrap_or_default();
    let kinds = match args.what {
        What::Users => AccountKinds::Persons,
        What::Services => AccountKinds::Services,
        What::Uuids | What::All | What::Groups | What::Deleted | What::Reserved => {
            AccountKinds::Unspecified
        }
    };
    let found = context.client.accounts_of(kinds, filter, read);
    match args.what {
        What::Groups | What::Deleted | What::Reserved if args.filter.is_some() => Err(
            Failure::usage("--where is for accounts that are there; nothing else is searched"),
        ),
        What::Groups => groups(read, context).await,
        What::Deleted => deleted::list(read, context).await,
        What::Reserved => deleted::list_reserved(read, context).await,
        What::Users | What::Services => {
            fields(found, context, |account| account.login_name, "login_name").await
        }
        What::Uuids => fields(found, context, |account| account.id, "id").await,
        What::All => records(found, context).await,
    }
}

/// One field of each account.
async fn fields(
    found: impl Stream<Item = Result<Account, Error>>,
    context: &Context,
    field: fn(Account) -> String,
    name: &str,
) -> Result<(), Failure> {
    let out = context.out;
    let mut accounts = pin!(found);
    while let Some(account) = accounts.next().await {
        let value = field(account?);
        if out.is_json() {
            out.json(&json!({name: value}))?;
        } else {
            out.line(escape(&value))?;
        }
    }
    out.flush()
}

async fn records(
    found: impl Stream<Item = Result<Account, Error>>,
    context: &Context,
) -> Result<(), Failure> {
    let out = context.out;
    let mut accounts = pin!(found);
    let mut first = true;
    while let Some(account) = accounts.next().await {
        let record = Record::from(account?);
        if out.is_json() {
            out.json(&record)?;
            continue;
        }
        if !first {
            out.line("")?;
        }
        out.line(record.to_text())?;
        first = false;
    }
    out.flush()
}

async fn groups(read: Read, context: &Context) -> Result<(), Failure> {
    let out = context.out;
    let mut groups = pin!(context.client.groups(read));
    while let Some(group) = groups.next().await {
        let group = group?;
        if out.is_json() {
            out.json(&GroupRecord::from(group))?;
        } else {
            out.line(escape(&group.group_name))?;
        }
    }
    out.flush()
}
