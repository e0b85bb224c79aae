//! Attributes that refer to accounts.

use crate::support::{
    Log, account_id, by_group_name, by_login, change, command, create, create_group, delete, names,
    number, rename, request_at, set, value,
};
use quorid_directory::{
    Edit, EditAction, Filter, Kind, MemoryDirectory, Object, ObjectId, Objects as _, Operation,
    Rejection, Schema, Value,
};

const NOBODY: &str = "63636363-6363-6363-6363-636363636363";

/// Ana, Ben, a service and a group.
fn filled() -> Log {
    let mut log = Log::new();
    for (id, name) in [(1, "ana"), (2, "ben")] {
        log.run(create(id, name)).expect("created");
    }
    let gitea = Operation::Create {
        id: account_id(3),
        kind: Kind::Service,
        edits: vec![set("login_name", "gitea")],
        verifier: None,
    };
    log.run(gitea).expect("created");
    log.run(create_group(11, "staff")).expect("created");
    log
}

fn manager(of: &Object) -> Vec<String> {
    let values = of.values(number("manager")).iter();
    values.map(Value::to_string).collect()
}

fn manager_of(log: &Log, id: u8) -> Vec<String> {
    manager(&log.directory.objects()[&account_id(id)])
}

fn id(of: u8) -> String {
    account_id(of).to_string()
}

#[test]
fn an_account_is_named_by_login_name_or_id_and_kept_by_its_id() {
    let mut log = filled();
    for (of, by, expected) in [
        ("ana", "ben".to_owned(), 2),
        ("ana", "Gitea".to_owned(), 3),
        ("ana", id(2), 2),
        ("gitea", "ana".to_owned(), 1),
    ] {
        let made = log.run(change(by_login(of), vec![set("manager", &by)]));
        assert_eq!(manager(&made.expect("changed").object), [id(expected)]);
    }
    let version = log.directory.objects()[&account_id(1)].version;
    log.run(rename(by_login("ben"), "benjamin"))
        .expect("renamed");
    assert_eq!(manager_of(&log, 1), [id(2)]);
    let same = log.run(change(by_login("ana"), vec![set("manager", "benjamin")]));
    assert_eq!(same.expect("as it is").object.version, version);
    log.directory.assert_whole();
}

#[test]
fn what_is_asked_for_has_the_fingerprint_of_its_own_words() {
    let operation = |by: &str| change(by_login("ana"), vec![set("manager", by)]);
    let fingerprint = |by: &str| command(request_at(1, 0), 1, operation(by)).fingerprint();
    assert_eq!(fingerprint("ben"), fingerprint("BEN"));
    assert_ne!(fingerprint("ben"), fingerprint(&id(2)));
    let mut log = filled();
    let asked = command(request_at(10, 0), 10, operation("ben"));
    let first = log.execute(&asked);
    log.run(rename(by_login("ben"), "benjamin"))
        .expect("renamed");
    assert_eq!(
        log.execute(&asked),
        first,
        "a retry, though nobody is named ben"
    );
}

#[test]
fn an_account_that_is_not_there_and_a_group_are_refused_and_nothing_is_changed() {
    let mut log = filled();
    for by in ["staff", "cleo", NOBODY, &id(11)] {
        for action in [
            EditAction::Add(vec![value("manager", by)]),
            EditAction::Replace(vec![value("manager", by)]),
        ] {
            let attribute = number("manager");
            let edits = vec![set("title", "Head"), Edit { attribute, action }];
            let refused = log.run(change(by_login("ana"), edits)).expect_err(by);
            let expected = Rejection::ReferenceInvalid {
                attribute: attribute.into(),
                value: value("manager", by),
            };
            assert_eq!(refused, expected);
            let text = refused.to_string();
            assert!(
                text.starts_with(&format!("manager cannot be `{by}`")),
                "{text}"
            );
        }
    }
    let itself = [names("eve", "Eve"), vec![set("manager", "eve")]].concat();
    let refused = log.run(crate::support::create_with(5, itself, None));
    assert!(matches!(refused, Err(Rejection::ReferenceInvalid { .. })));
    let of_group = log.run(change(by_group_name("staff"), vec![set("manager", "ana")]));
    assert!(matches!(of_group, Err(Rejection::SchemaViolation { .. })));
    assert_eq!(log.directory.objects()[&account_id(1)].version.0, 1);
}

#[test]
fn a_reference_outlives_its_account_and_is_cleared_or_removed_like_others() {
    let mut log = filled();
    for of in ["ana", "gitea"] {
        let asked = vec![set("manager", "ben")];
        log.run(change(by_login(of), asked)).expect("changed");
    }
    log.run(delete(by_login("ben"))).expect("deleted");
    assert_eq!(manager_of(&log, 1), [id(2)]);
    let edits = vec![set("manager", &id(2)), set("title", "Head")];
    let kept = log.run(change(by_login("ana"), edits)).expect("changed");
    assert_eq!(
        manager(&kept.object),
        [id(2)],
        "what it has already, it may keep"
    );
    for (of, action) in [
        ("ana", EditAction::Remove(vec![value("manager", &id(2))])),
        ("gitea", EditAction::Clear),
    ] {
        let attribute = number("manager");
        let edits = vec![Edit { attribute, action }];
        let made = log.run(change(by_login(of), edits)).expect("changed");
        assert!(manager(&made.object).is_empty());
    }
    let again = log.run(change(by_login("ana"), vec![set("manager", &id(2))]));
    assert!(matches!(again, Err(Rejection::ReferenceInvalid { .. })));
    log.directory.assert_whole();
}

#[test]
fn a_search_names_accounts_as_a_change_does_and_looks_at_the_index() {
    let mut log = filled();
    let asked = vec![set("manager", "ben")];
    log.run(change(by_login("ana"), asked)).expect("changed");
    let found = |text: &str, directory: &MemoryDirectory| -> Vec<ObjectId> {
        let filter = Filter::parse(Schema::builtin(), text).expect("a filter");
        let Ok(filter) = filter.resolved(directory);
        assert!(filter.index_key(directory.schema()).is_some(), "{text}");
        let fits = directory.objects().values().filter(|it| filter.fits(it));
        fits.map(|it| it.id).collect()
    };
    for (text, expected) in [
        ("manager=Ben".to_owned(), vec![account_id(1)]),
        (format!("manager={}", id(2)), vec![account_id(1)]),
        ("manager=ana".to_owned(), vec![]),
        ("manager=cleo".to_owned(), vec![]),
        ("title=* and manager=ben".to_owned(), vec![]),
    ] {
        assert_eq!(found(&text, &log.directory), expected, "{text}");
    }
    log.run(delete(by_login("ben"))).expect("deleted");
    assert_eq!(found("manager=ben", &log.directory), []);
    assert_eq!(
        found(&format!("manager={}", id(2)), &log.directory),
        [account_id(1)]
    );
}
