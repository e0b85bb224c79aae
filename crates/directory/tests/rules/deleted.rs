//! Deleted objects, which can be restored or erased; and names that stay reserved.

use quorid_directory::{
    Accepted, ChangeRecord, Done, Held, History as _, Irreversible, Kind, Level, Limit, Membership,
    MemoryDirectory, Operation, Outcome, Principal, Rejection, Revision, Selector, Time,
    first_answer,
};

use crate::support::{
    Log, START, account_id, by_group_name, by_login, change, command, create, create_group,
    create_with_password, delete, free_name, keep, login, members, number, purge, rename,
    request_at, restore, set, value, who_knows,
};

/// How long what is deleted and what is reserved is kept here, ms.
const KEPT: u64 = 1_000;
const RESERVED: u64 = 3_000;

/// Ana (revision 1, with a password, mail and number), Ben (2), the group staff (3) and, within it, dev (4)
/// with Ana (5); Ben is in staff itself (6). Ana has attributes (7).
fn log() -> Log {
    let mut log = Log::new();
    for change in keep(KEPT, RESERVED) {
        log.directory
            .apply(&quorid_directory::Event::SettingChanged(change));
    }
    for operation in [
        create_with_password(1, "ana", "x"),
        create(2, "ben"),
        create_group(3, "staff"),
        create_group(4, "dev"),
        members("dev", vec![by_login("ana")], vec![]),
        members("staff", vec![by_login("ben"), by_group_name("dev")], vec![]),
        change(
            by_login("ana"),
            vec![
                set("mail", "ana@example.org"),
                set("posix_number", "500"),
                set("title", "Head"),
            ],
        ),
    ] {
        log.run(operation).expect("done");
    }
    log
}

/// A request of an operator at a time, ms after the start.
fn run_at(log: &mut Log, ms: u64, operation: Operation) -> Result<Accepted, Rejection> {
    let Outcome { result, .. } = log.execute(&command(request_at(ms, 0), ms, operation));
    log.directory.assert_whole();
    result
}

fn record(log: &Log, revision: u64) -> ChangeRecord {
    let Ok(record) = log.directory.change(Revision(revision));
    record.expect("a record")
}

fn member(group: u8, kind: Kind, member: u8) -> Membership {
    Membership {
        group: account_id(group),
        kind,
        member: account_id(member),
    }
}

#[test]
fn a_deleted_account_comes_back_as_it_was_with_id_password_groups_and_numbers() {
    let mut log = log();
    let before = log.directory.clone();
    log.run(delete(by_login("ana"))).expect("8");
    log.directory.assert_whole();
    assert!(!log.directory.objects().contains_key(&account_id(1)));
    assert_eq!(
        log.run(change(by_login("ana"), vec![set("title", "x")])),
        Err(Rejection::NotFound {
            object: by_login("ana")
        })
    );
    let restored = log.run(restore(by_login("ana"))).expect("10");
    log.directory.assert_whole();
    assert_eq!(restored.done, Done::Restored);
    let object = &log.directory.objects()[&account_id(1)];
    assert_eq!(*object, restored.object);
    let was = &before.objects()[&account_id(1)];
    assert_eq!(object.attributes, was.attributes);
    assert_eq!(object.created, was.created);
    assert_eq!(object.password_version, was.password_version);
    assert_eq!(object.version, Revision(10));
    assert_eq!(log.directory.verifiers(), before.verifiers());
    assert_eq!(log.directory.memberships(), before.memberships());
    assert_eq!(log.directory.unique(), before.unique());
    assert!(log.directory.tombstones().is_empty() && log.directory.all_former().is_empty());
    // Getting a member back is a change of the group, too.
    assert_eq!(
        log.directory.objects()[&account_id(4)].version,
        Revision(10)
    );
    // And the password is good again.
    let phone = change(by_login("ana"), vec![set("phone", "112")]);
    log.run_as(&who_knows(1, 1), phone).expect("may");
}

#[test]
fn its_history_goes_on_and_every_version_can_be_seen_again() {
    let mut log = log();
    let was = log.directory.objects()[&account_id(1)].clone();
    let deletion = command(request_at(8, 0), 8, delete(by_login("ana")));
    let deleted = log.execute(&deletion);
    log.run(restore(by_login("ana"))).expect("9");
    log.run(rename(by_login("ana"), "anna")).expect("10");
    let restored = record(&log, 9);
    assert_eq!(
        (restored.done, restored.previous),
        (Done::Restored, Some(Revision(8)))
    );
    assert_eq!(record(&log, 8).previous, Some(Revision(7)));
    // Who asks for the deletion again gets the answer of then.
    let Ok(Accepted::Object(change)) = deleted.result else {
        panic!("{deleted:?}");
    };
    let Ok(answer) = first_answer(&log.directory, &change);
    assert_eq!(answer, was);
    log.directory.assert_whole();
}

#[test]
fn what_was_unique_of_it_is_nobody_elses_until_its_time_is_over() {
    let mut log = log();
    run_at(&mut log, 100, delete(by_login("ana"))).expect("deleted");
    for (name, text) in [
        ("login_name", "ana"),
        ("mail", "ANA@example.org"),
        ("posix_number", "500"),
    ] {
        let ben = change(by_login("ben"), vec![set(name, text)]);
        let taken = Rejection::ValueTaken {
            attribute: number(name).into(),
            value: value(name, text),
            kind: Kind::Person,
            holder: account_id(1),
            held: Held::Deleted,
        };
        assert!(taken.to_string().contains("deleted and can be restored"));
        assert_eq!(log.run(ben).map(|made| made.object), Err(taken), "{name}");
    }
    // It ends with a command after its time; then all is free but the login name, and the number for who is given it.
    let title = |text| change(by_login("ben"), vec![set("title", text)]);
    run_at(&mut log, 100 + KEPT - 1, title("a")).expect("done");
    assert_eq!(log.directory.tombstones().len(), 1);
    run_at(&mut log, 100 + KEPT, title("b")).expect("done");
    assert!(log.directory.tombstones().is_empty() && log.directory.all_former().is_empty());
    let gone = run_at(&mut log, 100 + KEPT + 1, restore(by_login("ana")));
    let object = by_login("ana");
    assert_eq!(gone, Err(Rejection::NotDeleted { object }));
    let mail = vec![set("mail", "ana@example.org"), set("posix_number", "500")];
    run_at(&mut log, 100 + KEPT + 2, change(by_login("ben"), mail)).expect("free");
    let again = |log: &mut Log, ms| run_at(log, ms, create(9, "ana"));
    let refused = again(&mut log, 100 + RESERVED - 1).expect_err("reserved");
    let held = Held::Reserved(Time(START + 100 + RESERVED));
    assert!(
        matches!(&refused, Rejection::ValueTaken { held: it, .. } if *it == held),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("is reserved for account"));
    again(&mut log, 100 + RESERVED).expect("free");
}

#[test]
fn a_former_login_name_is_its_last_owners_for_a_while() {
    let mut log = log();
    run_at(&mut log, 100, rename(by_login("ana"), "anna")).expect("renamed");
    let by_old_name = run_at(&mut log, 101, delete(by_login("ana")));
    let object = by_login("ana");
    assert_eq!(by_old_name, Err(Rejection::NotFound { object }));
    run_at(&mut log, 102, rename(by_login("ben"), "ana")).expect_err("reserved");
    run_at(&mut log, 103, create(9, "ana")).expect_err("reserved");
    // The owner may have it back, and the other one is reserved then.
    run_at(&mut log, 104, rename(by_login("anna"), "ana")).expect("its own");
    run_at(&mut log, 105, rename(by_login("ben"), "anna")).expect_err("reserved");
    run_at(&mut log, 104 + RESERVED, rename(by_login("ben"), "anna")).expect("free");
    let reserved: Vec<_> = log.directory.reserved().keys().collect();
    assert_eq!(reserved.len(), 1, "{reserved:?}");
    assert_eq!(reserved[0].owner, account_id(2));
}

#[test]
fn an_operator_frees_a_name_before_its_time() {
    let mut log = log();
    log.run(rename(by_login("ana"), "anna")).expect("renamed");
    let free = |log: &mut Log, name: &str| {
        let ms = log.revision + 1;
        run_at(log, ms, free_name(name))
    };
    assert_eq!(free(&mut log, "ana"), Ok(Accepted::Directory));
    log.run(create(9, "ana")).expect("free");
    log.run(delete(by_login("ben"))).expect("deleted");
    for name in ["ana", "anna", "ben", "nobody"] {
        let refused = Rejection::NotReserved { name: login(name) };
        assert!(refused.to_string().contains(name));
        assert_eq!(free(&mut log, name), Err(refused));
    }
}

#[test]
fn one_account_has_only_so_many_names_reserved() {
    let mut log = log();
    let most = Limit::ReservedNames.most();
    let name = |number: usize| format!("ana{number}");
    log.run(rename(by_login("ana"), &name(0))).expect("one");
    for number in 1..most {
        log.run(rename(by_login(&name(number - 1)), &name(number)))
            .expect("within the limit");
    }
    let limit = Limit::ReservedNames;
    let last = by_login(&name(most - 1));
    let refused = log.run(rename(last.clone(), "more"));
    assert_eq!(
        refused.map(|made| made.object),
        Err(Rejection::LimitExceeded { limit })
    );
    log.run(rename(last, "ana")).expect("one of these");
    log.directory.assert_whole();
}

#[test]
fn a_purge_leaves_no_value_of_it_anywhere() {
    let mut log = log();
    log.run(rename(by_login("ana"), "anna")).expect("8");
    let deletion = log.run(delete(by_login("anna"))).expect("9");
    let purged = log.run(purge(by_login("anna"))).expect("10");
    log.directory.assert_whole();
    assert_eq!(purged.done, Done::Purged);
    assert_eq!(purged.object.version, deletion.object.version);
    assert!(purged.object.attributes.is_empty());
    for revision in [1, 7, 8, 9, 10] {
        let record = record(&log, revision);
        assert!(record.is_redacted() && record.attributes.is_empty());
        assert_eq!(record.origin, None);
    }
    let all = format!("{:?}", log.directory.changes());
    for word in ["anna", "ana@example.org", "Head"] {
        assert!(!all.contains(word), "{word}");
    }
    // Both names are free at once, and nothing of it comes back.
    log.run(create(8, "ana")).expect("free");
    log.run(create(9, "anna")).expect("free");
    let object = Selector::Id(account_id(1));
    for again in [restore(object.clone()), purge(object.clone())] {
        let refused = log.run(again).map(|made| made.object);
        let object = object.clone();
        assert_eq!(refused, Err(Rejection::NotDeleted { object }));
    }
    for revision in [1, 9, 10] {
        let revision = Revision(revision);
        let refused = log.run(Operation::Revert { revision });
        let why = Irreversible::Erased;
        let erased = Rejection::NotReversible { revision, why };
        assert_eq!(refused.map(|made| made.object), Err(erased));
    }
}

#[test]
fn a_purge_says_the_same_when_it_is_asked_for_again() {
    let mut log = log();
    log.run(delete(by_login("ana"))).expect("8");
    let purge = command(request_at(9, 0), 9, purge(by_login("ana")));
    let first = log.execute(&purge);
    let object = log.object.clone();
    assert_eq!(log.execute(&purge), first);
    let Ok(Accepted::Object(change)) = first.result else {
        panic!("{first:?}");
    };
    let Ok(again) = first_answer(&log.directory, &change);
    assert_eq!(Some(again), object);
}

#[test]
fn only_what_is_deleted_is_restored_or_purged_and_what_is_meant() {
    let mut log = log();
    for target in [by_login("ana"), by_login("nobody"), by_group_name("dev")] {
        for operation in [restore(target.clone()), purge(target.clone())] {
            let refused = log.run(operation).map(|made| made.object);
            let object = target.clone();
            assert_eq!(refused, Err(Rejection::NotDeleted { object }));
        }
    }
    log.run(delete(by_group_name("dev"))).expect("deleted");
    let refused = log.run(restore(Selector::Id(account_id(4))));
    assert!(
        matches!(
            refused,
            Err(Rejection::WrongKind {
                actual: Kind::Group,
                ..
            })
        ),
        "{refused:?}"
    );
    // The id is not given to another one meanwhile.
    let reused = log.run(create(4, "cleo")).expect_err("in use");
    assert!(matches!(reused, Rejection::RequestReused { .. }));
}

#[test]
fn a_group_and_its_member_find_each_other_again_whoever_comes_first() {
    for member_first in [true, false] {
        for deleted_first in [by_login("ana"), by_group_name("dev")] {
            let mut log = log();
            let before = log.directory.memberships().clone();
            let other = match deleted_first == by_login("ana") {
                true => by_group_name("dev"),
                false => by_login("ana"),
            };
            log.run(delete(deleted_first)).expect("deleted");
            log.run(delete(other)).expect("deleted");
            log.directory.assert_whole();
            let mut order = [by_login("ana"), by_group_name("dev")];
            if !member_first {
                order.reverse();
            }
            for target in order {
                log.run(restore(target)).expect("restored");
                log.directory.assert_whole();
            }
            assert_eq!(*log.directory.memberships(), before);
            assert!(log.directory.all_former().is_empty());
        }
    }
}

#[test]
fn who_was_purged_meanwhile_is_no_member_of_what_comes_back() {
    let mut log = log();
    log.run(delete(by_group_name("dev"))).expect("deleted");
    log.run(delete(by_login("ana"))).expect("deleted");
    log.run(purge(by_login("ana"))).expect("erased");
    log.run(restore(by_group_name("dev"))).expect("restored");
    log.directory.assert_whole();
    let left: Vec<_> = log.directory.memberships().iter().copied().collect();
    let staff = [member(3, Kind::Person, 2), member(3, Kind::Group, 4)];
    assert_eq!(left, staff);
}

#[test]
fn a_group_does_not_come_back_into_a_cycle() {
    let mut log = log();
    log.run(create_group(5, "team")).expect("made");
    log.run(members("dev", vec![by_group_name("team")], vec![]))
        .expect("staff > dev > team");
    log.run(delete(by_group_name("dev"))).expect("deleted");
    log.run(members("team", vec![by_group_name("staff")], vec![]))
        .expect("team > staff");
    let before = log.directory.clone();
    let refused = log
        .run(restore(by_group_name("dev")))
        .map(|made| made.object);
    assert!(
        matches!(refused, Err(Rejection::GroupCycle { .. })),
        "{refused:?}"
    );
    assert_eq!(log.directory.objects(), before.objects());
    log.run(members("team", vec![], vec![by_group_name("staff")]))
        .expect("taken out");
    log.run(restore(by_group_name("dev"))).expect("restored");
    log.directory.assert_whole();
}

#[test]
fn a_deletion_is_undone_and_its_undoing_too() {
    let mut log = log();
    let revert = |revision| Operation::Revert {
        revision: Revision(revision),
    };
    log.run(delete(by_login("ana"))).expect("8");
    let back = log.run(revert(8)).expect("9");
    assert_eq!(back.done, Done::Restored);
    assert_eq!(record(&log, 9).reverts, Some(Revision(8)));
    let refused = log.run(revert(8)).map(|made| made.object);
    assert!(
        matches!(refused, Err(Rejection::ChangedSince { later, .. }) if later == Some(Revision(9))),
        "{refused:?}"
    );
    let gone = log.run(revert(9)).expect("11");
    assert_eq!(gone.done, Done::Deleted);
    log.run(revert(11)).expect("12");
    log.run(change(by_login("ana"), vec![set("title", "x")]))
        .expect("13");
    log.run(revert(12)).expect_err("changed since");
    log.directory.assert_whole();
}

#[test]
fn who_would_get_a_role_back_is_restored_by_operators_only() {
    let mut log = log();
    let manager = create_with_password(9, "mona", "x");
    log.run(manager).expect("8");
    log.run(create_group(10, "managers")).expect("9");
    log.run(change(
        by_group_name("managers"),
        vec![set("role", "user_manager")],
    ))
    .expect("10");
    let mona_joins = members("managers", vec![by_login("mona")], vec![]);
    log.run(mona_joins).expect("11");
    log.run(members("managers", vec![by_login("ana")], vec![]))
        .expect("12");
    for name in ["ana", "ben"] {
        log.run(delete(by_login(name))).expect("deleted");
    }
    let mona = who_knows(9, 8);
    let refused = log.run_as(&mona, restore(by_login("ana")));
    assert!(matches!(refused, Err(Rejection::NotPermitted { .. })));
    log.run_as(&mona, restore(by_login("ben"))).expect("may");
    let refused = log.run_as(&Principal::Anyone, restore(by_login("ana")));
    assert!(matches!(refused, Err(Rejection::NotPermitted { .. })));
    log.run(restore(by_login("ana"))).expect("an operator may");
}

#[test]
fn who_would_get_a_role_back_with_a_deleted_group_is_restored_by_operators_only() {
    // By the group itself, and by way of a group within it.
    for inner in [None, Some("dev")] {
        let mut log = log();
        log.run(create_with_password(9, "mona", "x")).expect("8");
        for (id, name, role) in [(10, "managers", "user_manager"), (11, "admins", "operator")] {
            log.run(create_group(id, name)).expect("made");
            let role = vec![set("role", role)];
            log.run(change(by_group_name(name), role)).expect("given");
        }
        let mona = vec![by_login("mona")];
        log.run(members("managers", mona, vec![])).expect("joined");
        let member = inner.map_or(by_login("ana"), by_group_name);
        log.run(members("admins", vec![member], vec![]))
            .expect("joined");
        log.run(delete(by_login("ana"))).expect("deleted");
        for name in inner.into_iter().chain(["admins"]) {
            log.run(delete(by_group_name(name))).expect("deleted");
        }
        let mona = who_knows(9, 8);
        let refused = log.run_as(&mona, restore(by_login("ana")));
        assert!(
            matches!(refused, Err(Rejection::NotPermitted { .. })),
            "{inner:?}: {refused:?}"
        );
        log.run(restore(by_login("ana"))).expect("an operator may");
        log.directory.assert_whole();
    }
}

#[test]
fn a_freed_name_is_in_no_record_after_a_purge() {
    let mut log = log();
    log.run(rename(by_login("ana"), "anna")).expect("8");
    let ms = log.revision + 1;
    run_at(&mut log, ms, free_name("ana")).expect("9");
    log.run(delete(by_login("anna"))).expect("10");
    log.run(purge(by_login("anna"))).expect("11");
    let all = format!("{:?}", log.directory.changes());
    assert!(!all.contains("\"ana\"") && !all.contains("anna"), "{all}");
}

#[test]
fn a_directory_at_the_first_level_keeps_nothing() {
    let mut log = Log {
        directory: MemoryDirectory::at_level(Level(1)),
        ..Log::new()
    };
    log.run(create(1, "ana")).expect("made");
    log.run(rename(by_login("ana"), "anna")).expect("renamed");
    log.run(create(2, "ana")).expect("free");
    log.run(delete(by_login("ana"))).expect("deleted");
    log.run(create(3, "ana")).expect("free");
    assert!(log.directory.all_due().is_empty());
}

#[test]
fn what_is_due_ends_a_little_with_each_command_and_all_of_it_in_the_end() {
    let mut log = log();
    for number in 20..30 {
        log.run(create(number, &format!("user{number}")))
            .expect("made");
    }
    for number in 20..30 {
        log.run(delete(by_login(&format!("user{number}"))))
            .expect("deleted");
    }
    let mut left = vec![log.directory.all_due().len()];
    let later = 2 * KEPT.max(RESERVED);
    for number in 0..12 {
        let title = if number % 2 == 0 { "a" } else { "b" };
        let title = change(by_login("ben"), vec![set("title", title)]);
        run_at(&mut log, later + number, title).expect("done");
        left.push(log.directory.all_due().len());
    }
    assert_eq!(left, [10, 8, 6, 4, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
}
