//! Rules of requests: each is executed once, and its answer kept for a while.

use crate::support::{
    Log, START, account_id, by_login, change, change_verifier, command, create, create_with,
    create_with_password, delete, names, number, operator, rename, request_at, set, set_real_name,
    value, verifier, who_knows,
};
use quorid_directory::{
    ClientAddress, Command, Edit, EditAction, Event, ObjectId, Operation, Principal, Rejection,
    RequestId, Retention, Revision, Selector, Time, VerifierChange,
};

const SMALL: Retention = Retention {
    outcomes_max: 3,
    age_max_ms: 1000,
    ahead_max_ms: 100,
    forgotten_max: 2,
    ..Retention::STANDARD
};

fn rejection(log: &mut Log, command: &Command) -> Option<Rejection> {
    log.execute(command).result.err()
}

fn known(log: &Log) -> Vec<RequestId> {
    log.directory.outcomes().keys().copied().collect()
}

/// Always the same request.
fn delete_ana(principal: Principal) -> Command {
    Command {
        principal,
        ..command(request_at(5, 0), 5, delete(by_login("ana")))
    }
}

#[test]
fn request_of_who_may_not_may_come_again_from_who_may() {
    let mut log = Log::new();
    log.run(create_with_password(9, "ana", "x")).expect("done");
    for principal in [Principal::Anyone, who_knows(9, 0)] {
        assert!(rejection(&mut log, &delete_ana(principal)).is_some());
        assert!(!known(&log).contains(&request_at(5, 0)));
    }
    assert_eq!(rejection(&mut log, &delete_ana(who_knows(9, 1))), None);
}

#[test]
fn no_try_of_a_request_acts_once_its_account_was_missing() {
    let mut log = Log::new();
    let missing = Some(Rejection::NotFound {
        object: by_login("ana"),
    });
    assert_eq!(rejection(&mut log, &delete_ana(operator())), missing);
    log.run(create(1, "ana")).expect("done");
    // Proposed before that, by an earlier try that was under way for long.
    assert_eq!(rejection(&mut log, &delete_ana(Principal::Anyone)), missing);
    assert_eq!(log.directory.objects().len(), 1);
}

#[test]
fn retry_gets_the_first_outcome_and_changes_nothing() {
    for (operation, retried) in [
        // Another leader gives another id and another salt.
        (create(1, "cleo"), create(2, "CLEO")),
        (
            create_with_password(1, "cleo", "x"),
            create_with_password(2, "cleo", "y"),
        ),
        (
            rename(by_login("ana"), "anna"),
            rename(by_login("ANA"), "anna"),
        ),
        (delete(by_login("ana")), delete(by_login("ana"))),
        // A rejection, too, though it would succeed now.
        (create(1, "ana"), create(1, "ana")),
        (delete(by_login("zoe")), delete(by_login("zoe"))),
    ] {
        let mut log = Log::new();
        log.run(create(9, "ana")).expect("done");
        let first = log.execute(&command(request_at(5, 0), 5, operation));
        log.run(set_real_name(Selector::Id(account_id(9)), None, "Changed"))
            .ok();
        let before = log.directory.clone();
        let mut again = command(request_at(5, 0), 3, retried);
        again.client = ClientAddress::parse("[2001:db8::1]:4711").expect("an address");
        assert_eq!(log.execute(&again), first);
        assert_eq!(log.events, []);
        assert_eq!(log.directory, before);
    }
}

#[test]
fn retried_delete_does_not_delete_the_next_account_of_that_name() {
    let mut log = Log::new().that_keeps_nothing();
    log.run(create(1, "ana")).expect("done");
    let delete = command(request_at(5, 0), 5, delete(by_login("ana")));
    log.execute(&delete).result.expect("done");
    log.run(create(2, "ana")).expect("done");
    log.execute(&delete).result.expect("the answer of before");
    assert!(log.directory.objects().contains_key(&account_id(2)));
}

#[test]
fn request_id_given_to_something_else_is_rejected_and_not_recorded() {
    let request = request_at(1, 0);
    for other in [
        create(1, "ben"),
        create_with_password(1, "ana", "x"),
        rename(by_login("ana"), "ben"),
        delete(by_login("ana")),
    ] {
        let mut log = Log::new();
        let first = command(request, 1, create(1, "ana"));
        let answer = log.execute(&first);
        let before = log.directory.clone();
        let rejected = rejection(&mut log, &command(request, 1, other));
        assert_eq!(rejected, Some(Rejection::RequestReused { request }));
        assert_eq!(log.directory, before);
        assert_eq!(log.execute(&first), answer);
    }
}

/// Operations that no two of ask for the same.
fn different_operations() -> Vec<Operation> {
    let id = Selector::Id(ObjectId::from_bytes(*b"fourfourfourfour"));
    let with = |edits| change(id.clone(), edits);
    let phone = |action: fn(_) -> EditAction| Edit {
        attribute: number("phone"),
        action: action(vec![value("phone", "12")]),
    };
    let expecting = |version| Operation::Change {
        target: id.clone(),
        expected_version: Some(Revision(version)),
        edits: vec![],
        verifier: VerifierChange::Keep,
    };
    vec![
        create(1, "ana"),
        create(1, "anb"),
        create_with_password(1, "ana", "x"),
        delete(by_login("ana")),
        delete(by_login("fourfourfourfour")),
        delete(id.clone()),
        Operation::Delete {
            target: id.clone(),
            expected_version: Some(Revision(0)),
        },
        with(vec![]),
        with(vec![set("login_name", "ana")]),
        with(vec![set("real_name", "ana")]),
        with(vec![set("login_name", "ana"), set("real_name", "ana")]),
        with(vec![phone(EditAction::Add)]),
        with(vec![phone(EditAction::Remove)]),
        with(vec![phone(EditAction::Replace)]),
        with(vec![phone(|_| EditAction::Clear)]),
        with(vec![phone(EditAction::Add), phone(EditAction::Remove)]),
        with(vec![phone(EditAction::Remove), phone(EditAction::Add)]),
        expecting(0),
        expecting(1),
        change_verifier(id.clone(), VerifierChange::Remove),
        change_verifier(id.clone(), VerifierChange::Set(verifier("x"))),
        change(by_login("ana"), vec![]),
    ]
}

#[test]
fn different_requests_have_different_fingerprints() {
    let all: Vec<_> = different_operations()
        .into_iter()
        .map(|operation| command(request_at(1, 0), 1, operation).fingerprint())
        .collect();
    for (index, one) in all.iter().enumerate() {
        for (other_index, other) in all.iter().enumerate().skip(index + 1) {
            assert_ne!(one, other, "{index} and {other_index}");
        }
    }
}

#[test]
fn what_a_retry_changes_is_not_in_the_fingerprint() {
    let id = Selector::Id(account_id(1));
    let mut turned = names("ana", "Someone");
    turned.reverse();
    let set = |salt| VerifierChange::Set(verifier(salt));
    for (one, other) in [
        (create(1, "ana"), create(2, "ANA")),
        (create(1, "ana"), create_with(1, turned, None)),
        (
            change_verifier(id.clone(), set("x")),
            change_verifier(id, set("y")),
        ),
    ] {
        let one = command(request_at(1, 0), 1, one).fingerprint();
        assert_eq!(one, command(request_at(2, 0), 2, other).fingerprint());
    }
}

/// Outcomes are persisted with their fingerprints: a new version must make the same ones.
#[test]
fn fingerprints_stay_the_same_across_versions() {
    let fingerprint = |operation| {
        let of = command(request_at(1, 0), 1, operation).fingerprint();
        of.as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let change = change_verifier(Selector::Id(account_id(1)), VerifierChange::Remove);
    assert_eq!(
        fingerprint(create(1, "ana")),
        "55e56e0437d555ab1cc763b6ca3c1005"
    );
    assert_eq!(fingerprint(change), "ec69abfedda702f4e07b140fa43728c6");
    assert_eq!(
        fingerprint(delete(by_login("ana"))),
        "c692ca57b8eaeb39a9423fcd1fc89dd2"
    );
}

#[test]
fn requests_from_the_future_are_rejected_and_not_recorded() {
    for (ms, accepted) in [(0, true), (100, true), (101, false), (1 << 40, false)] {
        let mut log = Log::with(SMALL);
        let request = request_at(ms, 0);
        let rejected = rejection(&mut log, &command(request, 0, create(1, "ana")));
        let (time, now) = (Time(START + ms), Time(START));
        let expected = (!accepted).then_some(Rejection::RequestFromFuture { time, now });
        assert_eq!(rejected, expected);
        assert_eq!(known(&log).len(), usize::from(accepted));
    }
}

#[test]
fn oldest_outcomes_are_forgotten_when_there_are_too_many() {
    let mut log = Log::with(SMALL);
    for ms in [10, 30, 20, 40, 50] {
        let name = format!("name{ms}");
        log.execute(&command(
            request_at(ms, 0),
            50,
            create(u8::try_from(ms).expect("small"), &name),
        ));
    }
    assert_eq!(known(&log), [30, 40, 50].map(|ms| request_at(ms, 0)));
    let floor = Time(START + 20);
    for (ms, salt) in [(10, 0), (20, 0), (20, 1), (1, 1)] {
        let rejected = rejection(
            &mut log,
            &command(request_at(ms, salt), 50, create(99, "zoe")),
        );
        let time = Time(START + ms);
        assert_eq!(rejected, Some(Rejection::RequestExpired { time, floor }));
    }
    // What is still kept is answered, and what is newer than the floor executed.
    log.execute(&command(request_at(30, 0), 50, create(30, "name30")))
        .result
        .expect("known");
    log.execute(&command(request_at(21, 0), 50, create(21, "name21")))
        .result
        .expect("new");
}

#[test]
fn old_outcomes_are_forgotten_a_few_with_each_command() {
    let mut log = Log::with(Retention {
        outcomes_max: 100,
        ..SMALL
    });
    for ms in 1..=5_u8 {
        log.execute(&command(
            request_at(ms.into(), 0),
            ms.into(),
            create(ms, &format!("n{ms}")),
        ));
    }
    // The sixth is made at an age at which the first four are too old.
    let mut left = Vec::new();
    for (ms, id) in [(1005, 6), (1005, 7), (1005, 8)] {
        let name = format!("n{id}");
        log.execute(&command(request_at(ms, id), ms, create(id, &name)));
        left.push(known(&log).len());
    }
    assert_eq!(left, [4, 3, 4], "5 + 1 - 2, 4 + 1 - 2, 3 + 1");
    assert_eq!(known(&log)[0], request_at(5, 0), "as old as allowed");
}

#[test]
fn request_older_than_the_age_is_executed_once_if_nothing_like_it_was_forgotten() {
    let mut log = Log::with(SMALL);
    log.execute(&command(request_at(0, 0), 5000, create(1, "early")));
    assert_eq!(known(&log), []);
    let again = rejection(
        &mut log,
        &command(request_at(0, 0), 5000, create(1, "early")),
    );
    let time = Time(START);
    assert_eq!(again, Some(Rejection::RequestExpired { time, floor: time }));
    assert_eq!(log.login_names(), [("early", account_id(1))]);
}

#[test]
fn time_never_runs_backwards() {
    let mut log = Log::new();
    for (ms, id, expected) in [(100, 1, 100), (50, 2, 100), (100, 3, 100), (101, 4, 101)] {
        let operation = create(id, &format!("n{id}"));
        let made = log.made(&command(request_at(50, id), ms, operation));
        let account = made.expect("done").object;
        assert_eq!(account.created.time, Time(START + expected));
        let now = Time(START + ms);
        let advanced = log.events.contains(&Event::ClockAdvanced { now });
        assert_eq!(advanced, matches!(id, 1 | 4), "{id}");
    }
}

#[test]
fn clock_advances_with_retries_and_rejections_too() {
    let mut log = Log::new();
    let first = command(request_at(1, 0), 1, create(1, "ana"));
    log.execute(&first);
    log.execute(&Command {
        time: Time(START + 9),
        ..first
    });
    assert_eq!(
        log.events,
        [Event::ClockAdvanced {
            now: Time(START + 9)
        }]
    );
}
