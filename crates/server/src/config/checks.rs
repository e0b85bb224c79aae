//! Which values make sense, and which go together.

use std::{collections::BTreeSet, fmt::Display};

use super::{ConfigError, INITIAL_SERVERS_MAX, PasswordFlags, Timing};
use crate::{
    named_server::{NamedServer, check_reachable},
    passwords::{ITERATIONS_MAX, MEMORY_KIB_MAX, PARALLELISM_MAX, PasswordSettings},
};

/// Threads that are started where nothing is said.
const THREADS_PRESET_MAX: u64 = 8;
/// Threads that can be asked for.
const THREADS_MAX: u64 = 64;

pub(super) fn missing(key: &'static str) -> ConfigError {
    ConfigError::Missing {
        key,
        flag: key.replace(['_', '.'], "-"),
        variable: format!("QUORID_{}", key.replace('.', "_").to_uppercase()),
    }
}

fn invalid(key: &'static str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Invalid {
        key,
        reason: reason.into(),
    }
}

/// The error about the value of a setting.
pub(super) fn of<E: Display>(key: &'static str) -> impl Fn(E) -> ConfigError {
    move |error| invalid(key, error.to_string())
}

/// The address that others get: as given, or from the list of initial servers.
pub(super) fn advertised(
    key: &'static str,
    given: Option<String>,
    listed: Option<&String>,
) -> Result<String, ConfigError> {
    let address = match (given, listed) {
        (Some(given), Some(listed)) if given != *listed => {
            return Err(invalid(
                key,
                format!("`{given}` contradicts `{listed}` in initial_servers; keep one of them"),
            ));
        }
        (Some(given), _) => given,
        (None, Some(listed)) => listed.clone(),
        (None, None) => return Err(missing(key)),
    };
    check_reachable(&address).map_err(of(key))?;
    Ok(address)
}

pub(super) fn check_initial_servers(
    name: &str,
    join: bool,
    servers: &[NamedServer],
    warnings: &mut Vec<String>,
) -> Result<(), ConfigError> {
    const KEY: &str = "initial_servers";
    if join {
        if servers.is_empty() {
            return Ok(());
        }
        return Err(invalid(
            KEY,
            "a server that joins a cluster is given no initial servers; leave out one of \
             initial_servers and join",
        ));
    }
    if servers.is_empty() {
        return Err(missing(KEY));
    }
    if servers.len() > INITIAL_SERVERS_MAX {
        return Err(invalid(
            KEY,
            format!(
                "{} servers are too many to form a cluster; at most {INITIAL_SERVERS_MAX}, and \
                 more can be added as learners later",
                servers.len()
            ),
        ));
    }
    let mut seen = BTreeSet::new();
    for server in servers {
        server.check().map_err(of(KEY))?;
        for value in [&server.name, &server.peer_address, &server.client_address] {
            if !seen.insert(value) {
                return Err(invalid(
                    KEY,
                    format!("`{value}` is there twice; names and addresses are unique"),
                ));
            }
        }
    }
    if !servers.iter().any(|server| server.name == name) {
        let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
        return Err(invalid(
            KEY,
            format!(
                "this server, `{name}`, isn't one of them ({}); add it, or start it with --join \
                 to be added to their cluster",
                names.join(", ")
            ),
        ));
    }
    if servers.len().is_multiple_of(2) {
        warnings.push(format!(
            "a cluster of {} servers survives no more losses than one of {}; odd numbers are better",
            servers.len(),
            servers.len() - 1
        ));
    }
    Ok(())
}

pub(super) fn check_timing(timing: Timing) -> Result<(), ConfigError> {
    let Timing {
        heartbeat_ms,
        election_min_ms,
        election_max_ms,
    } = timing;
    if !(10..=10_000).contains(&heartbeat_ms) {
        return Err(invalid(
            "heartbeat_ms",
            format!("{heartbeat_ms} is out of bounds; between 10 and 10000"),
        ));
    }
    if election_min_ms <= heartbeat_ms * 2 {
        return Err(invalid(
            "election_min_ms",
            format!(
                "{election_min_ms} must be more than two heartbeats (heartbeat_ms = \
                 {heartbeat_ms}), or one late heartbeat starts an election"
            ),
        ));
    }
    if election_max_ms <= election_min_ms {
        return Err(invalid(
            "election_max_ms",
            format!(
                "{election_max_ms} must be more than election_min_ms ({election_min_ms}), or \
                 candidates keep splitting the vote"
            ),
        ));
    }
    if election_max_ms > 60_000 {
        return Err(invalid(
            "election_max_ms",
            format!("{election_max_ms} is more than a minute"),
        ));
    }
    Ok(())
}

pub(super) fn within(
    key: &'static str,
    value: u64,
    bounds: std::ops::RangeInclusive<u64>,
) -> Result<u64, ConfigError> {
    if bounds.contains(&value) {
        return Ok(value);
    }
    let (min, max) = bounds.into_inner();
    Err(invalid(
        key,
        format!("{value} is out of bounds; between {min} and {max}"),
    ))
}

/// The processors that this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The threads that serve.
pub(super) fn server_threads(given: Option<u64>) -> Result<usize, ConfigError> {
    let preset = u64::try_from(cores()).unwrap_or(THREADS_PRESET_MAX);
    let threads = given.unwrap_or(preset.min(THREADS_PRESET_MAX));
    let threads = within("server_threads", threads, 1..=THREADS_MAX)?;
    Ok(usize::try_from(threads).unwrap_or(1))
}

pub(super) fn password(flags: &PasswordFlags) -> Result<PasswordSettings, ConfigError> {
    let preset = PasswordSettings::for_cores(cores());
    let settings = PasswordSettings {
        memory_kib: flags.memory_kib.unwrap_or(preset.memory_kib),
        iterations: flags.iterations.unwrap_or(preset.iterations),
        parallelism: flags.parallelism.unwrap_or(preset.parallelism),
        threads: flags.threads.unwrap_or(preset.threads),
        queue: flags.queue.unwrap_or(preset.queue),
        length_min: flags.length_min.unwrap_or(preset.length_min),
    };
    let lanes = u64::from(settings.parallelism);
    within("password.parallelism", lanes, 1..=PARALLELISM_MAX.into())?;
    // Argon2 needs eight blocks of one KiB for each lane.
    let memory_kib = u64::from(settings.memory_kib);
    within(
        "password.memory_kib",
        memory_kib,
        8 * lanes..=MEMORY_KIB_MAX.into(),
    )?;
    within(
        "password.iterations",
        settings.iterations.into(),
        1..=ITERATIONS_MAX.into(),
    )?;
    within("password.threads", settings.threads as u64, 1..=256)?;
    within("password.queue", settings.queue as u64, 0..=65_536)?;
    within("password.length_min", settings.length_min as u64, 1..=64)?;
    Ok(settings)
}
