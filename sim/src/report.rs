//! What a run was made of, as figures, and the same summed over many runs.

use std::{collections::BTreeMap, fmt};

use crate::{disk::Cuts, judge::Verdict, observer::Seen, oracle::Checked};

/// One run, or many.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    /// Hash of the trace, of one run.
    pub(crate) hash: String,
    pub(crate) violations: Vec<String>,
    /// Each under its name.
    pub(crate) figures: BTreeMap<String, u64>,
}

impl Report {
    pub(crate) fn of(
        steps: u64,
        seen: &Seen,
        checked: &Checked,
        verdict: Option<&Verdict>,
        fired: &BTreeMap<&'static str, u64>,
        cuts: &[Cuts],
    ) -> Self {
        let mut report = Self {
            violations: checked.violations.clone(),
            ..Self::default()
        };
        report.add("runs", 1);
        report.add("simulated ms", steps);
        for (kind, times) in fired {
            report.add(&format!("fault: {kind}"), *times);
        }
        for operation in &seen.operations {
            let (asked, answer) = (operation.asked.kind(), operation.answer.kind());
            report.add("operations", 1);
            report.add(&format!("operation: {asked}: {answer}"), 1);
        }
        report.add("operations that changed something", checked.mutating);
        report.add("commands committed", checked.commands);
        report.add("failovers", (seen.leaders.len() as u64).saturating_sub(1));
        for cut in cuts {
            report.add("power cuts in an operation", cut.in_operation);
            report.add("syncs failed", cut.syncs_failed);
            report.add("state writes lost", cut.writes_lost);
            report.add("state writes torn", cut.writes_torn);
            report.add("log records lost", cut.log_lost);
            report.add("snapshots installed", cut.renamed);
        }
        if let Some(verdict) = verdict {
            report.add("transfers done", verdict.transfers_done);
            report.add("transfers refused", verdict.transfers_refused);
            report.add("sum: served again after ms", verdict.served_after_ms);
            report.add("sum: equal again after ms", verdict.equal_after_ms);
        }
        report.add("violations", checked.violations.len() as u64);
        report
    }

    pub(crate) fn add(&mut self, figure: &str, more: u64) {
        *self.figures.entry(figure.to_owned()).or_default() += more;
    }

    pub(crate) fn sum(&mut self, other: &Self) {
        for (figure, more) in &other.figures {
            self.add(figure, *more);
        }
    }

    /// What [`Display`](fmt::Display) wrote.
    pub(crate) fn parse(text: &str) -> Self {
        let mut report = Self::default();
        for line in text.lines() {
            if let Some(hash) = line.strip_prefix("trace ") {
                hash.clone_into(&mut report.hash);
            } else if let Some(violation) = line.strip_prefix("VIOLATION ") {
                report.violations.push(violation.to_owned());
            } else if let Some((value, figure)) = line.trim_start().split_once("  ")
                && let Ok(value) = value.parse()
            {
                report.add(figure, value);
            }
        }
        report
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (figure, value) in &self.figures {
            writeln!(f, "{value:>10}  {figure}")?;
        }
        if !self.hash.is_empty() {
            writeln!(f, "trace {}", self.hash)?;
        }
        for violation in &self.violations {
            writeln!(f, "VIOLATION {violation}")?;
        }
        Ok(())
    }
}
