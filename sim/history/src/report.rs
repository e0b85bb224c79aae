//! What a run was made of, as figures, and the same summed over many runs.

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

use crate::operation::{Answer, Operation};

/// The figures of all operations, and of those that changed something.
const OPERATIONS: &str = "operations";
const CHANGING: &str = "operations that changed something";
/// Histories in which less changes show little, percent.
const CHANGING_MIN: u64 = 15;

/// One run, or many.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Hash of the trace, of one run that has one.
    pub hash: String,
    /// Each is a defect.
    pub violations: Vec<String>,
    /// Each under its name.
    pub figures: BTreeMap<String, u64>,
    /// For how long no change was acknowledged around a change of leader, ms.
    pub gaps: Vec<u64>,
}

impl Report {
    /// Adds to a figure.
    pub fn add(&mut self, figure: &str, more: u64) {
        *self.figures.entry(figure.to_owned()).or_default() += more;
    }

    /// A figure; 0 where it isn't there.
    pub fn figure(&self, figure: &str) -> u64 {
        self.figures.get(figure).copied().unwrap_or(0)
    }

    /// Counts operations by kind and outcome, and for each time at which another leader began
    /// (ms, on the clock of the operations) the pause around it.
    pub fn count(&mut self, operations: &[Operation], new_leaders_ms: &[u64]) {
        let mut acknowledged = Vec::new();
        for operation in operations {
            let (asked, answer) = (operation.asked.kind(), operation.answer.kind());
            let by = operation.by.map_or("", |_| " with a login");
            self.add(OPERATIONS, 1);
            self.add(&format!("operation{by}: {asked}: {answer}"), 1);
            let look_up = operation.asked.request().is_none();
            if let (false, Answer::Account { .. } | Answer::Deleted { .. }) =
                (look_up, &operation.answer)
            {
                acknowledged.push(operation.returned_ms);
            }
        }
        acknowledged.sort_unstable();
        let mut pauses: Vec<(u64, u64)> = new_leaders_ms
            .iter()
            .filter_map(|leader_ms| {
                let after = acknowledged.partition_point(|ms| ms < leader_ms);
                let last = acknowledged[..after].last()?;
                Some((*last, *acknowledged.get(after)?))
            })
            .collect();
        pauses.sort_unstable();
        pauses.dedup();
        self.gaps
            .extend(pauses.into_iter().map(|(from, to)| to - from));
    }

    /// Counts operations that changed something.
    pub fn count_changing(&mut self, operations: u64) {
        self.add(CHANGING, operations);
    }

    /// Takes it for a violation if the clients changed too little, in all of it: in a single run
    /// whose servers were hardly ever up, chance decides what the few operations were. Where
    /// something else is wrong, not all that changed was counted.
    pub fn demand_changes(&mut self) {
        let (changing, all) = (self.figure(CHANGING), self.figure(OPERATIONS));
        if self.violations.is_empty() && changing * 100 < all * CHANGING_MIN {
            let why = format!("only {changing} of {all} operations changed anything");
            self.violations.push(why);
        }
    }

    /// Adds another report to this one.
    pub fn sum(&mut self, other: &Self) {
        for (figure, more) in &other.figures {
            self.add(figure, *more);
        }
        self.gaps.extend(&other.gaps);
    }

    /// What [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Self {
        let mut report = Self::default();
        for line in text.lines() {
            if let Some(hash) = line.strip_prefix("trace ") {
                hash.clone_into(&mut report.hash);
            } else if let Some(violation) = line.strip_prefix("VIOLATION ") {
                report.violations.push(violation.to_owned());
            } else if let Some(gaps) = line.strip_prefix("gaps ") {
                let gaps = gaps.split_whitespace();
                report
                    .gaps
                    .extend(gaps.filter_map(|gap| gap.parse::<u64>().ok()));
            } else if let Some((value, figure)) = line.trim_start().split_once("  ")
                && let Ok(value) = value.parse()
            {
                report.add(figure, value);
            }
        }
        report
    }

    /// Writes the table to a file, where one is named.
    pub fn save(&self, file: Option<&Path>) -> io::Result<()> {
        let Some(file) = file else { return Ok(()) };
        fs::write(file, self.table()).map_err(|error| {
            let what = format!("cannot write the report {}: {error}", file.display());
            io::Error::new(error.kind(), what)
        })
    }

    /// The same as a table of Markdown, with the gaps' percentiles in place of each gap.
    pub fn table(&self) -> String {
        let mut rows: Vec<(&str, String)> = self
            .figures
            .iter()
            .map(|(figure, value)| (figure.as_str(), value.to_string()))
            .collect();
        for (name, per_mille) in [
            ("gap in acknowledged changes at a failover, p50, ms", 500),
            ("gap in acknowledged changes at a failover, p99, ms", 990),
            ("gap in acknowledged changes at a failover, worst, ms", 1000),
        ] {
            if let Some(gap) = percentile(&self.gaps, per_mille) {
                rows.push((name, gap.to_string()));
            }
        }
        rows.push(("violations", self.violations.len().to_string()));
        let mut table = "| figure | value |\n| --- | ---: |\n".to_owned();
        for (figure, value) in rows {
            table.push_str(&format!("| {figure} | {value} |\n"));
        }
        table
    }
}

/// A violation on one line, for people to read: histories are long.
pub fn shortened(violation: &str) -> String {
    let line = violation.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(600).collect()
}

/// The smallest value that so many of a thousand don't exceed.
fn percentile(values: &[u64], per_mille: usize) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * per_mille).div_ceil(1000);
    sorted.get(rank.checked_sub(1)?).copied()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (figure, value) in &self.figures {
            writeln!(f, "{value:>10}  {figure}")?;
        }
        if !self.gaps.is_empty() {
            write!(f, "gaps")?;
            for gap in &self.gaps {
                write!(f, " {gap}")?;
            }
            writeln!(f)?;
        }
        if !self.hash.is_empty() {
            writeln!(f, "trace {}", self.hash)?;
        }
        for violation in &self.violations {
            writeln!(f, "VIOLATION {}", violation.replace('\n', " "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_change_too_little_are_a_violation() {
        for (changing, fine) in [(149, false), (150, true)] {
            let mut report = Report::default();
            report.add(OPERATIONS, 1_000);
            report.count_changing(changing);
            report.demand_changes();
            assert_eq!(report.violations.is_empty(), fine, "{changing}");
        }
    }
}
