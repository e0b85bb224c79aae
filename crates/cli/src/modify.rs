//! `quorid modify`: other names, attributes or another password.

use clap::Args;
use quorid_api::{AccountName, Error, Password, PasswordChange, Reason, UpdateAccount};

use super::{
    assignment::AttributeOptions,
    context::Context,
    errors::Failure,
    password::{self, NewPasswordOptions, PasswordOptions, Prompt, Source},
    record::Record,
    terminal::escape,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid modify ana ana.lima                 renames; the UUID stays
  quorid modify ana --real-name \"Ana Lima-Cruz\"
  quorid modify ana --set mail=ana@example.org --add phone=\"+351 21 000 0000\" --clear title
  quorid modify ana --new-password           asks for the new one, and for the old one if needed
  quorid modify ana ana.lima --etag \"$(quorid lookup ana --output json | jq -r .etag)\"
  printf '%s\\n' \"$OLD\" \"$NEW\" | quorid modify ana --password-stdin --new-password-stdin";

/// What is to be changed, and into what.
#[derive(Args, Debug)]
pub(crate) struct ModifyArgs {
    /// The account's login name as it is now
    old_login_name: String,
    /// The login name it is to have; needed unless something else changes
    new_login_name: Option<String>,
    /// What people call the account's owner from now on
    #[arg(long, value_name = "NAME")]
    real_name: Option<String>,
    #[command(flatten)]
    attributes: AttributeOptions,
    #[command(flatten)]
    password: PasswordOptions,
    #[command(flatten)]
    new_password: NewPasswordOptions,
    /// Change nothing unless the account still has this etag, as lookup shows it
    #[arg(long)]
    etag: Option<String>,
}

pub(crate) async fn run(args: ModifyArgs, context: &Context) -> Result<(), Failure> {
    let current_password = args
        .password
        .source()
        .map(|source| current(source, &args.old_login_name, context))
        .transpose()?;
    let password = match args.new_password.source() {
        _ if args.new_password.remove_password => PasswordChange::Remove,
        Some(source) => PasswordChange::Set(new(source, &args.old_login_name, context)?),
        None => PasswordChange::Keep,
    };
    let edits = args.attributes.edits();
    if args.new_login_name.is_none()
        && args.real_name.is_none()
        && edits.is_empty()
        && password == PasswordChange::Keep
    {
        return Err(Failure::usage("nothing to change is given")
            .hint("a new login name, --real-name, --set, --new-password or --remove-password"));
    }
    let mut change = UpdateAccount::of(AccountName::Login(args.old_login_name.clone()));
    change.login_name = args.new_login_name;
    change.real_name = args.real_name;
    change.edits = edits;
    change.password = password;
    change.etag = args.etag;
    change.current_password = current_password;
    let result = context.client.update_account(change.clone()).await;
    let account = match result {
        Err(error) if needs_password(&error, &change.current_password) => {
            change.current_password = Some(current(Source::Ask, &args.old_login_name, context)?);
            context.client.update_account(change).await?
        }
        result => result?,
    };
    Record::from(account).show(context.out, context.client.session_revision())
}

/// Whether the server wants a password that nobody gave, and somebody is there to be asked.
pub(crate) fn needs_password(error: &Error, given: &Option<Password>) -> bool {
    matches!(error, Error::Rejected(rejected) if rejected.reason == Reason::PasswordNeeded)
        && given.is_none()
        && password::can_ask()
}

/// The account's password as it is now.
pub(crate) fn current(
    source: Source,
    login_name: &str,
    context: &Context,
) -> Result<Password, Failure> {
    let prompt = Prompt {
        text: &format!("Password of {}: ", escape(login_name)),
        twice: false,
        option: "--password",
    };
    password::read(source, prompt, context.out)
}

fn new(source: Source, login_name: &str, context: &Context) -> Result<Password, Failure> {
    let prompt = Prompt {
        text: &format!("New password for {}: ", escape(login_name)),
        twice: true,
        option: "--new-password",
    };
    password::read(source, prompt, context.out)
}
