//! Roles at the command line: who has one acts with a login of their own.

use serde_json::Value;

use crate::directory::Directory;

async fn directory() -> Directory {
    let directory = Directory::start().await;
    let password = directory.file("password");
    std::fs::write(&password, "open sesame").expect("written");
    let password = password.to_string_lossy();
    for name in ["mona", "hedy", "ben"] {
        directory.succeed(&["create", name, name, "--password-file", &password]);
    }
    for (group, role, member) in [
        ("managers", "role=user_manager", "mona"),
        ("desk", "role=help_desk", "hedy"),
    ] {
        directory.succeed(&["group", "create", group, "--set", role]);
        directory.succeed(&["group", "add", group, member]);
    }
    directory
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_manager_makes_and_changes_accounts_and_groups() {
    let directory = directory().await;
    for words in [
        &["create", "cleo", "Cleo", "--set", "mail=cleo@example.org"][..],
        &["modify", "ben", "--set", "title=Engineer"],
        &["modify", "ben", "--set", "disabled=true"],
        &["group", "create", "team"],
        &["group", "add", "team", "cleo", "ben"],
        &["group", "rename", "team", "crew"],
        &["delete", "cleo"],
    ] {
        let output = directory.run_as("mona", "open sesame", words);
        assert!(output.status.success(), "{words:?}: {output:?}");
    }
    let ben = directory.lookup("ben");
    let mona = directory.lookup("mona");
    let by_mona = format!("account {}", mona["id"].as_str().expect("an id"));
    assert_eq!(ben["update_actor"], Value::from(by_mona.clone()));
    let created_by = ben["create_actor"].as_str().expect("an actor");
    assert!(created_by.starts_with("operator "), "{created_by}");
    let text = directory.succeed(&["lookup", "ben"]);
    assert!(text.contains(&format!(" by {by_mona} from ")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_right_is_told_who_has_and_changes_nothing() {
    let directory = directory().await;
    for (login, words, part) in [
        (
            "mona",
            &["modify", "hedy", "--set", "title=x"][..],
            "operators only",
        ),
        ("mona", &["delete", "hedy"], "operators only"),
        (
            "mona",
            &["modify", "ben", "--posix"],
            "posix number is changed by operators only",
        ),
        ("mona", &["group", "add", "desk", "ben"], "operators only"),
        (
            "hedy",
            &["modify", "ben", "--set", "title=x"],
            "title is changed by user managers and operators only",
        ),
        (
            "hedy",
            &["create", "cleo", "Cleo"],
            "user managers and operators only",
        ),
        (
            "ben",
            &["group", "add", "managers", "ben"],
            "operators only",
        ),
    ] {
        let everything = || {
            ["users", "groups"].map(|what| directory.succeed(&["get", what, "--output", "json"]))
        };
        let before = everything();
        let output = directory.run_as(login, "open sesame", words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{words:?}: {errors}");
        assert!(errors.contains(part), "{words:?}: {errors}");
        assert!(errors.contains("--user LOGIN"), "{words:?}: {errors}");
        assert_eq!(everything(), before, "{words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_desk_gives_new_passwords() {
    let directory = directory().await;
    let password = directory.file("new");
    std::fs::write(&password, "another one").expect("written");
    let words = ["modify", "ben", "--new-password-file"];
    let path = password.to_string_lossy();
    let reset = directory.run_as("hedy", "open sesame", &[&words[..], &[&path]].concat());
    assert!(reset.status.success(), "{reset:?}");
    let words = ["check-password", "ben", "--password-file", &path];
    directory.succeed(&words);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_the_directory_are_shown_changed_by_operators_and_put_back() {
    let directory = directory().await;
    let shown = || {
        let text = directory.succeed(&["cluster", "settings", "--output", "json"]);
        let settings: Value = serde_json::from_str(&text).expect("JSON");
        settings[0].clone()
    };
    let (name, default) = (Value::from("history"), Value::from(34_560_000_000_u64));
    assert_eq!((&shown()["name"], &shown()["value"]), (&name, &default));
    let set = &["cluster", "settings", "--set", "history=36h"];
    directory.succeed(set);
    assert_eq!(shown()["value"], Value::from(129_600_000));
    let refused = directory.run_as("mona", "open sesame", set);
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    for (assignment, part) in [
        ("histories=1d", "there is no setting `histories`"),
        (
            "history=1s",
            "history cannot be 1000 ms; give 3600000 ms to ",
        ),
        ("history=x", "`x` is no value of history"),
        ("history", "write it as in history=90d"),
    ] {
        let output = directory.run(&["cluster", "settings", "--set", assignment]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(part), "{text}");
    }
    directory.succeed(&["cluster", "settings", "--reset", "history"]);
    assert_eq!(shown()["value"], default);
}
