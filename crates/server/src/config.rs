//! The configuration of a server: gathered from flags, environment and file, then checked
//! as a whole. Whoever holds a `Config` holds a valid one.

mod file;
mod settings;

use std::{
    collections::BTreeSet,
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;

pub use self::settings::{PasswordFlags, ServeArgs, Settings, TlsSettings};
pub use crate::node::{InitialServer, Timing};
use crate::{
    access::Access,
    passwords::{ITERATIONS_MAX, MEMORY_KIB_MAX, PARALLELISM_MAX, PasswordSettings},
    tls::TlsFiles,
};

/// Most servers that can form a cluster.
pub const INITIAL_SERVERS_MAX: usize = 7;

const CLIENT_LISTEN: &str = "0.0.0.0:7400";
const PEER_LISTEN: &str = "0.0.0.0:7401";
const MEBIBYTE: u64 = 1024 * 1024;

/// A set of time-outs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum TimingPreset {
    /// Servers less than a few ms apart.
    #[default]
    Lan,
    /// Servers in several regions.
    Wan,
}

impl TimingPreset {
    /// The preset's time-outs.
    #[must_use]
    pub fn timing(self) -> Timing {
        match self {
            Self::Lan => Timing {
                heartbeat_ms: 60,
                election_min_ms: 200,
                election_max_ms: 400,
            },
            Self::Wan => Timing {
                heartbeat_ms: 500,
                election_min_ms: 2000,
                election_max_ms: 4000,
            },
        }
    }
}

/// For whom log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// People.
    #[default]
    Human,
    /// Machines: one JSON object a line.
    Json,
}

/// The settings in effect. docs/reference/configuration.md explains each.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each setting is explained once, at its flag in `Settings`"
)]
pub struct Config {
    pub name: String,
    pub data_dir: PathBuf,
    pub client_listen: String,
    pub client_address: String,
    pub peer_listen: String,
    pub peer_address: String,
    /// Empty with `join`.
    pub initial_servers: Vec<InitialServer>,
    pub join: bool,
    pub tls: TlsFiles,
    pub access: Access,
    pub timing: Timing,
    pub checkpoint_interval_ms: u64,
    pub checkpoint_bytes: u64,
    pub log_keep_entries: u64,
    pub snapshot_after_entries: u64,
    pub cache_bytes: u64,
    pub log_cache_bytes: u64,
    pub password: PasswordSettings,
    pub log_format: LogFormat,
    pub verbose: bool,
    /// What is allowed, but probably not meant.
    pub warnings: Vec<String>,
}

/// Why a configuration isn't valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read configuration file {}: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file isn't TOML, or a value has the wrong type.
    #[error("configuration file {}: {reason}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// The file has a key that means nothing.
    #[error("configuration file {}: unknown key `{key}`; {hint}", file.display())]
    UnknownKey {
        /// The file.
        file: PathBuf,
        /// The key, with its table.
        key: String,
        /// The key that was meant, or those there are.
        hint: String,
    },
    /// A setting that has no default wasn't given.
    #[error(
        "setting `{key}` is missing; give it as --{flag}, as {variable}, or in the file of --config"
    )]
    Missing {
        /// The key in a file.
        key: &'static str,
        /// The flag.
        flag: String,
        /// The environment variable.
        variable: String,
    },
    /// A value that can't be.
    #[error("setting `{key}`: {reason}")]
    Invalid {
        /// The key in a file.
        key: &'static str,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
}

impl Config {
    /// The settings in effect for these flags (and the environment, which they include).
    pub fn load(args: &ServeArgs) -> Result<Self, ConfigError> {
        let from_file = match &args.config {
            Some(path) => file::read(path)?,
            None => Settings::default(),
        };
        Self::from_settings(args.settings.clone().over(from_file))
    }

    /// Completes and checks gathered settings.
    pub fn from_settings(settings: Settings) -> Result<Self, ConfigError> {
        let mut warnings = Vec::new();
        let name = settings.name.ok_or_else(|| missing("name"))?;
        check_name("name", &name)?;
        let join = settings.join.unwrap_or(false);
        let initial_servers = settings.initial_servers.unwrap_or_default();
        check_initial_servers(&name, join, &initial_servers, &mut warnings)?;
        let own = initial_servers.iter().find(|server| server.name == name);

        let client_listen = settings
            .client_listen
            .unwrap_or_else(|| CLIENT_LISTEN.to_owned());
        let peer_listen = settings
            .peer_listen
            .unwrap_or_else(|| PEER_LISTEN.to_owned());
        check_address("client_listen", &client_listen)?;
        check_address("peer_listen", &peer_listen)?;
        let client_address = advertised(
            "client_address",
            settings.client_address,
            own.map(|server| &server.client_address),
        )?;
        let peer_address = advertised(
            "peer_address",
            settings.peer_address,
            own.map(|server| &server.peer_address),
        )?;

        let preset = settings.timing.unwrap_or_default().timing();
        let timing = Timing {
            heartbeat_ms: settings.heartbeat_ms.unwrap_or(preset.heartbeat_ms),
            election_min_ms: settings.election_min_ms.unwrap_or(preset.election_min_ms),
            election_max_ms: settings.election_max_ms.unwrap_or(preset.election_max_ms),
        };
        check_timing(timing)?;

        Ok(Self {
            data_dir: settings.data_dir.ok_or_else(|| missing("data_dir"))?,
            client_listen,
            client_address,
            peer_listen,
            peer_address,
            initial_servers,
            join,
            tls: TlsFiles {
                ca: settings.tls.ca.ok_or_else(|| missing("tls.ca"))?,
                cert: settings.tls.cert.ok_or_else(|| missing("tls.cert"))?,
                key: settings.tls.key.ok_or_else(|| missing("tls.key"))?,
            },
            access: settings.access.unwrap_or_default(),
            timing,
            checkpoint_interval_ms: within(
                "checkpoint_interval_ms",
                settings.checkpoint_interval_ms.unwrap_or(1000),
                10..=60_000,
            )?,
            checkpoint_bytes: within(
                "checkpoint_bytes",
                settings.checkpoint_bytes.unwrap_or(16 * MEBIBYTE),
                MEBIBYTE / 16..=1024 * MEBIBYTE,
            )?,
            log_keep_entries: within(
                "log_keep_entries",
                settings.log_keep_entries.unwrap_or(500_000),
                0..=1_000_000_000,
            )?,
            snapshot_after_entries: within(
                "snapshot_after_entries",
                settings.snapshot_after_entries.unwrap_or(100_000),
                1..=1_000_000_000,
            )?,
            cache_bytes: within(
                "cache_bytes",
                settings.cache_bytes.unwrap_or(64 * MEBIBYTE),
                MEBIBYTE..=1024 * 1024 * MEBIBYTE,
            )?,
            log_cache_bytes: within(
                "log_cache_bytes",
                settings.log_cache_bytes.unwrap_or(32 * MEBIBYTE),
                MEBIBYTE..=1024 * 1024 * MEBIBYTE,
            )?,
            password: password(&settings.password)?,
            log_format: settings.log_format.unwrap_or_default(),
            verbose: settings.verbose.unwrap_or(false),
            name,
            warnings,
        })
    }
}

impl Config {
    /// Puts the real ports into the addresses that others are told, where they were left to
    /// the system to choose.
    pub fn take_ports(&mut self, client: u16, peer: u16) {
        let with = |address: &mut String, port: u16| {
            if let Some(host) = address.strip_suffix(":0") {
                *address = format!("{host}:{port}");
            }
        };
        with(&mut self.client_address, client);
        with(&mut self.peer_address, peer);
        let own = self
            .initial_servers
            .iter_mut()
            .find(|server| server.name == self.name);
        if let Some(own) = own {
            with(&mut own.client_address, client);
            with(&mut own.peer_address, peer);
        }
    }
}

/// The settings in effect as a configuration file that says the same.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let path = |path: &Path| quoted(&path.to_string_lossy());
        writeln!(f, "name = {}", quoted(&self.name))?;
        writeln!(f, "data_dir = {}", path(&self.data_dir))?;
        writeln!(f, "client_listen = {}", quoted(&self.client_listen))?;
        writeln!(f, "client_address = {}", quoted(&self.client_address))?;
        writeln!(f, "peer_listen = {}", quoted(&self.peer_listen))?;
        writeln!(f, "peer_address = {}", quoted(&self.peer_address))?;
        writeln!(f, "initial_servers = [")?;
        for server in &self.initial_servers {
            writeln!(f, "  {},", quoted(&server.to_string()))?;
        }
        writeln!(f, "]")?;
        writeln!(f, "join = {}", self.join)?;
        writeln!(f, "access = \"{}\"", self.access)?;
        writeln!(f, "heartbeat_ms = {}", self.timing.heartbeat_ms)?;
        writeln!(f, "election_min_ms = {}", self.timing.election_min_ms)?;
        writeln!(f, "election_max_ms = {}", self.timing.election_max_ms)?;
        writeln!(
            f,
            "checkpoint_interval_ms = {}",
            self.checkpoint_interval_ms
        )?;
        writeln!(f, "checkpoint_bytes = {}", self.checkpoint_bytes)?;
        writeln!(f, "log_keep_entries = {}", self.log_keep_entries)?;
        writeln!(
            f,
            "snapshot_after_entries = {}",
            self.snapshot_after_entries
        )?;
        writeln!(f, "cache_bytes = {}", self.cache_bytes)?;
        writeln!(f, "log_cache_bytes = {}", self.log_cache_bytes)?;
        let log_format = match self.log_format {
            LogFormat::Human => "human",
            LogFormat::Json => "json",
        };
        writeln!(f, "log_format = \"{log_format}\"")?;
        writeln!(f, "verbose = {}", self.verbose)?;
        writeln!(f, "\n[tls]")?;
        writeln!(f, "ca = {}", path(&self.tls.ca))?;
        writeln!(f, "cert = {}", path(&self.tls.cert))?;
        writeln!(f, "key = {}", path(&self.tls.key))?;
        writeln!(f, "\n[password]")?;
        writeln!(f, "memory_kib = {}", self.password.memory_kib)?;
        writeln!(f, "iterations = {}", self.password.iterations)?;
        writeln!(f, "parallelism = {}", self.password.parallelism)?;
        writeln!(f, "threads = {}", self.password.threads)?;
        write!(f, "queue = {}", self.password.queue)
    }
}

fn missing(key: &'static str) -> ConfigError {
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

/// A server's name is part of the host name that its peers verify.
fn check_name(key: &'static str, name: &str) -> Result<(), ConfigError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = (1..=63).contains(&name.len()) && name.chars().all(allowed);
    if fits && !name.starts_with('-') && !name.ends_with('-') {
        return Ok(());
    }
    Err(invalid(
        key,
        format!(
            "`{name}` can't name a server; use 1 to 63 lower-case letters, digits and hyphens, \
             no hyphen first or last"
        ),
    ))
}

fn check_address(key: &'static str, address: &str) -> Result<(), ConfigError> {
    let valid = address.rsplit_once(':').is_some_and(|(host, port)| {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        !host.is_empty()
            && (bracketed || !host.contains(':'))
            && !host.contains(char::is_whitespace)
            && port.parse::<u16>().is_ok()
    });
    if valid {
        return Ok(());
    }
    Err(invalid(
        key,
        format!(
            "`{address}` isn't an address; write host:port, such as 10.0.0.1:7400 or [::1]:7400"
        ),
    ))
}

/// The address that others are told: given, or by the list of initial servers.
fn advertised(
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
    check_reachable(key, &address)?;
    Ok(address)
}

fn check_reachable(key: &'static str, address: &str) -> Result<(), ConfigError> {
    check_address(key, address)?;
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified()) {
        return Err(invalid(
            key,
            format!("nobody can connect to `{address}`; write the address that others use"),
        ));
    }
    Ok(())
}

fn check_initial_servers(
    name: &str,
    join: bool,
    servers: &[InitialServer],
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
        check_name(KEY, &server.name)?;
        check_reachable(KEY, &server.peer_address)?;
        check_reachable(KEY, &server.client_address)?;
        for value in [&server.name, &server.peer_address, &server.client_address] {
            // Port 0 is any free port, so it may well be there twice.
            if !value.ends_with(":0") && !seen.insert(value) {
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

fn check_timing(timing: Timing) -> Result<(), ConfigError> {
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

fn within(
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

fn password(flags: &PasswordFlags) -> Result<PasswordSettings, ConfigError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let preset = PasswordSettings::for_cores(cores);
    let settings = PasswordSettings {
        memory_kib: flags.memory_kib.unwrap_or(preset.memory_kib),
        iterations: flags.iterations.unwrap_or(preset.iterations),
        parallelism: flags.parallelism.unwrap_or(preset.parallelism),
        threads: flags.threads.unwrap_or(preset.threads),
        queue: flags.queue.unwrap_or(preset.queue),
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
    Ok(settings)
}

#[cfg(test)]
mod tests;
