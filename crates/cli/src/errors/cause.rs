//! Reasons of failures: those of the servers, and the command line's own.

use std::fmt;

use quorid_api::{Code, Error, Reason, Rejected, Unavailable};
use quorid_server::metrics::code_name;

macro_rules! causes {
    ($($(#[$doc:meta])+ $cause:ident = $text:literal,)+) => {
        /// What programs match on, `reason` in JSON. docs/reference/command-line.md lists those
        /// that are not a server's.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) enum Cause {
            /// Also where the command line means the same as a server does.
            Reason(Reason),
            /// An answer without a reason, which is not from a Quorid server.
            Code(Code),
            $($(#[$doc])+ $cause,)+
        }

        impl Cause {
            /// The command line's own.
            #[cfg(test)]
            const OWN: &[Self] = &[$(Self::$cause,)+];

            pub(crate) fn as_str(&self) -> &str {
                match self {
                    Self::Reason(reason) => reason.as_str(),
                    Self::Code(code) => code_name(*code),
                    $(Self::$cause => $text,)+
                }
            }
        }
    };
}

causes! {
    /// The command was given something that cannot be meant.
    Usage = "USAGE",
    /// A file that was asked for cannot be read.
    Input = "INPUT",
    /// No server is trusted, or none trusts this client.
    Tls = "TLS",
    /// A certificate cannot be made or shown.
    Certificate = "CERTIFICATE",
    /// A file or the terminal failed.
    Io = "IO",
    /// No server answered.
    Unavailable = "UNAVAILABLE",
    /// The cluster has no leader.
    NoLeader = "NO_LEADER",
    /// A line of a file is no account.
    InvalidLine = "INVALID_LINE",
    /// A line gives another kind than its account has.
    KindDiffers = "KIND_DIFFERS",
    /// Lines of a file were not imported.
    LinesRejected = "LINES_REJECTED",
    /// A file ends within a line.
    TruncatedFile = "TRUNCATED_FILE",
    /// Servers have different states at the same revision.
    DigestsDiffer = "DIGESTS_DIFFER",
    /// Servers never answered for the same revision.
    RevisionsDiffer = "REVISIONS_DIFFER",
    /// A server's state was not compared.
    NotCompared = "NOT_COMPARED",
    /// The server on this machine is not ready.
    NotReady = "NOT_READY",
    /// The directory has no account to look up.
    NothingToLookUp = "NOTHING_TO_LOOK_UP",
    /// The demonstration's servers didn't do what they were asked to.
    Servers = "SERVERS",
    /// A check of the tour did not hold.
    CheckFailed = "CHECK_FAILED",
    /// The tour's writers got no acknowledgement.
    WritesStandStill = "WRITES_STAND_STILL",
    /// The tour's listening client heard of no leader.
    NotTold = "NOT_TOLD",
    /// The tour's leader didn't cut its log.
    LogNotCut = "LOG_NOT_CUT",
    /// The user ended the command.
    Interrupted = "INTERRUPTED",
    /// The reader of standard output has gone.
    ClosedPipe = "CLOSED_PIPE",
}

impl Cause {
    /// How an error of the client library is counted and printed.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::Rejected(rejected) => Self::of_refusal(rejected),
            Error::Unavailable(unavailable) => Self::of_silence(unavailable),
            Error::Tls(_) => Self::Tls,
            Error::InvalidServer(_) => Self::Reason(Reason::InvalidServer),
        }
    }

    pub(crate) fn of_refusal(rejected: &Rejected) -> Self {
        if rejected.reason == Reason::Unstated {
            Self::Code(rejected.code)
        } else {
            Self::Reason(rejected.reason.clone())
        }
    }

    pub(crate) fn of_silence(unavailable: &Unavailable) -> Self {
        if unavailable.outcome_unknown {
            Self::Reason(Reason::OutcomeUnknown)
        } else {
            Self::Unavailable
        }
    }
}

impl From<Reason> for Cause {
    fn from(reason: Reason) -> Self {
        Self::Reason(reason)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/reference/command-line.md");

    #[test]
    fn the_reference_lists_every_reason_of_the_command_line_and_no_other() {
        let (_, table) = PAGE.split_once("| reason |").expect("the table of reasons");
        let listed: Vec<_> = table
            .lines()
            .skip(2)
            .map_while(|row| row.strip_prefix("| `")?.split_once('`'))
            .map(|(reason, _)| reason)
            .collect();
        let own: Vec<_> = Cause::OWN.iter().map(Cause::as_str).collect();
        assert_eq!(listed, own);
    }
}
