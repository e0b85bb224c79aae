//! What the end of one try means for the call.

use std::{collections::BTreeMap, error::Error as _};

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    Reason, Rejected, TlsError,
    connection::{ConnectError, SendError},
};

const DOMAIN: &str = "quorid";

/// How one try failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server has decided. Another try would end the same.
    Final(Rejected),
    /// The server has too much to do: ask it again, later.
    Busy(Rejected),
    /// Another server leads, or none: hints where the server gave some.
    NotLeader(Rejected),
    /// Another server, or the same one later, may do better.
    Elsewhere(Lost),
}

/// A try without a decision.
#[derive(Debug)]
pub(crate) struct Lost {
    /// Whether the server may have done what was asked.
    pub(crate) arrived: bool,
    /// Whether no connection came about.
    pub(crate) unconnected: bool,
    pub(crate) problem: String,
    pub(crate) tls: Option<TlsError>,
}

impl Failure {
    /// The reason for people, without the server's name.
    pub(crate) fn problem(&self) -> &str {
        match self {
            Self::Final(answer) | Self::Busy(answer) | Self::NotLeader(answer) => &answer.message,
            Self::Elsewhere(lost) => &lost.problem,
        }
    }
}

impl Lost {
    /// The time for one try is over.
    pub(crate) fn timed_out(arrived: bool) -> Self {
        Self {
            arrived,
            unconnected: !arrived,
            problem: "no answer in time".to_owned(),
            tls: None,
        }
    }

    /// A new leader was heard of, so the old one is no longer waited for.
    pub(crate) fn superseded(arrived: bool) -> Self {
        Self {
            arrived,
            unconnected: false,
            problem: "given up for the new leader".to_owned(),
            tls: None,
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::Elsewhere(Lost {
            arrived: false,
            unconnected: true,
            problem: error.to_string(),
            tls: error.tls,
        })
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        if let Some(source) = status.source() {
            // Made on this side: the transport failed.
            let failed = source.downcast_ref::<SendError>();
            return Self::Elsewhere(Lost {
                arrived: failed.is_none_or(|failed| failed.arrived),
                unconnected: failed.is_some_and(|failed| !failed.arrived),
                problem: match failed.and_then(|failed| failed.tls.as_ref()) {
                    Some(refusal) => refusal.problem(),
                    None => format!("the connection broke: {}", chain(source)),
                },
                tls: failed.and_then(|failed| failed.tls.clone()),
            });
        }
        let rejected = rejected(&status);
        match (rejected.code, &rejected.reason) {
            (Code::ResourceExhausted, Reason::Busy) => Self::Busy(rejected),
            (Code::Unavailable, Reason::NotLeader) => Self::NotLeader(rejected),
            (Code::Unavailable, reason) => Self::Elsewhere(Lost {
                // A server that stops may have put the change into its log before.
                arrived: !matches!(reason, Reason::NoQuorum | Reason::Behind),
                unconnected: false,
                problem: rejected.message,
                tls: None,
            }),
            // The time that was passed on is over, or the server's own.
            (Code::DeadlineExceeded, Reason::Unstated | Reason::DeadlineExceeded)
            | (Code::Cancelled, Reason::Unstated) => Self::Elsewhere(Lost::timed_out(true)),
            _ => Self::Final(rejected),
        }
    }
}

fn rejected(status: &Status) -> Rejected {
    let info = status
        .get_details_error_info()
        .filter(|info| info.domain == DOMAIN);
    let (reason, metadata) = match info {
        Some(info) => (
            Reason::from(info.reason.as_str()),
            info.metadata.into_iter().collect(),
        ),
        None => (Reason::Unstated, BTreeMap::new()),
    };
    let message = match status.message() {
        "" => status.code().description(),
        message => message,
    };
    Rejected {
        code: status.code(),
        reason,
        message: message.to_owned(),
        metadata,
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn answered(code: Code, reason: &Reason) -> Failure {
        let details = ErrorDetails::with_error_info(reason.as_str(), DOMAIN, []);
        Status::with_error_details(code, "no", details).into()
    }

    #[test]
    fn only_refusals_before_the_log_leave_no_doubt_about_the_outcome() {
        for (code, reason, arrived) in [
            (Code::Unavailable, Reason::NoQuorum, false),
            (Code::Unavailable, Reason::Behind, false),
            (Code::Unavailable, Reason::ShuttingDown, true),
            (Code::Unavailable, Reason::OutcomeUnknown, true),
            (Code::Unavailable, Reason::Fault, true),
            (Code::DeadlineExceeded, Reason::DeadlineExceeded, true),
        ] {
            let failure = answered(code, &reason);
            let Failure::Elsewhere(lost) = failure else {
                panic!("{reason} is taken for {failure:?}");
            };
            assert_eq!(lost.arrived, arrived, "{reason}");
            assert!(!lost.unconnected, "{reason}");
        }
    }
}
