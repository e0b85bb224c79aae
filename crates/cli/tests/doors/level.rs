//! The feature level at the command line: it is shown, raised as far as the servers support, and never lowered.

use serde_json::Value;

use crate::directory::Directory;

#[tokio::test(flavor = "multi_thread")]
async fn the_level_is_shown_and_neither_lowered_nor_raised_beyond_the_servers() {
    let directory = Directory::start().await;
    let status = directory.succeed(&["cluster", "status", "--output", "json"]);
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let level = status["level"].as_u64().expect("a level");
    assert_eq!(
        status["supported_level"], level,
        "a new cluster has them all"
    );
    let text = directory.succeed(&["cluster", "status"]);
    assert!(
        text.contains(&format!(", feature level {level}\n")),
        "{text}"
    );
    let told = format!("the directory is at feature level {level}\n");
    assert_eq!(directory.succeed(&["cluster", "raise-level"]), told);
    let same = level.to_string();
    assert_eq!(directory.succeed(&["cluster", "raise-level", &same]), told);
    let lower = (level - 1).to_string();
    assert_eq!(
        directory.refuse(&["cluster", "raise-level", &lower]),
        (Some(1), "LEVEL_TOO_LOW".to_owned())
    );
    let beyond = (level + 1).to_string();
    let refused = directory.refuse(&["cluster", "raise-level", &beyond]);
    assert_eq!(refused.1, "LEVEL_NOT_SUPPORTED");
    let told = directory.run_as("ana", "open sesame", &["cluster", "raise-level"]);
    assert_eq!(told.status.code(), Some(4), "there is no such account");
}
