//! `quorid cluster raise-level`: lets changes use what the servers learned with a new version.

use clap::Args;
use serde_json::json;

use crate::{context::Context, errors::Failure};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid cluster raise-level                 as far as every server supports
  quorid cluster raise-level 2

Do it once every server runs the new version: servers of an older one could not take part any more.
There is no way back. Needs an operator's certificate.";

/// How far.
#[derive(Args, Debug)]
pub(crate) struct RaiseLevelArgs {
    /// The feature level [default: the highest one that every server supports]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    level: Option<u32>,
}

pub(super) async fn run(args: RaiseLevelArgs, context: &Context) -> Result<(), Failure> {
    let level = context.client.raise_level(args.level).await?;
    if context.out.is_json() {
        context.out.json(&json!({ "level": level }))
    } else {
        let line = format!("the directory is at feature level {level}");
        context.out.line(line)
    }
}
