//! The one place where whatever went wrong becomes a message and an exit code.

use std::{collections::BTreeMap, fmt, io};

use quorid_api::{Error, Reason, Rejected, TlsError, Unavailable};
use quorid_server::{certs::CertError, metrics::code_name};
use serde_json::{Value, json};
use tonic::Code;

use super::{terminal, testbed::TestbedError};

const INTERRUPTED: &str = "interrupted";

/// What the process ends with; docs/reference/command-line.md lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
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
    /// As a shell tells of SIGINT.
    Interrupted = 130,
    /// As a shell tells of SIGPIPE: who read the output has gone.
    ClosedPipe = 141,
}

/// Why a command did not succeed.
#[derive(Debug)]
pub struct Failure {
    /// The exit code of the process.
    pub exit: Exit,
    /// A gRPC code's name, such as `ALREADY_EXISTS`.
    pub code: &'static str,
    /// What programs match on, such as `LOGIN_NAME_TAKEN`.
    pub reason: String,
    /// What happened, and to which thing; further lines say what to do.
    pub message: String,
    /// Names and values of what it is about, for programs.
    pub metadata: BTreeMap<String, String>,
    /// Whether a change may have been made all the same.
    pub outcome_unknown: bool,
}

impl Failure {
    fn new(exit: Exit, code: Code, reason: &str, message: impl Into<String>) -> Self {
        Self {
            exit,
            code: code_name(code),
            reason: reason.to_owned(),
            message: message.into(),
            metadata: BTreeMap::new(),
            outcome_unknown: false,
        }
    }

    /// The command was given something that can't be meant.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, Code::InvalidArgument, "USAGE", message)
    }

    /// A file or the terminal failed.
    pub fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(
            Exit::Fault,
            Code::Internal,
            "IO",
            format!("{what}: {error}"),
        )
    }

    /// A file that was asked for can't be read: the caller's to mend.
    pub fn input(what: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(
            Exit::Usage,
            Code::InvalidArgument,
            "INPUT",
            format!("{what}: {error}"),
        )
    }

    /// Something was done, something wasn't.
    pub fn partly_done(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::PartlyDone, Code::Aborted, reason, message)
    }

    /// Asked of the cluster and not true, such as equal digests.
    pub fn untrue(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Rejected, Code::FailedPrecondition, reason, message)
    }

    /// Can't be told or done now.
    pub fn unavailable(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Unavailable, Code::Unavailable, reason, message)
    }

    /// A bug, here or in a server.
    pub fn fault(message: impl Into<String>) -> Self {
        Self::new(Exit::Fault, Code::Internal, "FAULT", message)
    }

    /// Stopped by the user.
    pub fn interrupted() -> Self {
        Self::new(
            Exit::Interrupted,
            Code::Cancelled,
            "INTERRUPTED",
            INTERRUPTED,
        )
    }

    /// Who read standard output has gone. Not worth a message.
    pub fn closed_pipe() -> Self {
        Self::new(
            Exit::ClosedPipe,
            Code::Cancelled,
            "CLOSED_PIPE",
            "output closed",
        )
    }

    /// False where whoever caused it knows: by Ctrl-C, or by closing the pipe.
    pub fn is_worth_telling(&self) -> bool {
        match self.exit {
            Exit::ClosedPipe => false,
            Exit::Interrupted => self.message != INTERRUPTED,
            Exit::Rejected
            | Exit::Usage
            | Exit::NotFound
            | Exit::NotAllowed
            | Exit::Unavailable
            | Exit::Fault
            | Exit::PartlyDone => true,
        }
    }

    /// The same, with another line that says what to do.
    pub fn hint(mut self, hint: impl AsRef<str>) -> Self {
        self.message.push('\n');
        self.message.push_str(hint.as_ref());
        self
    }

    /// The same, with what had been done before it in front of it.
    pub fn after(mut self, done: &str) -> Self {
        self.message = format!("{done}: {}", self.message);
        self
    }

    /// For standard error, with `--output json`.
    pub fn to_json(&self) -> Value {
        json!({
            "code": self.code,
            "reason": self.reason,
            "message": self.message,
            "metadata": self.metadata,
            "outcome_unknown": self.outcome_unknown,
            "exit_code": self.exit as u8,
        })
    }

    /// For people: the message, its further lines indented, nothing in it that a terminal
    /// would take for a command.
    pub fn to_text(&self) -> String {
        // Some messages, those of servers among them, come with their further lines indented.
        let lines = self.message.lines().map(str::trim_start);
        let lines: Vec<_> = lines.map(terminal::escape).collect();
        lines.join("\n  ")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Rejected(rejected) => rejected.into(),
            Error::Unavailable(unavailable) => unavailable.into(),
            Error::Tls(error) => error.into(),
            Error::InvalidServer(error) => Self::new(
                Exit::Usage,
                Code::InvalidArgument,
                "INVALID_SERVER",
                error.to_string(),
            ),
        }
    }
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        let exit = exit_of(rejected.code, rejected.reason.as_str());
        let failure = Self {
            exit,
            code: code_name(rejected.code),
            message: if rejected.message.is_empty() {
                format!("the server answered {}", code_name(rejected.code))
            } else {
                rejected.message
            },
            reason: if rejected.reason == Reason::Unstated {
                code_name(rejected.code).to_owned()
            } else {
                rejected.reason.to_string()
            },
            metadata: rejected.metadata,
            outcome_unknown: false,
        };
        // What only the command line can know, its own options, unless the server told already.
        if failure.message.contains("try:") {
            return failure;
        }
        let hint = match failure.reason.as_str() {
            "PASSWORD_NEEDED" => {
                "try: --password asks for it; --password-stdin and --password-file read it"
            }
            "LOGIN_NEEDED" => {
                "try: --user <login name>, or an operator's certificate: --cert and --key"
            }
            "OPERATOR_NEEDED" => "try: an operator's certificate: --cert and --key",
            _ => return failure,
        };
        failure.hint(hint)
    }
}

impl From<Unavailable> for Failure {
    fn from(unavailable: Unavailable) -> Self {
        let reason = if unavailable.outcome_unknown {
            "OUTCOME_UNKNOWN"
        } else {
            "UNAVAILABLE"
        };
        let mut failure = Self::unavailable(reason, unavailable.to_string());
        failure.outcome_unknown = unavailable.outcome_unknown;
        failure
            .metadata
            .insert("tried".to_owned(), unavailable.tried.join(","));
        failure
    }
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        let (exit, code) = match &error {
            TlsError::File { .. } | TlsError::Incomplete { .. } => {
                (Exit::Usage, Code::InvalidArgument)
            }
            TlsError::Handshake { .. } => (Exit::NotAllowed, Code::Unauthenticated),
        };
        Self::new(exit, code, "TLS", error.to_string())
    }
}

impl From<CertError> for Failure {
    fn from(error: CertError) -> Self {
        let (exit, code) = match &error {
            CertError::Write { .. } | CertError::Sign { .. } => (Exit::Fault, Code::Internal),
            CertError::Exists { .. }
            | CertError::ServerName { .. }
            | CertError::OperatorName { .. }
            | CertError::Host { .. }
            | CertError::NoHost { .. }
            | CertError::AuthorityExpired { .. }
            | CertError::AuthorityMismatch { .. }
            | CertError::NotACertificate { .. }
            | CertError::NotAKey { .. }
            | CertError::Read { .. } => (Exit::Usage, Code::InvalidArgument),
        };
        Self::new(exit, code, "CERTIFICATE", error.to_string())
    }
}

impl From<TestbedError> for Failure {
    fn from(error: TestbedError) -> Self {
        let message = error.to_string();
        match error {
            TestbedError::Certificate(error) => error.into(),
            TestbedError::Client(error) => error.into(),
            TestbedError::Directory { .. }
            | TestbedError::Stage { .. }
            | TestbedError::NoNetwork => Self::usage(message),
            TestbedError::Late { .. }
            | TestbedError::Driver { .. }
            | TestbedError::NotRunning { .. }
            | TestbedError::Running { .. } => Self::unavailable("SERVERS", message),
            TestbedError::Ended { .. } | TestbedError::Io { .. } => Self::fault(message),
        }
    }
}

fn exit_of(code: Code, reason: &str) -> Exit {
    match code {
        Code::NotFound => Exit::NotFound,
        Code::Unauthenticated | Code::PermissionDenied => Exit::NotAllowed,
        Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded => Exit::Unavailable,
        // Another change of the members is under way: the same command may succeed later.
        Code::Aborted if reason == "CHANGE_IN_PROGRESS" => Exit::Unavailable,
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
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rejected(code: Code, reason: &str) -> Failure {
        Failure::from(Error::Rejected(Rejected {
            code,
            reason: Reason::from(reason),
            message: "no".to_owned(),
            metadata: BTreeMap::from([("login_name".to_owned(), "ana".to_owned())]),
        }))
    }

    #[test]
    fn every_reason_of_the_server_has_its_exit_code() {
        for (code, reason, exit) in [
            (Code::AlreadyExists, "LOGIN_NAME_TAKEN", Exit::Rejected),
            (Code::NotFound, "ACCOUNT_NOT_FOUND", Exit::NotFound),
            (Code::Aborted, "ETAG_MISMATCH", Exit::Rejected),
            (Code::Unauthenticated, "PASSWORD_NEEDED", Exit::NotAllowed),
            (Code::Unauthenticated, "WRONG_PASSWORD", Exit::NotAllowed),
            (Code::Unauthenticated, "LOGIN_NEEDED", Exit::NotAllowed),
            (Code::PermissionDenied, "OPERATOR_NEEDED", Exit::NotAllowed),
            (Code::FailedPrecondition, "REQUEST_EXPIRED", Exit::Rejected),
            (Code::InvalidArgument, "INVALID_LOGIN_NAME", Exit::Rejected),
            (Code::ResourceExhausted, "BUSY", Exit::Unavailable),
            (Code::Unavailable, "NO_QUORUM", Exit::Unavailable),
            (Code::Aborted, "CHANGE_IN_PROGRESS", Exit::Unavailable),
            (Code::Internal, "FAULT", Exit::Fault),
            (Code::Unimplemented, "", Exit::Fault),
        ] {
            assert_eq!(rejected(code, reason).exit, exit, "{reason}");
        }
    }

    #[test]
    fn exit_codes_are_the_documented_numbers() {
        let codes = [
            Exit::Rejected,
            Exit::Usage,
            Exit::NotFound,
            Exit::NotAllowed,
            Exit::Unavailable,
            Exit::Fault,
            Exit::PartlyDone,
        ];
        assert_eq!(codes.map(|exit| exit as u8), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn unknown_outcome_is_told_in_text_and_json() {
        let failure = Failure::from(Error::Unavailable(Unavailable {
            tried: vec!["one:1".to_owned(), "two:2".to_owned()],
            waited: Duration::from_secs(30),
            last_error: "timed out".to_owned(),
            outcome_unknown: true,
        }));
        assert_eq!(failure.exit, Exit::Unavailable);
        assert!(failure.to_text().contains("may have been made"));
        let json = failure.to_json();
        assert_eq!(json["outcome_unknown"], true);
        assert_eq!(json["reason"], "OUTCOME_UNKNOWN");
        assert_eq!(json["metadata"]["tried"], "one:1,two:2");
    }

    #[test]
    fn json_has_code_reason_message_and_metadata() {
        let json = rejected(Code::AlreadyExists, "LOGIN_NAME_TAKEN").to_json();
        assert_eq!(json["code"], "ALREADY_EXISTS");
        assert_eq!(json["reason"], "LOGIN_NAME_TAKEN");
        assert_eq!(json["message"], "no");
        assert_eq!(json["metadata"]["login_name"], "ana");
        assert_eq!(json["exit_code"], 1);
    }

    #[test]
    fn hints_name_this_programs_options() {
        let text = rejected(Code::Unauthenticated, "PASSWORD_NEEDED").to_text();
        assert!(text.contains("--password-stdin"), "{text}");
        let text = rejected(Code::PermissionDenied, "OPERATOR_NEEDED").to_text();
        assert!(text.contains("--cert"), "{text}");
    }

    #[test]
    fn further_lines_are_indented_once() {
        for message in ["no\ntry: yes", "no\n  try: yes", "no\n    try: yes"] {
            assert_eq!(Failure::usage(message).to_text(), "no\n  try: yes");
        }
    }

    #[test]
    fn control_characters_of_a_message_are_shown_not_obeyed() {
        let text = Failure::usage("a\u{1b}[2J\nb").to_text();
        assert_eq!(text, "a\\u{1b}[2J\n  b");
    }
}
