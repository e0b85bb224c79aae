//! What a tour showed, as data, for whoever draws it or compares runs: `quorid demo --tour --record`.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use serde_json::{Map, Value};

use super::narrator::Moment;
use crate::error::{LabError, OrFail as _};

/// A tour, complete or as far as it got.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    version: &'static str,
    /// `dev` or `release`.
    build: &'static str,
    /// Day of the tour, UTC.
    date: String,
    cores: usize,
    /// What each server runs in: `process`, `host` or `container`.
    what: String,
    /// Names of the servers.
    servers: Vec<String>,
    /// How long the tour took.
    seconds: f64,
    /// Whether the tour came to its end, there were checks, and every one held.
    held: bool,
    chapters: Vec<Chapter>,
}

/// One chapter of a tour.
#[derive(Debug, Serialize)]
pub(super) struct Chapter {
    /// The chapter's name, which stays when its title changes: `leader_killed`.
    pub(super) name: &'static str,
    pub(super) title: String,
    /// Each in the order of time, with its own beginning.
    timelines: Vec<Vec<Moment>>,
    /// When clients got the acknowledgements of their creates, ms since the first time line's
    /// beginning, in the order of time.
    acknowledged_ms: Vec<f64>,
    /// Numbers and names that the chapter came to; a name ends with its unit.
    figures: Map<String, Value>,
    pub(super) checks: Vec<Check>,
}

/// What should be so, whether it is, and the figure that shows it.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) claim: String,
    pub(super) held: bool,
    pub(super) figure: String,
}

impl Chapter {
    pub(super) fn new(name: &'static str, title: &str) -> Self {
        Self {
            name,
            title: title.to_owned(),
            timelines: Vec::new(),
            acknowledged_ms: Vec::new(),
            figures: Map::new(),
            checks: Vec::new(),
        }
    }

    pub(super) fn timeline(&mut self, moments: Vec<Moment>) {
        self.timelines.push(moments);
    }

    pub(super) fn acknowledged(&mut self, ms: impl Iterator<Item = f64>) {
        self.acknowledged_ms.extend(ms);
    }

    pub(super) fn figures(&mut self, figures: Value) {
        if let Value::Object(more) = figures {
            self.figures.extend(more);
        }
    }
}

impl Record {
    pub(super) fn new(
        what: &str,
        servers: Vec<String>,
        chapters: Vec<Chapter>,
        took: Duration,
        complete: bool,
    ) -> Self {
        let checks: Vec<_> = chapters
            .iter()
            .flat_map(|chapter| &chapter.checks)
            .collect();
        let held = complete && !checks.is_empty() && checks.iter().all(|check| check.held);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            build: build(),
            date: today(),
            cores: cores(),
            what: what.to_owned(),
            servers,
            seconds: took.as_secs_f64(),
            held,
            chapters,
        }
    }

    pub(super) fn save(&self, file: &Path) -> Result<(), LabError> {
        let written = serde_json::to_vec_pretty(self).map_err(std::io::Error::other);
        written
            .and_then(|text| fs::write(file, text))
            .or_fail(format_args!("cannot write {}", file.display()))
    }
}

/// How this program was built: `dev` or `release`.
pub(super) fn build() -> &'static str {
    if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    }
}

/// The day, UTC: `2026-11-22`.
pub(super) fn today() -> String {
    prost_types::Timestamp::from(SystemTime::now()).to_string()[..10].to_owned()
}

/// How many processors this process may use; 0 if the system doesn't say.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tour_that_broke_off_or_of_which_a_check_failed_did_not_hold() {
        let cases = [
            (true, true, true),
            (false, true, false),
            (true, false, false),
        ];
        for (held, complete, expected) in cases {
            let mut chapter = Chapter::new("one", "One");
            chapter.figures(json!({"pause_ms": 7}));
            chapter.figures(json!({"term": 2}));
            for held in [true, held] {
                chapter.checks.push(Check {
                    claim: "a".to_owned(),
                    held,
                    figure: "1".to_owned(),
                });
            }
            let record = Record::new("host", Vec::new(), vec![chapter], Duration::ZERO, complete);
            let record = serde_json::to_value(&record).expect("written");
            assert_eq!(record["held"], expected);
            let figures = &record["chapters"][0]["figures"];
            assert_eq!(*figures, json!({"pause_ms": 7, "term": 2}));
        }
    }

    #[test]
    fn a_tour_without_a_check_did_not_hold() {
        let record = Record::new("host", Vec::new(), Vec::new(), Duration::ZERO, true);
        assert!(!record.held);
    }
}
