//! What may be shown on a terminal, and in which format.

use std::{
    borrow::Cow,
    io::{self, Write as _},
};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::errors::Failure;

/// How results and errors are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: JSON on standard output, errors as JSON on standard error.
    Json,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Makes it so for the whole process.
    pub fn apply(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// Style of what matters most in a text.
pub const STRONG: Style = Style::new().bold();
/// Style of what is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Style of what isn't.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Where results, warnings and errors go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Output {
    /// For people or for programs.
    pub format: Format,
}

impl Output {
    /// Whether a program reads it.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// One line of text to standard output. The caller escapes data in it.
    pub fn line(self, text: impl AsRef<str>) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        writeln!(out, "{}", text.as_ref()).map_err(stdout_failed)
    }

    /// One line of JSON to standard output.
    pub fn json(self, value: &impl Serialize) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", to_json(value)?).map_err(stdout_failed)
    }

    /// Whatever is buffered is out afterwards.
    pub fn flush(self) -> Result<(), Failure> {
        io::stdout().flush().map_err(stdout_failed)
    }

    /// Something to know that is no error, to standard error.
    pub fn warn(self, message: &str) {
        let mut err = anstream::stderr().lock();
        // Nothing is left to tell it to if standard error is gone.
        let _ = match self.format {
            Format::Text => writeln!(err, "{WARNING}warning:{WARNING:#} {}", escape(message)),
            Format::Json => writeln!(
                err,
                "{}",
                escape_json(json!({"warning": message}).to_string())
            ),
        };
    }

    /// A remark for people, to standard error. Programs don't get it.
    pub fn note(self, message: &str) {
        if self.format == Format::Text {
            let _ = writeln!(anstream::stderr().lock(), "{}", escape(message));
        }
    }

    /// Why the command failed, to standard error.
    pub fn failure(self, failure: &Failure) {
        let mut err = anstream::stderr().lock();
        let _ = match self.format {
            Format::Text => writeln!(err, "{BAD}error:{BAD:#} {}", failure.to_text()),
            Format::Json => writeln!(err, "{}", escape_json(failure.to_json().to_string())),
        };
    }
}

/// A pipe that is closed early, as by `head`, is no failure worth a message.
pub fn stdout_failed(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::closed_pipe()
    } else {
        Failure::io("can't write to standard output", &error)
    }
}

/// JSON on one line, safe to show on a terminal.
pub fn to_json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::fault(format!("can't write the result as JSON: {error}")))?;
    Ok(escape_json(text))
}

/// The text with everything that a terminal would act on, or that would make it read
/// differently than it is, written as `\u{..}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts_on_terminals) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts_on_terminals(c) {
            escaped.extend(c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// JSON escapes the control characters of ASCII; these are the others. They can only stand
/// within strings.
fn escape_json(json: String) -> String {
    if !json.chars().any(acts_on_terminals) {
        return json;
    }
    json.chars()
        .map(|c| {
            if acts_on_terminals(c) {
                format!("\\u{:04x}", u32::from(c))
            } else {
                c.to_string()
            }
        })
        .collect()
}

/// Whether a terminal would act on a character, or show the text around it differently.
pub fn acts_on_terminals(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_scripts_are_left_as_they_are() {
        for name in ["ana", "Åsa Öberg", "山田 太郎", "محمد", "O'Brien"] {
            assert_eq!(escape(name), name);
        }
    }

    #[test]
    fn what_terminals_act_on_is_written_out() {
        assert_eq!(escape("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(escape("a\nb\rc\td"), "a\\u{a}b\\u{d}c\\u{9}d");
        assert_eq!(escape("\u{9b}2J\u{7f}"), "\\u{9b}2J\\u{7f}");
        assert_eq!(escape("gnp.\u{202e}exe"), "gnp.\\u{202e}exe");
    }

    #[test]
    fn json_stays_json_and_keeps_the_data() {
        let text = to_json(&"a\u{9b}\u{202e}\u{1b}b").unwrap();
        assert_eq!(text, r#""a\u009b\u202e\u001bb""#);
        let back: String = serde_json::from_str(&text).unwrap();
        assert_eq!(back, "a\u{9b}\u{202e}\u{1b}b");
    }
}
