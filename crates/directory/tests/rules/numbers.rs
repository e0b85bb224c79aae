//! Numbers for POSIX systems: given by the directory, or by an operator.

use crate::support::{
    Log, account_id, by_group_name, by_login, change, create, create_group, delete, names, number,
    purge, set, value,
};
use quorid_directory::{
    Edit, EditAction, GROUP_NAME, Held, Kind, LOGIN_NAME, NUMBERS_FROM, Operation, POSIX_NUMBER,
    Rejection, Selector, Value, Violation,
};

fn assign(target: Selector) -> Operation {
    change(target, vec![Edit::assign_posix_number()])
}

fn give(target: Selector, number: &str) -> Operation {
    change(target, vec![set("posix_number", number)])
}

fn take_away(target: Selector) -> Operation {
    let edit = Edit {
        attribute: POSIX_NUMBER,
        action: EditAction::Clear,
    };
    change(target, vec![edit])
}

fn number_of(log: &Log, id: u8) -> Option<u64> {
    match log.directory.objects()[&account_id(id)].values(POSIX_NUMBER) {
        [Value::Number(number)] => Some(*number),
        _ => None,
    }
}

fn log() -> Log {
    let mut log = Log::new();
    for operation in [
        create(1, "ana"),
        create(2, "ben"),
        create_group(11, "staff"),
    ] {
        log.run(operation).expect("created");
    }
    log
}

#[test]
fn accounts_and_groups_get_numbers_of_one_space() {
    let mut log = log();
    for target in [by_login("ana"), by_group_name("staff"), by_login("ben")] {
        log.run(assign(target)).expect("a number");
    }
    let numbers = [1, 11, 2].map(|id| number_of(&log, id));
    let from = NUMBERS_FROM;
    assert_eq!(numbers, [Some(from), Some(from + 1), Some(from + 2)]);
    log.run(assign(by_login("ana"))).expect("it has one");
    assert_eq!(number_of(&log, 1), Some(from), "and keeps it");
    log.directory.assert_whole();
}

#[test]
fn a_new_account_gets_its_number_at_once() {
    let mut log = Log::new();
    let edits = [names("ana", "Ana"), vec![Edit::assign_posix_number()]].concat();
    let new = Operation::Create {
        id: account_id(1),
        kind: Kind::Person,
        edits,
        verifier: None,
    };
    log.run(new).expect("created");
    assert_eq!(number_of(&log, 1), Some(NUMBERS_FROM));
}

#[test]
fn no_number_is_given_twice_whatever_became_of_it() {
    let mut log = log();
    log.run(assign(by_login("ana"))).expect("a number");
    log.run(delete(by_login("ana"))).expect("deleted");
    log.run(assign(by_login("ben"))).expect("a number");
    assert_eq!(number_of(&log, 2), Some(NUMBERS_FROM + 1));
    log.run(take_away(by_login("ben"))).expect("cleared");
    log.run(assign(by_login("ben"))).expect("a number");
    assert_eq!(number_of(&log, 2), Some(NUMBERS_FROM + 2));
    // Those that operators gave are not given again, either.
    let next = (NUMBERS_FROM + 3).to_string();
    log.run(give(by_group_name("staff"), &next)).expect("free");
    log.run(delete(by_group_name("staff"))).expect("deleted");
    log.run(take_away(by_login("ben"))).expect("cleared");
    log.run(assign(by_login("ben"))).expect("a number");
    assert_eq!(number_of(&log, 2), Some(NUMBERS_FROM + 4));
    log.directory.assert_whole();
}

#[test]
fn an_operator_gives_any_number_that_nobody_has() {
    let mut log = log();
    log.run(give(by_login("ana"), "500")).expect("free");
    let taken = Rejection::ValueTaken {
        attribute: POSIX_NUMBER.into(),
        value: value("posix_number", "500"),
        kind: Kind::Person,
        holder: account_id(1),
        held: Held::Now,
    };
    assert_eq!(log.run(give(by_group_name("staff"), "500")), Err(taken));
    // Its own number comes back to an object, and a number that is left goes to another one.
    log.run(take_away(by_login("ana"))).expect("cleared");
    log.run(give(by_login("ana"), "500")).expect("its own");
    log.run(delete(by_login("ana"))).expect("deleted");
    let kept = log.run(give(by_login("ben"), "500"));
    kept.expect_err("it would come back with its account");
    log.run(purge(by_login("ana"))).expect("erased");
    log.run(give(by_login("ben"), "500")).expect("left");
    assert_eq!(number_of(&log, 2), Some(500));
    log.directory.assert_whole();
}

#[test]
fn who_has_a_number_has_a_name_that_systems_take() {
    let mut log = log();
    log.run(create(3, "νίκος")).expect("created");
    log.run(create_group(12, "Head office")).expect("created");
    for (operation, attribute) in [
        (assign(by_login("νίκος")), LOGIN_NAME),
        (assign(by_group_name("Head office")), GROUP_NAME),
    ] {
        let violation = Violation::PosixName;
        let refused = Rejection::SchemaViolation {
            attribute: attribute.into(),
            violation,
        };
        assert_eq!(log.run(operation), Err(refused));
    }
    log.run(assign(by_login("ana"))).expect("a number");
    let renamed = vec![set("login_name", "ana.lima")];
    let renamed = log.run(change(by_login("ana"), renamed));
    assert!(matches!(
        renamed,
        Err(Rejection::SchemaViolation {
            violation: Violation::PosixName,
            ..
        })
    ));
}

#[test]
fn only_numbers_are_assigned() {
    let mut log = log();
    let edit = Edit {
        attribute: number("title"),
        action: EditAction::Assign,
    };
    let refused = log.run(change(by_login("ana"), vec![edit]));
    assert!(matches!(
        refused,
        Err(Rejection::SchemaViolation {
            violation: Violation::Value,
            ..
        })
    ));
}
