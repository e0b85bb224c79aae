//! The records of changes: what they say, how long they are kept, and objects as they were.

use std::collections::BTreeMap;

use crate::support::{
    Log, account_id, by_group_name, by_login, change, change_verifier, changed, command, create,
    create_group, create_with_password, delete, members, number, rename, request_at, set, value,
    verifier,
};
use quorid_directory::{
    ChangeRecord, Done, GroupLeft, History as _, Kind, MemberChange, ObjectId, PasswordRecord,
    Recorded, Retention, Revision, ValuesChange, VerifierChange, at, first_answer,
};

/// Revision 1 makes Ana, with a password, 2 Ben, 3 the group staff with number 11.
fn log() -> Log {
    let mut log = Log::new();
    for operation in [
        create_with_password(1, "ana", "x"),
        create(2, "ben"),
        create_group(11, "staff"),
    ] {
        log.run(operation).expect("created");
    }
    log
}

fn record(log: &Log, revision: u64) -> ChangeRecord {
    let Ok(record) = log.directory.change(Revision(revision));
    record.expect("a record")
}

fn mentions(log: &Log, id: u8) -> Vec<u64> {
    let Ok(revisions) = log.directory.mentions(&account_id(id), None, 99);
    revisions.iter().map(|revision| revision.0).collect()
}

fn from_to(name: &str, before: &[&str], after: &[&str]) -> ValuesChange {
    let values = |texts: &[&str]| texts.iter().map(|text| value(name, text)).collect();
    ValuesChange {
        before: values(before),
        after: values(after),
    }
}

#[test]
fn a_creation_records_what_is_there_and_who_made_it() {
    let log = log();
    let record = record(&log, 1);
    assert_eq!((record.done, record.kind), (Done::Created, Kind::Person));
    assert_eq!((record.id, record.name.as_str()), (account_id(1), "ana"));
    assert_eq!(record.stamp.actor.to_string(), "operator olga");
    assert_eq!(record.stamp.client.as_str(), "192.0.2.1");
    assert_eq!(record.previous, None);
    assert_eq!(record.password, PasswordRecord::Set { before: None });
    let expected = BTreeMap::from([
        (number("login_name"), from_to("login_name", &[], &["ana"])),
        (number("real_name"), from_to("real_name", &[], &["Someone"])),
    ]);
    assert_eq!(record.attributes, expected);
}

#[test]
fn a_change_records_values_before_and_after_of_what_is_another_one() {
    let mut log = log();
    let by = by_login("ana");
    log.run(change(by.clone(), vec![set("phone", "+351 21")]))
        .expect("done");
    let edits = vec![
        set("phone", "+351 22"),
        set("login_name", "anna"),
        set("real_name", "Someone"),
    ];
    log.run(change(by, edits)).expect("done");
    let record = record(&log, 5);
    assert_eq!((record.done, record.name.as_str()), (Done::Changed, "anna"));
    assert_eq!(record.previous, Some(Revision(4)));
    assert_eq!(record.password, PasswordRecord::Kept);
    let expected = BTreeMap::from([
        (
            number("login_name"),
            from_to("login_name", &["ana"], &["anna"]),
        ),
        (
            number("phone"),
            from_to("phone", &["+351 21"], &["+351 22"]),
        ),
    ]);
    assert_eq!(record.attributes, expected);
}

#[test]
fn a_password_is_recorded_as_kept_set_or_removed_and_no_more() {
    let mut log = log();
    let change = |to| change_verifier(by_login("ana"), to);
    log.run(change(VerifierChange::Set(verifier("secret"))))
        .expect("done");
    log.run(change(VerifierChange::Remove)).expect("done");
    let before = Some(Revision(1));
    assert_eq!(record(&log, 4).password, PasswordRecord::Set { before });
    let before = Revision(4);
    assert_eq!(record(&log, 5).password, PasswordRecord::Removed { before });
    let shown = format!("{:?}", log.directory.changes());
    assert!(!shown.contains("argon2") && !shown.contains("secret"));
}

#[test]
fn what_changes_nothing_or_is_refused_has_no_record() {
    let mut log = log();
    let again = change(by_login("ana"), vec![set("real_name", "Someone")]);
    assert_eq!(log.run(again).expect("done").done, Done::Changed);
    log.run(create(9, "ana")).expect_err("taken");
    log.run(members("staff", vec![], vec![by_login("ana")]))
        .expect("done");
    let kept: Vec<_> = log.directory.changes().keys().map(|it| it.0).collect();
    assert_eq!(kept, [1, 2, 3]);
}

#[test]
fn memberships_are_recorded_of_the_group_and_found_from_the_member() {
    let mut log = log();
    let both = vec![by_login("ana"), by_login("ben")];
    log.run(members("staff", both, vec![])).expect("done");
    log.run(members("staff", vec![], vec![by_login("ben")]))
        .expect("done");
    let member = |id, added| MemberChange {
        kind: Kind::Person,
        member: account_id(id),
        added,
    };
    assert_eq!(record(&log, 4).id, account_id(11));
    assert_eq!(record(&log, 4).members, [member(1, true), member(2, true)]);
    assert_eq!(record(&log, 5).members, [member(2, false)]);
    assert_eq!(
        (mentions(&log, 1), mentions(&log, 2)),
        (vec![4], vec![5, 4])
    );
}

#[test]
fn a_deletion_records_all_that_was_there_and_the_groups_that_it_changed() {
    let mut log = log();
    log.run(members("staff", vec![by_login("ana")], vec![]))
        .expect("done");
    let ana = log.run(delete(by_login("ana"))).expect("done").object;
    let record = record(&log, 5);
    assert_eq!(record.done, Done::Deleted);
    let before = from_to("login_name", &["ana"], &[]);
    assert_eq!(record.attributes[&number("login_name")], before);
    let left = GroupLeft {
        group: account_id(11),
        previous: Revision(4),
    };
    assert_eq!(record.groups, [left]);
    assert_eq!(record.last_state(), Some(ana));
    assert!(record.changed(&account_id(11)), "the group lost a member");
    assert_eq!(mentions(&log, 1), [5, 4], "its end is found by its id");
}

#[test]
fn the_oldest_changes_are_forgotten_beyond_age_and_size_a_few_with_each_command() {
    let revisions = |log: &Log| -> Vec<u64> {
        let kept = log.directory.changes().keys();
        kept.map(|revision| revision.0).collect()
    };
    let at = |log: &mut Log, ms: u64, id: u8| {
        let name = format!("n{id}");
        log.execute(&command(request_at(ms, id), ms, create(id, &name)));
    };
    let mut log = Log::with(Retention {
        history_ms: 1000,
        forgotten_max: 2,
        ..Retention::STANDARD
    });
    for id in 1..=5 {
        at(&mut log, u64::from(id), id);
    }
    at(&mut log, 1004, 6);
    assert_eq!(revisions(&log), [3, 4, 5, 6], "two at once and no more");
    assert_eq!(log.directory.changes_floor(), Revision(2));
    at(&mut log, 1004, 7);
    assert_eq!(revisions(&log), [4, 5, 6, 7], "the one of 4 is not too old");

    let one = log.directory.changes().values().map(Recorded::bytes);
    let mut log = Log::with(Retention {
        history_bytes: 3 * one.max().expect("some"),
        ..Retention::STANDARD
    });
    for id in 1..=5 {
        at(&mut log, u64::from(id), id);
    }
    assert_eq!(revisions(&log), [3, 4, 5]);
    assert_eq!(log.directory.changes_floor(), Revision(2));
}

#[test]
fn a_retry_is_answered_with_the_object_as_it_was_then() {
    let mut log = log();
    let first = command(
        request_at(50, 0),
        50,
        change(by_login("ana"), vec![set("phone", "+351 21")]),
    );
    let made = log.made(&first).expect("done");
    log.run(rename(by_login("ana"), "anna")).expect("done");
    log.run(change_verifier(by_login("anna"), VerifierChange::Remove))
        .expect("done");
    let told = |log: &mut Log| {
        let change = changed(log.execute(&first)).expect("known");
        assert_eq!(log.object, None, "nothing was executed");
        let Ok(object) = first_answer(&log.directory, &change);
        object
    };
    assert_eq!(told(&mut log), made.object);
    log.run(delete(by_login("anna"))).expect("done");
    assert_eq!(told(&mut log), made.object, "also after its end");
}

#[test]
fn a_retry_is_answered_with_what_is_there_now_once_the_changes_since_are_forgotten() {
    let mut log = log();
    let first = command(
        request_at(50, 0),
        50,
        change(by_login("ana"), vec![set("phone", "+351 21")]),
    );
    log.made(&first).expect("done");
    let anna = log.run(rename(by_login("ana"), "anna")).expect("done");
    log.retention.history_bytes = 0;
    log.run(create(9, "zoe")).expect("done");
    log.run(create(10, "zora")).expect("done");
    let change = changed(log.execute(&first)).expect("known");
    let Ok(object) = first_answer(&log.directory, &change);
    assert_eq!(object, anna.object);
    log.run(delete(by_login("anna"))).expect("done");
    log.run(create(12, "zita")).expect("done");
    let Ok(object) = first_answer(&log.directory, &change);
    assert_eq!((object.id, object.version), (account_id(1), Revision(4)));
    assert_eq!(object.login_name(), "", "nothing else is known");
}

#[test]
fn every_version_of_an_object_can_be_seen_again() {
    let mut log = log();
    let staff = || by_group_name("staff");
    let mut seen: BTreeMap<(ObjectId, Revision), _> = BTreeMap::new();
    for operation in [
        members("staff", vec![by_login("ana"), by_login("ben")], vec![]),
        rename(by_login("ana"), "anna"),
        change(staff(), vec![set("group_name", "crew")]),
        change_verifier(by_login("anna"), VerifierChange::Set(verifier("y"))),
        delete(by_login("ben")),
        change_verifier(by_login("anna"), VerifierChange::Remove),
        rename(by_login("anna"), "ana"),
        members("crew", vec![], vec![by_login("ana")]),
    ] {
        log.run(operation).expect("done");
        for (id, object) in log.directory.objects() {
            seen.insert((*id, object.version), object.clone());
        }
    }
    assert_eq!(seen.len(), 10);
    for ((id, version), object) in seen {
        let Some(now) = log.directory.objects().get(&id).cloned() else {
            continue; // Ben, whose last state another test is for.
        };
        assert_eq!(at(&log.directory, now, version), Ok(Some(object)));
    }
}
