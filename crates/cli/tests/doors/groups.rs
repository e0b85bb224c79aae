//! Groups by the command line: made, filled, shown, refused.

use serde_json::{Value, json};

use crate::directory::Directory;

impl Directory {
    fn group(&self, name: &str) -> Value {
        let json = self.succeed(&["group", "show", name, "--output", "json"]);
        serde_json::from_str(&json).expect("JSON")
    }
}

/// Ana and Ben, and groups of these names.
async fn directory(groups: &[&str]) -> Directory {
    let directory = Directory::start().await;
    directory.succeed(&["create", "ana", "Ana Lima"]);
    directory.succeed(&["create", "ben", "Ben Okri"]);
    for group in groups {
        directory.succeed(&["group", "create", group]);
    }
    directory
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_shown_from_both_sides() {
    let directory = directory(&["staff", "dev"]).await;
    directory.succeed(&["group", "add", "staff", "ana", "--group", "dev"]);
    directory.succeed(&["group", "add", "dev", "ben"]);

    let staff = directory.group("staff");
    let (ana, dev) = (directory.lookup("ana"), directory.group("dev"));
    let expected = json!([
        {"login_name": "ana", "id": ana["id"]},
        {"group_name": "dev", "id": dev["id"]},
    ]);
    assert_eq!(staff["members"], expected);
    assert_eq!(dev["groups"], json!(["staff"]));
    assert_eq!(ana["groups"], json!(["staff"]));
    assert_eq!(directory.lookup("ben")["groups"], json!(["dev", "staff"]));
    let text = directory.succeed(&["lookup", "ben"]);
    assert!(text.contains("member of"), "{text}");
    let text = directory.succeed(&["group", "show", "staff"]);
    assert!(
        text.contains("member group") && text.contains("ana"),
        "{text}"
    );
    assert_eq!(directory.succeed(&["get", "groups"]), "dev\nstaff\n");
    assert_eq!(directory.succeed(&["get", "users"]), "ana\nben\n");

    directory.succeed(&["group", "remove", "staff", "ana", "--group", "dev"]);
    assert_eq!(directory.group("staff")["members"], json!([]));
    let id = |object: &Value| object["id"].as_str().expect("an id").to_owned();
    let (staff, ana, dev) = (id(&staff), id(&ana), id(&dev));
    directory.succeed(&["group", "add", &staff, &ana, "--group", &dev]);
    assert_eq!(directory.group("staff")["members"], expected);
    directory.succeed(&["group", "remove", &staff, &ana, "--group", &dev]);
    assert_eq!(directory.group("staff")["members"], json!([]));
    assert_eq!(directory.lookup("ben")["groups"], json!(["dev"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_keeps_id_and_members_under_another_name_and_is_deleted_without_them() {
    let directory = directory(&["staff"]).await;
    directory.succeed(&["group", "add", "staff", "ana"]);
    let before = directory.group("staff");
    directory.succeed(&["group", "rename", "staff", "Head office"]);
    directory.succeed(&["group", "modify", "Head office", "--set", "description=All"]);
    let after = directory.group("head office");
    assert_eq!(after["id"], before["id"]);
    assert_eq!(after["members"], before["members"]);
    assert_eq!(after["attributes"], json!({"description": ["All"]}));
    assert_ne!(after["etag"], before["etag"]);

    let old = before["etag"].as_str().expect("an etag");
    let late = ["group", "delete", "Head office", "--etag", old];
    assert_eq!(
        directory.refuse(&late),
        (Some(1), "ETAG_MISMATCH".to_owned())
    );
    directory.succeed(&["group", "delete", "Head office"]);
    assert_eq!(directory.succeed(&["get", "groups"]), "");
    assert_eq!(directory.lookup("ana")["groups"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_members_than_a_page_holds_are_all_listed() {
    let directory = directory(&["all"]).await;
    let mut accounts = String::from("login_name,real_name\n");
    let names: Vec<_> = (0..1_100).map(|number| format!("p{number:04}")).collect();
    for name in &names {
        accounts += &format!("{name},Somebody\n");
    }
    let file = directory.file("people.csv");
    std::fs::write(&file, accounts).expect("written");
    directory.succeed(&["import", &file.to_string_lossy()]);
    for part in names.chunks(600) {
        let mut words = vec!["group", "add", "all"];
        words.extend(part.iter().map(String::as_str));
        directory.succeed(&words);
    }
    let shown = directory.group("all");
    let members = shown["members"].as_array().expect("members");
    let mut listed: Vec<_> = members
        .iter()
        .map(|member| member["login_name"].as_str().expect("a name"))
        .collect();
    listed.sort_unstable();
    assert_eq!(listed, names);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_come_back_from_a_file_with_all_of_their_members() {
    let directory = directory(&["staff", "dev"]).await;
    directory.succeed(&[
        "group",
        "modify",
        "staff",
        "--set",
        "description=two\nlines",
    ]);
    directory.succeed(&["group", "add", "staff", "ana", "--group", "dev"]);
    directory.succeed(&["group", "add", "dev", "ben"]);
    for format in ["csv", "jsonl"] {
        let file = directory.file(&format!("groups.{format}"));
        let file = file.to_string_lossy();
        directory.succeed(&["group", "export", "--out", &file]);
        let before = [directory.group("staff"), directory.group("dev")];
        let again = directory.succeed(&["group", "import", &file]);
        assert_eq!(again, "0 created, 2 already there, 0 rejected\n");
        for group in ["staff", "dev"] {
            directory.erase_group(group);
        }
        let created = directory.succeed(&["group", "import", &file]);
        assert_eq!(created, "2 created, 0 already there, 0 rejected\n");
        let names = |group: &Value| {
            let members = group["members"].as_array().expect("members").iter();
            members
                .map(|it| [it["login_name"].clone(), it["group_name"].clone()])
                .collect::<Vec<_>>()
        };
        for before in before {
            let name = before["group_name"].as_str().expect("a name");
            let after = directory.group(name);
            assert_eq!(names(&after), names(&before), "{format}");
            assert_eq!(after["attributes"], before["attributes"], "{format}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_are_missing_are_rejected_and_the_others_are_imported() {
    let directory = directory(&[]).await;
    let file = directory.file("groups.jsonl");
    let lines = r#"{"group_name":"staff","members":["ana","cleo","ben"],"member_groups":["none"]}
{"group_name":"a/b"}
"#;
    std::fs::write(&file, lines).expect("written");
    let output = directory.run(&["group", "import", &file.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr);
    for part in ["line 1, staff: ", "`cleo`", "`none`", "line 2, a/b: "] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let members = directory.group("staff")["members"].clone();
    assert_eq!(members.as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_group_cannot_be_is_refused_and_changes_nothing() {
    let directory = directory(&["staff", "dev"]).await;
    directory.succeed(&["group", "add", "staff", "--group", "dev"]);
    let before = directory.group("staff");
    for (words, exit, reason) in [
        (&["group", "create", "Staff"][..], 1, "VALUE_TAKEN"),
        (&["group", "create", "a,b"], 1, "INVALID_VALUE"),
        (&["group", "rename", "staff", "dev"], 1, "VALUE_TAKEN"),
        (&["group", "show", "none"], 3, "GROUP_NOT_FOUND"),
        (&["group", "show", "a/b"], 1, "INVALID_GROUP_NAME"),
        (&["group", "delete", "none"], 3, "GROUP_NOT_FOUND"),
        (
            &["group", "add", "staff", "ana", "cleo"],
            3,
            "ACCOUNT_NOT_FOUND",
        ),
        (
            &["group", "add", "staff", "--group", "none"],
            3,
            "GROUP_NOT_FOUND",
        ),
        (
            &["group", "add", "dev", "--group", "staff"],
            1,
            "GROUP_CYCLE",
        ),
        (&["group", "add", "dev", "--group", "dev"], 1, "GROUP_CYCLE"),
        (
            &["group", "modify", "staff", "--set", "mail=a@example.org"],
            1,
            "SCHEMA_VIOLATION",
        ),
        (
            &["group", "modify", "staff", "--clear", "group-name"],
            1,
            "SCHEMA_VIOLATION",
        ),
    ] {
        let refused = directory.refuse(words);
        assert_eq!(refused, (Some(exit), reason.to_owned()), "{words:?}");
    }
    assert_eq!(directory.group("staff")["members"], before["members"]);
    assert_eq!(directory.group("staff")["etag"], before["etag"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_change_groups_and_everybody_who_reads_sees_them() {
    let directory = directory(&["staff"]).await;
    let password = directory.file("password");
    std::fs::write(&password, "open sesame").expect("written");
    let password = password.to_string_lossy();
    directory.succeed(&["create", "eve", "Eve", "--password-file", &password]);
    let as_eve = |words: &[&str]| directory.run_as("eve", "open sesame", words);
    let shown = as_eve(&["group", "show", "staff"]);
    assert!(shown.status.success(), "{shown:?}");
    for words in [
        &["group", "create", "dev"][..],
        &["group", "add", "staff", "eve"],
        &["group", "rename", "staff", "dev"],
        &["group", "delete", "staff"],
    ] {
        let output = as_eve(words);
        assert_eq!(output.status.code(), Some(4), "{words:?}: {output:?}");
    }
    assert_eq!(directory.group("staff")["members"], json!([]));
}
