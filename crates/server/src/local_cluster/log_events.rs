//! What servers tell in their logs: the lines that have an `event`.

use std::{
    fs, io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use prost_types::Timestamp;
use serde_json::{Map, Value};

/// One event of one server.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEvent {
    /// When, by the clock of this machine.
    pub at: SystemTime,
    /// Which server told it.
    pub server: usize,
    /// `elected`, `follows`, `leader_lost`, `candidate`, `stepped_down`, `snapshot_installed`...
    pub event: String,
    /// The same for people.
    pub message: String,
    fields: Map<String, Value>,
}

impl LogEvent {
    /// Reads a line of a JSON log; None if it is none, or tells of no event.
    pub fn parse(server: usize, line: &str) -> Option<Self> {
        let Value::Object(mut fields) = serde_json::from_str(line).ok()? else {
            return None;
        };
        let mut take = |key| match fields.remove(key) {
            Some(Value::String(text)) => Some(text),
            Some(_) | None => None,
        };
        let at = take("timestamp")?.parse::<Timestamp>().ok()?;
        Some(Self {
            at: SystemTime::try_from(at).unwrap_or(UNIX_EPOCH),
            server,
            event: take("event")?,
            message: take("message").unwrap_or_default(),
            fields,
        })
    }

    /// A field that is a number, such as `term` or `revision`.
    pub fn number(&self, field: &str) -> Option<u64> {
        self.fields.get(field)?.as_u64()
    }

    /// A field that is a text, such as `leader`.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    /// Whether it is this event.
    pub fn is(&self, event: &str) -> bool {
        self.event == event
    }
}

/// All events of a log; none if there is no log yet.
pub(super) fn read(server: usize, log: &Path) -> io::Result<Vec<LogEvent>> {
    let bytes = match fs::read(log) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&bytes);
    let event = |line| LogEvent::parse(server, line);
    Ok(text.lines().filter_map(event).collect())
}

/// The end of a log, for a message: errors as they are, events as their sentences.
pub(super) fn last_words(log: &Path) -> String {
    const LINES: usize = 3;
    let Ok(bytes) = fs::read(log) else {
        return "nothing".to_owned();
    };
    let text = String::from_utf8_lossy(&bytes);
    let said = |line: &str| {
        LogEvent::parse(0, line).map_or_else(|| line.to_owned(), |event| event.message)
    };
    let mut lines: Vec<String> = text.lines().rev().take(LINES).map(said).collect();
    lines.reverse();
    if lines.is_empty() {
        "nothing".to_owned()
    } else {
        lines.join(" | ")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FOLLOWS: &str = r#"{"timestamp":"2026-11-22T11:00:00.250123Z","level":"INFO","event":"follows","term":3,"leader":"s2","message":"s2 leads in term 3","target":"quorid::node::cluster"}"#;

    #[test]
    fn an_event_has_its_time_its_sentence_and_its_fields() {
        let event = LogEvent::parse(1, FOLLOWS).expect("an event");
        let since_1970 = event.at.duration_since(UNIX_EPOCH).expect("later");
        assert_eq!(since_1970, Duration::from_micros(1_795_345_200_250_123));
        assert_eq!(event.server, 1);
        assert!(event.is("follows"));
        assert_eq!(event.message, "s2 leads in term 3");
        assert_eq!(event.number("term"), Some(3));
        assert_eq!(event.text("leader"), Some("s2"));
        assert_eq!(event.number("leader"), None);
    }

    #[test]
    fn other_lines_and_torn_ones_are_no_events() {
        let table = [
            "",
            "error: cannot listen on 127.0.0.1:7400",
            r#"{"timestamp":"2026-11-22T11:00:00.25Z","level":"INFO","message":"waiting"}"#,
            r#"{"timestamp":"yesterday","event":"elected","message":"?"}"#,
            &FOLLOWS[..FOLLOWS.len() - 1],
            "[1]",
        ];
        for line in table {
            assert_eq!(LogEvent::parse(0, line), None, "{line}");
        }
    }

    #[test]
    fn last_words_are_the_sentences_of_the_last_lines() {
        let dir = tempfile::tempdir().expect("directory");
        let log = dir.path().join("s1.log");
        assert_eq!(last_words(&log), "nothing");
        fs::write(&log, format!("a\nb\n{FOLLOWS}\nerror: no")).expect("written");
        assert_eq!(last_words(&log), "b | s2 leads in term 3 | error: no");
        assert_eq!(read(7, &log).expect("read").len(), 1);
    }
}
