//! Undoing a change: what it brings back, and what stands against it.

use crate::support::{
    Log, Made, account_id, by_group_name, by_login, change, change_verifier, command, create,
    create_group, create_with_password, delete, members, request_at, set, verifier, who_knows,
};
use quorid_directory::{
    Done, Edit, EditAction, History as _, Irreversible, Kind, Operation, Rejection, Revision, Role,
    Schema, VerifierChange,
};

/// Ana (revision 1, with a password), Ben (2), the group staff (3), and Ana in it (4).
fn log() -> Log {
    let mut log = Log::new();
    for operation in [
        create_with_password(1, "ana", "x"),
        create(2, "ben"),
        create_group(11, "staff"),
        members("staff", vec![by_login("ana")], vec![]),
    ] {
        log.run(operation).expect("done");
    }
    log
}

fn revert(revision: u64) -> Operation {
    let revision = Revision(revision);
    Operation::Revert { revision }
}

fn phone(text: &str) -> Operation {
    change(by_login("ana"), vec![set("phone", text)])
}

fn since(revision: u64, id: u8, kind: Kind, attribute: Option<&str>, later: u64) -> Rejection {
    let number = |name: &str| Schema::builtin().by_name(name).expect("a name").number;
    Rejection::ChangedSince {
        revision: Revision(revision),
        id: account_id(id),
        kind,
        attribute: attribute.map(|name| Schema::builtin().name(number(name))),
        later: Some(Revision(later)),
    }
}

fn attributes(made: &Made) -> Vec<Vec<quorid_directory::Value>> {
    made.object.attributes.values().cloned().collect()
}

#[test]
fn attributes_get_back_what_they_had_and_the_record_says_why() {
    let mut log = log();
    let before = log.run(phone("+351 21")).expect("5").object;
    let edits = vec![
        set("phone", "+351 22"),
        set("title", "Head"),
        set("login_name", "anna"),
    ];
    log.run(change(by_login("ana"), edits)).expect("6");
    let undone = log.run(revert(6)).expect("7");
    assert_eq!(undone.done, Done::Changed);
    assert_eq!(undone.object.attributes, before.attributes);
    assert_eq!(undone.object.version, Revision(7));
    let Ok(Some(record)) = log.directory.change(Revision(7)) else {
        panic!("no record");
    };
    assert_eq!(record.reverts, Some(Revision(6)));
    // And that is undone, too.
    let again = log.run(revert(7)).expect("8");
    assert_eq!(again.object.login_name(), "anna");
    assert_eq!(attributes(&again).len(), 4);
    log.directory.assert_whole();
}

#[test]
fn what_was_changed_since_stands_against_it_and_is_named() {
    let mut log = log();
    log.run(phone("+351 21")).expect("5");
    log.run(change(by_login("ana"), vec![set("title", "Head")]))
        .expect("6");
    log.run(phone("+351 22")).expect("7");
    let before = log.directory.objects().clone();
    let refused = log.run(revert(5)).expect_err("the phone is another one");
    assert_eq!(refused, since(5, 1, Kind::Person, Some("phone"), 7));
    let message = refused.to_string();
    assert!(
        message.contains("revision 5") && message.contains("phone of account"),
        "{message}"
    );
    assert!(message.contains("at revision 7"), "{message}");
    assert_eq!(*log.directory.objects(), before);
    // Other attributes are changed since, which does not matter.
    log.run(revert(6)).expect("the title is as it was left");
    // Nor does it that the value came back.
    log.run(phone("+351 21")).expect("done");
    log.run(revert(5)).expect("as it was left");
}

#[test]
fn members_come_and_go_back() {
    let mut log = log();
    let add = vec![by_login("ben")];
    log.run(members("staff", add, vec![by_login("ana")]))
        .expect("5");
    log.run(revert(5)).expect("6");
    let all = log.directory.memberships().iter().map(|it| it.member);
    assert_eq!(all.collect::<Vec<_>>(), [account_id(1)]);
    // Ben is out again, and so is not to be taken out once more.
    let refused = log.run(revert(5)).expect_err("undone already");
    assert_eq!(refused, since(5, 11, Kind::Group, None, 6));
    log.run(revert(6)).expect("8");
    log.run(delete(by_login("ben"))).expect("9");
    let refused = log.run(revert(8)).expect_err("Ben is gone");
    assert_eq!(refused, since(8, 11, Kind::Group, None, 9));
    log.directory.assert_whole();
}

#[test]
fn what_was_made_goes_only_if_nothing_happened_to_it() {
    let mut log = log();
    let refused = log.run(revert(1)).expect_err("Ana is in a group");
    assert_eq!(refused, since(1, 1, Kind::Person, None, 4));
    let refused = log.run(revert(3)).expect_err("staff has a member");
    assert_eq!(refused, since(3, 11, Kind::Group, None, 4));
    let gone = log.run(revert(2)).expect("Ben is as he was made");
    assert_eq!(
        (gone.done, gone.object.login_name()),
        (Done::Deleted, "ben")
    );
    let refused = log.run(revert(2)).expect_err("he is gone");
    assert_eq!(refused, since(2, 2, Kind::Person, None, 7));
    log.directory.assert_whole();
}

#[test]
fn passwords_are_not_undone_and_neither_are_deletions_of_which_nothing_is_kept() {
    let mut log = log().that_keeps_nothing();
    let set_password = |salt| {
        let to = VerifierChange::Set(verifier(salt));
        change_verifier(by_login("ana"), to)
    };
    log.run(set_password("y")).expect("5");
    log.run(delete(by_login("ben"))).expect("6");
    for (revision, why) in [(5, Irreversible::Password), (6, Irreversible::Deletion)] {
        let refused = log.run(revert(revision)).expect_err("not reversible");
        let revision = Revision(revision);
        assert_eq!(refused, Rejection::NotReversible { revision, why });
    }
    for revision in [0, 8, 99] {
        let refused = log.run(revert(revision)).expect_err("no change");
        let revision = Revision(revision);
        assert_eq!(refused, Rejection::NoChange { revision });
    }
}

#[test]
fn a_value_that_somebody_else_took_meanwhile_stays_theirs() {
    let mut log = log().that_keeps_nothing();
    log.run(change(by_login("ana"), vec![set("login_name", "anna")]))
        .expect("5");
    log.run(create(9, "ana")).expect("6");
    let refused = log.run(revert(5)).expect_err("taken");
    assert!(matches!(refused, Rejection::ValueTaken { holder, .. } if holder == account_id(9)));
}

#[test]
fn the_opposite_change_takes_the_rights_that_it_takes_when_it_is_asked_for() {
    let mut log = log();
    log.run(change(by_login("ana"), vec![set("title", "Head")]))
        .expect("5");
    log.run(phone("+351 21")).expect("6");
    let ana = who_knows(1, 1);
    let refused = log.run_as(&ana, revert(5)).expect_err("for managers");
    assert!(matches!(
        refused,
        Rejection::NotPermitted {
            attribute: Some(_),
            role: Role::UserManager
        }
    ));
    log.run_as(&ana, revert(6)).expect("her own phone");
    let refused = log.run_as(&ana, revert(4)).expect_err("not her group");
    assert!(matches!(refused, Rejection::NotPermitted { .. }));
    let refused = log.run_as(&ana, revert(2)).expect_err("not her account");
    assert!(matches!(refused, Rejection::NotPermitted { .. }));
    // What is gone is nobody's business but theirs who read changes.
    log.run(delete(by_login("ben"))).expect("deleted");
    let refused = log.run_as(&ana, revert(2)).expect_err("not her account");
    assert!(matches!(refused, Rejection::NotPermitted { .. }));
}

#[test]
fn a_retried_revert_is_executed_once() {
    let mut log = log();
    log.run(phone("+351 21")).expect("5");
    let undo = command(request_at(50, 0), 50, revert(5));
    let first = log.execute(&undo);
    let clear = Edit {
        attribute: Schema::builtin().by_name("phone").expect("one").number,
        action: EditAction::Clear,
    };
    log.run(change(by_login("ana"), vec![clear])).expect("done");
    assert_eq!(log.execute(&undo), first);
    assert_ne!(
        undo.fingerprint(),
        command(request_at(50, 0), 50, revert(6)).fingerprint()
    );
    let staff = by_group_name("staff");
    assert!(log.run(delete(staff)).is_ok());
}
