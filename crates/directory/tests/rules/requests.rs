//! Rules of requests: each is executed once, and its answer kept for a while.

use crate::support::{
    Log, START, account_id, by_login, change, change_verifier, command, create, create_with,
    create_with_password, delete, names, number, operator, rename, request_at, request_seen, set,
    set_real_name, value, verifier, who_knows,
};
use quorid_directory::{
    ClientAddress, Command, Edit, EditAction, Event, ObjectId, Operation, Principal, Rejection,
    RequestId, Retention, Revision, Selector, Time, VerifierChange,
};

const SMALL: Retention = Retention {
    window: 3,
    behind_max_ms: 100,
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
fn request_ids_begin_with_the_revision_that_was_seen_and_are_in_its_order() {
    let revisions = [0, 1, 0xfff, 0x1000, 262_144, (1 << 60) - 1];
    let mut before = None;
    for revision in revisions {
        for random in [0, u64::MAX] {
            let request = RequestId::new(Revision(revision), random);
            assert_eq!(request.seen(), Revision(revision), "{request}");
            assert_eq!(RequestId::from_uuid(request.uuid()), Ok(request));
            assert_eq!(request.to_string().parse(), Ok(request));
            assert!(before < Some(request), "{request}");
            before = Some(request);
        }
    }
}

/// Of a directory that is at revision 3.
fn with_three(retention: Retention) -> Log {
    let mut log = Log::with(retention);
    for id in 1..=3 {
        log.run(create(id, &format!("n{id}"))).expect("done");
    }
    log
}

#[test]
fn requests_of_another_directory_are_rejected_and_not_recorded() {
    for (seen, accepted) in [(0, true), (3, true), (4, false), (1 << 40, false)] {
        let mut log = with_three(Retention::STANDARD);
        let request = request_seen(seen, 0);
        let rejected = rejection(&mut log, &command(request, 0, create(9, "ana")));
        let (seen, revision) = (Revision(seen), Revision(4));
        let expected = (!accepted).then_some(Rejection::RequestFromFuture { seen, revision });
        assert_eq!(rejected, expected);
        assert_eq!(known(&log).contains(&request), accepted);
    }
}

#[test]
fn requests_that_begin_before_the_window_are_refused_whether_they_acted_or_not() {
    let mut log = with_three(SMALL);
    let early = command(request_seen(2, 0), 4, create(4, "early"));
    let answer = log.execute(&early);
    answer.result.as_ref().expect("done");
    assert_eq!(log.execute(&early), answer, "revision 5");
    for (id, seen) in [(5, 4), (6, 5), (7, 6)] {
        let operation = create(id, &format!("n{id}"));
        let made = log.execute(&command(request_seen(seen, 0), 5, operation));
        made.result.expect("done");
    }
    assert!(!known(&log).contains(&request_seen(2, 0)));
    for (salt, revision) in [(0, 9), (1, 10)] {
        let late = command(request_seen(2, salt), 5, create(4, "early"));
        let (seen, oldest) = (Revision(2), Revision(revision - 3));
        let expected = Rejection::RequestExpired { seen, oldest };
        assert_eq!(rejection(&mut log, &late), Some(expected));
    }
    // What is still known is answered, and what begins in the window is executed.
    log.execute(&command(request_seen(6, 0), 5, create(7, "n7")))
        .result
        .expect("known");
    log.execute(&command(request_seen(9, 0), 5, create(9, "n9")))
        .result
        .expect("new");
}

#[test]
fn outcomes_are_forgotten_a_few_with_each_command() {
    let mut log = Log::with(SMALL);
    // All of them begin with nothing seen, as those of many new clients do.
    for id in 1..=3 {
        log.execute(&command(
            request_seen(0, id),
            1,
            create(id, &format!("n{id}")),
        ));
    }
    let mut left = vec![known(&log).len()];
    for id in 4..=7 {
        let request = request_seen(u64::from(id) - 1, id);
        let made = log.execute(&command(request, 1, create(id, &format!("n{id}"))));
        made.result.expect("done");
        left.push(known(&log).len());
    }
    assert_eq!(left, [3, 2, 2, 3, 3], "3, + 1 - 2, + 1 - 1, + 1, + 1 - 1");
}

/// Neither that of a client nor those of leaders.
#[test]
fn no_clock_decides_whether_a_request_is_executed() {
    const YEAR: u64 = 365 * 86_400_000;
    let mut log = Log::new();
    for (id, ms) in [0, YEAR, 5, YEAR / 365, 86_400, 7].into_iter().enumerate() {
        let number = u8::try_from(id).expect("few") + 1;
        let seen = log.revision;
        let request = command(
            request_seen(seen, number),
            ms,
            create(number, &format!("n{id}")),
        );
        let answer = log.execute(&request);
        answer.result.as_ref().expect("done");
        let again = Command {
            time: Time(START + YEAR - ms),
            ..request
        };
        assert_eq!(log.execute(&again), answer);
    }
}

/// Two leaders' clocks differ a little: changes stay in the order of their times. A clock that was wrong leaves
/// nothing behind once it is right.
#[test]
fn time_waits_for_a_clock_that_is_a_little_behind_and_goes_back_to_one_that_is_more() {
    let mut log = Log::with(SMALL);
    let steps = [
        (100, 100),
        (50, 100),
        (100, 100),
        (101, 101),
        (1, 101),
        (86_400_000, 86_400_000),
        (86_399_950, 86_400_000),
        (200, 200),
        (150, 200),
        (201, 201),
    ];
    let mut before = None;
    for ((ms, expected), id) in steps.into_iter().zip(1..) {
        let operation = create(id, &format!("n{id}"));
        let made = log.made(&command(request_seen(log.revision, id), ms, operation));
        let account = made.expect("done").object;
        assert_eq!(account.created.time, Time(START + expected));
        let now = Time(START + expected);
        let set = log.events.contains(&Event::ClockSet { now });
        assert_eq!(set, before != Some(expected), "{id}");
        before = Some(expected);
    }
}

#[test]
fn clock_is_set_with_retries_and_rejections_too() {
    let mut log = Log::new();
    let first = command(request_at(1, 0), 1, create(1, "ana"));
    log.execute(&first);
    log.execute(&Command {
        time: Time(START + 9),
        ..first
    });
    assert_eq!(
        log.events,
        [Event::ClockSet {
            now: Time(START + 9)
        }]
    );
}
