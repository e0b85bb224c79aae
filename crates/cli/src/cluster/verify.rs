//! `quorid cluster verify`: whether every server's directory is whole, and all are the same.

use clap::Args;

use super::{digest, status::ask_all};
use crate::{context::Context, errors::Failure};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid cluster verify
  quorid cluster verify --timeout 10m        for directories of millions of accounts
  quorid cluster verify --output json

Every server reads its whole directory and checks it. Then all are compared at one revision; changes may go on
meanwhile. Exit code 0 only if all servers answered and hold the same. `quorid check` checks a stopped server.";

/// Takes no options of its own.
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {}

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let view = context.client.cluster().await?;
    let members = ask_all(&view, context, None).await;
    let digests = digest::compare(&view, &members, context).await?;
    match context.out.is_json() {
        true => context.out.json(&digests.to_json())?,
        false => context.out.line(digests.to_text())?,
    }
    digests.verdict()
}
