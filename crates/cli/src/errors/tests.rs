//! What each failure ends with, and how it looks.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

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
        last_error: None,
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
    let text = rejected(Code::NotFound, "ACCOUNT_NOT_FOUND").to_text();
    assert!(text.contains("quorid get users"), "{text}");
}

#[test]
fn hints_stand_below_the_message_and_in_a_field() {
    let failure = Failure::usage("no\nand why").hint("this").hint("that");
    assert_eq!(failure.to_text(), "no\n  and why\n  try: this\n  try: that");
    assert_eq!(failure.to_json()["message"], "no\nand why");
    assert_eq!(failure.to_json()["hints"], json!(["this", "that"]));
}

#[test]
fn an_interruption_is_told_only_if_something_was_done() {
    assert!(Failure::interrupted().quiet);
    assert!(!Failure::interrupted().after("one line imported").quiet);
    assert!(Failure::closed_pipe().after("one line imported").quiet);
}

#[test]
fn control_characters_of_a_message_are_shown_not_obeyed() {
    let text = Failure::usage("a\u{1b}[2J\nb").to_text();
    assert_eq!(text, "a\\u{1b}[2J\n  b");
}
