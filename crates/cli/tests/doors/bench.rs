//! Loads and comparisons of requests by `quorid bench`.

use serde_json::Value;

use crate::directory::Directory;

#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_of_requests_have_their_turn_and_do_what_they_say() {
    let directory = Directory::start().await;
    let (code, reason) = directory.refuse(&["bench", "member"]);
    assert_eq!((code, reason.as_str()), (Some(1), "NOTHING_TO_LOOK_UP"));
    directory.succeed(&["bench", "create", "--count", "10"]);

    for (kind, names) in [
        ("member", "10"),
        ("groups", "1"),
        ("mail", "20"),
        ("title", "20"),
    ] {
        let json = directory.succeed(&[
            "bench", kind, "--names", names, "--rounds", "3", "--count", "5", "--output", "json",
        ]);
        let found: Value = serde_json::from_str(&json).expect("JSON");
        for side in [0, 1] {
            assert_eq!(found["sides"][side]["succeeded"], 15, "{found}");
        }
        assert_eq!(found["ratios"].as_array().map(Vec::len), Some(3), "{found}");
    }

    let groups = directory.succeed(&["get", "groups"]);
    let large: Vec<_> = groups.lines().filter(|it| it.ends_with("-group")).collect();
    assert_eq!((groups.lines().count(), large.len()), (1_001, 1));
    let json = directory.succeed(&["group", "show", large[0], "--output", "json"]);
    let large: Value = serde_json::from_str(&json).expect("JSON");
    // Those that were there, and the members of the last round.
    assert_eq!(large["members"].as_array().map(Vec::len), Some(15));
    let users = directory.succeed(&["get", "users", "--where", "mail=*"]);
    assert_eq!(users.lines().count(), 20);
    let titled = directory.succeed(&["get", "users", "--where", "title=title-of-*"]);
    assert_eq!(titled.lines().count(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_share_connections_and_json_has_what_they_found() {
    let directory = Directory::start().await;
    for (kind, clients, connections, requests) in [
        ("create", 5, 2, 20),
        ("lookup", 3, 3, 9),
        ("mixed", 1, 1, 4),
    ] {
        let json = directory.succeed(&[
            "bench",
            kind,
            "--clients",
            &clients.to_string(),
            "--connections",
            &connections.to_string(),
            "--count",
            &requests.to_string(),
            "--output",
            "json",
        ]);
        let found: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(found["kind"], kind);
        assert_eq!(found["clients"], clients, "{found}");
        assert_eq!(found["connections"], connections, "{found}");
        assert_eq!(found["succeeded"], requests, "{found}");
        assert_eq!(found["failed"], 0, "{found}");
        assert!(found["longest_gap_ms"].as_f64() > Some(0.0), "{found}");
        let latency = ["p50", "p95", "p99", "max"].map(|name| found["latency_us"][name].as_u64());
        assert!(latency.is_sorted() && latency[0] > Some(0), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_of_the_other_way_of_measuring_are_refused() {
    let directory = Directory::start().await;
    for arguments in [
        ["bench", "mail", "--seconds", "1"],
        ["bench", "mail", "--count", "1000001"],
        ["bench", "create", "--rounds", "1"],
    ] {
        let refused = directory.refuse(&arguments);
        assert_eq!(refused, (Some(2), "USAGE".to_owned()), "{arguments:?}");
    }
    assert_eq!(directory.succeed(&["get", "users"]), "");
}
