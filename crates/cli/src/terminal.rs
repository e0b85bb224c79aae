//! What may be shown on a terminal, and in which format.

use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use quorid_lab::{
    LabError,
    terminal::{BAD, Screen, escape_json},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::errors::Failure;

pub(crate) use quorid_lab::terminal::{STRONG, escape, to_json};

/// How results and errors are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: JSON on standard output, errors as JSON on standard error.
    Json,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Color {
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
    pub(crate) fn apply(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Where results, warnings and errors go.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Output {
    /// For people or for programs.
    pub(crate) format: Format,
}

impl Output {
    /// Whether a program reads it.
    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// The same for what the demonstration prints.
    pub(crate) fn screen(self) -> Screen {
        Screen {
            json: self.is_json(),
        }
    }

    /// One line of text to standard output. The caller escapes data in it.
    pub(crate) fn line(self, text: impl AsRef<str>) -> Result<(), Failure> {
        Ok(self.screen().line(text)?)
    }

    /// One line of JSON to standard output.
    pub(crate) fn json(self, value: &impl Serialize) -> Result<(), Failure> {
        Ok(self.screen().write_json(value)?)
    }

    /// Whatever is buffered is out afterwards.
    pub(crate) fn flush(self) -> Result<(), Failure> {
        io::stdout().flush().map_err(stdout_failed)
    }

    /// Something to know that is no error, to standard error.
    pub(crate) fn warn(self, message: &str) {
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
    pub(crate) fn note(self, message: &str) {
        self.screen().note(message);
    }

    /// Why the command failed, to standard error.
    pub(crate) fn failure(self, failure: &Failure) {
        let mut err = anstream::stderr().lock();
        let _ = match self.format {
            Format::Text => writeln!(err, "{BAD}error:{BAD:#} {}", failure.to_text()),
            Format::Json => writeln!(err, "{}", escape_json(failure.to_json().to_string())),
        };
    }
}

/// Standard output cannot be written.
pub(crate) fn stdout_failed(error: io::Error) -> Failure {
    LabError::Output(error).into()
}
