//! `quorid create`: a new account.

use clap::Args;
use quorid_api::NewAccount;

use super::{
    assignment::NewAttributes,
    context::Context,
    errors::Failure,
    operating_user,
    password::{self, PasswordOptions, Prompt},
    record::Record,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid create ana \"Ana Lima\"               prints the new account's UUID
  quorid create ana \"Ana Lima\" --set mail=ana@example.org --set department=Sales
  quorid create ana \"Ana Lima\" --posix --set home=/home/ana --set shell=/bin/bash
  quorid create gitea --service --set description=\"Code hosting\"
  quorid create ana --password               asks for a password; the real name is yours
  pass show ana | quorid create ana \"Ana Lima\" --password-stdin
  quorid create ana \"Ana Lima\" --output json | jq -r .revision";

/// The account to be made.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// Unique in the directory; upper and lower case are the same
    login_name: String,
    /// What people call the account's owner [default: the operating system user's name]
    real_name: Option<String>,
    /// Make it the account of a program, which has no real name
    #[arg(long, conflicts_with = "real_name")]
    service: bool,
    #[command(flatten)]
    password: PasswordOptions,
    #[command(flatten)]
    attributes: NewAttributes,
}

pub(crate) async fn run(args: CreateArgs, context: &Context) -> Result<(), Failure> {
    let real_name = match args.real_name {
        Some(name) => name,
        None if args.service => String::new(),
        None => operating_user::real_name()?,
    };
    let prompt = Prompt {
        text: &format!(
            "Password for {}: ",
            super::terminal::escape(&args.login_name)
        ),
        twice: true,
        option: "--password",
    };
    let password = args
        .password
        .source()
        .map(|source| password::read(source, prompt, context.out))
        .transpose()?;
    let account = context
        .client
        .create_account(NewAccount {
            login_name: args.login_name,
            real_name,
            service: args.service,
            assign_posix_number: args.attributes.posix,
            attributes: args.attributes.values(),
            password,
            ..NewAccount::default()
        })
        .await?;
    let record = Record::from(account);
    if context.out.is_json() {
        record.show(context.out, context.client.session_revision())
    } else {
        context.out.line(record.id())
    }
}
