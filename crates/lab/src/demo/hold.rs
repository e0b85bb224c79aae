//! A cluster to try: started, explained, and ended on Ctrl-C.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::testbed::{Builder, LogEvent, Testbed};
use prost_types::Timestamp;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::commands::{quoted, variables};
use crate::{
    error::LabError,
    interrupted,
    terminal::{STRONG, Screen, escape},
};

/// How often the servers' logs are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The events of the servers that are printed: who leads, and who went.
const TOLD: [&str; 7] = [
    "leader_gone",
    "leader_lost",
    "candidate",
    "elected",
    "stepped_down",
    "snapshot_installed",
    "fault",
];

pub(super) async fn run(
    builder: Builder,
    program: &Path,
    kept: bool,
    out: Screen,
) -> Result<(), LabError> {
    let mut cluster = tokio::select! {
        started = builder.start() => started?,
        () = interrupted() => return Err(LabError::Interrupted),
    };
    let leader = cluster.leader(Duration::from_secs(10)).await?;
    tell_how_to_use(&cluster, leader, program, kept, out)?;
    tokio::select! {
        failed = follow(&mut cluster, program, out) => return failed,
        () = interrupted() => {}
    }
    if kept {
        out.note("stopping the servers");
        cluster.stop_all().await?;
    }
    // Otherwise nothing is left that a clean end could be good for.
    Ok(())
}

fn tell_how_to_use(
    cluster: &Testbed,
    leader: usize,
    program: &Path,
    kept: bool,
    out: Screen,
) -> Result<(), LabError> {
    if out.json {
        let servers = (0..cluster.len()).map(|server| {
            json!({
                "name": cluster.name(server),
                "client_address": cluster.client_address(server),
                "process": cluster.process_id(server),
                "log": cluster.log(server),
            })
        });
        let environment = variables(cluster).into_iter();
        let environment: serde_json::Map<_, _> = environment
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        return out.write_json(&json!({
            "leader": cluster.name(leader),
            "servers": servers.collect::<Vec<_>>(),
            "environment": environment,
            "directory": cluster.directory(),
        }));
    }
    let heading = |text: &str| format!("{STRONG}{text}{STRONG:#}");
    let servers = if cluster.len() == 1 {
        "server runs"
    } else {
        "servers run"
    };
    out.line(heading(&format!(
        "{} {servers} on this machine; {} leads.",
        cluster.len(),
        cluster.name(leader)
    )))?;
    out.line("")?;
    for server in 0..cluster.len() {
        out.line(format!(
            "  {}  {}  process {}  log {}",
            cluster.name(server),
            cluster.client_address(server),
            cluster.process_id(server).unwrap_or(0),
            escape(&cluster.log(server).to_string_lossy())
        ))?;
    }
    out.line("")?;
    out.line(heading(
        "In another terminal, to talk to them as the operator:",
    ))?;
    out.line("")?;
    if let Some(dir) = dir_to_add(program) {
        out.line(format!(
            "  export PATH={}:\"$PATH\"",
            quoted(&dir.to_string_lossy())
        ))?;
    }
    for (name, value) in variables(cluster) {
        out.line(format!("  export {name}={}", quoted(&value)))?;
    }
    out.line("")?;
    for (command, what) in [
        (
            "quorid create ana 'Ana Lima'",
            "prints the new account's UUID",
        ),
        ("quorid lookup ana", ""),
        ("quorid get users", ""),
        ("quorid cluster status", "how each server is doing"),
        (
            "quorid cluster leader --watch",
            "hears of elections from the servers",
        ),
    ] {
        out.line(format!("  {command:<32} {what}").trim_end())?;
    }
    let process = cluster.process_id(leader).unwrap_or(0);
    let kill = format!("kill -9 {process}");
    out.line(format!(
        "  {kill:<32} kills the leader: watch what happens here"
    ))?;
    out.line("")?;
    let dir = cluster.directory().to_string_lossy().into_owned();
    let fate = if kept { "keeps" } else { "removes" };
    out.line(format!(
        "Ctrl-C ends the servers and {fate} {}. Until then, who leads:",
        escape(&dir)
    ))?;
    out.line("")
}

/// The program's directory, unless a shell finds the program by its name.
fn dir_to_add(program: &Path) -> Option<PathBuf> {
    let dir = program.parent()?.to_owned();
    let name = program.file_name()?;
    let found = env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|dir| dir.join(name))
        .find(|path| path.is_file());
    let is_this = found.is_some_and(|path| path.canonicalize().ok() == program.canonicalize().ok());
    (!is_this).then_some(dir)
}

/// One line per event, for as long as it is let.
async fn follow(cluster: &mut Testbed, program: &Path, out: Screen) -> Result<(), LabError> {
    let mut told = cluster.follow_logs()?;
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        for event in told.new_events()? {
            if TOLD.contains(&event.event.as_str()) {
                tell(cluster, &event, out)?;
            }
        }
        for (server, status) in cluster.take_ended()? {
            let config = cluster
                .directory()
                .join(format!("{}.toml", cluster.name(server)));
            let again = format!(
                "{} serve --config {}",
                quoted(&program.to_string_lossy()),
                quoted(&config.to_string_lossy())
            );
            let ended = LogEvent::new(server, "ended", format!("ended: {status}"));
            tell(cluster, &ended, out)?;
            out.note(&format!("to start it again: {again}"));
        }
    }
}

fn tell(cluster: &Testbed, event: &LogEvent, out: Screen) -> Result<(), LabError> {
    let at = Timestamp::from(event.at).to_string();
    let name = cluster.name(event.server);
    if out.json {
        return out.write_json(&json!({
            "time": at,
            "server": name,
            "event": event.event,
            "term": event.number("term"),
            "message": event.message,
        }));
    }
    out.line(format!("{at}  {name}  {}", escape(&event.message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_in_the_path_has_its_directory_added() {
        let program = Path::new("/nowhere/in/path/quorid");
        assert_eq!(dir_to_add(program), Some(PathBuf::from("/nowhere/in/path")));
        let shell = env::split_paths(&env::var_os("PATH").expect("a path"))
            .map(|dir| dir.join("sh"))
            .find(|path| path.is_file())
            .expect("a shell");
        assert_eq!(dir_to_add(&shell), None);
    }
}
