//! How a tour is told: chapters, sentences, facts, time lines, and checks with their figures.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::record::{Chapter, Check};
use crate::cli::{
    errors::Failure,
    terminal::{BAD, GOOD, Output, STRONG, escape},
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
}

/// Tells a tour on standard output. For programs it says nothing but the result.
pub(super) struct Narrator {
    out: Output,
    chapters: Vec<Chapter>,
    /// Whether the last line was empty: no two of them follow each other.
    parted: bool,
}

impl Narrator {
    pub(super) fn new(out: Output) -> Self {
        Self {
            out,
            chapters: Vec::new(),
            parted: false,
        }
    }

    pub(super) fn title(&mut self, title: &str) -> Result<(), Failure> {
        self.line(&format!("{STRONG}{title}{STRONG:#}"))
    }

    /// Begins a chapter. The name stays what it is when the title changes.
    pub(super) fn chapter(&mut self, name: &'static str, title: &str) -> Result<(), Failure> {
        self.chapters.push(Chapter::new(name, title));
        let number = self.chapters.len();
        self.line("")?;
        self.line(&format!("{STRONG}{number}  {title}{STRONG:#}"))?;
        self.line("")
    }

    /// A few sentences.
    pub(super) fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.line("")?;
        for line in wrap(text, PROSE_WIDTH - INDENT.len()) {
            self.line(&format!("{INDENT}{line}"))?;
        }
        Ok(())
    }

    /// Names and values, aligned.
    pub(super) fn facts(&mut self, facts: &[(&str, String)]) -> Result<(), Failure> {
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        self.line("")?;
        for (name, value) in facts {
            self.line(&format!("{INDENT}{name:<width$}  {}", escape(value)))?;
        }
        self.line("")
    }

    /// What happened, in the order of time.
    pub(super) fn timeline(&mut self, mut moments: Vec<Moment>) -> Result<(), Failure> {
        moments.sort_by_key(|moment| moment.ms);
        let width = moments.iter().map(|moment| moment.who.len()).max();
        let width = width.unwrap_or(0);
        self.line("")?;
        for Moment { ms, who, what, .. } in &moments {
            let begin = format!("{INDENT}{:>8}  {who:<width$}  ", format!("{ms:+} ms"));
            self.hanging(&begin, what)?;
        }
        self.open_chapter().timeline(moments);
        self.line("")
    }

    /// A command as it could be typed, and what it said.
    pub(super) fn command(&mut self, line: &str, said: &str) -> Result<(), Failure> {
        self.line("")?;
        self.line(&format!("{INDENT}{STRONG}$ {}{STRONG:#}", escape(line)))?;
        for line in said.lines() {
            if INDENT.len() + line.chars().count() > WIDTH {
                self.hanging(INDENT, line)?;
            } else {
                self.line(&format!("{INDENT}{}", escape(line)))?;
            }
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
            claim: claim.into(),
            held,
            figure: figure.into(),
        };
        let claim = format!("{}:", check.claim);
        self.verdict(held, &claim, " ", &check.figure)?;
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
    pub(super) fn finish(&mut self, took: Duration) -> Result<(), Failure> {
        let checks = || self.chapters.iter().flat_map(|chapter| &chapter.checks);
        let count = checks().count();
        let failed: Vec<_> = checks().filter(|check| !check.held).collect();
        let claims: Vec<_> = failed.iter().map(|check| check.claim.clone()).collect();
        let all_held = failed.is_empty() && count > 0;
        if self.out.is_json() {
            self.out.json(&json!({
                "held": all_held,
                "seconds": took.as_secs_f64(),
                "checks": checks().collect::<Vec<_>>(),
            }))?;
        }
        self.summary(took)?;
        if all_held {
            return self.line(&format!("{INDENT}{GOOD}All {count} checks held.{GOOD:#}"));
        }
        Err(Failure::untrue(
            "CHECK_FAILED",
            format!(
                "{} of {count} checks did not hold: {}",
                claims.len(),
                claims.join("; ")
            ),
        ))
    }

    fn summary(&mut self, took: Duration) -> Result<(), Failure> {
        let chapters = self.take_chapters();
        let checks = || chapters.iter().flat_map(|chapter| &chapter.checks);
        let width = checks().map(|check| check.claim.chars().count()).max();
        let width = width.unwrap_or(0);
        self.line("")?;
        self.title(&format!("Summary, after {:.1} s", took.as_secs_f64()))?;
        for chapter in &chapters {
            self.line("")?;
            self.line(&format!("{INDENT}{}", chapter.title))?;
            for Check {
                claim,
                held,
                figure,
            } in &chapter.checks
            {
                self.verdict(
                    *held,
                    claim,
                    &" ".repeat(width + 2 - claim.chars().count()),
                    figure,
                )?;
            }
        }
        self.chapters = chapters;
        self.line("")
    }

    /// A claim and its figure: on one line, or the figure below if that would be too long.
    fn verdict(
        &mut self,
        held: bool,
        claim: &str,
        between: &str,
        figure: &str,
    ) -> Result<(), Failure> {
        let (word, style) = if held { ("ok", GOOD) } else { ("FAILED", BAD) };
        let begin = format!("{INDENT}{style}{word:<6}{style:#}  {}", escape(claim));
        let width = [INDENT, "FAILED  ", claim, between, figure];
        let width: usize = width.iter().map(|part| part.chars().count()).sum();
        if width <= WIDTH {
            return self.line(&format!("{begin}{between}{}", escape(figure)));
        }
        self.line(&begin)?;
        let below = format!("{INDENT}        ");
        self.hanging(&below, figure)
    }

    /// A text behind a beginning; what doesn't fit goes on below, further in.
    fn hanging(&mut self, begin: &str, text: &str) -> Result<(), Failure> {
        let below = format!("{}{HANGING}", " ".repeat(begin.chars().count()));
        let room = WIDTH - below.len();
        let text = escape(text);
        for (number, line) in wrap(&text, room).iter().enumerate() {
            let before = if number == 0 { begin } else { below.as_str() };
            self.line(&format!("{before}{line}"))?;
        }
        Ok(())
    }

    /// Where everything that is shown belongs.
    fn open_chapter(&mut self) -> &mut Chapter {
        let chapter = self.chapters.last_mut();
        chapter.expect("a tour begins a chapter before it tells anything in it")
    }

    fn line(&mut self, text: &str) -> Result<(), Failure> {
        if self.out.is_json() || (text.is_empty() && self.parted) {
            return Ok(());
        }
        self.parted = text.is_empty();
        self.out.line(text)
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
        let narrator = || {
            let mut narrator = Narrator::new(Output {
                format: Format::Json,
            });
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
        assert_eq!(failure.message, "1 of 2 checks did not hold: b");
        assert!(narrator().finish(Duration::ZERO).is_err());
    }
}
