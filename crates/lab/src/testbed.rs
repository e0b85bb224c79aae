//! A cluster of real servers that can be killed, paused and cut off: for the demonstration, for
//! tests and for measurements. The servers are processes on this machine, or run on a stage of
//! hosts or containers.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use quorid_lab::testbed::{Testbed, TestbedError};
//!
//! # async fn example() -> Result<(), TestbedError> {
//! let mut cluster = Testbed::builder("target/debug/quorid")
//!     .servers(3)
//!     .setting("access", "open")
//!     .start()
//!     .await?;
//! let leader = cluster.leader(Duration::from_secs(5)).await?;
//! cluster.kill9(leader).await?;
//! let next = cluster.leader(Duration::from_secs(5)).await?;
//! assert_ne!(next, leader);
//! cluster.start(leader).await?;
//! cluster.wait_ready(Duration::from_secs(5)).await?;
//! assert!(cluster.digests_equal(Duration::from_secs(5)).await?);
//! # Ok(())
//! # }
//! ```
//!
//! Servers are counted from 0 and, on this machine, named from `s1`. There, whatever was started
//! ends when the testbed is dropped, and also when this process is killed. On a stage it goes on
//! until whoever made the stage ends it.

mod builder;
mod clients;
mod error;
mod layout;
mod leadership;
mod log_events;
mod place;
mod ports;
mod process;
mod stage;
mod this_machine;

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
    stage::Cut,
};
use self::{error::OrCannot, place::Place, stage::Stage, this_machine::ThisMachine};
use quorid_server::certs::CertificateFiles;

/// How often what is waited for is looked at.
const POLL: Duration = Duration::from_millis(10);
/// Time for a cluster to become ready when it is started.
const START_TIMEOUT: Duration = Duration::from_secs(90);
/// Time for a server to end after SIGTERM. More than it takes itself.
const STOP_TIMEOUT: Duration = Duration::from_secs(45);
/// Others may take a port between its release and its use.
const START_TRIES: usize = 5;

/// A cluster, and the means to harm it.
pub struct Testbed {
    machines: Machines,
    operator: Client,
}

/// Where the servers run.
enum Machines {
    Here(ThisMachine),
    Stage(Stage),
}

impl Machines {
    fn places(&self) -> &[Place] {
        match self {
            Self::Here(here) => &here.layout.places,
            Self::Stage(stage) => &stage.places,
        }
    }

    fn authority(&self) -> PathBuf {
        match self {
            Self::Here(here) => here.layout.authority(),
            Self::Stage(stage) => stage.authority.clone(),
        }
    }

    fn operator(&self) -> CertificateFiles {
        match self {
            Self::Here(here) => here.layout.operator(),
            Self::Stage(stage) => stage.operator.clone(),
        }
    }

    fn is_running(&self, server: usize) -> bool {
        match self {
            Self::Here(here) => here.is_running(server),
            Self::Stage(stage) => stage.is_running(server),
        }
    }
}

impl Testbed {
    /// A cluster of servers on this machine that run this program, a `quorid`.
    pub fn builder(program: impl Into<PathBuf>) -> Builder {
        Builder::new(program.into())
    }

    /// The servers of a stage file, none of which runs.
    pub fn on_stage(file: &Path) -> Result<Self, TestbedError> {
        Self::new(Machines::Stage(Stage::open(file)?))
    }

    fn on_this_machine(here: ThisMachine) -> Result<Self, TestbedError> {
        Self::new(Machines::Here(here))
    }

    fn new(machines: Machines) -> Result<Self, TestbedError> {
        let operator = clients::config(&machines, Some(machines.operator()))?;
        Ok(Self {
            operator: Client::new(operator)?,
            machines,
        })
    }

    /// Whether there was a cluster in the directory before.
    pub fn existed(&self) -> bool {
        match &self.machines {
            Machines::Here(here) => here.layout.existed,
            Machines::Stage(_) => false,
        }
    }

    /// What each server runs on: `process`, or what the stage says, such as `host`.
    pub fn what(&self) -> &str {
        match &self.machines {
            Machines::Here(_) => "process",
            Machines::Stage(stage) => stage.what(),
        }
    }

    /// Whether servers can be cut off from each other.
    pub fn has_network(&self) -> bool {
        matches!(self.machines, Machines::Stage(_))
    }

    /// How many servers there are, running or not.
    pub fn len(&self) -> usize {
        self.machines.places().len()
    }

    /// Never true: a cluster has servers.
    pub fn is_empty(&self) -> bool {
        self.machines.places().is_empty()
    }

    /// The servers that were started and not stopped.
    pub fn running(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(|server| self.machines.is_running(*server))
    }

    /// The running servers that are not cut off from clients.
    pub fn reachable(&self) -> impl Iterator<Item = usize> + '_ {
        self.running().filter(|server| match &self.machines {
            Machines::Here(_) => true,
            Machines::Stage(stage) => stage.is_reachable(*server),
        })
    }

    /// A server's name, `s1` and so on.
    pub fn name(&self, server: usize) -> &str {
        &self.place(server).server.name
    }

    /// Where clients reach a server, `host:port`.
    pub fn client_address(&self, server: usize) -> &str {
        &self.place(server).server.client_address
    }

    /// Where clients reach the servers.
    pub fn client_addresses(&self) -> Vec<String> {
        (0..self.len())
            .map(|server| self.client_address(server).to_owned())
            .collect()
    }

    /// The directory with the logs, and on this machine with everything.
    pub fn directory(&self) -> &Path {
        match &self.machines {
            Machines::Here(here) => here.directory(),
            Machines::Stage(stage) => stage.directory(),
        }
    }

    /// A temporary directory is not removed in the end.
    pub fn keep_directory(&mut self) {
        match &mut self.machines {
            Machines::Here(here) => here.layout.keep(),
            Machines::Stage(stage) => stage.keep_directory(),
        }
    }

    /// Certificate of the cluster's authority.
    pub fn authority(&self) -> PathBuf {
        self.machines.authority()
    }

    /// The operator's certificate and key.
    pub fn operator_files(&self) -> CertificateFiles {
        self.machines.operator()
    }

    /// How a `quorid` command is run as a client, where this program cannot do it itself.
    pub fn command(&self) -> Option<&[String]> {
        match &self.machines {
            Machines::Here(_) => None,
            Machines::Stage(stage) => stage.command.as_deref(),
        }
    }

    /// A server's log, JSON lines.
    pub fn log(&self, server: usize) -> &Path {
        &self.place(server).log
    }

    /// A server's data, where this machine sees it.
    pub fn data_dir(&self, server: usize) -> Option<PathBuf> {
        match &self.machines {
            Machines::Here(here) => Some(here.data_dir(server)),
            Machines::Stage(stage) => stage.data_dir(server),
        }
    }

    /// A server's process, while it runs on this machine.
    pub fn process_id(&self, server: usize) -> Option<u32> {
        match &self.machines {
            Machines::Here(here) => here.process_id(server),
            Machines::Stage(_) => None,
        }
    }

    /// Starts all servers that don't run and waits until the cluster answers.
    pub async fn start_all(&mut self) -> Result<(), TestbedError> {
        for _ in 1..START_TRIES {
            let first = match &self.machines {
                Machines::Here(here) => here.holds_ports(),
                Machines::Stage(_) => false,
            };
            match self.try_start_all().await {
                Err(TestbedError::Ended { .. }) if first => self.give_other_ports()?,
                result => return result,
            }
        }
        self.try_start_all().await
    }

    async fn try_start_all(&mut self) -> Result<(), TestbedError> {
        for server in 0..self.len() {
            if !self.machines.is_running(server) {
                self.start(server).await?;
            }
        }
        self.wait_ready(START_TIMEOUT).await?;
        Ok(())
    }

    fn give_other_ports(&mut self) -> Result<(), TestbedError> {
        if let Machines::Here(here) = &mut self.machines {
            here.give_other_ports()?;
        }
        self.operator = self.operator()?;
        Ok(())
    }

    /// Starts a server, and doesn't wait for it.
    pub async fn start(&mut self, server: usize) -> Result<(), TestbedError> {
        self.refuse_running(server)?;
        match &mut self.machines {
            Machines::Here(here) => here.start(server),
            Machines::Stage(stage) => stage.start(server).await,
        }
    }

    /// Kills a server with SIGKILL. It is gone afterwards.
    pub async fn kill9(&mut self, server: usize) -> Result<(), TestbedError> {
        self.refuse_stopped(server)?;
        match &mut self.machines {
            Machines::Here(here) => {
                here.kill9(server);
                Ok(())
            }
            Machines::Stage(stage) => stage.end("kill", server).await,
        }
    }

    /// Kills all running servers with SIGKILL at once. They are gone afterwards.
    pub async fn kill9_all(&mut self) -> Result<(), TestbedError> {
        match &mut self.machines {
            Machines::Here(here) => here.kill9_all(),
            Machines::Stage(stage) => stage.kill9_all().await,
        }
    }

    /// Ends a server with SIGTERM, as an operator would, and waits for it.
    pub async fn stop(&mut self, server: usize) -> Result<(), TestbedError> {
        self.refuse_stopped(server)?;
        match &mut self.machines {
            Machines::Here(here) => {
                here.signal(server, Signal::TERM)?;
                here.wait_stopped(server, STOP_TIMEOUT).await
            }
            Machines::Stage(stage) => stage.end("stop", server).await,
        }
    }

    /// Ends all running servers with SIGTERM and waits for them.
    pub async fn stop_all(&mut self) -> Result<(), TestbedError> {
        let running: Vec<_> = self.running().collect();
        if let Machines::Here(here) = &mut self.machines {
            for server in &running {
                here.signal(*server, Signal::TERM)?;
            }
            for server in running {
                here.wait_stopped(server, STOP_TIMEOUT).await?;
            }
            return Ok(());
        }
        for server in running {
            self.stop(server).await?;
        }
        Ok(())
    }

    /// Stops a server's process with SIGSTOP: it keeps its connections and answers nothing.
    pub async fn pause(&mut self, server: usize) -> Result<(), TestbedError> {
        self.refuse_stopped(server)?;
        match &mut self.machines {
            Machines::Here(here) => here.signal(server, Signal::STOP),
            Machines::Stage(stage) => stage.drive("pause", server).await,
        }
    }

    /// Lets a paused server go on.
    pub async fn resume(&mut self, server: usize) -> Result<(), TestbedError> {
        self.refuse_stopped(server)?;
        match &mut self.machines {
            Machines::Here(here) => here.signal(server, Signal::CONT),
            Machines::Stage(stage) => stage.drive("resume", server).await,
        }
    }

    /// Removes the data of a server that doesn't run.
    pub async fn wipe(&mut self, server: usize) -> Result<(), TestbedError> {
        self.refuse_running(server)?;
        match &mut self.machines {
            Machines::Here(here) => here.wipe(server),
            Machines::Stage(stage) => stage.drive("wipe", server).await,
        }
    }

    /// Cuts a server off.
    pub async fn cut(&mut self, server: usize, cut: Cut) -> Result<(), TestbedError> {
        self.stage()?.cut(server, cut).await
    }

    /// Cuts two servers off from each other, and from nobody else.
    pub async fn part(&mut self, one: usize, other: usize) -> Result<(), TestbedError> {
        self.stage()?.part(one, other).await
    }

    /// Undoes all cuts.
    pub async fn heal(&mut self) -> Result<(), TestbedError> {
        self.stage()?.heal().await
    }

    /// Ends what runs, whoever started it, removes its data, and undoes all cuts.
    pub async fn clear(&mut self) -> Result<(), TestbedError> {
        match &mut self.machines {
            Machines::Here(here) => {
                here.kill9_all()?;
                (0..here.layout.places.len()).try_for_each(|server| here.wipe(server))
            }
            Machines::Stage(stage) => stage.clear().await,
        }
    }

    /// All events that the servers logged since a moment, in the order of time.
    pub fn events_since(&self, since: SystemTime) -> Result<Vec<LogEvent>, TestbedError> {
        let mut events = Vec::new();
        for server in 0..self.len() {
            let log = self.log(server);
            let told = log_events::read(server, log).or_cannot("read", log)?;
            events.extend(told.into_iter().filter(|event| event.at >= since));
        }
        events.sort_by_key(|event| event.at);
        Ok(events)
    }

    /// The first event since a moment that is as wanted, once it is logged.
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

    /// What the servers log from now on.
    pub fn follow_logs(&self) -> Result<LogTail, TestbedError> {
        LogTail::at_end((0..self.len()).map(|server| self.log(server).to_owned()))
    }

    /// The servers that ended by themselves since they were started, and how. They no longer
    /// count as running.
    pub fn take_ended(&mut self) -> Result<Vec<(usize, ExitStatus)>, TestbedError> {
        match &mut self.machines {
            Machines::Here(here) => here.take_ended(),
            // Its driver would have to be asked each time: what waits for it tells in the end.
            Machines::Stage(_) => Ok(Vec::new()),
        }
    }

    fn refuse_ended(&mut self) -> Result<(), TestbedError> {
        match self.take_ended()?.first() {
            None => Ok(()),
            Some((server, status)) => Err(TestbedError::ended(self.place(*server), *status)),
        }
    }

    fn refuse_running(&self, server: usize) -> Result<(), TestbedError> {
        if self.machines.is_running(server) {
            return Err(TestbedError::Running {
                server: self.name(server).to_owned(),
            });
        }
        Ok(())
    }

    fn refuse_stopped(&self, server: usize) -> Result<(), TestbedError> {
        if self.machines.is_running(server) {
            return Ok(());
        }
        Err(TestbedError::NotRunning {
            server: self.name(server).to_owned(),
        })
    }

    fn stage(&mut self) -> Result<&mut Stage, TestbedError> {
        match &mut self.machines {
            Machines::Here(_) => Err(TestbedError::NoNetwork),
            Machines::Stage(stage) => Ok(stage),
        }
    }

    fn place(&self, server: usize) -> &Place {
        &self.machines.places()[server]
    }
}
