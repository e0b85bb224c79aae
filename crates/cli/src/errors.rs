//! The one place where whatever went wrong becomes a message, hints and an exit code.

mod cause;
pub(crate) mod hints;

use std::{collections::BTreeMap, fmt};

use quorid_api::{Code, Error, InvalidServer, Reason, Rejected, TlsError, Unavailable};
use quorid_lab::{LabError, testbed::TestbedError};
use quorid_server::{certs::CertError, config::ConfigError, metrics::code_name};
use serde_json::{Value, json};

use super::terminal;

pub(crate) use cause::Cause;

/// What the process ends with; docs/reference/command-line.md lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The directory's rules say no.
    Rejected = 1,
    /// Wrong usage, configuration or input file.
    Usage = 2,
    /// There is no such account or server.
    NotFound = 3,
    /// A login, an operator's certificate or the right password is missing.
    NotAllowed = 4,
    /// The same command may succeed later.
    Unavailable = 5,
    /// The program, a server or the system failed.
    Fault = 6,
    /// Some of it was done.
    PartlyDone = 7,
    /// The exit code that a shell gives for SIGINT.
    Interrupted = 130,
    /// The exit code that a shell gives for SIGPIPE: the reader of the output has gone.
    ClosedPipe = 141,
}

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code of the process.
    pub(crate) exit: Exit,
    /// In JSON by its name, such as `ALREADY_EXISTS`.
    code: Code,
    /// What programs match on.
    pub(crate) cause: Cause,
    /// What happened, and to which thing.
    pub(crate) message: String,
    /// What to try next, each on a line of its own.
    pub(crate) hints: Vec<String>,
    /// Names and values of what it is about, for programs.
    metadata: BTreeMap<String, String>,
    /// Whether a change may have been made all the same.
    outcome_unknown: bool,
    /// Whether who caused it knows all of it: by Ctrl-C, or by closing the pipe.
    pub(crate) quiet: bool,
}

impl Failure {
    fn new(exit: Exit, code: Code, cause: impl Into<Cause>, message: impl Into<String>) -> Self {
        Self {
            exit,
            code,
            cause: cause.into(),
            message: message.into(),
            hints: Vec::new(),
            metadata: BTreeMap::new(),
            outcome_unknown: false,
            quiet: false,
        }
    }

    /// The command was given something that cannot be meant.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, Code::InvalidArgument, Cause::Usage, message)
    }

    /// A file or the terminal failed.
    pub(crate) fn io(message: impl Into<String>) -> Self {
        Self::new(Exit::Fault, Code::Internal, Cause::Io, message)
    }

    /// A file that was asked for cannot be read: the caller's to mend.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, Code::InvalidArgument, Cause::Input, message)
    }

    /// Something was done, something wasn't.
    pub(crate) fn partly_done(cause: Cause, message: impl Into<String>) -> Self {
        Self::new(Exit::PartlyDone, Code::Aborted, cause, message)
    }

    /// Asked of the cluster and not true, such as equal digests.
    pub(crate) fn untrue(cause: Cause, message: impl Into<String>) -> Self {
        Self::new(Exit::Rejected, Code::FailedPrecondition, cause, message)
    }

    /// Cannot be told or done now.
    pub(crate) fn unavailable(cause: impl Into<Cause>, message: impl Into<String>) -> Self {
        Self::new(Exit::Unavailable, Code::Unavailable, cause, message)
    }

    /// A bug, here or in a server.
    pub(crate) fn fault(message: impl Into<String>) -> Self {
        Self::new(Exit::Fault, Code::Internal, Reason::Fault, message)
    }

    /// Stopped by the user.
    pub(crate) fn interrupted() -> Self {
        let (exit, cause) = (Exit::Interrupted, Cause::Interrupted);
        Self {
            quiet: true,
            ..Self::new(exit, Code::Cancelled, cause, "interrupted")
        }
    }

    /// Who read standard output has gone. Not worth a message.
    pub(crate) fn closed_pipe() -> Self {
        let (exit, cause) = (Exit::ClosedPipe, Cause::ClosedPipe);
        Self {
            quiet: true,
            ..Self::new(exit, Code::Cancelled, cause, "output closed")
        }
    }

    /// The same, with something to try.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same, with what had been done before it in front of it.
    pub(crate) fn after(mut self, done: &str) -> Self {
        self.message = format!("{done}: {}", self.message);
        // Whoever interrupted it doesn't know what had been done; who has gone reads nothing.
        self.quiet &= self.cause == Cause::ClosedPipe;
        self
    }

    /// The error as JSON, for standard error with `--output json`.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "code": code_name(self.code),
            "reason": self.cause.as_str(),
            "message": self.message,
            "hints": self.hints,
            "metadata": self.metadata,
            "outcome_unknown": self.outcome_unknown,
            "exit_code": self.exit as u8,
        })
    }

    /// For people: the message, its further lines and the hints indented, nothing in it that a
    /// terminal would take for a command.
    pub(crate) fn to_text(&self) -> String {
        let mut lines: Vec<_> = self.message.lines().map(terminal::escape).collect();
        let hints = self.hints.iter();
        lines.extend(hints.map(|hint| format!("try: {}", terminal::escape(hint)).into()));
        lines.join("\n  ")
    }
}

/// Turns errors into failures.
pub(crate) trait OrFailure<T> {
    /// The value, or a failure such as `Failure::usage` makes, which says what was being done and
    /// why it failed.
    fn or_failure(
        self,
        kind: impl FnOnce(String) -> Failure,
        what: impl fmt::Display,
    ) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> OrFailure<T> for Result<T, E> {
    fn or_failure(
        self,
        kind: impl FnOnce(String) -> Failure,
        what: impl fmt::Display,
    ) -> Result<T, Failure> {
        self.map_err(|error| kind(format!("{what}: {error}")))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Rejected(rejected) => rejected.into(),
            Error::Unavailable(unavailable) => unavailable.into(),
            Error::Tls(error) => error.into(),
            Error::InvalidServer(error) => error.into(),
        }
    }
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self {
            exit: exit_of(rejected.code, &rejected.reason),
            code: rejected.code,
            hints: hints::of_refusal(&rejected).into_iter().collect(),
            cause: Cause::of_refusal(&rejected),
            message: rejected.message,
            metadata: rejected.metadata,
            outcome_unknown: false,
            quiet: false,
        }
    }
}

impl From<Unavailable> for Failure {
    fn from(unavailable: Unavailable) -> Self {
        let cause = Cause::of_silence(&unavailable);
        let mut failure = Self::unavailable(cause, unavailable.to_string());
        failure.outcome_unknown = unavailable.outcome_unknown;
        if failure.outcome_unknown {
            failure = failure.hint(hints::LOOK);
        }
        failure = failure.hint(hints::REACH);
        let tried = unavailable.tried.join(",");
        failure.metadata.insert("tried".to_owned(), tried);
        failure
    }
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        let (exit, code) = match &error {
            TlsError::File(_) | TlsError::Incomplete { .. } => (Exit::Usage, Code::InvalidArgument),
            TlsError::Handshake { .. } => (Exit::NotAllowed, Code::Unauthenticated),
        };
        Self::new(exit, code, Cause::Tls, error.to_string()).hint(hints::of_tls(&error))
    }
}

impl From<InvalidServer> for Failure {
    fn from(error: InvalidServer) -> Self {
        let (exit, code) = (Exit::Usage, Code::InvalidArgument);
        Self::new(exit, code, Reason::InvalidServer, error.to_string()).hint(hints::ADDRESS)
    }
}

impl From<CertError> for Failure {
    fn from(error: CertError) -> Self {
        let (exit, code) = match &error {
            CertError::Write { .. } | CertError::Sign(_) => (Exit::Fault, Code::Internal),
            CertError::Exists { .. }
            | CertError::ServerName { .. }
            | CertError::OperatorName { .. }
            | CertError::Host { .. }
            | CertError::NoHost { .. }
            | CertError::AuthorityExpired { .. }
            | CertError::AuthorityMismatch { .. }
            | CertError::File(_)
            | CertError::Authority { .. } => (Exit::Usage, Code::InvalidArgument),
        };
        Self::new(exit, code, Cause::Certificate, error.to_string())
    }
}

impl From<TestbedError> for Failure {
    fn from(error: TestbedError) -> Self {
        let message = error.to_string();
        match error {
            TestbedError::Certificate(error) => error.into(),
            TestbedError::Client(error) => error.into(),
            TestbedError::Directory { .. } => Self::usage(message).hint(hints::NEW_DIRECTORY),
            TestbedError::NoNetwork => Self::usage(message).hint("a stage with hosts"),
            TestbedError::Stage { .. } => Self::usage(message),
            TestbedError::Late { .. }
            | TestbedError::Driver { .. }
            | TestbedError::NotRunning { .. }
            | TestbedError::Running { .. } => Self::unavailable(Cause::Servers, message),
            TestbedError::Ended { .. } | TestbedError::Io { .. } => Self::fault(message),
        }
    }
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        let closed = error.is_closed_pipe();
        let message = error.to_string();
        match error {
            LabError::Testbed(error) => error.into(),
            LabError::Client(error) => error.into(),
            LabError::Interrupted => Self::interrupted(),
            LabError::Output(_) if closed => Self::closed_pipe(),
            LabError::Output(_) | LabError::Io { .. } => {
                Self::new(Exit::Fault, Code::Internal, Cause::Io, message)
            }
            LabError::Fault(_) => Self::fault(message),
            LabError::NotNew(_) => Self::usage(message).hint("another --dir, or none"),
            LabError::NoSample => Self::usage(message),
            LabError::NothingToLookUp => {
                Self::untrue(Cause::NothingToLookUp, message).hint(hints::ACCOUNTS)
            }
            LabError::WritesStandStill(_) => Self::unavailable(Cause::WritesStandStill, message),
            LabError::NotTold(_) => Self::unavailable(Cause::NotTold, message),
            LabError::LogNotCut { .. } => Self::unavailable(Cause::LogNotCut, message),
            LabError::ChecksFailed { .. } => Self::untrue(Cause::CheckFailed, message),
            LabError::Kept { error, directory } => Self::from(*error).hint(format!(
                "the servers' logs, which are kept: {}/s1.log and so on",
                directory.display()
            )),
        }
    }
}

fn exit_of(code: Code, reason: &Reason) -> Exit {
    match code {
        Code::NotFound => Exit::NotFound,
        Code::Unauthenticated | Code::PermissionDenied => Exit::NotAllowed,
        Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded => Exit::Unavailable,
        // Another change of the members is under way: the same command may succeed later.
        Code::Aborted if *reason == Reason::ChangeInProgress => Exit::Unavailable,
        Code::InvalidArgument
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange => Exit::Rejected,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => Exit::Fault,
    }
}

#[cfg(test)]
mod tests;
