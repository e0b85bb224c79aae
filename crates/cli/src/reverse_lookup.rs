//! `quorid reverse-lookup`: an account by its UUID.

use clap::Args;
use quorid_api::AccountName;
use uuid::Uuid;

use super::{consistency::ReadOptions, context::Context, errors::Failure, lookup};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid reverse-lookup 0198f3a2-7c41-7d60-8a55-0d2f6b1c9e77
  quorid reverse-lookup \"$(quorid create ana 'Ana Lima')\"";

/// Which account.
#[derive(Args, Debug)]
pub(crate) struct ReverseLookupArgs {
    /// The account's UUID
    #[arg(value_name = "UUID", value_parser = parse_uuid)]
    id: Uuid,
    #[command(flatten)]
    read: ReadOptions,
}

pub(crate) async fn run(args: ReverseLookupArgs, context: &Context) -> Result<(), Failure> {
    lookup::show(AccountName::Id(args.id), &args.read, context).await
}

/// Only the usual way of writing it: other ways, such as braces, are mostly slips.
pub(super) fn parse_uuid(text: &str) -> Result<Uuid, String> {
    let example = "an account's UUID looks like 0198f3a2-7c41-7d60-8a55-0d2f6b1c9e77";
    if text.len() != 36 {
        return Err(format!(
            "{} characters instead of 36; {example}",
            text.chars().count()
        ));
    }
    Uuid::try_parse(text).map_err(|error| format!("{error}; {example}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hyphenated_uuid_is_one() {
        assert!(parse_uuid("0198f3a2-7c41-7d60-8a55-0d2f6b1c9e77").is_ok());
        assert!(parse_uuid("0198F3A2-7C41-7D60-8A55-0D2F6B1C9E77").is_ok());
        for text in [
            "",
            "ana",
            "0198f3a27c417d608a550d2f6b1c9e77",
            "{0198f3a2-7c41-7d60-8a55-0d2f6b1c9e77}",
            "0198f3a2-7c41-7d60-8a55-0d2f6b1c9e7",
            "0198f3a2-7c41-7d60-8a55-0d2f6b1c9e7g",
            "0198f3a2-7c41-7d60-8a55-0d2f6b1c9e777",
        ] {
            let error = parse_uuid(text).expect_err(text);
            assert!(error.contains("looks like"), "{text}: {error}");
        }
    }
}
