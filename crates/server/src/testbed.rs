//! A cluster of real server processes on this machine: for the demonstration, for tests and
//! for measurements.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use quorid::testbed::{Testbed, TestbedError};
//!
//! # async fn example() -> Result<(), TestbedError> {
//! let mut cluster = Testbed::builder("target/debug/quorid")
//!     .servers(3)
//!     .setting("access", "open")
//!     .start()
//!     .await?;
//! let leader = cluster.leader(Duration::from_secs(5)).await?;
//! cluster.kill9(leader)?;
//! let next = cluster.leader(Duration::from_secs(5)).await?;
//! assert_ne!(next, leader);
//! cluster.start(leader)?;
//! cluster.wait_ready(Duration::from_secs(5)).await?;
//! assert!(cluster.digests_equal(Duration::from_secs(5)).await?);
//! # Ok(())
//! # }
//! ```
//!
//! Servers are counted from 0 and named from `s1`. Whatever was started ends when the cluster
//! is dropped, and also when this process is killed.

mod builder;
mod clients;
mod error;
mod layout;
mod leadership;
mod log_events;
mod ports;
mod process;

use std::{
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, SystemTime},
};

use quorid_api::Client;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

pub use self::{
    builder::Builder,
    clients::Digests,
    error::TestbedError,
    log_events::{LogEvent, LogTail},
};
use self::{
    layout::{Layout, Place},
    ports::Ports,
    process::Process,
};
use crate::certs::CertificateFiles;

/// How often what is waited for is looked at.
const POLL: Duration = Duration::from_millis(10);
/// Time for a cluster to become ready when it is started.
const START_TIMEOUT: Duration = Duration::from_secs(90);
/// Time for a server to end after SIGTERM. More than it takes itself.
const STOP_TIMEOUT: Duration = Duration::from_secs(45);
/// Others may take a port between its release and its use.
const START_TRIES: usize = 5;

/// Servers on this machine.
pub struct Testbed {
    program: PathBuf,
    // Before the directory: the servers end before their files go.
    processes: Vec<Option<Process>>,
    /// Held until the first start.
    ports: Option<Ports>,
    operator: Client,
    layout: Layout,
}

impl Testbed {
    /// A cluster of servers that run this program, a `quorid`.
    pub fn builder(program: impl Into<PathBuf>) -> Builder {
        Builder::new(program.into())
    }

    fn new(program: PathBuf, layout: Layout, ports: Option<Ports>) -> Result<Self, TestbedError> {
        let operator = clients::config(&layout, Some(layout.operator()))?;
        Ok(Self {
            processes: layout.places.iter().map(|_| None).collect(),
            operator: Client::new(operator)?,
            program,
            ports,
            layout,
        })
    }

    /// Whether there was a cluster in the directory before.
    pub fn existed(&self) -> bool {
        self.layout.existed
    }

    /// How many servers there are, running or not.
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Never true: a cluster has servers.
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// The servers that were started and not stopped.
    pub fn running(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(|server| self.processes[*server].is_some())
    }

    /// A server's name, `s1` and so on.
    pub fn name(&self, server: usize) -> &str {
        &self.place(server).name
    }

    /// The server of a name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        (0..self.len()).find(|server| self.name(*server) == name)
    }

    /// Where clients reach a server, `host:port`.
    pub fn client_address(&self, server: usize) -> &str {
        &self.place(server).client_address
    }

    /// Where clients reach the servers.
    pub fn client_addresses(&self) -> Vec<String> {
        (0..self.len())
            .map(|server| self.client_address(server).to_owned())
            .collect()
    }

    /// Where the other servers reach a server, `host:port`.
    pub fn peer_address(&self, server: usize) -> &str {
        &self.place(server).peer_address
    }

    /// The directory with everything.
    pub fn directory(&self) -> &Path {
        self.layout.path()
    }

    /// A temporary directory is not removed in the end.
    pub fn keep_directory(&mut self) {
        self.layout.keep();
    }

    /// Certificate of the cluster's authority.
    pub fn authority(&self) -> PathBuf {
        self.layout.authority()
    }

    /// The operator's certificate and key.
    pub fn operator_files(&self) -> CertificateFiles {
        self.layout.operator()
    }

    /// A server's log, JSON lines.
    pub fn log(&self, server: usize) -> &Path {
        &self.place(server).log
    }

    /// A server's data directory.
    pub fn data_dir(&self, server: usize) -> &Path {
        &self.place(server).data_dir
    }

    /// A server's process, while it runs.
    pub fn process_id(&self, server: usize) -> Option<u32> {
        self.processes[server].as_ref().map(Process::id)
    }

    /// Starts all servers that don't run and waits until the cluster answers.
    pub async fn start_all(&mut self) -> Result<(), TestbedError> {
        for _ in 1..START_TRIES {
            let first = self.ports.is_some();
            match self.try_start_all().await {
                Err(error) if first && error.is_port_taken() => self.give_other_ports()?,
                result => return result,
            }
        }
        self.try_start_all().await
    }

    async fn try_start_all(&mut self) -> Result<(), TestbedError> {
        self.ports = None;
        for server in 0..self.len() {
            if self.processes[server].is_none() {
                self.start(server)?;
            }
        }
        self.wait_ready(START_TIMEOUT).await?;
        Ok(())
    }

    fn give_other_ports(&mut self) -> Result<(), TestbedError> {
        self.kill9_all()?;
        let ports = Ports::reserve(2 * self.len())
            .map_err(TestbedError::io("find free ports for", self.layout.path()))?;
        self.layout.give_addresses(&ports)?;
        self.ports = Some(ports);
        self.operator = self.operator()?;
        Ok(())
    }

    /// Starts a server, and doesn't wait for it.
    pub fn start(&mut self, server: usize) -> Result<(), TestbedError> {
        if self.processes[server].is_some() {
            return Err(TestbedError::Running {
                server: self.name(server).to_owned(),
            });
        }
        self.ports = None;
        let place = self.place(server);
        let process = Process::start(&self.program, &place.config, &place.log)
            .map_err(TestbedError::io("start", &self.program))?;
        self.processes[server] = Some(process);
        Ok(())
    }

    /// Kills a server with SIGKILL. It is gone afterwards.
    pub fn kill9(&mut self, server: usize) -> Result<(), TestbedError> {
        self.process(server)?;
        self.processes[server] = None;
        Ok(())
    }

    /// Kills all running servers with SIGKILL at once. They are gone afterwards.
    pub fn kill9_all(&mut self) -> Result<(), TestbedError> {
        for process in self.processes.iter_mut().flatten() {
            process
                .kill()
                .map_err(TestbedError::io("kill", &self.program))?;
        }
        self.processes.fill_with(|| None);
        Ok(())
    }

    /// Ends a server with SIGTERM, as an operator would, and waits for it.
    pub async fn stop(&mut self, server: usize) -> Result<(), TestbedError> {
        self.signal(server, Signal::TERM)?;
        self.wait_stopped(server).await
    }

    /// Ends all running servers with SIGTERM and waits for them.
    pub async fn stop_all(&mut self) -> Result<(), TestbedError> {
        let running: Vec<_> = self.running().collect();
        for server in &running {
            self.signal(*server, Signal::TERM)?;
        }
        for server in running {
            self.wait_stopped(server).await?;
        }
        Ok(())
    }

    /// Stops a server's process with SIGSTOP: it keeps its connections and answers nothing.
    pub fn pause(&mut self, server: usize) -> Result<(), TestbedError> {
        self.signal(server, Signal::STOP)
    }

    /// Lets a paused server go on.
    pub fn resume(&mut self, server: usize) -> Result<(), TestbedError> {
        self.signal(server, Signal::CONT)
    }

    /// Removes the data of a server that doesn't run.
    pub fn wipe(&mut self, server: usize) -> Result<(), TestbedError> {
        if self.processes[server].is_some() {
            return Err(TestbedError::Running {
                server: self.name(server).to_owned(),
            });
        }
        layout::wipe(self.place(server))
    }

    /// Everything the servers told in their logs since a moment, in the order of time.
    pub fn events_since(&self, since: SystemTime) -> Result<Vec<LogEvent>, TestbedError> {
        let mut events = Vec::new();
        for server in 0..self.len() {
            let log = self.log(server);
            let told = log_events::read(server, log).map_err(TestbedError::io("read", log))?;
            events.extend(told.into_iter().filter(|event| event.at >= since));
        }
        events.sort_by_key(|event| event.at);
        Ok(events)
    }

    /// The first event since a moment that is as wanted, once it is told.
    pub async fn wait_event(
        &self,
        since: SystemTime,
        patience: Duration,
        wanted: impl Fn(&LogEvent) -> bool,
    ) -> Result<LogEvent, TestbedError> {
        let deadline = Instant::now() + patience;
        loop {
            let events = self.events_since(since)?;
            if let Some(event) = events.iter().find(|event| wanted(event)) {
                return Ok(event.clone());
            }
            if Instant::now() >= deadline {
                let last = events.last().map(|event| event.message.clone());
                return Err(TestbedError::Late {
                    what: "an event in the servers' logs".to_owned(),
                    waited: patience,
                    last: last.unwrap_or_else(|| "nothing".to_owned()),
                });
            }
            sleep(POLL).await;
        }
    }

    /// What is told in the logs from now on.
    pub fn follow_logs(&self) -> Result<LogTail, TestbedError> {
        LogTail::at_end((0..self.len()).map(|server| self.log(server).to_owned()))
    }

    /// The servers that ended by themselves since they were started, and how. They no longer
    /// count as running.
    pub fn take_ended(&mut self) -> Result<Vec<(usize, ExitStatus)>, TestbedError> {
        let mut all = Vec::new();
        for (server, process) in self.processes.iter_mut().enumerate() {
            let Some(running) = process else { continue };
            let ended = running
                .ended()
                .map_err(TestbedError::io("watch", &self.program))?;
            if let Some(status) = ended {
                *process = None;
                all.push((server, status));
            }
        }
        Ok(all)
    }

    fn refuse_ended(&mut self) -> Result<(), TestbedError> {
        match self.take_ended()?.first() {
            None => Ok(()),
            Some((server, status)) => Err(self.ended(*server, *status)),
        }
    }

    fn ended(&self, server: usize, status: ExitStatus) -> TestbedError {
        let place = self.place(server);
        TestbedError::Ended {
            server: place.name.clone(),
            status: status.to_string(),
            last_words: log_events::last_words(&place.log),
            log: place.log.clone(),
        }
    }

    async fn wait_stopped(&mut self, server: usize) -> Result<(), TestbedError> {
        let program = self.program.clone();
        let process = self.process(server)?;
        let ended = process
            .wait(STOP_TIMEOUT)
            .await
            .map_err(TestbedError::io("wait for", program))?;
        let Some(status) = ended else {
            return Err(TestbedError::Late {
                what: format!("{} stopped by SIGTERM", self.name(server)),
                waited: STOP_TIMEOUT,
                last: log_events::last_words(self.log(server)),
            });
        };
        self.processes[server] = None;
        if status.success() {
            Ok(())
        } else {
            Err(self.ended(server, status))
        }
    }

    fn signal(&mut self, server: usize, signal: Signal) -> Result<(), TestbedError> {
        let program = self.program.clone();
        self.process(server)?
            .signal(signal)
            .map_err(TestbedError::io("signal", program))
    }

    fn process(&mut self, server: usize) -> Result<&mut Process, TestbedError> {
        let name = &self.layout.places[server].name;
        self.processes[server]
            .as_mut()
            .ok_or_else(|| TestbedError::NotRunning {
                server: name.clone(),
            })
    }

    fn place(&self, server: usize) -> &Place {
        &self.layout.places[server]
    }
}
