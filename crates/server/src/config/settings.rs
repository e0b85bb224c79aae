//! The settings as somebody gave them: on the command line, in the environment or in a file.
//! Every one may be missing here; `Config` is what comes out.

use std::path::PathBuf;

use serde::Deserialize;

use super::{LogFormat, TimingPreset};
use crate::{access::Access, named_server::NamedServer};

/// Run a server.
///
/// Each setting comes from its flag, else from its environment variable, else from the file of
/// --config, else it has a default.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServeArgs {
    /// Read settings from this TOML file
    #[arg(long, value_name = "FILE", env = "QUORID_SERVER_CONFIG")]
    pub config: Option<PathBuf>,
    /// Check the configuration and the certificates, print the settings in effect, and end
    #[arg(long)]
    pub check_config: bool,
    /// End, as at SIGTERM, when standard input is closed: for programs that start servers and
    /// want none left when they are killed
    #[arg(long, hide = true)]
    pub exit_on_stdin_close: bool,
    /// The settings.
    #[command(flatten)]
    pub settings: ServerSettings,
}

/// Settings of which one set completes another.
pub(super) trait Layer {
    /// These settings, completed by `lower` where they are missing.
    #[must_use]
    fn over(self, lower: Self) -> Self;
}

impl<T> Layer for Option<T> {
    fn over(self, lower: Self) -> Self {
        self.or(lower)
    }
}

/// Makes a struct of settings the one list of them: clap and serde derive flags, variables and the
/// reading of a file from its fields; this adds the names of the keys, and the layering.
macro_rules! settings {
    ($(#[$attribute:meta])* pub struct $Name:ident {
        $($(#[$of_field:meta])* pub $field:ident: $Type:ty,)*
    }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $Name {
            $($(#[$of_field])* pub $field: $Type,)*
        }

        impl $Name {
            /// The keys in a file.
            pub(super) const KEYS: &[&str] = &[$(stringify!($field)),*];
        }

        impl Layer for $Name {
            fn over(self, lower: Self) -> Self {
                Self { $($field: self.$field.over(lower.$field),)* }
            }
        }
    };
}

settings! {
    /// Every setting of a server, each of them optional.
    pub struct ServerSettings {
        /// Name of this server, as in its certificate: lower-case letters, digits and hyphens
        #[arg(long, env = "QUORID_NAME")]
        pub name: Option<String>,
        /// Directory for everything the server keeps; made when it doesn't exist
        #[arg(long, value_name = "DIR", env = "QUORID_DATA_DIR")]
        pub data_dir: Option<PathBuf>,
        /// Address to listen on for clients [default: 0.0.0.0:7400]
        #[arg(long, value_name = "HOST:PORT", env = "QUORID_CLIENT_LISTEN")]
        pub client_listen: Option<String>,
        /// Address at which clients reach this server [default: by --initial-servers]
        #[arg(long, value_name = "HOST:PORT", env = "QUORID_CLIENT_ADDRESS")]
        pub client_address: Option<String>,
        /// Address to listen on for the other servers [default: 0.0.0.0:7401]
        #[arg(long, value_name = "HOST:PORT", env = "QUORID_PEER_LISTEN")]
        pub peer_listen: Option<String>,
        /// Address at which the other servers reach this one [default: by --initial-servers]
        #[arg(long, value_name = "HOST:PORT", env = "QUORID_PEER_ADDRESS")]
        pub peer_address: Option<String>,
        /// The servers that form the cluster, this one among them, the same list on each of them;
        /// repeat the flag, or separate with semicolons
        #[arg(
            long,
            visible_alias = "initial-server",
            value_name = "NAME=PEER_ADDRESS,CLIENT_ADDRESS",
            value_delimiter = ';',
            env = "QUORID_INITIAL_SERVERS"
        )]
        pub initial_servers: Option<Vec<NamedServer>>,
        /// Wait to be added to a cluster that exists, instead of forming one
        #[arg(
            long,
            num_args = 0..=1,
            require_equals = true,
            default_missing_value = "true",
            value_name = "BOOL",
            env = "QUORID_JOIN"
        )]
        pub join: Option<bool>,
        /// Form a cluster of this server alone, where --initial-servers names no other one
        #[arg(
            long,
            num_args = 0..=1,
            require_equals = true,
            default_missing_value = "true",
            value_name = "BOOL",
            env = "QUORID_FORM_ALONE"
        )]
        pub form_alone: Option<bool>,
        /// Certificates.
        #[command(flatten)]
        pub tls: TlsFlags,
        /// Who may look up and create: `closed` needs a login or an operator, `open` nothing
        /// [default: closed]
        #[arg(long, value_enum, env = "QUORID_ACCESS")]
        pub access: Option<Access>,
        /// Let accounts of a closed directory change their own login names [default: false]
        #[arg(
            long,
            num_args = 0..=1,
            require_equals = true,
            default_missing_value = "true",
            value_name = "BOOL",
            env = "QUORID_SELF_RENAME"
        )]
        pub self_rename: Option<bool>,
        /// Time-outs for servers in one place (lan) or in several regions (wan) [default: lan]
        #[arg(long, value_enum, env = "QUORID_TIMING")]
        pub timing: Option<TimingPreset>,
        /// Time between two heartbeats of the leader, ms [default: by --timing]
        #[arg(long, value_name = "MS", env = "QUORID_HEARTBEAT_MS")]
        pub heartbeat_ms: Option<u64>,
        /// Shortest election time-out, ms [default: by --timing]
        #[arg(long, value_name = "MS", env = "QUORID_ELECTION_MIN_MS")]
        pub election_min_ms: Option<u64>,
        /// Longest election time-out, ms [default: by --timing]
        #[arg(long, value_name = "MS", env = "QUORID_ELECTION_MAX_MS")]
        pub election_max_ms: Option<u64>,
        /// Longest time between two checkpoints to disk while there are changes, ms [default: 1000]
        #[arg(long, value_name = "MS", env = "QUORID_CHECKPOINT_INTERVAL_MS")]
        pub checkpoint_interval_ms: Option<u64>,
        /// Bytes of changes after which a checkpoint is made earlier [default: 16777216]
        #[arg(long, value_name = "BYTES", env = "QUORID_CHECKPOINT_BYTES")]
        pub checkpoint_bytes: Option<u64>,
        /// Log entries kept for servers that lag behind; further back they get a snapshot
        /// [default: 200000]
        #[arg(long, value_name = "N", env = "QUORID_LOG_KEEP_ENTRIES")]
        pub log_keep_entries: Option<u64>,
        /// Log entries after which the log is cut behind a new snapshot [default: 100000]
        #[arg(long, value_name = "N", env = "QUORID_SNAPSHOT_AFTER_ENTRIES")]
        pub snapshot_after_entries: Option<u64>,
        /// Threads that serve; one of them replicates, and the others, if there are any, serve the
        /// clients [default: one for each core, 8 at most]
        #[arg(long, value_name = "N", env = "QUORID_SERVER_THREADS")]
        pub server_threads: Option<u64>,
        /// Memory for pages of the state [default: 16777216]
        #[arg(long, value_name = "BYTES", env = "QUORID_CACHE_BYTES")]
        pub cache_bytes: Option<u64>,
        /// Memory for recent log entries; the newest 4 MiB are kept besides [default: 4194304]
        #[arg(long, value_name = "BYTES", env = "QUORID_LOG_CACHE_BYTES")]
        pub log_cache_bytes: Option<u64>,
        /// Password hashing.
        #[command(flatten)]
        pub password: PasswordFlags,
        /// Log lines for people or for machines [default: human]
        #[arg(long, value_enum, env = "QUORID_LOG_FORMAT")]
        pub log_format: Option<LogFormat>,
        /// Log what the server does
        #[arg(
            short,
            long,
            num_args = 0..=1,
            require_equals = true,
            default_missing_value = "true",
            value_name = "BOOL",
            env = "QUORID_VERBOSE"
        )]
        pub verbose: Option<bool>,
    }
}

settings! {
    /// Settings of table `tls`.
    pub struct TlsFlags {
        /// Certificate of the cluster's authority, PEM
        #[arg(
            long = "tls-ca",
            alias = "ca",
            value_name = "FILE",
            env = "QUORID_TLS_CA"
        )]
        pub ca: Option<PathBuf>,
        /// This server's certificate, PEM
        #[arg(
            long = "tls-cert",
            alias = "cert",
            value_name = "FILE",
            env = "QUORID_TLS_CERT"
        )]
        pub cert: Option<PathBuf>,
        /// The private key of this server's certificate, PEM
        #[arg(
            long = "tls-key",
            alias = "key",
            value_name = "FILE",
            env = "QUORID_TLS_KEY"
        )]
        pub key: Option<PathBuf>,
    }
}

settings! {
    /// Settings of table `password`.
    pub struct PasswordFlags {
        /// Memory of one Argon2id hash, KiB [default: 19456]
        #[arg(
            long = "password-memory-kib",
            value_name = "KIB",
            env = "QUORID_PASSWORD_MEMORY_KIB"
        )]
        pub memory_kib: Option<u32>,
        /// Passes of one Argon2id hash over its memory [default: 2]
        #[arg(
            long = "password-iterations",
            value_name = "N",
            env = "QUORID_PASSWORD_ITERATIONS"
        )]
        pub iterations: Option<u32>,
        /// Lanes of one Argon2id hash [default: 1]
        #[arg(
            long = "password-parallelism",
            value_name = "N",
            env = "QUORID_PASSWORD_PARALLELISM"
        )]
        pub parallelism: Option<u32>,
        /// Passwords hashed at once [default: one less than there are cores]
        #[arg(
            long = "password-threads",
            value_name = "N",
            env = "QUORID_PASSWORD_THREADS"
        )]
        pub threads: Option<usize>,
        /// Passwords that may wait to be hashed; beyond that, clients are told to retry
        /// [default: 64]
        #[arg(
            long = "password-queue",
            value_name = "N",
            env = "QUORID_PASSWORD_QUEUE"
        )]
        pub queue: Option<usize>,
        /// Characters that a new password has at least [default: 8]
        #[arg(
            long = "password-length-min",
            value_name = "N",
            env = "QUORID_PASSWORD_LENGTH_MIN"
        )]
        pub length_min: Option<usize>,
    }
}
