//! What may be shown on a terminal.

use std::{
    borrow::Cow,
    io::{self, Write as _},
};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::error::LabError;

/// Style of what matters most in a text.
pub const STRONG: Style = Style::new().bold();
/// Style of what is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Style of what isn't.
pub const BAD: Style = AnsiColor::Red.on_default().bold();

/// Where results go, and remarks on them.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Results are for programs, not for people.
    pub json: bool,
}

impl Screen {
    /// One line of text to standard output. The caller escapes data in it.
    pub fn line(self, text: impl AsRef<str>) -> Result<(), LabError> {
        let mut out = anstream::stdout().lock();
        writeln!(out, "{}", text.as_ref()).map_err(LabError::Output)
    }

    /// One line of JSON to standard output.
    pub fn write_json(self, value: &impl Serialize) -> Result<(), LabError> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", to_json(value)?).map_err(LabError::Output)
    }

    /// A remark for people, to standard error. Programs don't get it.
    pub fn note(self, message: &str) {
        if !self.json {
            // Nothing is left to tell it to if standard error is gone.
            let _ = writeln!(anstream::stderr().lock(), "{}", escape(message));
        }
    }
}

/// JSON on one line, safe to show on a terminal.
pub fn to_json(value: &impl Serialize) -> Result<String, LabError> {
    let text = serde_json::to_string(value)
        .map_err(|error| LabError::fault(format!("cannot write the result as JSON: {error}")))?;
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
pub fn escape_json(json: String) -> String {
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
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
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
