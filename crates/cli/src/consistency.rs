//! How fresh an answer must be.

use clap::{Args, ValueEnum};
use quorid_api::Read;

use super::{context::Context, errors::Failure};

/// The options of every command that only reads.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Reading options")]
pub(crate) struct ReadOptions {
    /// How fresh the answer must be [default: linearizable]
    #[arg(long, value_enum, value_name = "LEVEL")]
    consistency: Option<Consistency>,
    /// Answer from any server that has reached this revision, as told by --output json
    #[arg(long, value_name = "REVISION")]
    min_revision: Option<u64>,
}

/// The levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Consistency {
    /// Sees every change acknowledged before; the leader answers.
    Linearizable,
    /// Sees whatever earlier commands of this user on this machine saw or changed; any server
    /// answers.
    Session,
    /// Whatever the asked server has; any server answers, at once.
    Stale,
}

impl ReadOptions {
    /// Lets the client's session begin where earlier runs ended, if that is asked for.
    pub(crate) fn read(&self, context: &Context) -> Result<Read, Failure> {
        let read = self.level(context.kept_revision())?;
        if let Read::AtLeast(revision) = read {
            context.client.raise_session_revision(revision);
        }
        Ok(read)
    }

    fn level(&self, kept_revision: u64) -> Result<Read, Failure> {
        match (self.consistency, self.min_revision) {
            (None, None) | (Some(Consistency::Linearizable), None) => Ok(Read::Linearizable),
            (Some(Consistency::Stale), None) => Ok(Read::Stale),
            (None, Some(revision)) => Ok(Read::AtLeast(revision)),
            (Some(Consistency::Session), revision) => {
                Ok(Read::AtLeast(revision.unwrap_or(0).max(kept_revision)))
            }
            (Some(Consistency::Linearizable | Consistency::Stale), Some(_)) => Err(Failure::usage(
                "--min-revision goes alone or with --consistency session: a linearizable \
                     answer is always the newest, and a stale one promises nothing",
            )),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn level_and_revision_give_one_way_to_read() {
        use Consistency::{Linearizable, Session, Stale};
        for (consistency, min_revision, expected) in [
            (None, None, Some(Read::Linearizable)),
            (Some(Linearizable), None, Some(Read::Linearizable)),
            (Some(Stale), None, Some(Read::Stale)),
            (None, Some(7), Some(Read::AtLeast(7))),
            (Some(Session), None, Some(Read::AtLeast(40))),
            (Some(Session), Some(7), Some(Read::AtLeast(40))),
            (Some(Session), Some(70), Some(Read::AtLeast(70))),
            (Some(Stale), Some(7), None),
            (Some(Linearizable), Some(7), None),
        ] {
            let options = ReadOptions {
                consistency,
                min_revision,
            };
            assert_eq!(options.level(40).ok(), expected, "{options:?}");
        }
    }
}
