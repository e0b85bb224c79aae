//! What searches find.

use crate::support::{Log, by_login, change, create, set};
use quorid_directory::{Filter, InvalidFilter, Object, Schema};

fn parse(text: &str) -> Result<Filter, InvalidFilter> {
    Filter::parse(Schema::builtin(), text)
}

/// Ana, Head of Sales; Ben, in IT; Cleo, of whom nothing is known.
fn objects() -> Vec<Object> {
    let mut log = Log::new();
    for (id, name) in [(1, "ana"), (2, "ben"), (3, "cleo")] {
        log.run(create(id, name)).expect("created");
    }
    for (name, edits) in [
        (
            "ana",
            vec![
                set("title", "Head of Sales"),
                set("department", "Sales"),
                set("mail", "Ana.Lima@example.org"),
                set("posix_number", "70000"),
            ],
        ),
        (
            "ben",
            vec![set("department", "IT (\"core\")"), set("title", "Admin")],
        ),
    ] {
        log.run(change(by_login(name), edits)).expect("changed");
    }
    log.directory.objects().values().cloned().collect()
}

#[test]
fn conditions_find_those_who_fulfil_them() {
    let objects = objects();
    for (text, expected) in [
        ("login_name=ana", "ana"),
        ("login_name=ANA", "ana"),
        ("mail=ana.lima@EXAMPLE.org", "ana"),
        ("department=sales", "ana"),
        ("title=head*", "ana"),
        ("title=\"Head of Sales\"", "ana"),
        ("department=\"IT (\\\"core\\\")\"", "ben"),
        ("posix_number=70000", "ana"),
        ("posix_number=7*", "ana"),
        ("title=*", "ana ben"),
        ("not title=*", "cleo"),
        ("not not title=*", "ana ben"),
        ("title=Admin or department=Sales", "ana ben"),
        ("title=Admin and department=Sales", ""),
        ("department=* and not (title=head* or mail=*)", "ben"),
        (
            "title=Admin or department=Sales and mail=none@example.org",
            "ben",
        ),
        ("  ( login_name = cleo )OR(title=Admin) ", "ben cleo"),
        ("real_name=\"*\"", ""),
    ] {
        let filter = parse(text).expect(text);
        let found: Vec<_> = objects
            .iter()
            .filter(|object| filter.fits(object))
            .map(Object::login_name)
            .collect();
        assert_eq!(found.join(" "), expected, "{text}");
    }
}

#[test]
fn what_is_no_condition_is_refused_with_its_place() {
    let deep = format!("{}title=*{}", "(".repeat(40), ")".repeat(40));
    for (text, part) in [
        ("", "position 1"),
        ("title", "position 6"),
        ("title=", "position 7"),
        ("title=a b", "position 9"),
        ("title=a and", "position 12"),
        ("(title=a", "position 9"),
        ("title=a)", "position 8"),
        ("title=a*b", "position 7"),
        ("title=\"a", "position 9"),
        ("title=\"a\\b\"", "position 9"),
        ("=a", "position 1"),
        ("e-mail=a", "`e-mail`"),
        ("mail=ana", "ana@example.org"),
        ("posix_number=x", "position 1"),
        (&deep, "nested more than 16"),
        (&"x".repeat(5_000), "5000 bytes"),
        (&vec!["title=*"; 33].join(" or "), "more than 32"),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    assert!(matches!(
        parse("not"),
        Err(InvalidFilter::Syntax { position: 4, .. })
    ));
}

#[test]
fn one_unique_value_is_enough_to_look_up() {
    let key = |text: &str| parse(text).expect(text).unique_key(Schema::builtin());
    assert!(key("mail=ana@example.org").is_some());
    assert_eq!(
        key("title=Boss and mail=ANA@example.org"),
        key("mail=ana@example.org")
    );
    for text in [
        "title=Boss",
        "mail=ana*",
        "not mail=ana@example.org",
        "mail=ana@example.org or title=Boss",
    ] {
        assert_eq!(key(text), None, "{text}");
    }
}
