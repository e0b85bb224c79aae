//! Servers that run somewhere else, on hosts or in containers, and a program that starts,
//! kills and cuts them off there: the stage's driver. `deploy/README.md` describes what a driver
//! has to do.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use super::{OrCannot as _, TestbedError, place::Place};
use quorid_server::{certs::CertificateFiles, named_server::NamedServer};

/// Time for anything that a driver does. More than a server takes to stop.
const DRIVER_TIMEOUT: Duration = Duration::from_secs(90);

/// A stage file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageFile {
    driver: Vec<String>,
    what: String,
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
    command: Option<Vec<String>>,
    servers: Vec<StageServer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageServer {
    name: String,
    client_address: String,
    peer_address: String,
    reach: Option<String>,
    data_dir: Option<PathBuf>,
}

/// How a server is cut off from others. Packets are lost without a word, as with a pulled cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nothing comes in or goes out, from servers or clients.
    All,
    /// Neither hears from the other servers nor is heard by them. Clients reach it.
    Peers,
    /// Hears nothing from the other servers, but they hear it.
    In,
    /// Hears the other servers, but they hear nothing from it.
    Out,
}

impl Cut {
    /// The word for it in a driver's command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Peers => "peers",
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// A driver, and the servers that it drives.
pub(super) struct Stage {
    driver: Vec<String>,
    what: String,
    pub(super) places: Vec<Place>,
    data_dirs: Vec<Option<PathBuf>>,
    running: Vec<bool>,
    /// Cut off from everybody, this process included.
    unreachable: Vec<bool>,
    /// What copies the servers' logs to here.
    logs: Vec<Option<Child>>,
    pub(super) authority: PathBuf,
    pub(super) operator: CertificateFiles,
    pub(super) command: Option<Vec<String>>,
    directory: TempDir,
}

impl Stage {
    /// Reads a stage file. No server of it runs.
    pub(super) fn open(file: &Path) -> Result<Self, TestbedError> {
        let unusable = |reason: String| TestbedError::Stage {
            path: file.to_owned(),
            reason,
        };
        let text = fs::read_to_string(file).or_cannot("read", file)?;
        let stage: StageFile =
            toml::from_str(&text).map_err(|error| unusable(error.to_string()))?;
        if stage.driver.is_empty() || stage.servers.is_empty() {
            return Err(unusable("it has no driver, or no servers".to_owned()));
        }
        let parent = std::env::temp_dir();
        let directory = tempfile::Builder::new()
            .prefix("quorid-")
            .tempdir()
            .or_cannot("make a directory in", parent)?;
        let place = |server: StageServer| Place {
            log: directory.path().join(format!("{}.log", server.name)),
            server: NamedServer {
                name: server.name,
                client_address: server.client_address,
                peer_address: server.peer_address,
            },
            reach: server.reach,
        };
        let data_dirs = stage.servers.iter();
        let data_dirs = data_dirs.map(|server| server.data_dir.clone()).collect();
        let places: Vec<_> = stage.servers.into_iter().map(place).collect();
        Ok(Self {
            driver: stage.driver,
            what: stage.what,
            running: vec![false; places.len()],
            unreachable: vec![false; places.len()],
            logs: places.iter().map(|_| None).collect(),
            places,
            data_dirs,
            authority: stage.ca,
            operator: CertificateFiles {
                certificate: stage.cert,
                key: stage.key,
            },
            command: stage.command,
            directory,
        })
    }

    /// What a server runs on, as in `host`.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A server's data, where the stage file says so.
    pub(super) fn data_dir(&self, server: usize) -> Option<PathBuf> {
        self.data_dirs[server].clone()
    }

    pub(super) fn keep_directory(&mut self) {
        self.directory.disable_cleanup(true);
    }

    pub(super) fn is_running(&self, server: usize) -> bool {
        self.running[server]
    }

    pub(super) async fn start(&mut self, server: usize) -> Result<(), TestbedError> {
        self.drive("start", server).await?;
        self.running[server] = true;
        self.follow_log(server)
    }

    /// `kill` or `stop`.
    pub(super) async fn end(&mut self, verb: &str, server: usize) -> Result<(), TestbedError> {
        self.drive(verb, server).await?;
        self.running[server] = false;
        Ok(())
    }

    pub(super) async fn kill9_all(&mut self) -> Result<(), TestbedError> {
        let running: Vec<_> = (0..self.places.len())
            .filter(|server| self.running[*server])
            .collect();
        let kills = running.iter().map(|server| self.drive("kill", *server));
        futures_util::future::try_join_all(kills).await?;
        self.running.fill(false);
        Ok(())
    }

    /// A verb that needs a server and nothing else.
    pub(super) async fn drive(&self, verb: &str, server: usize) -> Result<(), TestbedError> {
        self.call(&[verb, &self.places[server].server.name])
            .await
            .map(drop)
    }

    pub(super) fn is_reachable(&self, server: usize) -> bool {
        self.running[server] && !self.unreachable[server]
    }

    pub(super) async fn cut(&mut self, server: usize, cut: Cut) -> Result<(), TestbedError> {
        self.unreachable[server] |= cut == Cut::All;
        self.call(&["cut", &self.places[server].server.name, cut.as_str()])
            .await
            .map(drop)
    }

    pub(super) async fn part(&self, one: usize, other: usize) -> Result<(), TestbedError> {
        let name = |server: usize| self.places[server].server.name.as_str();
        self.call(&["part", name(one), name(other)]).await.map(drop)
    }

    pub(super) async fn heal(&mut self) -> Result<(), TestbedError> {
        self.call(&["heal"]).await?;
        self.unreachable.fill(false);
        Ok(())
    }

    pub(super) async fn clear(&mut self) -> Result<(), TestbedError> {
        self.heal().await?;
        for server in 0..self.places.len() {
            if self
                .call(&["state", &self.places[server].server.name])
                .await?
                .trim()
                != "stopped"
            {
                self.end("kill", server).await?;
            }
            self.drive("wipe", server).await?;
        }
        Ok(())
    }

    /// What the driver says.
    async fn call(&self, arguments: &[&str]) -> Result<String, TestbedError> {
        let line = || format!("{} {}", self.driver[0], arguments.join(" "));
        let mut command = self.command_line(arguments);
        let ended = timeout(DRIVER_TIMEOUT, command.output()).await;
        let Ok(ended) = ended else {
            return Err(TestbedError::Late {
                what: line(),
                waited: DRIVER_TIMEOUT,
                last: "it still runs".to_owned(),
            });
        };
        let Output {
            status,
            stdout,
            stderr,
        } = ended.or_cannot("run", &self.driver[0])?;
        if status.success() {
            return Ok(String::from_utf8_lossy(&stdout).into_owned());
        }
        Err(TestbedError::Driver {
            line: line(),
            status: status.to_string(),
            said: String::from_utf8_lossy(&stderr).trim().to_owned(),
        })
    }

    /// Copies a server's log to here, from its beginning, for as long as the stage is there.
    fn follow_log(&mut self, server: usize) -> Result<(), TestbedError> {
        if self.logs[server].is_some() {
            return Ok(());
        }
        let place = &self.places[server];
        let log = &place.log;
        let copy = OpenOptions::new().create_new(true).append(true).open(log);
        let copy = copy.or_cannot("write", log)?;
        let follower = self
            .command_line(&["log", &place.server.name])
            .stdout(copy)
            .stderr(Stdio::null())
            .spawn()
            .or_cannot("run", &self.driver[0])?;
        self.logs[server] = Some(follower);
        Ok(())
    }

    fn command_line(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.driver[0]);
        command
            .args(&self.driver[1..])
            .args(arguments)
            .stdin(Stdio::null())
            // Ctrl-C in the terminal is for the program that drives.
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}
