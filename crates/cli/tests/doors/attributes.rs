//! Every attribute of the schema through every door: set, shown, exported, imported, cleared.

use std::{collections::BTreeMap, path::Path};

use quorid_directory::{
    Attribute, AttributeNumber, ChangedBy, Definition, Kind, Properties, ReadBy, Schema, Syntax,
};
use serde_json::Value;

use crate::directory::Directory;

const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ana@laptop";

/// Accounts that others refer to: by login name, with ids.
struct Bosses(BTreeMap<String, String>);

impl Bosses {
    fn made(directory: &Directory) -> Self {
        let ids = ["boss", "chief"].map(|name| {
            let id = directory.succeed(&["create", name, "Boss"]);
            (name.to_owned(), id.trim().to_owned())
        });
        Self(ids.into())
    }

    /// What JSON and files have.
    fn id_of(&self, attribute: &Attribute, sample: &str) -> String {
        let refers = attribute.syntax == Syntax::Reference;
        let id = self.0.get(sample).filter(|_| refers);
        id.map_or(sample, String::as_str).to_owned()
    }
}

/// Values in their normal form, and login names of accounts: two where there may be several.
fn samples(attribute: &Attribute) -> Vec<String> {
    let samples = match attribute.syntax {
        Syntax::LoginName => ["ana", "ana"],
        Syntax::RealName => ["Ana Lima", "Ana Lima"],
        Syntax::GroupName => ["Head office", "Head office"],
        Syntax::Line { .. } => ["a line, with a comma", "another"],
        Syntax::Text { .. } => ["two\nlines", "one"],
        Syntax::Mail => ["Ana.Lima@example.org", "ana+b@example.org"],
        Syntax::Phone => ["+351 21 000 0000", "112"],
        Syntax::Language => ["pt-BR", "en"],
        Syntax::Zone => ["Europe/Lisbon", "UTC"],
        Syntax::PosixNumber => ["70001", "70001"],
        Syntax::Flag => ["false", "true"],
        Syntax::Role => ["reader", "help_desk"],
        Syntax::Time => ["2026-12-31T18:00:00Z", "2027-01-01T00:00:00Z"],
        Syntax::Path => ["/home/ana", "/"],
        Syntax::Gecos => ["Ana Lima,,", "Ana"],
        Syntax::SshKey => [SSH_KEY, SSH_KEY.split_at(80).0],
        Syntax::Reference => ["boss", "chief"],
    };
    let number = if attribute.values_max == 1 { 1 } else { 2 };
    let samples = samples.iter().take(number);
    samples.map(|sample| (*sample).to_owned()).collect()
}

/// What accounts may have.
fn of_accounts(schema: &Schema) -> impl Iterator<Item = &Attribute> {
    let of_accounts = |attribute: &&Attribute| attribute.kinds.contains(&Kind::Person);
    schema.rows().iter().filter(of_accounts)
}

/// The schema after an operator has added an attribute of each syntax that a site may use.
fn with_attributes_of_site(directory: &Directory) -> Schema {
    let mut schema = Schema::default();
    for (number, syntax) in (1000..).zip(Syntax::of_site()) {
        let name = format!("site_{}", syntax.name());
        let values_max = if syntax.name() == "text" { 1 } else { 2 };
        directory.succeed(&[
            "schema",
            "add",
            &name,
            "--syntax",
            syntax.name(),
            "--multi",
            &values_max.to_string(),
            "--of",
            "accounts,groups",
        ]);
        let definition = Definition::new(Properties {
            name,
            accounts: true,
            groups: true,
            syntax: syntax.name().to_owned(),
            values_max,
            unique: false,
            indexed: false,
            changed_by: ChangedBy::Manager,
            read_by: ReadBy::Everyone,
        });
        let row = definition.expect("a site may add it");
        schema = schema.with(row.numbered(AttributeNumber(number)));
    }
    schema
}

/// What `lookup` shows of an attribute in JSON.
fn shown(account: &Value, attribute: &Attribute) -> Value {
    match account.get(&*attribute.name) {
        Some(Value::String(value)) => Value::from(vec![value.clone()]),
        Some(other) => panic!("{}: {other}", attribute.name),
        None => account["attributes"][&*attribute.name].clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attribute_of_the_schema_goes_through_every_door() {
    let directory = Directory::start().await;
    let schema = with_attributes_of_site(&directory);
    let of_accounts = || of_accounts(&schema);
    assert!(of_accounts().any(|row| row.number.is_of_site()));
    let bosses = Bosses::made(&directory);
    directory.succeed(&["create", "ana", "Ana Lima"]);
    for attribute in of_accounts() {
        for value in samples(attribute) {
            let assignment = format!("{}={value}", attribute.name);
            directory.succeed(&["modify", "ana", "--add", &assignment]);
        }
        let account = directory.lookup("ana");
        let samples = samples(attribute).into_iter();
        let expected: Vec<_> = samples.map(|it| bosses.id_of(attribute, &it)).collect();
        let expected = Value::from(expected);
        assert_eq!(shown(&account, attribute), expected, "{}", attribute.name);
    }
    let text = directory.succeed(&["lookup", "ana"]);
    for value in of_accounts().flat_map(samples) {
        let first_line = value.lines().next().expect("a line");
        assert!(text.contains(first_line), "{first_line} in {text}");
    }

    let before = directory.lookup("ana");
    for format in ["csv", "jsonl"] {
        let file = directory.file(&format!("accounts.{format}"));
        export(&directory, &file);
        directory.succeed(&["import", &file.to_string_lossy()]);
        directory.erase("ana");
        directory.succeed(&["import", &file.to_string_lossy()]);
        let after = directory.lookup("ana");
        for attribute in of_accounts() {
            let (after, before) = (shown(&after, attribute), shown(&before, attribute));
            assert_eq!(after, before, "{} in {format}", attribute.name);
        }
    }

    for attribute in of_accounts().filter(|attribute| !attribute.required) {
        directory.succeed(&["modify", "ana", "--clear", &attribute.name]);
        let account = directory.lookup("ana");
        assert_eq!(
            shown(&account, attribute),
            Value::Null,
            "{}",
            attribute.name
        );
    }
}

fn export(directory: &Directory, file: &Path) {
    directory.succeed(&["export", "--out", &file.to_string_lossy()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_an_account_without_what_only_persons_have() {
    let directory = Directory::start().await;
    let password = directory.written("password", "open sesame");
    directory.succeed(&["create", "ana", "Ana"]);
    let words = [
        "create",
        "gitea",
        "--service",
        "--set",
        "description=Code",
        "--posix",
    ];
    directory.succeed(&[&words[..], &["--password-file", &password]].concat());
    let gitea = directory.lookup("gitea");
    assert_eq!(
        (&gitea["kind"], &gitea["real_name"]),
        (&Value::from("service"), &Value::from(""))
    );
    assert_eq!(directory.lookup("ana")["kind"], Value::Null);
    assert!(directory.succeed(&["lookup", "gitea"]).contains("service"));
    for (what, expected) in [("users", "ana\n"), ("services", "gitea\n")] {
        assert_eq!(directory.succeed(&["get", what]), expected);
    }
    assert_eq!(directory.succeed(&["get", "uuids"]).lines().count(), 2);
    let found = directory.succeed(&["get", "users", "--where", "login_name=gitea"]);
    assert_eq!(found, "");
    directory.succeed(&["check-password", "gitea", "--password-file", &password]);
    directory.succeed(&["group", "create", "bots"]);
    directory.succeed(&["group", "add", "bots", "gitea", "ana"]);
    let shown = directory.succeed(&["group", "show", "bots", "--output", "json"]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let names = shown["members"].as_array().expect("members").iter();
    let names: Vec<_> = names.map(|it| it["login_name"].as_str()).collect();
    assert_eq!(names, [Some("ana"), Some("gitea")]);

    for (words, reason) in [
        (&["create", "Gitea", "Gi Tea"][..], "LOGIN_NAME_TAKEN"),
        (&["create", "ana", "--service"], "LOGIN_NAME_TAKEN"),
        (
            &["modify", "gitea", "--set", "title=Boss"],
            "SCHEMA_VIOLATION",
        ),
        (
            &["modify", "gitea", "--set", "real_name=Gi Tea"],
            "SCHEMA_VIOLATION",
        ),
    ] {
        assert_eq!(directory.refuse(words).1, reason, "{words:?}");
    }
    assert_eq!(directory.lookup("gitea")["etag"], gitea["etag"]);

    for format in ["csv", "jsonl"] {
        let file = directory.file(&format!("services.{format}"));
        export(&directory, &file);
        let file = file.to_string_lossy();
        let again = directory.run(&["import", &file]);
        assert!(
            again.status.success(),
            "{}",
            String::from_utf8_lossy(&again.stderr)
        );
        directory.erase("gitea");
        directory.succeed(&["import", &file, "--dry-run"]);
        directory.succeed(&["import", &file]);
        let after = directory.lookup("gitea");
        for key in ["kind", "attributes", "login_name", "real_name"] {
            assert_eq!(after[key], gitea[key], "{key} in {format}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_have_attributes_of_the_site_and_files_of_groups_too() {
    let directory = Directory::start().await;
    let schema = with_attributes_of_site(&directory);
    let of_site = || schema.rows().iter().filter(|row| row.number.is_of_site());
    let bosses = Bosses::made(&directory);
    directory.succeed(&["group", "create", "staff"]);
    for attribute in of_site() {
        for value in samples(attribute) {
            let assignment = format!("{}={value}", attribute.name);
            directory.succeed(&["group", "modify", "staff", "--add", &assignment]);
        }
    }
    let show = || {
        let shown = directory.succeed(&["group", "show", "staff", "--output", "json"]);
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        shown["attributes"].clone()
    };
    let before = show();
    for attribute in of_site() {
        let samples = samples(attribute).into_iter();
        let expected: Vec<_> = samples.map(|it| bosses.id_of(attribute, &it)).collect();
        assert_eq!(
            before[&*attribute.name],
            Value::from(expected),
            "{}",
            attribute.name
        );
    }
    for format in ["csv", "jsonl"] {
        let file = directory.file(&format!("groups.{format}"));
        let file = file.to_string_lossy();
        directory.succeed(&["group", "export", "--out", &file]);
        directory.erase_group("staff");
        directory.succeed(&["group", "import", &file]);
        assert_eq!(show(), before, "{format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attribute_of_the_site_is_listed_searched_mapped_and_judged_like_others() {
    let directory = Directory::start().await;
    let add = [
        "schema",
        "add",
        "badge_number",
        "--unique",
        "--changed-by",
        "operator",
        "--read-by",
        "staff",
        "--output",
        "json",
    ];
    let added: Value = serde_json::from_str(&directory.succeed(&add)).expect("JSON");
    assert_eq!(added["number"], 1000);
    let listed = directory.succeed(&["schema", "list", "--output", "json"]);
    let rows: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(rows.len(), Schema::builtin().rows().len() + 1);
    let mut expected = added.clone();
    expected
        .as_object_mut()
        .expect("an object")
        .remove("revision");
    assert_eq!(rows.last(), Some(&expected));
    assert!(
        directory
            .succeed(&["schema", "list"])
            .contains("badge_number")
    );

    directory.succeed(&["create", "ana", "Ana", "--set", "badge-number=A7"]);
    directory.succeed(&["create", "ben", "Ben"]);
    let found = directory.succeed(&["get", "users", "--where", "badge_number=a7"]);
    assert_eq!(found, "ana\n");
    let taken = directory.refuse(&["modify", "ben", "--set", "badge_number=a7"]);
    assert_eq!(taken, (Some(1), "VALUE_TAKEN".to_owned()));
    let refused = directory.run(&[
        "modify",
        "ben",
        "--add",
        "badge_number=1",
        "--add",
        "badge_number=2",
    ]);
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(
        errors.contains("badge number cannot be changed like that"),
        "{errors}"
    );

    let file = directory.written("badges.csv", "Badge,login_name\nB1,ben\nA7,cleo\n");
    let maps = ["import", &file, "--map", "Badge=badge_number", "--update"];
    let plan = directory.run(&[&maps[..], &["--dry-run"]].concat());
    assert_eq!(plan.status.code(), Some(7), "cleo has no real name");
    assert_eq!(directory.lookup("ben")["attributes"], serde_json::json!({}));
    assert_eq!(directory.run(&maps).status.code(), Some(7));
    assert_eq!(
        directory.lookup("ben")["attributes"]["badge_number"][0],
        "B1"
    );

    for (words, reason) in [
        (&["schema", "add", "badge_number"][..], "ATTRIBUTE_EXISTS"),
        (&["schema", "add", "mail"], "ATTRIBUTE_EXISTS"),
        (&["schema", "add", "Badge"], "INVALID_ATTRIBUTE"),
        (
            &["schema", "add", "x", "--syntax", "role"],
            "INVALID_ATTRIBUTE",
        ),
        (
            &["schema", "add", "x", "--syntax", "text", "--unique"],
            "INVALID_ATTRIBUTE",
        ),
        (
            &["schema", "add", "x", "--multi", "257"],
            "INVALID_ATTRIBUTE",
        ),
        (
            &["schema", "add", "x", "--read-by", "nobody"],
            "INVALID_ATTRIBUTE",
        ),
        (
            &["schema", "add", "x", "--changed-by", "staff"],
            "INVALID_ATTRIBUTE",
        ),
    ] {
        assert_eq!(
            directory.refuse(words),
            (Some(1), reason.to_owned()),
            "{words:?}"
        );
    }
    assert_eq!(
        directory.succeed(&["schema", "list", "--output", "json"]),
        listed
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_replace_add_and_remove_and_a_new_account_may_have_attributes() {
    let directory = Directory::start().await;
    directory.succeed(&[
        "create",
        "ana",
        "Ana",
        "--set",
        "mail=a@example.org",
        "--set",
        "mail=b@example.org",
    ]);
    for (options, mails) in [
        (vec!["--add", "mail=c@example.org"], vec!["a", "b", "c"]),
        (vec!["--remove", "mail=B@EXAMPLE.org"], vec!["a", "c"]),
        (
            vec!["--set", "mail=d@example.org", "--set", "mail=e@example.org"],
            vec!["d", "e"],
        ),
        (
            vec![
                "--remove",
                "mail=d@example.org",
                "--add",
                "mail=f@example.org",
            ],
            vec!["e", "f"],
        ),
    ] {
        directory.succeed(&[&["modify", "ana"], options.as_slice()].concat());
        let expected: Vec<_> = mails.iter().map(|it| format!("{it}@example.org")).collect();
        assert_eq!(
            directory.lookup("ana")["attributes"]["mail"],
            Value::from(expected)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_by_its_own_reason_and_changes_nothing() {
    let directory = Directory::start().await;
    directory.succeed(&["create", "ana", "Ana", "--set", "mail=ana@example.org"]);
    directory.succeed(&["create", "ben", "Ben"]);
    let before = directory.lookup("ben");
    let many: Vec<_> = (10..27).map(|n| format!("phone={n}")).collect();
    let many: Vec<_> = many.iter().flat_map(|it| ["--add", it.as_str()]).collect();
    for (options, exit, reason) in [
        (
            vec!["--set", "title=x", "--set", "mail=ana"],
            1,
            "INVALID_VALUE",
        ),
        (
            vec!["--set", "title=x", "--set", "mail=ANA@example.org"],
            1,
            "VALUE_TAKEN",
        ),
        (
            vec!["--set", "title=x", "--set", "title=y"],
            1,
            "SCHEMA_VIOLATION",
        ),
        (many, 1, "SCHEMA_VIOLATION"),
        (vec!["--clear", "real_name"], 1, "SCHEMA_VIOLATION"),
        (vec!["--set", "login_name=ana"], 1, "LOGIN_NAME_TAKEN"),
        (vec!["--set", "login_name=a b"], 1, "INVALID_LOGIN_NAME"),
        (vec!["--set", "title="], 1, "INVALID_VALUE"),
    ] {
        let refused = directory.refuse(&[&["modify", "ben"], options.as_slice()].concat());
        assert_eq!(refused, (Some(exit), reason.to_owned()), "{options:?}");
        assert_eq!(
            directory.lookup("ben")["etag"],
            before["etag"],
            "{options:?}"
        );
    }
    for option in ["--set", "--add", "--remove", "--clear"] {
        let refused = directory.refuse(&["modify", "ben", option, "shoe_size=41"]);
        assert_eq!(
            refused,
            (Some(1), "UNKNOWN_ATTRIBUTE".to_owned()),
            "{option}"
        );
        assert_eq!(directory.lookup("ben")["etag"], before["etag"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_groups_are_given_numbers_for_posix_systems() {
    let directory = Directory::start().await;
    directory.succeed(&["create", "ana", "Ana Lima", "--posix"]);
    directory.succeed(&["group", "create", "staff", "--posix"]);
    directory.succeed(&["create", "ben", "Ben Okri"]);
    directory.succeed(&["modify", "ben", "--posix"]);
    directory.succeed(&["modify", "ben", "--posix"]);
    let group = directory.succeed(&["group", "show", "staff", "--output", "json"]);
    let group: Value = serde_json::from_str(&group).expect("JSON");
    let numbers = [directory.lookup("ana"), group, directory.lookup("ben")]
        .map(|object| object["attributes"]["posix_number"][0].clone());
    assert_eq!(numbers, ["65536", "65537", "65538"].map(Value::from));

    directory.succeed(&["delete", "ana"]);
    directory.succeed(&["create", "cleo", "Cleo", "--posix"]);
    let cleo = &directory.lookup("cleo")["attributes"]["posix_number"];
    assert_eq!(*cleo, serde_json::json!(["65539"]), "none is given twice");
    for (words, exit, reason) in [
        (
            &["modify", "ben", "--set", "posix_number=65537"][..],
            1,
            "VALUE_TAKEN",
        ),
        (
            &["modify", "ben", "--set", "posix_number=0"],
            1,
            "INVALID_VALUE",
        ),
        (&["modify", "ben", "ben.okri"], 1, "SCHEMA_VIOLATION"),
        (&["create", "νίκος", "N", "--posix"], 1, "SCHEMA_VIOLATION"),
    ] {
        let refused = directory.refuse(words);
        assert_eq!(refused, (Some(exit), reason.to_owned()), "{words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_refers_to_another_by_name_or_id_and_is_found_by_that() {
    let directory = Directory::start().await;
    let bob = directory.succeed(&["create", "bob", "Bob"]);
    let bob = bob.trim();
    let by_id = format!("manager={bob}");
    directory.succeed(&["create", "ana", "Ana", "--set", "manager=Bob"]);
    directory.succeed(&["create", "gitea", "--service", "--set", &by_id]);
    assert_eq!(directory.lookup("ana")["attributes"]["manager"][0], bob);
    assert!(
        directory
            .succeed(&["lookup", "ana"])
            .contains("manager     bob\n")
    );
    for (condition, expected) in [
        ("manager=bob", "ana\n"),
        (&by_id, "ana\n"),
        ("manager=ana", ""),
    ] {
        let found = directory.succeed(&["get", "users", "--where", condition]);
        assert_eq!(found, expected, "{condition}");
    }
    directory.succeed(&["group", "create", "staff"]);
    for words in [
        &["modify", "ana", "--set", "manager=staff"][..],
        &["create", "eve", "Eve", "--set", "manager=eve"],
        &[
            "modify",
            "ana",
            "--add",
            "manager=01890a5d-ac96-774b-bcce-b302099a8057",
        ],
    ] {
        assert_eq!(
            directory.refuse(words),
            (Some(1), "REFERENCE_INVALID".to_owned())
        );
    }
    directory.succeed(&["modify", "bob", "robert"]);
    assert!(
        directory
            .succeed(&["lookup", "ana"])
            .contains("manager     robert\n")
    );
    directory.succeed(&["delete", "robert"]);
    let text = directory.succeed(&["lookup", "ana"]);
    assert!(text.contains(&format!("manager     {bob}\n")), "{text}");
    assert_eq!(
        directory.succeed(&["get", "users", "--where", &by_id]),
        "ana\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_searched_by_conditions() {
    let directory = Directory::start().await;
    for (name, title) in [
        ("ana", "Head of Sales"),
        ("ben", "Admin"),
        ("cleo", "Admin"),
    ] {
        let mail = format!("mail={name}@example.org");
        let title = format!("title={title}");
        directory.succeed(&["create", name, "Some One", "--set", &mail, "--set", &title]);
    }
    directory.succeed(&["group", "create", "Admin"]);
    for (condition, expected) in [
        ("mail=BEN@example.org", "ben\n"),
        ("title=admin", "ben\ncleo\n"),
        ("title=Admin and not mail=ben@example.org", "cleo\n"),
        ("title=head* or login_name=cleo", "ana\ncleo\n"),
        ("mail=none@example.org", ""),
        ("group_name=Admin", ""),
    ] {
        let found = directory.succeed(&["get", "users", "--where", condition]);
        assert_eq!(found, expected, "{condition}");
    }
    for condition in ["title", "e-mail=x", "mail=ana", "(title=a"] {
        let refused = directory.refuse(&["get", "users", "--where", condition]);
        assert_eq!(
            refused,
            (Some(1), "INVALID_FILTER".to_owned()),
            "{condition}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_disabled_logs_in_nowhere_until_that_is_taken_back() {
    let directory = Directory::start().await;
    let password = directory.file("password");
    std::fs::write(&password, "open sesame").expect("written");
    let password = password.to_string_lossy();
    directory.succeed(&["create", "eve", "Eve", "--password-file", &password]);
    let tries: [&[&str]; 3] = [
        &["lookup", "eve"],
        &[
            "modify",
            "eve",
            "--set",
            "phone=112",
            "--password-file",
            &password,
        ],
        &["check-password", "eve", "--password-file", &password],
    ];
    let codes = || tries.map(|words| directory.run_as("eve", "open sesame", words).status.code());
    assert_eq!(codes(), [Some(0); 3]);
    for (set, clear) in [
        ("disabled=true", "disabled"),
        ("valid_from=2999-01-01", "valid_from"),
        ("expires=2020-01-01", "expires"),
    ] {
        directory.succeed(&["modify", "eve", "--set", set]);
        assert_eq!(codes(), [Some(4); 3], "{set}");
        assert_eq!(
            directory.lookup("eve")["login_name"],
            "eve",
            "it stays visible"
        );
        directory.succeed(&["modify", "eve", "--clear", clear]);
        assert_eq!(codes(), [Some(0); 3], "{clear} is taken back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn weak_passwords_are_refused_and_change_nothing() {
    let directory = Directory::start().await;
    let password = |name: &str, text: &str| {
        let file = directory.file(name);
        std::fs::write(&file, text).expect("written");
        file.to_string_lossy().into_owned()
    };
    let (short, common) = (
        password("short", "1234567"),
        password("common", "Password1"),
    );
    let good = password("good", "open sesame");
    directory.succeed(&["create", "ben", "Ben", "--password-file", &good]);
    let before = directory.lookup("ben");
    for weak in [&short, &common] {
        let refused = directory.refuse(&["create", "ana", "Ana", "--password-file", weak]);
        assert_eq!(refused, (Some(1), "WEAK_PASSWORD".to_owned()));
        let refused = directory.refuse(&["modify", "ben", "--new-password-file", weak]);
        assert_eq!(refused, (Some(1), "WEAK_PASSWORD".to_owned()));
    }
    assert_eq!(directory.lookup("ben"), before);
    let missing = directory.refuse(&["lookup", "ana"]);
    assert_eq!(missing, (Some(3), "ACCOUNT_NOT_FOUND".to_owned()));
}
