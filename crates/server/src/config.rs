//! The configuration of a server: gathered from flags, environment and file, then checked
//! as a whole. Whoever holds a `Config` holds a valid one.

mod checks;
mod display;
mod error;
mod file;
mod settings;

use std::path::PathBuf;

use quorid_directory::Level;
use serde::Deserialize;

use self::checks::{
    advertised, check_initial_servers, check_timing, missing, of, password, server_threads, within,
};
pub use self::error::ConfigError;
pub use self::file::parse;
use self::settings::Layer as _;
pub use self::settings::{PasswordFlags, ServeArgs, ServerSettings, TlsFlags};
pub use crate::node::Timing;
use crate::{
    access::Access,
    named_server::{NamedServer, check_address, check_name},
    passwords::PasswordSettings,
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
                heartbeat_ms: 40,
                election_min_ms: 150,
                election_max_ms: 350,
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
    reason = "each setting is explained once, at its flag in `ServerSettings`"
)]
pub struct Config {
    pub own: NamedServer,
    pub data_dir: PathBuf,
    pub client_listen: String,
    pub peer_listen: String,
    /// Empty with `join`.
    pub initial_servers: Vec<NamedServer>,
    pub join: bool,
    pub form_alone: bool,
    /// No setting: the highest feature level that the server supports. Simulations lower it.
    pub supports: Level,
    pub tls: TlsFiles,
    pub access: Access,
    /// Whether accounts of a closed directory change their own login names.
    pub self_rename: bool,
    pub timing: Timing,
    pub checkpoint_interval_ms: u64,
    pub checkpoint_bytes: u64,
    pub log_keep_entries: u64,
    pub snapshot_after_entries: u64,
    /// At least 1.
    pub server_threads: usize,
    pub cache_bytes: u64,
    pub log_cache_bytes: u64,
    pub password: PasswordSettings,
    pub log_format: LogFormat,
    pub verbose: bool,
    /// What is allowed, but probably not meant.
    pub warnings: Vec<String>,
}

impl Config {
    /// The settings in effect for these flags (and the environment, which they include).
    pub fn load(args: &ServeArgs) -> Result<Self, ConfigError> {
        let from_file = match &args.config {
            Some(path) => file::read(path)?,
            None => ServerSettings::default(),
        };
        Self::from_settings(args.settings.clone().over(from_file))
    }

    /// Completes and checks gathered settings.
    pub fn from_settings(settings: ServerSettings) -> Result<Self, ConfigError> {
        let mut warnings = Vec::new();
        let name = settings.name.ok_or_else(|| missing("name"))?;
        check_name(&name).map_err(of("name"))?;
        let join = settings.join.unwrap_or(false);
        let initial_servers = settings.initial_servers.unwrap_or_default();
        check_initial_servers(&name, join, &initial_servers, &mut warnings)?;
        let listed = initial_servers.iter().find(|server| server.name == name);

        let client_listen = settings
            .client_listen
            .unwrap_or_else(|| CLIENT_LISTEN.to_owned());
        let peer_listen = settings
            .peer_listen
            .unwrap_or_else(|| PEER_LISTEN.to_owned());
        check_address(&client_listen).map_err(of("client_listen"))?;
        check_address(&peer_listen).map_err(of("peer_listen"))?;
        let client_address = advertised(
            "client_address",
            settings.client_address,
            listed.map(|server| &server.client_address),
        )?;
        let peer_address = advertised(
            "peer_address",
            settings.peer_address,
            listed.map(|server| &server.peer_address),
        )?;

        let preset = settings.timing.unwrap_or_default().timing();
        let timing = Timing {
            heartbeat_ms: settings.heartbeat_ms.unwrap_or(preset.heartbeat_ms),
            election_min_ms: settings.election_min_ms.unwrap_or(preset.election_min_ms),
            election_max_ms: settings.election_max_ms.unwrap_or(preset.election_max_ms),
        };
        check_timing(timing)?;

        macro_rules! bounded {
            ($key:ident, $default:expr, $bounds:expr) => {
                within(stringify!($key), settings.$key.unwrap_or($default), $bounds)?
            };
        }
        Ok(Self {
            data_dir: settings.data_dir.ok_or_else(|| missing("data_dir"))?,
            client_listen,
            peer_listen,
            initial_servers,
            join,
            form_alone: settings.form_alone.unwrap_or(false),
            supports: Level::SUPPORTED,
            tls: TlsFiles {
                ca: settings.tls.ca.ok_or_else(|| missing("tls.ca"))?,
                cert: settings.tls.cert.ok_or_else(|| missing("tls.cert"))?,
                key: settings.tls.key.ok_or_else(|| missing("tls.key"))?,
            },
            access: settings.access.unwrap_or_default(),
            self_rename: settings.self_rename.unwrap_or_default(),
            timing,
            checkpoint_interval_ms: bounded!(checkpoint_interval_ms, 1000, 10..=60_000),
            checkpoint_bytes: bounded!(
                checkpoint_bytes,
                16 * MEBIBYTE,
                MEBIBYTE / 16..=1024 * MEBIBYTE
            ),
            log_keep_entries: bounded!(log_keep_entries, 200_000, 0..=1_000_000_000),
            snapshot_after_entries: bounded!(snapshot_after_entries, 100_000, 1..=1_000_000_000),
            server_threads: server_threads(settings.server_threads)?,
            cache_bytes: bounded!(
                cache_bytes,
                16 * MEBIBYTE,
                MEBIBYTE..=1024 * 1024 * MEBIBYTE
            ),
            log_cache_bytes: bounded!(
                log_cache_bytes,
                4 * MEBIBYTE,
                MEBIBYTE..=1024 * 1024 * MEBIBYTE
            ),
            password: password(&settings.password)?,
            log_format: settings.log_format.unwrap_or_default(),
            verbose: settings.verbose.unwrap_or(false),
            own: NamedServer {
                name,
                peer_address,
                client_address,
            },
            warnings,
        })
    }
}

#[cfg(test)]
mod tests;
