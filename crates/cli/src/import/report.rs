//! What became of the lines: a progress bar, the rejected ones, and a summary.

use std::{
    fmt,
    fs::File,
    path::{Path, PathBuf},
    time::Instant,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Position, dry_run::Plan, importer::Done, lines::BadLine};
use crate::{
    errors::{Cause, Failure, OrFailure as _},
    terminal::{Output, escape},
};

/// Counts what became of the lines, and reports it.
pub(super) struct Report {
    out: Output,
    progress: ProgressBar,
    began: Instant,
    created: u64,
    updated: u64,
    unchanged: u64,
    rejected: u64,
    /// Whether nothing is changed, and the counts are of what would be done.
    dry_run: bool,
    last_line: u64,
    file: Option<(PathBuf, csv::Writer<File>)>,
}

impl Report {
    /// `bytes` is the size of what is read, where it is known.
    pub(super) fn new(
        out: Output,
        bytes: Option<u64>,
        rejected: Option<PathBuf>,
        dry_run: bool,
    ) -> Result<Self, Failure> {
        let file = rejected
            .map(|path| {
                let file = or_not_written(File::create(&path), &path)?;
                let mut writer = csv::Writer::from_writer(file);
                let header = ["line", "login_name", "reason", "message"];
                or_not_written(writer.write_record(header), &path)?;
                Ok::<_, Failure>((path, writer))
            })
            .transpose()?;
        Ok(Self {
            out,
            progress: progress(bytes),
            began: Instant::now(),
            created: 0,
            updated: 0,
            unchanged: 0,
            rejected: 0,
            dry_run,
            last_line: 0,
            file,
        })
    }

    pub(super) fn done(&mut self, position: Position, done: Done) {
        match done {
            Done::Created => self.created += 1,
            Done::Updated => self.updated += 1,
            Done::Unchanged => self.unchanged += 1,
        }
        self.advance(position);
    }

    /// A line of a dry run.
    pub(super) fn planned(&mut self, position: Position, plan: &Plan) -> Result<(), Failure> {
        self.done(position, plan.done);
        let (out, number) = (self.out, position.line);
        self.progress.suspend(|| match out.is_json() {
            true => out.json(&json!({
                "line": number,
                "login_name": plan.login_name,
                "action": match plan.done {
                    Done::Created => "create",
                    Done::Updated => "update",
                    Done::Unchanged => "none",
                },
                "fields": plan.fields,
            })),
            false => out.line(planned_text(number, plan)),
        })
    }

    pub(super) fn rejected(&mut self, position: Position, line: &BadLine) -> Result<(), Failure> {
        self.rejected += 1;
        self.advance(position);
        if let Some((path, writer)) = &mut self.file {
            let written = writer.write_record([
                &position.line.to_string(),
                &line.login_name,
                line.cause.as_str(),
                &line.message,
            ]);
            return or_not_written(written, path);
        }
        let text = if self.out.is_json() {
            crate::terminal::to_json(&json!({
                "line": position.line,
                "login_name": line.login_name,
                "reason": line.cause.as_str(),
                "message": line.message,
            }))?
        } else {
            rejected_text(position.line, line)
        };
        self.progress.suspend(|| {
            use std::io::Write as _;
            // The summary still counts it if standard error is gone.
            let _ = writeln!(anstream::stderr().lock(), "{text}");
        });
        Ok(())
    }

    fn advance(&mut self, position: Position) {
        self.last_line = self.last_line.max(position.line);
        self.progress.set_position(position.bytes);
        self.progress.set_message(self.counts());
    }

    fn counts(&self) -> String {
        format!(
            "{} created, {} updated, {} unchanged, {} rejected",
            self.created, self.updated, self.unchanged, self.rejected
        )
    }

    /// The summary; the failure, if something stopped the import or lines were rejected.
    pub(super) fn finish(mut self, source: &str, stopped: Option<Failure>) -> Result<(), Failure> {
        self.progress.finish_and_clear();
        if let Some((path, writer)) = &mut self.file {
            or_not_written(writer.flush(), path)?;
        }
        let seconds = self.began.elapsed().as_secs_f64();
        if self.out.is_json() {
            self.out.json(&json!({
                "created": self.created,
                "updated": self.updated,
                "unchanged": self.unchanged,
                "rejected": self.rejected,
                "last_line": self.last_line,
                "complete": stopped.is_none(),
                "dry_run": self.dry_run,
                "seconds": seconds,
            }))?;
        } else if self.dry_run {
            let counts = self.counts();
            self.out
                .line(format!("it would be {counts}; nothing was changed"))?;
        } else {
            let rate = self.created as f64 / seconds.max(0.001);
            self.out.line(format!(
                "{} in {seconds:.1} s ({rate:.0} created/s)",
                self.counts()
            ))?;
        }
        let counts = self.counts();
        match stopped {
            Some(failure) => {
                let done = if self.last_line == 0 {
                    format!("{source}: nothing was imported")
                } else if self.dry_run {
                    format!("{source} was read up to line {}", self.last_line)
                } else {
                    format!(
                        "{source} was imported up to line {}, {counts}",
                        self.last_line
                    )
                };
                if self.dry_run {
                    return Err(failure.after(&done));
                }
                let again = if failure.cause == Cause::TruncatedFile {
                    "mend the file and import it again; what is there is not created twice"
                } else {
                    "the same import again; what is there is not created twice"
                };
                Err(failure.after(&done).hint(again))
            }
            None if self.rejected > 0 => {
                let lines = match (self.dry_run, self.rejected) {
                    (true, 1) => "line would be",
                    (true, _) => "lines would be",
                    (false, 1) => "line was",
                    (false, _) => "lines were",
                };
                let failure = Failure::partly_done(
                    Cause::LinesRejected,
                    format!("{source}: {} {lines} rejected", self.rejected),
                );
                Err(match &self.file {
                    Some((path, _)) => {
                        failure.hint(format!("look at {}, which lists them", path.display()))
                    }
                    None => failure,
                })
            }
            None => Ok(()),
        }
    }
}

fn planned_text(number: u64, plan: &Plan) -> String {
    let fields = plan.fields.join(", ");
    let what = match plan.done {
        Done::Created => format!("would be created with {fields}"),
        Done::Updated => format!("would be updated: {fields}"),
        Done::Unchanged => "unchanged".to_owned(),
    };
    format!(
        "line {number} ({}): {}",
        escape(&plan.login_name),
        escape(&what)
    )
}

fn rejected_text(number: u64, line: &BadLine) -> String {
    let name = if line.login_name.is_empty() {
        String::new()
    } else {
        format!(" ({})", escape(&line.login_name))
    };
    let message = escape(&line.message);
    format!("line {number}{name}: {}: {message}", line.cause)
}

/// On a terminal only.
fn progress(bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (
            ProgressBar::new(bytes),
            "{bar:30} {percent:>3}%  {msg}  {elapsed}, {eta} to go",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {msg}  {elapsed}"),
    };
    bar.with_style(ProgressStyle::with_template(template).expect("the template is valid"))
}

fn or_not_written<T, E: fmt::Display>(written: Result<T, E>, path: &Path) -> Result<T, Failure> {
    written.or_failure(
        Failure::fault,
        format_args!("cannot write `{}`", path.display()),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use quorid_api::Reason;

    use super::*;

    fn bad(login_name: &str) -> BadLine {
        BadLine {
            login_name: login_name.to_owned(),
            cause: Reason::InvalidLoginName.into(),
            message: "it has a\u{7}".to_owned(),
        }
    }

    #[test]
    fn rejected_line_is_one_line_without_control_characters() {
        assert_eq!(
            rejected_text(7, &bad("a\u{1b}b")),
            "line 7 (a\\u{1b}b): INVALID_LOGIN_NAME: it has a\\u{7}"
        );
        assert!(rejected_text(7, &bad("")).starts_with("line 7: INVALID"));
    }

    #[test]
    fn rejected_file_is_csv_with_the_exact_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rejected.csv");
        let mut report =
            Report::new(Output::default(), Some(10), Some(path.clone()), false).unwrap();
        let position = Position { line: 2, bytes: 5 };
        report.rejected(position, &bad("=a\"b")).unwrap();
        let failure = report.finish("`x.csv`", None).unwrap_err();
        assert_eq!(failure.exit as u8, 7);
        assert!(failure.message.contains("1 line was rejected"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            text.starts_with("line,login_name,reason,message\n2,\"=a\"\"b\","),
            "{text}"
        );
    }

    #[test]
    fn import_that_stopped_says_how_far_it_got() {
        let mut report = Report::new(Output::default(), None, None, false).unwrap();
        report.done(Position { line: 2, bytes: 5 }, Done::Created);
        let stopped = Failure::partly_done(Cause::TruncatedFile, "line 3: cut off");
        let failure = report.finish("`x.csv`", Some(stopped)).unwrap_err();
        assert_eq!(failure.exit as u8, 7);
        assert!(
            failure.message.contains("up to line 2, 1 created"),
            "{}",
            failure.message
        );
        assert!(failure.message.contains("line 3: cut off"));
    }
}
