//! Deleted accounts and groups at the command line: they are listed, restored and erased; and names that stay
//! reserved.

use serde_json::Value;

use crate::directory::Directory;

fn json(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// Ana with a password, attributes, a number and a group, deleted.
async fn with_ana_deleted() -> (Directory, Value) {
    let directory = Directory::start().await;
    let password = directory.written("ana.pw", "correct horse\n");
    directory.succeed(&[
        "create",
        "ana",
        "Ana Lima",
        "--posix",
        "--set",
        "mail=ana@example.org",
        "--password-file",
        &password,
    ]);
    directory.succeed(&["group", "create", "staff"]);
    directory.succeed(&["group", "add", "staff", "ana"]);
    let ana = directory.lookup("ana");
    directory.succeed(&["delete", "ana"]);
    (directory, ana)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_is_listed_and_comes_back_as_it_was() {
    let (directory, ana) = with_ana_deleted().await;
    assert_eq!(
        directory.refuse(&["lookup", "ana"]),
        (Some(3), "ACCOUNT_NOT_FOUND".to_owned())
    );
    for (create, reason) in [
        (vec!["create", "Ana", "Another"], "LOGIN_NAME_TAKEN"),
        (
            vec!["create", "b", "B", "--set", "mail=Ana@example.org"],
            "VALUE_TAKEN",
        ),
    ] {
        let told = directory.run(&create);
        let told = String::from_utf8(told.stderr).expect("text");
        assert!(told.contains("is deleted and can be restored"), "{told}");
        assert!(told.contains("quorid restore"), "{told}");
        assert_eq!(
            directory.refuse(&create),
            (Some(1), reason.to_owned()),
            "{create:?}"
        );
    }
    let text = directory.succeed(&["get", "deleted"]);
    assert!(text.starts_with("account ana  deleted "), "{text}");
    assert!(text.contains(" by operator "), "{text}");
    let listed = json(&directory.succeed(&["get", "deleted", "--output", "json"]));
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["object_kind"], "account");
    for field in ["id", "login_name", "attributes"] {
        assert_eq!(listed[0][field], ana[field], "{field}");
    }
    let history = directory.succeed(&["history", "ana", "--limit", "1"]);
    assert!(history.contains("  account ana deleted by "), "{history}");

    let restored = directory.succeed(&["restore", "ana", "--output", "json"]);
    let restored: Value = serde_json::from_str(&restored).expect("JSON");
    assert_eq!(restored["id"], ana["id"]);
    let now = directory.lookup("ana");
    for field in ["id", "attributes", "create_time", "groups", "has_password"] {
        assert_eq!(now[field], ana[field], "{field}");
    }
    let password = directory.written("ana.pw", "correct horse\n");
    directory.succeed(&["check-password", "ana", "--password-file", &password]);
    let newest = directory.succeed(&["history", "ana", "--limit", "1"]);
    assert!(newest.contains("  account ana restored by "), "{newest}");
    assert!(newest.contains("\n  is in group "), "{newest}");
    assert_eq!(directory.succeed(&["get", "deleted"]), "");
    assert_eq!(
        directory.refuse(&["restore", "ana"]),
        (Some(3), "DELETED_NOT_FOUND".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_account_is_in_no_answer_and_its_names_are_free() {
    let (directory, ana) = with_ana_deleted().await;
    let id = ana["id"].as_str().expect("an id");
    let unasked = directory.run(&["purge", "ana"]);
    assert_eq!(unasked.status.code(), Some(2), "without a terminal");
    assert_eq!(directory.succeed(&["get", "deleted"]).lines().count(), 1);
    assert_eq!(
        directory.succeed(&["purge", "ana", "--yes"]).trim(),
        "purged ana"
    );
    let history = directory.succeed(&["history", id]);
    assert!(
        history.contains(&format!("account {id} purged by ")),
        "{history}"
    );
    let changes = directory.succeed(&["changes", "--output", "json"]);
    for text in [&history, &changes] {
        for word in ["Lima", "ana@example.org"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
    directory.succeed(&["create", "ana", "Other", "--set", "mail=ana@example.org"]);
    for verb in ["restore", "purge"] {
        let yes: &[&str] = if verb == "purge" { &["--yes"] } else { &[] };
        let refused = directory.refuse(&[&[verb, id], yes].concat());
        assert_eq!(refused, (Some(3), "DELETED_NOT_FOUND".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_comes_back_with_its_members_by_name_and_by_id() {
    let directory = Directory::start().await;
    directory.succeed(&["create", "ana", "Ana Lima"]);
    let id = directory.succeed(&["group", "create", "staff"]);
    directory.succeed(&["group", "add", "staff", "ana"]);
    for name in ["group:staff", id.trim()] {
        directory.succeed(&["group", "delete", "staff"]);
        assert_eq!(
            directory.refuse(&["group", "create", "Staff"]),
            (Some(1), "VALUE_TAKEN".to_owned())
        );
        let listed = json(&directory.succeed(&["get", "deleted", "--output", "json"]));
        assert_eq!(listed[0]["group_name"], "staff");
        let restored = directory.succeed(&["restore", name]);
        assert!(restored.contains("staff"), "{restored}");
        assert_eq!(directory.lookup("ana")["groups"][0], "staff");
    }
    assert_eq!(directory.succeed(&["get", "groups"]), "staff\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_login_name_is_reserved_until_it_is_freed_or_its_time_is_over() {
    let directory = Directory::start().await;
    directory.succeed(&["create", "ana", "Ana Lima"]);
    directory.succeed(&["modify", "ana", "anna"]);
    let told = directory.run(&["create", "ana", "Another"]);
    let told = String::from_utf8(told.stderr).expect("text");
    assert!(told.contains("is reserved for account"), "{told}");
    assert!(told.contains("quorid free-name"), "{told}");
    let text = directory.succeed(&["get", "reserved"]);
    assert!(
        text.starts_with("ana  reserved for account anna until "),
        "{text}"
    );
    let listed = json(&directory.succeed(&["get", "reserved", "--output", "json"]));
    assert_eq!(listed[0]["login_name"], "ana");
    assert_eq!(listed[0]["owner_login_name"], "anna");
    assert_eq!(directory.succeed(&["free-name", "ana"]).trim(), "freed ana");
    directory.succeed(&["create", "ana", "Another"]);
    assert_eq!(
        directory.refuse(&["free-name", "ana"]),
        (Some(1), "NOT_RESERVED".to_owned())
    );
    // Where the directory keeps nothing, names are free at once.
    let settings = ["--set", "tombstones=0s", "--set", "reserved_names=0s"];
    directory.succeed(&[&["cluster", "settings"][..], &settings].concat());
    directory.succeed(&["modify", "ana", "ana2"]);
    directory.succeed(&["create", "ana", "Third"]);
    directory.succeed(&["delete", "ana"]);
    directory.succeed(&["create", "ana", "Fourth"]);
    assert_eq!(directory.succeed(&["get", "deleted"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_refused() {
    let directory = Directory::start().await;
    let password = directory.written("ben.pw", "correct horse\n");
    directory.succeed(&["create", "ben", "Ben", "--password-file", &password]);
    directory.succeed(&["create", "ana", "Ana Lima"]);
    directory.succeed(&["delete", "ana"]);
    for arguments in [
        &["get", "deleted"][..],
        &["get", "reserved"],
        &["restore", "ana"],
        &["purge", "ana", "--yes"],
        &["free-name", "ana"],
    ] {
        let refused = directory.run_as("ben", "correct horse", arguments);
        assert_eq!(refused.status.code(), Some(4), "{arguments:?}");
    }
    directory.succeed(&["restore", "ana"]);
}
