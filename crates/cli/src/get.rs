//! `quorid get`: everything there is, one account after the other.

use std::pin::pin;

use clap::{Args, ValueEnum};
use futures_util::StreamExt as _;
use serde_json::json;

use super::{
    consistency::ReadOptions, context::Context, errors::Failure, record::Record, terminal::escape,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid get users                           the login names, one a line
  quorid get uuids | wc -l
  quorid get all --output json               one JSON object a line";

/// What of each account.
#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// What of each account
    #[arg(value_enum)]
    what: What,
    #[command(flatten)]
    read: ReadOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// The login names
    Users,
    /// The UUIDs
    Uuids,
    /// Everything but the passwords' verifiers
    All,
}

pub(crate) async fn run(args: GetArgs, context: &Context) -> Result<(), Failure> {
    let out = context.out;
    let mut accounts = pin!(context.client.accounts(args.read.read(context)?));
    let mut first = true;
    while let Some(account) = accounts.next().await {
        let account = account?;
        match (args.what, out.is_json()) {
            (What::Users, false) => out.line(escape(&account.login_name))?,
            (What::Users, true) => out.json(&json!({"login_name": account.login_name}))?,
            (What::Uuids, false) => out.line(escape(&account.id))?,
            (What::Uuids, true) => out.json(&json!({"id": account.id}))?,
            (What::All, false) => {
                if !first {
                    out.line("")?;
                }
                out.line(Record::from(account).to_text())?;
            }
            (What::All, true) => out.json(&Record::from(account))?,
        }
        first = false;
    }
    out.flush()
}
