//! `quorid delete`: an account is no more.

use clap::Args;
use quorid_api::{AccountName, DeleteAccount};
use serde_json::json;

use super::{
    context::Context,
    errors::Failure,
    modify::{current, needs_password},
    password::{PasswordOptions, Source},
    terminal::escape,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid delete ana                          asks for the account's password if it has one
  quorid delete ana --password-file ana.pw
  quorid delete ana --etag 4711              only if nobody changed it since";

/// Which account.
#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// The account's login name
    login_name: String,
    #[command(flatten)]
    password: PasswordOptions,
    /// Delete nothing unless the account still has this etag, as lookup shows it
    #[arg(long)]
    etag: Option<String>,
}

pub(crate) async fn run(args: DeleteArgs, context: &Context) -> Result<(), Failure> {
    let mut removal = DeleteAccount::of(AccountName::Login(args.login_name.clone()));
    removal.etag = args.etag;
    removal.current_password = args
        .password
        .source()
        .map(|source| current(source, &args.login_name, context))
        .transpose()?;
    match context.client.delete_account(removal.clone()).await {
        Err(error) if needs_password(&error, &removal.current_password) => {
            removal.current_password = Some(current(Source::Ask, &args.login_name, context)?);
            context.client.delete_account(removal).await?;
        }
        result => result?,
    }
    if context.out.is_json() {
        context.out.json(&json!({
            "deleted": args.login_name,
            "revision": context.client.session_revision(),
        }))
    } else {
        context
            .out
            .line(format!("deleted {}", escape(&args.login_name)))
    }
}
