//! How a cluster is to be made.

use std::path::PathBuf;

use super::{
    OrCannot as _, Testbed, TestbedError, layout::Layout, ports::Ports, this_machine::ThisMachine,
};

/// What a cluster is made of.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    program: PathBuf,
    servers: usize,
    directory: Option<PathBuf>,
    settings: toml::Table,
    log_filter: Option<String>,
}

impl Builder {
    pub(super) fn new(program: PathBuf) -> Self {
        Self {
            program,
            servers: 3,
            directory: None,
            settings: toml::Table::new(),
            log_filter: None,
        }
    }

    /// How many servers: 3, unless set.
    pub fn servers(mut self, servers: usize) -> Self {
        self.servers = servers;
        self
    }

    /// Where everything is kept; a temporary directory, unless set. In a directory that was
    /// used before, the same cluster is started again.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// What the servers log, as in `QUORID_LOG`.
    pub fn log_filter(mut self, directives: &str) -> Self {
        self.log_filter = Some(directives.to_owned());
        self
    }

    /// A setting of every server, by its key in the configuration file, such as
    /// `log_keep_entries` or `password.memory_kib`.
    pub fn setting(mut self, key: &str, value: impl Into<toml::Value>) -> Self {
        match key.split_once('.') {
            None => {
                self.settings.insert(key.to_owned(), value.into());
            }
            Some((table, key)) => {
                let inner = self
                    .settings
                    .entry(table)
                    .or_insert_with(|| toml::Table::new().into());
                if let Some(inner) = inner.as_table_mut() {
                    inner.insert(key.to_owned(), value.into());
                }
            }
        }
        self
    }

    /// Makes certificates and directories; starts nothing.
    pub fn create(self) -> Result<Testbed, TestbedError> {
        assert!(self.servers > 0, "a cluster has servers");
        let mut layout = Layout::open(self.directory, self.servers, self.settings)?;
        let mut ports = None;
        if !layout.existed {
            let reserved =
                Ports::reserve(2 * self.servers).or_cannot("find free ports for", layout.path())?;
            layout.give_addresses(&reserved)?;
            ports = Some(reserved);
        }
        Testbed::on_this_machine(ThisMachine::new(
            self.program,
            layout,
            ports,
            self.log_filter,
        ))
    }

    /// Makes a cluster, starts it, and waits until it answers.
    pub async fn start(self) -> Result<Testbed, TestbedError> {
        let mut cluster = self.create()?;
        cluster.start_all().await?;
        Ok(cluster)
    }
}
