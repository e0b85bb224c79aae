//! `quorid lookup`: an account by its login name.

use clap::Args;
use quorid_api::AccountName;

use super::{consistency::ReadOptions, context::Context, errors::Failure, record::Record};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid lookup ana
  quorid lookup ana --output json | jq -r .id
  quorid lookup ana --consistency stale      any server answers, even without a leader";

/// Which account.
#[derive(Args, Debug)]
pub(crate) struct LookupArgs {
    /// The account's login name
    login_name: String,
    #[command(flatten)]
    read: ReadOptions,
}

pub(crate) async fn run(args: LookupArgs, context: &Context) -> Result<(), Failure> {
    show(AccountName::Login(args.login_name), &args.read, context).await
}

/// Shows one account, however it is named.
pub(crate) async fn show(
    name: AccountName,
    read: &ReadOptions,
    context: &Context,
) -> Result<(), Failure> {
    let account = context
        .client
        .get_account_with_groups(&name, read.read(context)?)
        .await?;
    Record::with_groups(account).show(context.out, context.client.session_revision())
}
