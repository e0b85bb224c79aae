//! The settings in effect, printed as a file that says the same.

use std::{fmt, path::Path};

use super::{Config, LogFormat};

/// Writes numbers and switches that are called in the file as their fields are here.
macro_rules! lines {
    ($f:ident, $of:expr => $($key:ident),+) => {
        $(writeln!($f, concat!(stringify!($key), " = {}"), $of.$key)?;)+
    };
}

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
        lines!(f, self => join, form_alone);
        writeln!(f, "access = \"{}\"", self.access)?;
        lines!(f, self => self_rename);
        lines!(f, self.timing => heartbeat_ms, election_min_ms, election_max_ms);
        lines!(f, self => checkpoint_interval_ms, checkpoint_bytes);
        lines!(f, self => log_keep_entries, snapshot_after_entries, server_threads);
        lines!(f, self => cache_bytes, log_cache_bytes);
        let log_format = match self.log_format {
            LogFormat::Human => "human",
            LogFormat::Json => "json",
        };
        writeln!(f, "log_format = \"{log_format}\"")?;
        lines!(f, self => verbose);
        writeln!(f, "\n[tls]")?;
        writeln!(f, "ca = {}", path(&self.tls.ca))?;
        writeln!(f, "cert = {}", path(&self.tls.cert))?;
        writeln!(f, "key = {}", path(&self.tls.key))?;
        writeln!(f, "\n[password]")?;
        lines!(f, self.password => memory_kib, iterations, parallelism, threads, queue);
        write!(f, "length_min = {}", self.password.length_min)
    }
}
