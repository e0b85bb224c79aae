//! Rules of accounts: names, versions, passwords.

use crate::support::{
    Log, Made, START, account_id, by_login, change, change_verifier, create, create_with_password,
    delete, number, operator, rename, request_at, set, set_real_name, value, verifier, who_knows,
};
use quorid_directory::{
    Done, Event, Held, Kind, LOGIN_NAME, Object, Operation, Principal, Rejection, Revision, Role,
    Selector, Time, Value, VerifierChange,
};

fn account(result: Result<Made, Rejection>) -> Object {
    result.expect("done").object
}

fn taken(name: &str, holder: u8) -> Result<Made, Rejection> {
    Err(Rejection::ValueTaken {
        attribute: LOGIN_NAME.into(),
        value: value("login_name", name),
        kind: Kind::Person,
        holder: account_id(holder),
        held: Held::Now,
    })
}

/// Accounts 1 `ana` and 2 `ben`, at revision 2.
fn ana_and_ben() -> Log {
    let mut log = Log::new();
    log.run(create(1, "ana")).expect("done");
    log.run(create(2, "ben")).expect("done");
    log
}

#[test]
fn new_account_is_as_asked_and_stamped() {
    let mut log = Log::new();
    let created = account(log.run(create_with_password(1, "ANA", "x")));
    assert_eq!(created.id, account_id(1));
    assert_eq!(created.login_name(), "ana");
    assert_eq!(created.version, Revision(1));
    assert_eq!(created.password_version, Some(Revision(1)));
    assert_eq!(created.created, created.changed);
    assert_eq!(created.created.time, Time(START + 1));
    assert_eq!(created.created.client.as_str(), "192.0.2.1");
    assert_eq!(log.directory.objects().get(&account_id(1)), Some(&created));
}

#[test]
fn second_account_with_same_name_in_other_case_or_form_is_rejected() {
    for (first, second) in [
        ("ana", "ana"),
        ("ana", "ANA"),
        ("ana", "ａna"),
        ("josé", "JOSE\u{301}"),
        ("νίκος", "ΝΊΚΟΣ"),
        ("김", "\u{1100}\u{1175}\u{11B7}"),
    ] {
        let mut log = Log::new();
        log.run(create(1, first)).expect("done");
        assert_eq!(log.run(create(2, second)), taken(first, 1), "{second:?}");
        assert_eq!(log.directory.objects().len(), 1);
    }
}

#[test]
fn renames() {
    for (operation, expected, names) in [
        // Onto itself, in the same and in another case.
        (
            rename(by_login("ana"), "ana"),
            None,
            [("ana", 1), ("ben", 2)],
        ),
        (
            rename(by_login("ana"), "ANA"),
            None,
            [("ana", 1), ("ben", 2)],
        ),
        // Onto a free one.
        (
            rename(by_login("ana"), "cleo"),
            None,
            [("ben", 2), ("cleo", 1)],
        ),
        (
            rename(Selector::Id(account_id(2)), "Ana2"),
            None,
            [("ana", 1), ("ana2", 2)],
        ),
        // Onto a taken one.
        (
            rename(by_login("ana"), "Ben"),
            Some(taken("ben", 2)),
            [("ana", 1), ("ben", 2)],
        ),
    ] {
        let mut log = ana_and_ben();
        let result = log.run(operation.clone());
        match expected {
            Some(rejection) => assert_eq!(result, rejection, "{operation:?}"),
            None => assert!(result.is_ok(), "{operation:?}: {result:?}"),
        }
        let names = names.map(|(name, id)| (name, account_id(id)));
        assert_eq!(log.login_names(), names, "{operation:?}");
    }
}

#[test]
fn login_name_is_free_at_once_where_the_directory_keeps_nothing() {
    for freeing in [rename(by_login("ana"), "anna"), delete(by_login("ana"))] {
        let mut log = ana_and_ben().that_keeps_nothing();
        log.run(freeing).expect("done");
        let renamed = account(log.run(rename(by_login("ben"), "ana")));
        assert_eq!(renamed.id, account_id(2));
        let created = account(log.run(create(3, "ben")));
        assert_eq!(created.id, account_id(3));
    }
}

#[test]
fn names_can_be_swapped_by_way_of_a_third() {
    let mut log = ana_and_ben().that_keeps_nothing();
    for (id, name) in [(1, "tmp"), (2, "ana"), (1, "ben")] {
        log.run(rename(Selector::Id(account_id(id)), name))
            .expect("done");
    }
    assert_eq!(
        log.login_names(),
        [("ana", account_id(2)), ("ben", account_id(1))]
    );
}

#[test]
fn modify_without_difference_changes_neither_account_nor_version() {
    let mut log = Log::new();
    let before = account(log.run(create_with_password(1, "ana", "x")));
    for operation in [
        rename(by_login("ana"), "ANA"),
        set_real_name(by_login("ana"), Some(1), "Someone"),
        change_verifier(by_login("ana"), VerifierChange::Keep),
        change_verifier(by_login("ana"), VerifierChange::Set(verifier("x"))),
    ] {
        assert_eq!(account(log.run(operation)), before);
        let of_account = |event: &Event| matches!(event, Event::ObjectStored(_));
        assert!(!log.events.iter().any(of_account));
    }
    assert_eq!(log.directory.objects().get(&before.id), Some(&before));
}

#[test]
fn modify_changes_what_is_given_and_keeps_the_rest() {
    let mut log = ana_and_ben();
    let before = log.directory.objects()[&account_id(1)].clone();
    let after = account(log.run(set_real_name(by_login("ana"), None, "Ana María")));
    let mut expected = before.clone();
    expected
        .attributes
        .insert(number("real_name"), vec![value("real_name", "Ana María")]);
    expected.version = Revision(3);
    expected.changed.time = Time(START + 3);
    assert_eq!(after, expected);
}

#[test]
fn unknown_accounts_are_not_found() {
    for selector in [by_login("cleo"), Selector::Id(account_id(3))] {
        for operation in [
            rename(selector.clone(), "ana"),
            delete(selector.clone()),
            set_real_name(selector.clone(), Some(1), "X"),
        ] {
            let account = selector.clone();
            let expected = Err(Rejection::NotFound { object: account });
            assert_eq!(ana_and_ben().run(operation), expected);
        }
    }
}

#[test]
fn deleted_account_is_gone_and_created_again_is_another_one() {
    let mut log = ana_and_ben().that_keeps_nothing();
    let last = log.directory.objects()[&account_id(1)].clone();
    let deleted = Made {
        done: Done::Deleted,
        object: last,
    };
    assert_eq!(log.run(delete(by_login("ANA"))), Ok(deleted));
    let selector = Selector::Id(account_id(1));
    let gone = Err(Rejection::NotFound {
        object: selector.clone(),
    });
    assert_eq!(log.run(delete(selector)), gone);
    let again = account(log.run(create(9, "ana")));
    assert_eq!((again.id, again.version), (account_id(9), Revision(5)));
}

#[test]
fn versions_must_be_as_expected() {
    for (expected_version, ok) in [
        (None, true),
        (Some(1), true),
        (Some(0), false),
        (Some(2), false),
    ] {
        let mut log = ana_and_ben();
        let result = log.run(set_real_name(by_login("ana"), expected_version, "Ana"));
        if ok {
            assert_eq!(account(result).version, Revision(3));
        } else {
            let mismatch = Rejection::VersionMismatch {
                account: account_id(1),
                expected: Revision(expected_version.expect("some")),
                actual: Revision(1),
            };
            assert_eq!(result, Err(mismatch));
        }
    }
}

#[test]
fn one_of_two_writers_with_the_same_version_wins() {
    let mut log = ana_and_ben();
    log.run(set_real_name(by_login("ana"), Some(1), "First"))
        .expect("done");
    let second = log.run(set_real_name(by_login("ana"), Some(1), "Second"));
    assert!(
        matches!(second, Err(Rejection::VersionMismatch { .. })),
        "{second:?}"
    );
}

#[test]
fn passwords_and_strangers() {
    let right = who_knows(2, 2);
    let outdated = who_knows(2, 1);
    let needed = |id| {
        Some(Rejection::PasswordNeeded {
            account: account_id(id),
        })
    };
    let changed = |id| {
        Some(Rejection::PasswordChanged {
            account: account_id(id),
        })
    };
    let not_permitted = Some(Rejection::NotPermitted {
        attribute: None,
        role: Role::UserManager,
    });
    // `open` has no password, `shut` has one since revision 2.
    for (name, principal, expected) in [
        ("open", operator(), None),
        ("open", Principal::Anyone, None),
        ("open", right.clone(), not_permitted),
        ("open", who_knows(1, 1), changed(1)),
        ("shut", operator(), None),
        ("shut", Principal::Anyone, needed(2)),
        ("shut", right, None),
        ("shut", outdated, changed(2)),
        ("shut", who_knows(3, 1), changed(3)),
    ] {
        let modify = change(by_login(name), vec![set("real_name", "Other")]);
        for operation in [modify, delete(by_login(name))] {
            let mut log = Log::new();
            log.run(create(1, "open")).expect("done");
            log.run(create_with_password(2, "shut", "x")).expect("done");
            let result = log.run_as(&principal, operation);
            assert_eq!(result.err(), expected, "{name} {principal:?}");
        }
    }
}

#[test]
fn a_checked_password_holds_until_it_changes() {
    let mut log = Log::new();
    log.run(create_with_password(1, "ana", "x")).expect("done");
    log.run(rename(by_login("ana"), "anna")).expect("done");
    let set = change_verifier(by_login("anna"), VerifierChange::Set(verifier("y")));
    let renewed = account(log.run_as(&who_knows(1, 1), set.clone()));
    assert_eq!(renewed.password_version, Some(Revision(3)));
    let late = log.run_as(&who_knows(1, 1), set);
    assert_eq!(
        late,
        Err(Rejection::PasswordChanged {
            account: account_id(1)
        })
    );
    let remove = change_verifier(by_login("anna"), VerifierChange::Remove);
    let removed = account(log.run_as(&who_knows(1, 3), remove));
    assert_eq!(
        (removed.password_version, removed.version),
        (None, Revision(5))
    );
    let keep = change_verifier(by_login("anna"), VerifierChange::Keep);
    log.run_as(&Principal::Anyone, keep)
        .expect("no password needed");
}

#[test]
fn checks_are_in_order_account_right_version_name() {
    let operation = |target, version| Operation::Change {
        target,
        expected_version: Some(Revision(version)),
        edits: vec![set("login_name", "ben")],
        verifier: VerifierChange::Keep,
    };
    let mut log = Log::new();
    log.run(create_with_password(1, "ana", "x")).expect("done");
    log.run(create(2, "ben")).expect("done");
    let mut first_rejection = |name, version, principal| {
        let result = log.run_as(&principal, operation(by_login(name), version));
        result.expect_err("rejected")
    };
    let found = first_rejection("cleo", 9, Principal::Anyone);
    assert!(matches!(found, Rejection::NotFound { .. }));
    let found = first_rejection("ana", 9, Principal::Anyone);
    assert!(matches!(found, Rejection::PasswordNeeded { .. }));
    let found = first_rejection("ana", 9, operator());
    assert!(matches!(found, Rejection::VersionMismatch { .. }));
    let found = first_rejection("ana", 1, operator());
    assert!(matches!(found, Rejection::ValueTaken { .. }));
}

#[test]
fn account_id_in_use_is_never_given_twice() {
    let mut log = ana_and_ben();
    let request = request_at(3, 0);
    let result = log.run(create(1, "cleo"));
    assert_eq!(result, Err(Rejection::RequestReused { request }));
    assert_eq!(log.directory.objects().len(), 2);
    assert_eq!(log.directory.outcomes().len(), 2, "nothing recorded");
}

#[test]
fn rejections_say_which_thing_and_why() {
    let holder = account_id(1);
    for (rejection, parts) in [
        (
            Rejection::ValueTaken {
                attribute: LOGIN_NAME.into(),
                value: Value::Text("ana".to_owned()),
                kind: Kind::Person,
                holder,
                held: Held::Now,
            },
            [
                "login name `ana`",
                "01010101-0101-0101-0101-010101010101",
                "choose another one",
            ],
        ),
        (
            Rejection::NotFound {
                object: by_login("ana"),
            },
            ["no login name `ana`", "renamed", "deleted"],
        ),
        (
            Rejection::VersionMismatch {
                account: holder,
                expected: Revision(4),
                actual: Revision(7),
            },
            ["version 7", "not 4", "read it again"],
        ),
    ] {
        let message = rejection.to_string();
        for part in parts {
            assert!(message.contains(part), "{part:?} in {message:?}");
        }
    }
}
