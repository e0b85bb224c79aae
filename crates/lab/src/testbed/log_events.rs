//! What servers tell in their logs: the lines that have an `event`.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use prost_types::Timestamp;
use serde_json::{Map, Value};

use super::{OrCannot as _, TestbedError};

/// One event of one server.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEvent {
    /// When, by the clock of this machine.
    pub at: SystemTime,
    /// The server that logged it.
    pub server: usize,
    /// `elected`, `follows`, `leader_gone`, `leader_lost`, `candidate`, `stepped_down`, `snapshot_installed`...
    pub event: String,
    /// The same for people.
    pub message: String,
    fields: Map<String, Value>,
}

impl LogEvent {
    /// An event that isn't from a log, now.
    pub fn new(server: usize, event: &str, message: impl Into<String>) -> Self {
        Self {
            at: SystemTime::now(),
            server,
            event: event.to_owned(),
            message: message.into(),
            fields: Map::new(),
        }
    }

    /// Reads a line of a JSON log; None if it is none, or has no event.
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

/// The logs of all servers from some point on.
#[derive(Debug)]
pub struct LogTail {
    /// Each server's log, and how much of it was read.
    logs: Vec<(PathBuf, u64)>,
}

impl LogTail {
    pub(super) fn at_end(logs: impl Iterator<Item = PathBuf>) -> Result<Self, TestbedError> {
        let mut tail = Self {
            logs: logs.map(|log| (log, 0)).collect(),
        };
        tail.new_events()?;
        Ok(tail)
    }

    /// What was logged since the last call, in the order of time.
    pub fn new_events(&mut self) -> Result<Vec<LogEvent>, TestbedError> {
        let mut events = Vec::new();
        for (server, (log, read)) in self.logs.iter_mut().enumerate() {
            let (told, end) = read_from(server, log, *read).or_cannot("read", &*log)?;
            *read = end;
            events.extend(told);
        }
        events.sort_by_key(|event| event.at);
        Ok(events)
    }
}

/// All events of a log; none if there is no log yet.
pub(super) fn read(server: usize, log: &Path) -> io::Result<Vec<LogEvent>> {
    read_from(server, log, 0).map(|(events, _)| events)
}

/// The events of a log from a byte on, and where its last whole line ends.
fn read_from(server: usize, log: &Path, start: u64) -> io::Result<(Vec<LogEvent>, u64)> {
    let mut file = match File::open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), start)),
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let text = String::from_utf8_lossy(&bytes[..whole]);
    let event = |line| LogEvent::parse(server, line);
    Ok((
        text.lines().filter_map(event).collect(),
        start + whole as u64,
    ))
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

    const FOLLOWS: &str = r#"{"timestamp":"2026-11-22T11:00:00.250123Z","level":"INFO","event":"follows","term":3,"leader":"s2","message":"s2 leads in term 3","target":"quorid_server::node::cluster"}"#;

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

    #[test]
    fn a_tail_tells_each_event_once_and_only_when_its_line_is_whole() {
        let dir = tempfile::tempdir().expect("directory");
        let log = dir.path().join("s1.log");
        let written = |text: &str| fs::write(&log, text).expect("written");
        let line = format!("{FOLLOWS}\n");
        written(&line);
        let mut tail = LogTail::at_end([log.clone()].into_iter()).expect("read");
        let mut told = || tail.new_events().expect("read").len();
        assert_eq!(told(), 0);
        written(&format!("{line}{FOLLOWS}"));
        assert_eq!(told(), 0);
        written(&format!("{line}{line}{line}"));
        assert_eq!(told(), 2);
        assert_eq!(told(), 0);
    }
}
