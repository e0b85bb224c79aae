//! Rules of attributes: what edits do, what the schema refuses, what no two objects may have.

use crate::support::{
    Log, account_id, by_login, change, create, create_with, create_with_password, delete, names,
    number, set, value, who_knows,
};
use quorid_directory::{
    AttributeNumber, Edit, EditAction, Held, Kind, Object, Operation, Rejection, Revision,
    Selector, Value, Violation,
};

fn edit(name: &str, action: fn(Vec<Value>) -> EditAction, texts: &[&str]) -> Edit {
    Edit {
        attribute: number(name),
        action: action(texts.iter().map(|text| value(name, text)).collect()),
    }
}

fn clear(name: &str) -> Edit {
    Edit {
        attribute: number(name),
        action: EditAction::Clear,
    }
}

fn by_operator(name: &str, edits: Vec<Edit>) -> Operation {
    change(by_login(name), edits)
}

/// Accounts 1 `ana` and 2 `ben`, at revision 2.
fn ana_and_ben() -> Log {
    let mut log = Log::new();
    log.run(create(1, "ana")).expect("done");
    log.run(create(2, "ben")).expect("done");
    log
}

fn texts(object: &Object, name: &str) -> Vec<String> {
    let values = object.values(number(name)).iter();
    values.map(ToString::to_string).collect()
}

#[test]
fn edits_do_what_they_say_one_after_the_other() {
    use EditAction::{Add, Remove, Replace};
    let phone = |action, texts: &[&str]| edit("phone", action, texts);
    for (edits, after) in [
        (vec![], vec!["11", "22"]),
        (vec![phone(Add, &["33"])], vec!["11", "22", "33"]),
        (
            vec![phone(Add, &["22", "33", "33"])],
            vec!["11", "22", "33"],
        ),
        (vec![phone(Remove, &["11", "99"])], vec!["22"]),
        (vec![phone(Remove, &["11", "22"])], vec![]),
        (vec![phone(Replace, &["33", "11", "33"])], vec!["33", "11"]),
        (vec![clear("phone")], vec![]),
        (
            vec![clear("phone"), phone(Add, &["99"]), phone(Add, &["11"])],
            vec!["99", "11"],
        ),
        (
            vec![phone(Add, &["33"]), phone(Remove, &["33"])],
            vec!["11", "22"],
        ),
    ] {
        let mut log = ana_and_ben();
        log.run(by_operator("ana", vec![phone(Add, &["11", "22"])]))
            .expect("done");
        let changed = log.run(by_operator("ana", edits)).expect("done");
        assert_eq!(texts(&changed.object, "phone"), after);
    }
}

#[test]
fn an_edit_that_makes_no_difference_is_no_change() {
    let mut log = ana_and_ben();
    log.run(by_operator("ana", vec![set("mail", "ana@example.org")]))
        .expect("done");
    for edits in [
        vec![set("mail", "ana@example.org")],
        vec![edit("mail", EditAction::Add, &["ANA@example.org"])],
        vec![edit("mail", EditAction::Remove, &["ben@example.org"])],
        vec![clear("title")],
    ] {
        let object = log.run(by_operator("ana", edits)).expect("done").object;
        assert_eq!(object.version, Revision(3));
    }
}

#[test]
fn what_the_schema_forbids_is_refused_and_nothing_is_changed() {
    let many: Vec<_> = (10..27).map(|n| n.to_string()).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let newer = AttributeNumber(4_000_000);
    let with = |attribute, value| Edit {
        attribute,
        action: EditAction::Replace(vec![value]),
    };
    let title = number("title");
    for (refused, attribute, violation) in [
        (
            clear("login_name"),
            number("login_name"),
            Violation::Required,
        ),
        (clear("real_name"), number("real_name"), Violation::Required),
        (
            edit("title", EditAction::Replace, &["one", "two"]),
            title,
            Violation::TooMany { values_max: 1 },
        ),
        (
            edit("phone", EditAction::Add, &many),
            number("phone"),
            Violation::TooMany { values_max: 16 },
        ),
        (
            with(newer, Value::Text("x".to_owned())),
            newer,
            Violation::Unknown,
        ),
        (
            with(title, Value::Text("x".repeat(257))),
            title,
            Violation::Value,
        ),
        (
            with(title, Value::Text(String::new())),
            title,
            Violation::Value,
        ),
    ] {
        let mut log = ana_and_ben();
        let before = log.directory.objects().clone();
        let result = log.run(by_operator("ana", vec![set("locale", "pt"), refused]));
        let expected = Rejection::SchemaViolation {
            attribute: attribute.into(),
            violation,
        };
        assert_eq!(result, Err(expected));
        assert_eq!(*log.directory.objects(), before);
    }
}

#[test]
fn an_account_must_be_created_with_its_names() {
    for missing in ["login_name", "real_name"] {
        let mut edits = names("ana", "Ana");
        edits.retain(|edit| edit.attribute != number(missing));
        let result = Log::new().run(create_with(1, edits, None));
        let expected = Rejection::SchemaViolation {
            attribute: number(missing).into(),
            violation: Violation::Required,
        };
        assert_eq!(result, Err(expected));
    }
}

#[test]
fn no_two_accounts_have_the_same_unique_value() {
    for (name, one, same, other) in [
        (
            "mail",
            "ana@example.org",
            "Ana@EXAMPLE.org",
            "ben@example.org",
        ),
        ("employee_number", "a-17", "A-17", "a-18"),
        ("login_name", "anna", "ANNA", "benno"),
    ] {
        let mut log = ana_and_ben().that_keeps_nothing();
        let ana = || Selector::Id(account_id(1));
        let ben = |text| change(Selector::Id(account_id(2)), vec![set(name, text)]);
        log.run(change(ana(), vec![set(name, one)])).expect("done");
        let taken = Rejection::ValueTaken {
            attribute: number(name).into(),
            value: value(name, same),
            kind: Kind::Person,
            holder: account_id(1),
            held: Held::Now,
        };
        assert_eq!(log.run(ben(same)), Err(taken), "{name}");
        log.run(ben(other)).expect("another value is free");
        log.run(delete(ana())).expect("done");
        log.run(ben(same))
            .expect("the value of a deleted account is free");
    }
}

#[test]
fn a_value_that_moves_within_an_account_stays_its_own() {
    let mut log = ana_and_ben();
    let mails = ["a@example.org", "b@example.org"];
    let turned = ["b@example.org", "A@example.org"];
    let replace =
        |mails: &[&str]| by_operator("ana", vec![edit("mail", EditAction::Replace, mails)]);
    log.run(replace(&mails)).expect("done");
    let object = log.run(replace(&turned)).expect("done").object;
    assert_eq!(texts(&object, "mail"), turned);
    log.directory.assert_whole();
}

#[test]
fn who_is_disabled_or_outside_of_its_time_proves_nothing() {
    let mut log = Log::new();
    log.run(create_with_password(1, "ana", "x"))
        .expect("created");
    let version = log.directory.objects()[&account_id(1)].password_version;
    let version = version.expect("a password");
    let own_phone = || change(by_login("ana"), vec![set("phone", "112")]);
    let account = account_id(1);
    // Commands of these tests are made a little after 2023-11-14T22:13:20Z.
    for (name, text, may) in [
        ("disabled", "true", false),
        ("disabled", "false", true),
        ("valid_from", "2023-11-15", false),
        ("valid_from", "2023-11-14", true),
        ("expires", "2023-11-14", false),
        ("expires", "2023-11-15", true),
    ] {
        let by_operator = |edit| change(by_login("ana"), vec![edit]);
        log.run(by_operator(set(name, text))).expect("changed");
        let changed = log.run_as(&who_knows(1, version.0), own_phone()).map(drop);
        let expected = match may {
            true => Ok(()),
            false => Err(Rejection::PasswordChanged { account }),
        };
        assert_eq!(changed, expected, "{name}={text}");
        log.run(by_operator(clear(name))).expect("changed");
    }
}

#[test]
fn the_attributes_of_an_object_are_bounded_together() {
    let mut log = ana_and_ben();
    let described = Edit::set(number("description"), Value::Text("x".repeat(4_000)));
    log.run(by_operator("ana", vec![described]))
        .expect("changed");
    let before = log.directory.objects().clone();
    let keys = (0..9).map(|n| Value::Text(format!("{n}{}", "x".repeat(8_000))));
    let too_much = Edit {
        attribute: number("ssh_public_key"),
        action: EditAction::Add(keys.collect()),
    };
    let limit = quorid_directory::Limit::ObjectBytes;
    let refused = log.run(by_operator("ana", vec![too_much]));
    assert_eq!(refused, Err(Rejection::LimitExceeded { limit }));
    assert_eq!(*log.directory.objects(), before);
}
