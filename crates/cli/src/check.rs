//! `quorid check`: whether the data directory of a stopped server is whole.

use std::path::PathBuf;

use clap::Args;
use quorid_server::check::{CheckReport, LogPos, check};
use serde_json::{Value, json};

use super::{
    errors::{Cause, Failure},
    terminal::{Output, escape},
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid check /var/lib/quorid
  quorid check /var/lib/quorid --output json

Reads every record of the log and every row of the state, and changes nothing. The server must be
stopped. `quorid cluster verify` compares running servers.";

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The data directory of a server that isn't running
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(crate) fn run(args: &CheckArgs, out: Output) -> Result<(), Failure> {
    let report = check(&args.directory)
        .map_err(|error| Failure::usage(error.to_string()).hint(error.hint()))?;
    match out.is_json() {
        true => out.json(&to_json(&report))?,
        false => out.line(to_text(&report))?,
    }
    match report.problems.first() {
        None => Ok(()),
        Some(first) => {
            let message = format!("the data directory is not whole: {}", first.what);
            Err(Failure::untrue(Cause::CheckFailed, message).hint(first.remedy))
        }
    }
}

fn to_text(report: &CheckReport) -> String {
    let mut lines = vec![match &report.identity {
        Some(identity) => format!(
            "identity  server {} ({}) of cluster {}, format version {}",
            identity.server_id,
            escape(&identity.name),
            escape(&identity.cluster_id),
            identity.format_version
        ),
        None => "identity  none: the server was never taken into a cluster".to_owned(),
    }];
    if let Some(log) = &report.log {
        let index = |at: Option<LogPos>| at.map_or(0, |at| at.index);
        let torn = match log.torn {
            0 => String::new(),
            bytes => format!(
                "; {bytes} bytes at its end were torn by a power cut, and the next start cuts them off"
            ),
        };
        lines.push(format!(
            "log       behind entry {} up to entry {}, {} bytes in {} files{torn}",
            index(log.purged),
            index(log.last),
            log.bytes,
            log.files
        ));
    }
    if let Some(state) = &report.state {
        lines.push(format!(
            "state     revision {}, {} accounts, {} groups, digest {}",
            state.applied.unwrap_or(0),
            state.accounts,
            state.groups,
            state.digest
        ));
    }
    for problem in &report.problems {
        lines.push(format!("PROBLEM   {}", escape(&problem.what)));
    }
    if report.problems.is_empty() {
        lines.push("all is whole".to_owned());
    }
    lines.join("\n")
}

fn to_json(report: &CheckReport) -> Value {
    let index = |at: Option<LogPos>| at.map(|at| at.index);
    let identity = report.identity.as_ref().map(|identity| {
        json!({
            "server_id": identity.server_id,
            "name": identity.name,
            "cluster_id": identity.cluster_id,
            "format_version": identity.format_version,
        })
    });
    let log = report.log.as_ref().map(|log| {
        json!({
            "purged": index(log.purged),
            "last": index(log.last),
            "bytes": log.bytes,
            "files": log.files,
            "torn_bytes": log.torn,
        })
    });
    let state = report.state.as_ref().map(|state| {
        json!({
            "revision": state.applied,
            "accounts": state.accounts,
            "groups": state.groups,
            "digest": state.digest,
        })
    });
    let problems: Vec<_> = report
        .problems
        .iter()
        .map(|problem| json!({"what": problem.what, "remedy": problem.remedy}))
        .collect();
    json!({
        "whole": report.problems.is_empty(),
        "identity": identity,
        "log": log,
        "state": state,
        "problems": problems,
    })
}
