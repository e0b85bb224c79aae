//! Changes at the command line: lists, histories, and the stream.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::Value;

use crate::directory::Directory;

fn json(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_says_who_changed_what_and_from_what_also_after_the_end() {
    let directory = Directory::start().await;
    let ana = directory.succeed(&["create", "ana", "Ana Lima"]);
    let ana = ana.trim();
    directory.succeed(&["modify", "ana", "--set", "title=Head"]);
    directory.succeed(&["modify", "ana", "--set", "title=Owner"]);
    directory.succeed(&["group", "create", "staff"]);
    directory.succeed(&["group", "add", "staff", "ana"]);
    let text = directory.succeed(&["history", "ana"]);
    let blocks: Vec<_> = text.trim().split("\n\n").collect();
    assert_eq!(blocks.len(), 4, "{text}");
    assert!(
        blocks[0].contains("  group staff changed by operator "),
        "{text}"
    );
    assert!(blocks[0].ends_with("\n  member + account ana"), "{text}");
    assert!(blocks[1].ends_with("\n  title: Head -> Owner"), "{text}");
    assert!(blocks[2].ends_with("\n  title: Head"), "{text}");
    assert!(
        blocks[3].contains("  account ana created by operator "),
        "{text}"
    );
    let newest = json(&directory.succeed(&["history", "ana", "--limit", "1", "--output", "json"]));
    assert_eq!(newest.len(), 1);
    assert_eq!(newest[0]["members"][0]["id"], ana);

    directory.succeed(&["delete", "ana"]);
    let text = directory.succeed(&["history", ana]);
    let (last, before) = text.trim().split_once("\n\n").expect("some changes");
    assert!(
        last.contains("  account ana deleted by operator "),
        "{text}"
    );
    assert!(last.contains("\n  title: Owner -> nothing"), "{text}");
    assert!(before.contains("title: Head -> Owner"), "{text}");
    let staff = directory.succeed(&["history", "group:staff"]);
    assert!(staff.starts_with(last), "the group lost a member: {staff}");
    let (code, reason) = directory.refuse(&["history", "nobody"]);
    assert_eq!((code, reason.as_str()), (Some(3), "ACCOUNT_NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_listed_from_a_revision_on_and_followed() {
    let directory = Directory::start().await;
    directory.succeed(&["create", "ana", "Ana Lima"]);
    directory.succeed(&["create", "ben", "Ben Okri"]);
    let all = json(&directory.succeed(&["changes", "--output", "json"]));
    assert_eq!(all.len(), 2);
    let first = all[0]["revision"].as_u64().expect("a revision").to_string();
    let since = directory.succeed(&["changes", "--since", &first]);
    assert_eq!(since.lines().count(), 1, "{since}");
    assert!(
        since.contains("  account ben created: login name: ben; "),
        "{since}"
    );

    let mut follower = directory
        .operator(&["changes", "--since", &first, "--follow", "--output", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(follower.stdout.take().expect("piped")).lines();
    let mut next = move || -> Value {
        let line = lines.next().expect("a line").expect("read");
        serde_json::from_str(&line).expect("JSON")
    };
    assert_eq!(next(), all[1]);
    directory.succeed(&["modify", "ben", "--set", "title=Head"]);
    assert_eq!(next()["attributes"][0]["after"][0], "Head");
    follower.kill().expect("killed");
    follower.wait().expect("ended");

    let refused = directory.run(&["changes", "--follow", "--consistency", "stale"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_the_directory_as_a_whole_are_told_too() {
    let directory = Directory::start().await;
    directory.succeed(&["cluster", "settings", "--set", "history=90d"]);
    directory.succeed(&["cluster", "settings", "--set", "history=90d"]);
    directory.succeed(&["schema", "add", "badge"]);
    directory.succeed(&["create", "ana", "Ana Lima"]);
    directory.succeed(&["modify", "ana", "anna"]);
    directory.succeed(&["free-name", "ana"]);
    let text = directory.succeed(&["changes"]);
    let lines: Vec<_> = text.lines().collect();
    for (line, end) in [
        (0, "  settings changed: history: 34560000000 -> 7776000000"),
        (1, "  attribute badge created: number: 1000"),
        (
            2,
            "  account ana created: login name: ana; real name: Ana Lima",
        ),
        (3, "  account anna changed: login name: ana -> anna"),
    ] {
        assert!(lines[line].ends_with(end), "{text}");
        assert!(lines[line].contains("  operator "), "{text}");
    }
    assert!(
        lines[4].contains("  reserved name deleted: owner: accounts/"),
        "{text}"
    );
    assert_eq!(lines.len(), 5, "what changed nothing is no change: {text}");
    let all = json(&directory.succeed(&["changes", "--output", "json"]));
    assert_eq!(all[0]["kind"], "settings");
    assert_eq!(all[0]["id"], "");
    let revision = all[0]["revision"].to_string();
    let refused = directory.refuse(&["revert", &revision]);
    assert_eq!(refused, (Some(1), "NOT_REVERSIBLE".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_undone_unless_something_later_stands_against_it() {
    let directory = Directory::start().await;
    directory.succeed(&["create", "ana", "Ana Lima"]);
    directory.succeed(&["modify", "ana", "--set", "title=Head"]);
    let newest = ["history", "ana", "--limit", "1", "--output", "json"];
    let titled = json(&directory.succeed(&newest))[0]["revision"].to_string();
    let undone = directory.succeed(&["revert", &titled]);
    assert!(undone.contains("\n  title: Head -> nothing"), "{undone}");
    let reverts = format!("\n  reverts {titled}");
    assert!(undone.trim_end().ends_with(&reverts), "{undone}");
    assert_eq!(directory.lookup("ana")["attributes"]["title"], Value::Null);
    let (code, reason) = directory.refuse(&["revert", &titled]);
    assert_eq!((code, reason.as_str()), (Some(1), "CHANGED_SINCE"));
}
