//! Groups: their names, their members, and groups in groups.

use crate::support::{
    Log, account_id, by_group_name, by_login, change, create, create_group, delete, members, set,
    value,
};
use quorid_directory::{
    Done, Held, Kind, Limit, Operation, Principal, Rejection, Revision, Selector, Violation,
    all_groups_of,
};

/// Ana (1), Ben (2), staff (11), dev (12), ops (13).
fn log() -> Log {
    let mut log = Log::new();
    for operation in [
        create(1, "ana"),
        create(2, "ben"),
        create_group(11, "staff"),
        create_group(12, "dev"),
        create_group(13, "ops"),
    ] {
        log.run(operation).expect("created");
    }
    log
}

/// Group and member, by the numbers of their ids.
fn memberships(log: &Log) -> Vec<(u8, u8)> {
    let all = log.directory.memberships().iter();
    all.map(|it| (it.group.as_bytes()[0], it.member.as_bytes()[0]))
        .collect()
}

#[test]
fn members_are_added_and_removed_and_the_group_says_when() {
    let mut log = log();
    let added = log
        .run(members(
            "Staff",
            vec![by_login("ana"), by_group_name("dev")],
            vec![],
        ))
        .expect("added");
    assert_eq!(
        (added.done, added.object.id),
        (Done::Changed, account_id(11))
    );
    assert_eq!(added.object.version, Revision(log.revision));
    assert_eq!(memberships(&log), [(11, 1), (11, 12)]);

    let removed = members("staff", vec![by_login("ben")], vec![by_login("ana")]);
    log.run(removed).expect("changed");
    assert_eq!(memberships(&log), [(11, 2), (11, 12)]);
    log.directory.assert_whole();
}

#[test]
fn members_that_are_there_already_change_nothing() {
    let mut log = log();
    log.run(members("staff", vec![by_login("ana")], vec![]))
        .expect("added");
    let version = log.directory.objects()[&account_id(11)].version;
    let again = members("staff", vec![by_login("ana")], vec![by_login("ben")]);
    let changed = log.run(again).expect("nothing to do");
    assert_eq!(changed.object.version, version);
    assert_eq!(memberships(&log), [(11, 1)]);
}

#[test]
fn members_stay_when_group_and_account_are_renamed() {
    let mut log = log();
    log.run(members("staff", vec![by_login("ana")], vec![]))
        .expect("added");
    let rename = |target, name, to| change(target, vec![set(name, to)]);
    log.run(rename(by_group_name("staff"), "group_name", "Head office"))
        .expect("renamed");
    log.run(rename(by_login("ana"), "login_name", "ana.lima"))
        .expect("renamed");
    assert_eq!(memberships(&log), [(11, 1)]);
    log.directory.assert_whole();
}

#[test]
fn whoever_is_removed_leaves_all_groups_and_they_say_when() {
    let mut log = log();
    log.run(members(
        "staff",
        vec![by_login("ana"), by_group_name("dev")],
        vec![],
    ))
    .expect("added");
    log.run(members(
        "dev",
        vec![by_login("ana"), by_login("ben")],
        vec![],
    ))
    .expect("added");

    log.run(delete(by_login("ana"))).expect("deleted");
    assert_eq!(memberships(&log), [(11, 12), (12, 2)]);
    let version = |id| log.directory.objects()[&account_id(id)].version;
    assert_eq!(
        (version(11), version(12)),
        (Revision(log.revision), Revision(log.revision))
    );
    log.run(delete(by_group_name("dev"))).expect("deleted");
    assert_eq!(memberships(&log), []);
    log.directory.assert_whole();
}

#[test]
fn groups_in_groups_are_found_from_their_members() {
    let mut log = log();
    log.run(members(
        "staff",
        vec![by_group_name("dev"), by_group_name("ops")],
        vec![],
    ))
    .expect("added");
    log.run(members("dev", vec![by_login("ana")], vec![]))
        .expect("added");
    log.run(members("ops", vec![by_login("ana")], vec![]))
        .expect("added");
    let of = |member| {
        let direct = log.directory.memberships();
        let Ok(groups) = all_groups_of(&account_id(member), |id| {
            let of = direct.iter().filter(|it| it.member == *id);
            Ok::<_, std::convert::Infallible>(of.map(|it| it.group).collect())
        });
        groups
    };
    assert_eq!(of(1), [account_id(12), account_id(13), account_id(11)]);
    assert_eq!(of(12), [account_id(11)]);
    assert_eq!(of(2), []);
}

#[test]
fn no_group_is_a_member_of_itself() {
    let mut log = log();
    for (group, member) in [("staff", "dev"), ("dev", "ops")] {
        log.run(members(group, vec![by_group_name(member)], vec![]))
            .expect("added");
    }
    for (group, member, ids) in [("ops", "staff", (13, 11)), ("dev", "dev", (12, 12))] {
        let refused = log.run(members(group, vec![by_group_name(member)], vec![]));
        let (group, member) = (account_id(ids.0), account_id(ids.1));
        assert_eq!(refused, Err(Rejection::GroupCycle { group, member }));
    }
    assert_eq!(memberships(&log), [(11, 12), (12, 13)]);
}

#[test]
fn groups_are_nested_eight_deep_at_most() {
    let mut log = Log::new();
    for number in 1..=10 {
        log.run(create_group(number, &format!("g{number}")))
            .expect("created");
    }
    let chain = |from: u8| {
        members(
            &format!("g{from}"),
            vec![by_group_name(&format!("g{}", from + 1))],
            vec![],
        )
    };
    // From both ends: 1 > 2 > 3 > 4 and 5 > 6 > 7 > 8 > 9.
    for from in [1, 2, 3, 5, 6, 7, 8] {
        log.run(chain(from)).expect("added");
    }
    let limit = Limit::GroupDepth;
    assert_eq!(log.run(chain(4)), Err(Rejection::LimitExceeded { limit }));
    log.run(members("g8", vec![], vec![by_group_name("g9")]))
        .expect("removed");
    log.run(chain(4)).expect("eight");
    assert_eq!(log.run(chain(8)), Err(Rejection::LimitExceeded { limit }));
}

#[test]
fn nobody_is_in_more_than_a_thousand_groups() {
    let mut log = Log::new();
    log.run(create(1, "ana")).expect("created");
    let group = |number: usize| {
        let Operation::Create { kind, verifier, .. } = create_group(0, "g") else {
            unreachable!("a creation");
        };
        let mut id = [2; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        Operation::Create {
            id: quorid_directory::ObjectId::from_bytes(id),
            kind,
            edits: vec![set("group_name", &format!("g{number}"))],
            verifier,
        }
    };
    let most = Limit::GroupsOfOne.most();
    for number in 0..=most {
        log.run(group(number)).expect("created");
        let joined = log.run(members(
            &format!("g{number}"),
            vec![by_login("ana")],
            vec![],
        ));
        assert_eq!(joined.is_ok(), number < most, "{number}: {joined:?}");
    }
}

#[test]
fn a_group_is_no_account_and_an_account_no_group() {
    let mut log = log();
    let group_as_account = Selector::Id(account_id(11));
    let account_as_group = Selector::GroupId(account_id(1));
    let title = || vec![set("title", "Boss")];
    for (operation, id, expected, actual) in [
        (
            delete(group_as_account.clone()),
            11,
            Kind::Person,
            Kind::Group,
        ),
        (
            change(group_as_account.clone(), title()),
            11,
            Kind::Person,
            Kind::Group,
        ),
        (delete(account_as_group), 1, Kind::Group, Kind::Person),
        (
            members("staff", vec![group_as_account], vec![]),
            11,
            Kind::Person,
            Kind::Group,
        ),
    ] {
        let id = account_id(id);
        let wrong = Rejection::WrongKind {
            id,
            expected,
            actual,
        };
        assert_eq!(log.run(operation), Err(wrong));
    }
    let titled = change(by_group_name("staff"), title());
    let refused = log.run(titled).expect_err("groups have no title");
    assert!(matches!(
        refused,
        Rejection::SchemaViolation {
            violation: Violation::Kind,
            ..
        }
    ));
}

#[test]
fn strangers_do_not_change_groups() {
    let mut log = log();
    let described = change(by_group_name("staff"), vec![set("description", "all")]);
    for operation in [
        create_group(14, "hr"),
        described,
        delete(by_group_name("staff")),
        members("staff", vec![by_login("ana")], vec![]),
    ] {
        let before = log.directory.objects().clone();
        let refused = log
            .run_as(&Principal::Anyone, operation)
            .expect_err("not an operator");
        assert!(
            matches!(refused, Rejection::NotPermitted { .. }),
            "{refused}"
        );
        assert_eq!(*log.directory.objects(), before);
    }
}

#[test]
fn one_member_that_is_missing_is_an_error_and_no_other_is_added() {
    let mut log = log();
    let with_stranger = members("staff", vec![by_login("ana"), by_login("cleo")], vec![]);
    let object = by_login("cleo");
    assert_eq!(log.run(with_stranger), Err(Rejection::NotFound { object }));
    assert_eq!(memberships(&log), []);
}

#[test]
fn no_two_groups_have_one_name_but_a_group_and_an_account_may() {
    let mut log = log();
    let taken = log.run(create_group(14, "STAFF"));
    let attribute = quorid_directory::GROUP_NAME;
    let holder = account_id(11);
    let taken_name = Rejection::ValueTaken {
        attribute: attribute.into(),
        value: value("group_name", "STAFF"),
        kind: Kind::Group,
        holder,
        held: Held::Now,
    };
    assert!(taken_name.to_string().contains("belongs to group"));
    assert_eq!(taken, Err(taken_name));
    log.run(create_group(14, "ana"))
        .expect("a group of that name");
}
