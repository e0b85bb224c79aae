//! How a tour is told: chapters, sentences, facts, time lines, and checks with their figures.

use std::{cell::Cell, time::Duration};

use serde_json::{Value, json};

use crate::cli::{
    errors::Failure,
    terminal::{BAD, GOOD, Output, STRONG, escape},
};

/// Longest line of prose.
const WIDTH: usize = 88;
const INDENT: &str = "   ";

/// What should be so, whether it is, and the figure that shows it.
#[derive(Debug)]
struct Check {
    chapter: usize,
    claim: String,
    held: bool,
    figure: String,
}

impl Check {
    fn to_json(&self) -> Value {
        json!({"claim": self.claim, "held": self.held, "figure": self.figure})
    }
}

/// One line of a time line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Milliseconds since what the time line begins with.
    pub(super) ms: i64,
    pub(super) who: String,
    pub(super) what: String,
}

/// Tells a tour on standard output. For programs it says nothing but the result.
pub(super) struct Narrator {
    out: Output,
    /// Titles, in their order.
    chapters: Vec<String>,
    checks: Vec<Check>,
    /// Whether the last line was empty: no two of them follow each other.
    parted: Cell<bool>,
}

impl Narrator {
    pub(super) fn new(out: Output) -> Self {
        Self {
            out,
            chapters: Vec::new(),
            checks: Vec::new(),
            parted: Cell::new(false),
        }
    }

    pub(super) fn title(&self, title: &str) -> Result<(), Failure> {
        self.line(&format!("{STRONG}{title}{STRONG:#}"))
    }

    pub(super) fn chapter(&mut self, title: &str) -> Result<(), Failure> {
        self.chapters.push(title.to_owned());
        let number = self.chapters.len();
        self.line("")?;
        self.line(&format!("{STRONG}{number}  {title}{STRONG:#}"))?;
        self.line("")
    }

    /// A few sentences.
    pub(super) fn say(&self, text: &str) -> Result<(), Failure> {
        self.line("")?;
        for line in wrap(text, WIDTH - INDENT.len()) {
            self.line(&format!("{INDENT}{line}"))?;
        }
        Ok(())
    }

    /// Names and values, aligned.
    pub(super) fn facts(&self, facts: &[(&str, String)]) -> Result<(), Failure> {
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        self.line("")?;
        for (name, value) in facts {
            self.line(&format!("{INDENT}{name:<width$}  {}", escape(value)))?;
        }
        self.line("")
    }

    /// What happened, in the order of time.
    pub(super) fn timeline(&self, mut moments: Vec<Moment>) -> Result<(), Failure> {
        moments.sort_by_key(|moment| moment.ms);
        let width = moments.iter().map(|moment| moment.who.len()).max();
        let width = width.unwrap_or(0);
        self.line("")?;
        for Moment { ms, who, what } in moments {
            let what = escape(&what);
            self.line(&format!(
                "{INDENT}{:>8}  {who:<width$}  {what}",
                format!("{ms:+} ms")
            ))?;
        }
        self.line("")
    }

    /// A command as it could be typed, and what it said.
    pub(super) fn command(&self, line: &str, said: &str) -> Result<(), Failure> {
        self.line("")?;
        self.line(&format!("{INDENT}{STRONG}$ {}{STRONG:#}", escape(line)))?;
        for line in said.lines() {
            self.line(&format!("{INDENT}{}", escape(line)))?;
        }
        self.line("")
    }

    /// Something that must hold.
    pub(super) fn check(
        &mut self,
        held: bool,
        claim: impl Into<String>,
        figure: impl Into<String>,
    ) -> Result<(), Failure> {
        let check = Check {
            chapter: self.chapters.len(),
            claim: claim.into(),
            held,
            figure: figure.into(),
        };
        let line = format!(
            "{INDENT}{}  {}: {}",
            verdict(held),
            escape(&check.claim),
            escape(&check.figure)
        );
        self.checks.push(check);
        self.line(&line)
    }

    /// All checks once more; a failure unless every one held.
    pub(super) fn finish(&self, took: Duration) -> Result<(), Failure> {
        let failed: Vec<_> = self.checks.iter().filter(|check| !check.held).collect();
        let all_held = failed.is_empty() && !self.checks.is_empty();
        if self.out.is_json() {
            let checks = self.checks.iter().map(Check::to_json);
            self.out.json(&json!({
                "held": all_held,
                "seconds": took.as_secs_f64(),
                "checks": checks.collect::<Vec<_>>(),
            }))?;
        }
        self.summary(took)?;
        if all_held {
            let held = self.checks.len();
            return self.line(&format!("{INDENT}{GOOD}All {held} checks held.{GOOD:#}"));
        }
        let claims: Vec<_> = failed.iter().map(|check| check.claim.as_str()).collect();
        Err(Failure::untrue(
            "CHECK_FAILED",
            format!(
                "{} of {} checks did not hold: {}",
                failed.len(),
                self.checks.len(),
                claims.join("; ")
            ),
        ))
    }

    fn summary(&self, took: Duration) -> Result<(), Failure> {
        let width = self.checks.iter().map(|check| check.claim.chars().count());
        let width = width.max().unwrap_or(0);
        self.line("")?;
        self.title(&format!("Summary, after {:.1} s", took.as_secs_f64()))?;
        for (title, number) in self.chapters.iter().zip(1..) {
            let of_chapter = self.checks.iter().filter(|check| check.chapter == number);
            self.line("")?;
            self.line(&format!("{INDENT}{title}"))?;
            for check in of_chapter {
                let (claim, figure) = (escape(&check.claim), escape(&check.figure));
                let verdict = verdict(check.held);
                self.line(&format!("{INDENT}{verdict}  {claim:<width$}  {figure}"))?;
            }
        }
        self.line("")
    }

    fn line(&self, text: &str) -> Result<(), Failure> {
        if self.out.is_json() || (text.is_empty() && self.parted.get()) {
            return Ok(());
        }
        self.parted.set(text.is_empty());
        self.out.line(text)
    }
}

fn verdict(held: bool) -> String {
    if held {
        format!("{GOOD}ok    {GOOD:#}")
    } else {
        format!("{BAD}FAILED{BAD:#}")
    }
}

/// Lines of whole words.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Whole milliseconds, for people.
pub(super) fn ms(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terminal::Format;

    #[test]
    fn prose_is_wrapped_at_words() {
        assert_eq!(wrap("ab cd ef", 5), ["ab cd", "ef"]);
        assert_eq!(wrap("abcdefg h", 3), ["abcdefg", "h"]);
        assert_eq!(wrap(" ", 3), Vec::<String>::new());
    }

    #[test]
    fn a_tour_succeeds_only_if_every_check_held() {
        let quiet = Output {
            format: Format::Json,
        };
        let mut good = Narrator::new(quiet);
        good.check(true, "a", "1").expect("written");
        assert!(good.finish(Duration::ZERO).is_ok());
        let mut bad = Narrator::new(quiet);
        bad.check(true, "a", "1").expect("written");
        bad.check(false, "b", "2").expect("written");
        let failure = bad.finish(Duration::ZERO).expect_err("failed");
        assert_eq!(failure.message, "1 of 2 checks did not hold: b");
        assert!(Narrator::new(quiet).finish(Duration::ZERO).is_err());
    }
}
