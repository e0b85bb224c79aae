//! Attributes that a site adds to the schema.

use crate::support::{
    Log, by_group_name, by_login, change, command, create, create_group, operator, request_at,
};
use quorid_directory::{
    Accepted, AttributeNumber, ChangedBy, Definition, Edit, InvalidDefinition, Limit, Objects as _,
    Operation, Principal, Properties, ReadBy, Rejection, Value, Violation,
};

pub(crate) fn badge() -> Properties {
    Properties {
        name: "badge_number".to_owned(),
        accounts: true,
        groups: false,
        syntax: "line".to_owned(),
        values_max: 1,
        unique: true,
        indexed: false,
        changed_by: ChangedBy::Operator,
        read_by: ReadBy::Staff,
    }
}

fn named(name: &str) -> Properties {
    Properties {
        name: name.to_owned(),
        ..badge()
    }
}

fn define(log: &mut Log, principal: &Principal, properties: Properties) -> Result<(), Rejection> {
    let definition = Definition::new(properties).expect("a site may add it");
    let ms = log.revision + 1;
    let mut command = command(
        request_at(ms, 0),
        ms,
        Operation::DefineAttribute { definition },
    );
    command.principal = principal.clone();
    match log.execute(&command).result {
        Ok(Accepted::Directory) => Ok(()),
        Ok(Accepted::Object(_)) => panic!("no object was changed"),
        Err(rejection) => Err(rejection),
    }
}

fn set(number: u32, text: &str) -> Edit {
    Edit::set(AttributeNumber(number), Value::Text(text.to_owned()))
}

#[test]
fn an_attribute_gets_the_next_number_and_is_judged_like_others() {
    let mut log = Log::new();
    for (id, name) in [(1, "ana"), (2, "ben")] {
        log.run(create(id, name)).expect("created");
    }
    log.run(create_group(11, "staff")).expect("created");
    let early = log.run(change(by_login("ana"), vec![set(1000, "A7")]));
    assert!(matches!(
        early,
        Err(Rejection::SchemaViolation {
            violation: Violation::Unknown,
            ..
        })
    ));
    define(&mut log, &operator(), badge()).expect("added");
    define(&mut log, &operator(), named("skill")).expect("added");
    let numbers: Vec<_> = log
        .directory
        .schema()
        .of_site()
        .iter()
        .map(|row| row.number.0)
        .collect();
    assert_eq!(numbers, [1000, 1001]);

    log.run(change(by_login("ana"), vec![set(1000, "A7")]))
        .expect("changed");
    let taken = log.run(change(by_login("ben"), vec![set(1000, "a7")]));
    let taken = taken.expect_err("ana has it").to_string();
    assert!(
        taken.starts_with("badge number `a7` already belongs to account"),
        "{taken}"
    );
    let group = log.run(change(by_group_name("staff"), vec![set(1000, "G")]));
    assert!(matches!(
        group,
        Err(Rejection::SchemaViolation {
            violation: Violation::Kind,
            ..
        })
    ));
    let stranger = log.run_as(
        &Principal::Anyone,
        change(by_login("ben"), vec![set(1000, "B")]),
    );
    let stranger = stranger.expect_err("for operators").to_string();
    assert!(
        stranger.contains("badge number is changed by operators only"),
        "{stranger}"
    );
    log.directory.assert_whole();
}

#[test]
fn a_name_that_is_there_is_refused_and_so_is_one_attribute_too_many() {
    let mut log = Log::new();
    define(&mut log, &operator(), badge()).expect("added");
    for name in ["badge_number", "mail"] {
        let before = log.directory.schema().clone();
        let refused = define(&mut log, &operator(), named(name)).expect_err(name);
        let Rejection::AttributeExists { attribute } = refused else {
            panic!("{refused}");
        };
        assert_eq!(attribute.name, name);
        assert_eq!(*log.directory.schema(), before);
    }
    for number in 1..Limit::SiteAttributes.most() {
        define(&mut log, &operator(), named(&format!("a{number}"))).expect("added");
    }
    let limit = Limit::SiteAttributes;
    let refused = define(&mut log, &operator(), named("one_more"));
    assert_eq!(refused, Err(Rejection::LimitExceeded { limit }));
    assert_eq!(log.directory.schema().of_site().len(), limit.most());
}

#[test]
fn only_operators_add_attributes() {
    let mut log = Log::new();
    let refused = define(&mut log, &Principal::Anyone, badge());
    assert!(matches!(refused, Err(Rejection::NotPermitted { .. })));
    assert!(log.directory.schema().of_site().is_empty());
}

#[test]
fn what_no_site_can_add_is_named() {
    let long = "a".repeat(64);
    for name in [
        "",
        "Badge",
        "1st",
        "_a",
        "badge-number",
        "b\u{e4}dge",
        long.as_str(),
    ] {
        let error = Definition::new(named(name)).expect_err(name);
        assert!(
            matches!(error, InvalidDefinition::Name { .. }),
            "{name}: {error}"
        );
    }
    for syntax in [
        "login_name",
        "real_name",
        "group_name",
        "role",
        "posix_number",
        "number",
        "",
    ] {
        let asked = Properties {
            syntax: syntax.to_owned(),
            ..badge()
        };
        let error = Definition::new(asked).expect_err(syntax);
        assert!(
            matches!(error, InvalidDefinition::Syntax { .. }),
            "{syntax}: {error}"
        );
    }
    for values_max in [0, 257] {
        let asked = Properties {
            values_max,
            ..badge()
        };
        assert_eq!(
            Definition::new(asked),
            Err(InvalidDefinition::ValuesMax { values_max })
        );
    }
    for (unique, indexed) in [(true, false), (false, true)] {
        let asked = Properties {
            syntax: "text".to_owned(),
            unique,
            indexed,
            ..badge()
        };
        assert_eq!(
            Definition::new(asked),
            Err(InvalidDefinition::TooLong { syntax: "text" })
        );
    }
    let asked = Properties {
        accounts: false,
        groups: false,
        ..badge()
    };
    assert_eq!(Definition::new(asked), Err(InvalidDefinition::Kinds));
}
