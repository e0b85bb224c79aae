//! How a tour is printed: chapters, sentences, facts, time lines, and checks with their figures.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::record::{Chapter, Check};
use crate::{
    error::LabError,
    terminal::{BAD, GOOD, STRONG, Screen, escape},
};

/// Longest line of prose.
const PROSE_WIDTH: usize = 88;
/// Longest line of anything else that can be broken. The table of three servers has this width.
const WIDTH: usize = 104;
const INDENT: &str = "   ";
/// Of a line that goes on below, so much further in.
const HANGING: &str = "     ";

/// One line of a time line.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Moment {
    /// Milliseconds since what the time line begins with.
    pub(super) ms: i64,
    /// A server's name, `client` or `tour`.
    pub(super) who: String,
    /// Its kind: that of a server's log, such as `elected`, or `kill`, `heard` and so on.
    pub(super) event: String,
    pub(super) what: String,
    /// The term that it is about, where it is about one.
    pub(super) term: Option<u64>,
    /// The server that informed a client of it, if one did.
    pub(super) told_by: Option<String>,
}

/// Tells a tour on standard output. For programs it says nothing but the result.
pub(super) struct Narrator {
    out: Screen,
    chapters: Vec<Chapter>,
    /// Whether the last line was empty: no two of them follow each other.
    parted: bool,
}

impl Narrator {
    pub(super) fn new(out: Screen) -> Self {
        Self {
            out,
            chapters: Vec::new(),
            parted: false,
        }
    }

    pub(super) fn title(&mut self, title: &str) -> Result<(), LabError> {
        self.line(&format!("{STRONG}{title}{STRONG:#}"))
    }

    /// Begins a chapter. The name stays what it is when the title changes.
    pub(super) fn chapter(&mut self, name: &'static str, title: &str) -> Result<(), LabError> {
        self.chapters.push(Chapter::new(name, title));
        let number = self.chapters.len();
        self.line("")?;
        self.line(&format!("{STRONG}{number}  {title}{STRONG:#}"))?;
        self.line("")
    }

    /// A few sentences.
    pub(super) fn say(&mut self, text: &str) -> Result<(), LabError> {
        self.line("")?;
        for line in wrap(text, PROSE_WIDTH - INDENT.len()) {
            self.line(&format!("{INDENT}{line}"))?;
        }
        Ok(())
    }

    /// Names and values, aligned.
    pub(super) fn facts(&mut self, facts: &[(&str, String)]) -> Result<(), LabError> {
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        self.line("")?;
        for (name, value) in facts {
            self.line(&format!("{INDENT}{name:<width$}  {}", escape(value)))?;
        }
        self.line("")
    }

    /// What happened, in the order of time.
    pub(super) fn timeline(&mut self, mut moments: Vec<Moment>) -> Result<(), LabError> {
        moments.sort_by_key(|moment| moment.ms);
        let width = moments.iter().map(|moment| moment.who.len()).max();
        let width = width.unwrap_or(0);
        self.line("")?;
        for Moment { ms, who, what, .. } in &moments {
            let begin = format!("{INDENT}{:>8}  {who:<width$}  ", format!("{ms:+} ms"));
            self.lines(&hanging(&begin, what))?;
        }
        self.open_chapter().timeline(moments);
        self.line("")
    }

    /// A command as it could be typed, and what it said.
    pub(super) fn command(&mut self, line: &str, said: &str) -> Result<(), LabError> {
        self.line("")?;
        for line in fitting(&format!("$ {line}")) {
            self.line(&format!("{STRONG}{line}{STRONG:#}"))?;
        }
        for line in said.lines() {
            self.lines(&fitting(line))?;
        }
        self.line("")
    }

    /// Something that must hold.
    pub(super) fn check(
        &mut self,
        held: bool,
        claim: impl Into<String>,
        figure: impl Into<String>,
    ) -> Result<(), LabError> {
        let check = Check {
            claim: claim.into(),
            held,
            figure: figure.into(),
        };
        let claim = format!("{}:", check.claim);
        self.lines(&verdict(held, &claim, 1, &check.figure))?;
        self.open_chapter().checks.push(check);
        Ok(())
    }

    /// Numbers and names of this chapter for the record, an object.
    pub(super) fn figures(&mut self, figures: Value) {
        self.open_chapter().figures(figures);
    }

    /// When creates were acknowledged, ms since the beginning of this chapter's first time line.
    pub(super) fn acknowledged(&mut self, ms: impl Iterator<Item = f64>) {
        self.open_chapter().acknowledged(ms);
    }

    /// The chapters so far, which are taken away.
    pub(super) fn take_chapters(&mut self) -> Vec<Chapter> {
        std::mem::take(&mut self.chapters)
    }

    /// All checks once more; a failure unless every one held.
    pub(super) fn finish(&mut self, took: Duration) -> Result<(), LabError> {
        let checks = || self.chapters.iter().flat_map(|chapter| &chapter.checks);
        let count = checks().count();
        let failed: Vec<_> = checks().filter(|check| !check.held).collect();
        let claims: Vec<_> = failed.iter().map(|check| check.claim.clone()).collect();
        let all_held = failed.is_empty() && count > 0;
        if self.out.json {
            self.out.write_json(&json!({
                "held": all_held,
                "seconds": took.as_secs_f64(),
                "checks": checks().collect::<Vec<_>>(),
            }))?;
        }
        self.summary(took)?;
        if all_held {
            return self.line(&format!("{INDENT}{GOOD}All {count} checks held.{GOOD:#}"));
        }
        Err(LabError::ChecksFailed { claims, count })
    }

    fn summary(&mut self, took: Duration) -> Result<(), LabError> {
        self.line("")?;
        self.title(&format!("Summary, after {:.1} s", took.as_secs_f64()))?;
        self.lines(&summary(&self.chapters))?;
        self.line("")
    }

    fn lines(&mut self, lines: &[String]) -> Result<(), LabError> {
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// Where everything that is shown belongs.
    fn open_chapter(&mut self) -> &mut Chapter {
        let chapter = self.chapters.last_mut();
        chapter.expect("a tour begins a chapter before it tells anything in it")
    }

    fn line(&mut self, text: &str) -> Result<(), LabError> {
        if self.out.json || (text.is_empty() && self.parted) {
            return Ok(());
        }
        self.parted = text.is_empty();
        self.out.line(text)
    }
}

/// Each chapter's title and checks, with the figures of all below each other.
fn summary(chapters: &[Chapter]) -> Vec<String> {
    let checks = || chapters.iter().flat_map(|chapter| &chapter.checks);
    let width = checks().map(|check| check.claim.chars().count()).max();
    let width = width.unwrap_or(0) + 2;
    let mut lines = Vec::new();
    for chapter in chapters {
        lines.extend([String::new(), format!("{INDENT}{}", chapter.title)]);
        for check in &chapter.checks {
            let space = width - check.claim.chars().count();
            lines.extend(verdict(check.held, &check.claim, space, &check.figure));
        }
    }
    lines
}

/// A claim, some space and its figure: on one line, or the figure below if that would be too long.
fn verdict(held: bool, claim: &str, space: usize, figure: &str) -> Vec<String> {
    let (word, style) = if held { ("ok", GOOD) } else { ("FAILED", BAD) };
    let begin = format!("{INDENT}{style}{word:<6}{style:#}  {}", escape(claim));
    let below = format!("{INDENT}        ");
    let width = below.len() + claim.chars().count() + space + figure.chars().count();
    if width <= WIDTH {
        return vec![format!("{begin}{:space$}{}", "", escape(figure))];
    }
    let mut lines = vec![begin];
    lines.extend(hanging(&below, figure));
    lines
}

/// A line of a command or of what it said, broken only where it is too long: tables stay tables.
fn fitting(line: &str) -> Vec<String> {
    if INDENT.len() + line.chars().count() <= WIDTH {
        return vec![format!("{INDENT}{}", escape(line))];
    }
    hanging(INDENT, line)
}

/// A text behind a beginning; what doesn't fit goes on below, further in.
fn hanging(begin: &str, text: &str) -> Vec<String> {
    let below = format!("{}{HANGING}", " ".repeat(begin.chars().count()));
    let lines = wrap(&escape(text), WIDTH - below.len());
    let lines = lines.iter().enumerate();
    lines
        .map(|(number, line)| format!("{}{line}", if number == 0 { begin } else { &below }))
        .collect()
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

    #[test]
    fn prose_is_wrapped_at_words() {
        assert_eq!(wrap("ab cd ef", 5), ["ab cd", "ef"]);
        assert_eq!(wrap("abcdefg h", 3), ["abcdefg", "h"]);
        assert_eq!(wrap(" ", 3), Vec::<String>::new());
    }

    #[test]
    fn a_long_figure_stands_below_its_claim_and_no_line_is_too_long() {
        let short = verdict(true, "it holds:", 1, "7 ms");
        assert_eq!(short.len(), 1);
        assert!(short[0].ends_with("it holds: 7 ms"), "{short:?}");
        let figure = "of 5649: s1 has 5649, s2 has 5649, s3 has 5649";
        let long = verdict(true, &"word ".repeat(12), 2, &[figure; 3].join(", "));
        assert!(long.len() > 2, "{long:?}");
        let colours = format!("{GOOD}{GOOD:#}").len();
        assert!(long[0].chars().count() <= WIDTH + colours);
        assert!(long[1..].iter().all(|line| line.chars().count() <= WIDTH));
        assert!(long[1].starts_with(&format!("{INDENT}        of 5649:")));
    }

    #[test]
    fn what_a_command_said_is_broken_only_where_it_is_too_long() {
        let table = "SERVER  ROLE      TERM";
        assert_eq!(fitting(table), [format!("{INDENT}{table}")]);
        let broken = fitting(&"no account of this name; ".repeat(6));
        assert!(broken.len() > 1);
        assert!(broken.iter().all(|line| line.chars().count() <= WIDTH));
        assert!(broken[1].starts_with(&format!("{INDENT}{HANGING}")));
    }

    #[test]
    fn a_tour_succeeds_only_if_every_check_held() {
        let narrator = || {
            let mut narrator = Narrator::new(Screen { json: true });
            narrator.chapter("one", "One").expect("written");
            narrator
        };
        let mut good = narrator();
        good.check(true, "a", "1").expect("written");
        assert!(good.finish(Duration::ZERO).is_ok());
        let mut bad = narrator();
        bad.check(true, "a", "1").expect("written");
        bad.check(false, "b", "2").expect("written");
        let failure = bad.finish(Duration::ZERO).expect_err("failed");
        assert_eq!(failure.to_string(), "1 of 2 checks did not hold: b");
        assert!(narrator().finish(Duration::ZERO).is_err());
    }
}
