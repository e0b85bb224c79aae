//! Who may do what: every principal, every action, every kind of target.

use std::{cell::Cell, collections::BTreeSet, convert::Infallible};

use quorid_directory::{
    Actor, Command, Event, IndexKey, Kind, Limit, Membership, MemoryDirectory, Object, ObjectId,
    Objects, Operation, Principal, Rejection, Revision, Role, Schema, Selector, Tombstone,
    UniqueKey, VerifierChange, all_groups_of, roles_of,
};

use crate::support::{
    Log, Made, account_id, by_group_name, by_login, change, change_verifier, command, create,
    create_with_password, delete, free_name, members, names, operator, purge, request_at, restore,
    set, verifier, who_knows,
};

/// The columns of the table: who asks.
const ASKING: &[(char, &str)] = &[
    ('o', "an operator, by certificate"),
    ('O', "an account with the role operator"),
    ('m', "a user manager"),
    ('h', "somebody of the help desk"),
    ('r', "a reader"),
    ('s', "the account itself"),
    ('x', "another account"),
    ('a', "anyone"),
];

/// Accounts: opal, mona, hedy and rita have a role each, two of them by a group within another; otto
/// and xena have none; open and inez have no password, and inez is a member of a group with a role.
fn log() -> Log {
    let mut log = Log::new();
    for (id, name) in (1..).zip(["opal", "mona", "hedy", "rita", "otto", "xena"]) {
        log.run(create_with_password(id, name, "x")).expect("made");
    }
    log.run(create(7, "open")).expect("made");
    log.run(create(8, "inez")).expect("made");
    for (id, name, role) in [
        (11, "operators", Some(Role::Operator)),
        (12, "managers", Some(Role::UserManager)),
        (13, "desk", Some(Role::HelpDesk)),
        (14, "readers", Some(Role::Reader)),
        (15, "team", None),
        (16, "inner", None),
    ] {
        let mut edits = vec![set("group_name", name)];
        edits.extend(role.map(|role| set("role", role.as_str())));
        log.run(create_object(id, Kind::Group, edits))
            .expect("made");
    }
    for (group, member) in [
        ("operators", by_login("opal")),
        ("managers", by_group_name("inner")),
        ("inner", by_login("mona")),
        ("inner", by_login("inez")),
        ("desk", by_login("hedy")),
        ("readers", by_login("rita")),
        ("team", by_login("otto")),
    ] {
        log.run(members(group, vec![member], vec![])).expect("made");
    }
    log
}

fn create_object(id: u8, kind: Kind, edits: Vec<quorid_directory::Edit>) -> Operation {
    Operation::Create {
        id: account_id(id),
        kind,
        edits,
        verifier: None,
    }
}

/// Who asks, by its column. The account itself is the one that is numbered like that.
fn principal(column: char, itself: Option<u8>) -> Option<Principal> {
    let account = |id: u8| who_knows(id, id.into());
    Some(match column {
        'o' => operator(),
        'O' => account(1),
        'm' => account(2),
        'h' => account(3),
        'r' => account(4),
        's' => account(itself?),
        'x' => account(6),
        _ => Principal::Anyone,
    })
}

fn person(name: &str, more: &[(&str, &str)]) -> Operation {
    let more = more.iter().map(|(name, text)| set(name, text));
    let edits = names(name, "New").into_iter().chain(more).collect();
    create_object(20, Kind::Person, edits)
}

fn group(more: &[(&str, &str)]) -> Operation {
    let more = more.iter().map(|(name, text)| set(name, text));
    let edits = [set("group_name", "new")].into_iter().chain(more);
    create_object(20, Kind::Group, edits.collect())
}

fn new_password() -> VerifierChange {
    VerifierChange::Set(verifier("y"))
}

/// What is done, the account that it is done to if that can ask itself, and the columns of those who
/// may.
type Row = (&'static str, Option<u8>, Operation, &'static str);

fn edit(target: &Selector, name: &str, text: &str) -> Operation {
    change(target.clone(), vec![set(name, text)])
}

fn rows_of_new_objects() -> Vec<Row> {
    vec![
        ("make an account", None, person("new", &[]), "oOma"),
        (
            "make one with a mail address",
            None,
            person("new", &[("mail", "new@example.org")]),
            "oOm",
        ),
        (
            "make one with a number",
            None,
            person("new", &[("posix_number", "70000")]),
            "oO",
        ),
        ("make a group", None, group(&[]), "oOm"),
        (
            "make a group with a role",
            None,
            group(&[("role", "reader")]),
            "oO",
        ),
    ]
}

/// An ordinary account, an ordinary one without a password, privileged ones with and without.
fn rows_of_accounts() -> Vec<Row> {
    let mut table = Vec::new();
    for (name, itself, may) in [
        ("otto", Some(5), ["oOms", "oOms", "oOm", "oOmhs", "oOms"]),
        ("open", None, ["oOma", "oOma", "oOm", "oOmha", "oOma"]),
        ("rita", Some(4), ["oOrs", "oO", "oO", "oOrs", "oOrs"]),
        ("mona", Some(2), ["oOms", "oO", "oO", "oOms", "oOms"]),
        ("inez", None, ["oO", "oO", "oO", "oO", "oO"]),
    ] {
        let target = by_login(name);
        let [owners, login_name, managers, password, all] = may;
        table.extend([
            ("phone", itself, edit(&target, "phone", "112"), owners),
            (
                "login name",
                itself,
                edit(&target, "login_name", "renamed"),
                login_name,
            ),
            ("title", itself, edit(&target, "title", "Dr"), managers),
            (
                "disabled",
                itself,
                edit(&target, "disabled", "true"),
                managers,
            ),
            (
                "number",
                itself,
                edit(&target, "posix_number", "70000"),
                "oO",
            ),
            (
                "new password",
                itself,
                change_verifier(target.clone(), new_password()),
                password,
            ),
            (
                "no password",
                itself,
                change_verifier(target.clone(), VerifierChange::Remove),
                all,
            ),
            (
                "nothing",
                itself,
                change_verifier(target.clone(), VerifierChange::Keep),
                all,
            ),
            ("deletion", itself, delete(target), all),
        ]);
    }
    table
}

/// With a role, by way of a group with one, and without.
fn rows_of_groups() -> Vec<Row> {
    let mut table = Vec::new();
    for (name, may) in [("managers", "oO"), ("inner", "oO"), ("team", "oOm")] {
        let target = by_group_name(name);
        table.extend([
            (
                "group's name",
                None,
                edit(&target, "group_name", "renamed"),
                may,
            ),
            (
                "group's description",
                None,
                edit(&target, "description", "x"),
                may,
            ),
            ("group's role", None, edit(&target, "role", "reader"), "oO"),
            (
                "group's number",
                None,
                edit(&target, "posix_number", "70000"),
                "oO",
            ),
            (
                "member added",
                None,
                members(name, vec![by_login("xena")], vec![]),
                may,
            ),
            (
                "member removed",
                None,
                members(name, vec![], vec![by_login("otto")]),
                may,
            ),
            ("group's deletion", None, delete(target), may),
        ]);
    }
    table
}

/// Ordinary and privileged ones, with and without a password.
fn rows_of_deleted_objects() -> Vec<(Selector, &'static str)> {
    vec![
        (by_login("otto"), "oOm"),
        (by_login("open"), "oOma"),
        (by_login("rita"), "oO"),
        (by_login("inez"), "oO"),
        (by_group_name("readers"), "oO"),
        (by_group_name("inner"), "oO"),
        (by_group_name("team"), "oOm"),
    ]
}

#[test]
fn everybody_may_do_what_the_table_says_and_nothing_else() {
    let table = [rows_of_new_objects(), rows_of_accounts(), rows_of_groups()].concat();
    check(table, log);
    for (target, may) in rows_of_deleted_objects() {
        let restore = restore(target.clone());
        let purge = purge(target.clone());
        let table = [
            ("restore", None, restore, may),
            ("purge", None, purge, "oO"),
        ];
        check(table.to_vec(), || {
            let mut log = log();
            log.run(delete(target.clone())).expect("deleted");
            log
        });
    }
    let table = vec![("free a name", None, free_name("otto"), "oO")];
    check(table, || {
        let mut log = log();
        log.run(edit(&by_login("otto"), "login_name", "otto2"))
            .expect("renamed");
        log
    });
}

fn is_deleted(log: &Log, principal: &Principal) -> bool {
    matches!(principal, Principal::Account { id, .. } if log.directory.tombstones().contains_key(id))
}

fn check(table: Vec<Row>, log: impl Fn() -> Log) {
    for (what, itself, operation, may) in table {
        for (column, who) in ASKING {
            let Some(principal) = principal(*column, itself) else {
                continue;
            };
            let mut log = log();
            if is_deleted(&log, &principal) {
                continue;
            }
            let before = log.directory.objects().clone();
            let ms = log.revision + 1;
            let command = Command {
                principal,
                ..command(request_at(ms, 0), ms, operation.clone())
            };
            let result = log.execute(&command).result;
            let context = format!("{who}: {what} ({operation:?})");
            match result {
                Ok(_) => assert!(may.contains(*column), "{context}: was allowed"),
                Err(Rejection::NotPermitted { .. } | Rejection::PasswordNeeded { .. }) => {
                    assert!(!may.contains(*column), "{context}: was refused");
                    assert_eq!(*log.directory.objects(), before, "{context}");
                }
                Err(other) => panic!("{context}: {other}"),
            }
        }
    }
}

/// A directory that counts what is read of memberships.
struct Counting<'d> {
    directory: &'d MemoryDirectory,
    read: Cell<usize>,
}

impl Counting<'_> {
    fn count(&self, ids: Vec<ObjectId>) -> Vec<ObjectId> {
        self.read.set(self.read.get() + 1 + ids.len());
        ids
    }
}

impl Objects for Counting<'_> {
    type Error = Infallible;

    fn schema(&self) -> &Schema {
        self.directory.schema()
    }

    fn object(&self, id: &ObjectId) -> Result<Option<Object>, Infallible> {
        self.directory.object(id)
    }

    fn holder(&self, key: &UniqueKey) -> Result<Option<ObjectId>, Infallible> {
        self.directory.holder(key)
    }

    fn groups_of(&self, member: &ObjectId) -> Result<Vec<ObjectId>, Infallible> {
        Ok(self.count(self.directory.groups_of(member)?))
    }

    fn groups_within(&self, group: &ObjectId) -> Result<Vec<ObjectId>, Infallible> {
        Ok(self.count(self.directory.groups_within(group)?))
    }

    fn indexed(&self, key: &IndexKey) -> Result<Vec<ObjectId>, Infallible> {
        Ok(self.count(self.directory.indexed(key)?))
    }

    fn tombstone(&self, id: &ObjectId) -> Result<Option<Tombstone>, Infallible> {
        self.directory.tombstone(id)
    }

    fn former(&self, gone: &ObjectId) -> Result<Vec<Membership>, Infallible> {
        self.directory.former(gone)
    }
}

/// Ana is in 11 groups, each of which is in 100 others.
fn in_many_groups() -> Log {
    let mut log = log();
    log.run(create(9, "ana")).expect("made");
    let group = |log: &mut Log, number: u16, member: Selector| {
        let mut id = [9; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        let made = Operation::Create {
            id: ObjectId::from_bytes(id),
            kind: Kind::Group,
            edits: vec![set("group_name", &format!("g{number}"))],
            verifier: None,
        };
        log.run(made).expect("made");
        let joined = members(&format!("g{number}"), vec![member], vec![]);
        log.run(joined).expect("joined");
    };
    for near in 0..11 {
        group(&mut log, near * 101, by_login("ana"));
    }
    for near in 0..11 {
        for far in 1..=100 {
            let member = by_group_name(&format!("g{}", near * 101));
            group(&mut log, near * 101 + far, member);
        }
    }
    log
}

#[test]
fn roles_are_found_however_many_groups_somebody_is_in_and_few_are_read() {
    let mut log = in_many_groups();
    let ana = account_id(9);
    let roles = |log: &Log| {
        let counting = Counting {
            directory: &log.directory,
            read: Cell::new(0),
        };
        let Ok(roles) = roles_of(&counting, &ana);
        let read = counting.read.get();
        assert!(read < 2 * Limit::GroupsOfOne.most() + 100, "{read}");
        roles
    };
    let Ok(all) = all_groups_of(&ana, |id| log.directory.groups_of(id));
    assert_eq!(all.len(), 1111);
    assert_eq!(roles(&log), BTreeSet::new());
    for (group, role) in [("g0", "reader"), ("g1110", "help_desk")] {
        log.run(edit(&by_group_name(group), "role", role))
            .expect("given");
    }
    assert_eq!(roles(&log), BTreeSet::from([Role::Reader, Role::HelpDesk]));
    let outer = members("operators", vec![by_group_name("g606")], vec![]);
    log.run(outer).expect("joined");
    let three = BTreeSet::from([Role::Reader, Role::HelpDesk, Role::Operator]);
    assert_eq!(roles(&log), three);
}

#[test]
fn who_may_not_change_an_object_is_told_no_version_and_leaves_no_outcome() {
    let mut log = log();
    let expected_version = Some(Revision(999));
    let (target, group) = (by_login("otto"), by_group_name("operators"));
    for operation in [
        Operation::Change {
            target: target.clone(),
            expected_version,
            edits: vec![set("real_name", "X")],
            verifier: VerifierChange::Keep,
        },
        Operation::Delete {
            target,
            expected_version,
        },
        Operation::Members {
            group,
            expected_version,
            add: vec![by_login("xena")],
            remove: Vec::new(),
        },
    ] {
        for stranger in [who_knows(6, 6), Principal::Anyone] {
            let refused = log
                .run_as(&stranger, operation.clone())
                .expect_err("no right");
            let told = matches!(
                refused,
                Rejection::NotPermitted { .. } | Rejection::PasswordNeeded { .. }
            );
            assert!(told, "{operation:?}: {refused}");
            let kept = log.events.iter();
            let mut kept = kept.filter(|event| matches!(event, Event::OutcomeRecorded { .. }));
            assert_eq!(kept.next(), None);
        }
        let told = log.run(operation).expect_err("another version");
        assert!(matches!(told, Rejection::VersionMismatch { .. }), "{told}");
    }
}

#[test]
fn a_refusal_names_the_attribute_and_who_may() {
    let refused = |principal: &Principal, operation| {
        let result = log().run_as(principal, operation);
        result.expect_err("refused").to_string()
    };
    let title = change(by_login("otto"), vec![set("title", "Dr")]);
    let of_help_desk = refused(&who_knows(3, 3), title.clone());
    assert!(
        of_help_desk.contains("title is changed by user managers and operators only"),
        "{of_help_desk}"
    );
    let of_privileged = change(by_login("mona"), vec![set("title", "Dr")]);
    let of_manager = refused(&who_knows(2, 2), of_privileged);
    assert!(
        of_manager.contains("title is changed by user managers and operators only"),
        "{of_manager}"
    );
    let of_other = refused(&who_knows(6, 6), title);
    assert!(
        of_other.contains("this is for user managers and operators only"),
        "{of_other}"
    );
}

#[test]
fn a_right_that_was_taken_away_holds_for_no_later_change() {
    let title = || change(by_login("otto"), vec![set("title", "Dr")]);
    let mona = who_knows(2, 2);
    for taken in [
        members("inner", vec![], vec![by_login("mona")]),
        members("managers", vec![], vec![by_group_name("inner")]),
        change(by_group_name("managers"), vec![set("role", "reader")]),
        delete(by_group_name("managers")),
        change(by_login("mona"), vec![set("disabled", "true")]),
        change_verifier(by_login("mona"), new_password()),
        delete(by_login("mona")),
    ] {
        let mut log = log();
        log.run_as(&mona, title()).expect("may");
        log.run(taken.clone()).expect("taken away");
        let other = change(by_login("otto"), vec![set("title", "Prof")]);
        let refused = log.run_as(&mona, other).expect_err("may not any more");
        assert!(
            matches!(
                refused,
                Rejection::NotPermitted { .. } | Rejection::PasswordChanged { .. }
            ),
            "{taken:?}: {refused}"
        );
    }
}

#[test]
fn objects_say_who_made_and_changed_them() {
    let mut log = log();
    let changed = |change: Made| (change.object.created.actor, change.object.changed.actor);
    let by_manager = log.run_as(&who_knows(2, 2), person("new", &[]));
    let mona = Actor::Account(account_id(2));
    assert_eq!(
        changed(by_manager.expect("made")),
        (mona.clone(), mona.clone())
    );
    let by_operator = log.run(change(by_login("new"), vec![set("title", "Dr")]));
    let olga = operator().actor();
    assert_eq!(changed(by_operator.expect("changed")), (mona, olga.clone()));
    let nothing = log.run_as(
        &who_knows(2, 2),
        change(by_login("new"), vec![set("title", "Dr")]),
    );
    let nothing = nothing.expect("nothing to change");
    assert_eq!(nothing.object.changed.actor, olga);
    assert!(nothing.object.version < Revision(log.revision));
}
