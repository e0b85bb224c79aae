//! `quorid check-password`: whether a password is an account's.

use clap::Args;
use quorid_api::AccountName;

use super::{
    consistency::ReadOptions,
    context::Context,
    errors::Failure,
    modify::current,
    password::{PasswordOptions, Source},
    record::Record,
    terminal::escape,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid check-password ana                  asks for it; exit code 0 if it is right, else 4
  quorid check-password ana --password-stdin < ana.pw";

/// Whose password.
#[derive(Args, Debug)]
pub(crate) struct CheckPasswordArgs {
    /// The account's login name
    login_name: String,
    #[command(flatten)]
    password: PasswordOptions,
    #[command(flatten)]
    read: ReadOptions,
}

pub(crate) async fn run(args: CheckPasswordArgs, context: &Context) -> Result<(), Failure> {
    let source = args.password.source().unwrap_or(Source::Ask);
    let password = current(source, &args.login_name, context)?;
    let account = context
        .client
        .check_password(
            &AccountName::Login(args.login_name),
            &password,
            args.read.read(context)?,
        )
        .await?;
    if context.out.is_json() {
        Record::from(account).show(context.out, context.client.session_revision())
    } else {
        context
            .out
            .line(format!("the password is {}'s", escape(&account.login_name)))
    }
}
