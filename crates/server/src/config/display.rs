//! The settings in effect, printed as a file that says the same.

use std::{fmt, path::Path};

use super::{Config, LogFormat};

/// The settings in effect as a configuration file that says the same.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let path = |path: &Path| quoted(&path.to_string_lossy());
        writeln!(f, "name = {}", quoted(&self.own.name))?;
        writeln!(f, "data_dir = {}", path(&self.data_dir))?;
        writeln!(f, "client_listen = {}", quoted(&self.client_listen))?;
        writeln!(f, "client_address = {}", quoted(&self.own.client_address))?;
        writeln!(f, "peer_listen = {}", quoted(&self.peer_listen))?;
        writeln!(f, "peer_address = {}", quoted(&self.own.peer_address))?;
        writeln!(f, "initial_servers = [")?;
        for server in &self.initial_servers {
            writeln!(f, "  {},", quoted(&server.to_string()))?;
        }
        writeln!(f, "]")?;
        writeln!(f, "join = {}", self.join)?;
        writeln!(f, "form_alone = {}", self.form_alone)?;
        writeln!(f, "access = \"{}\"", self.access)?;
        writeln!(f, "self_rename = {}", self.self_rename)?;
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
