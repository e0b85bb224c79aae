//! Servers that are processes on this machine, on loopback.

use std::{
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use rustix::process::Signal;

use super::{
    OrCannot as _, TestbedError,
    layout::{self, Layout},
    log_events,
    place::Place,
    ports::Ports,
    process::Process,
};

/// The processes, and the directory with everything of theirs.
pub(super) struct ThisMachine {
    program: PathBuf,
    // Before the directory: the servers end before their files go.
    processes: Vec<Option<Process>>,
    /// Held until the first start.
    ports: Option<Ports>,
    log_filter: Option<String>,
    pub(super) layout: Layout,
}

impl ThisMachine {
    pub(super) fn new(
        program: PathBuf,
        layout: Layout,
        ports: Option<Ports>,
        log_filter: Option<String>,
    ) -> Self {
        Self {
            program,
            processes: layout.places.iter().map(|_| None).collect(),
            ports,
            log_filter,
            layout,
        }
    }

    pub(super) fn process_id(&self, server: usize) -> Option<u32> {
        self.processes[server].as_ref().map(Process::id)
    }

    pub(super) fn is_running(&self, server: usize) -> bool {
        self.processes[server].is_some()
    }

    /// Whether the ports are chosen and not in use yet: others may take them.
    pub(super) fn holds_ports(&self) -> bool {
        self.ports.is_some()
    }

    /// Releases the ports to the servers.
    pub(super) fn release_ports(&mut self) {
        self.ports = None;
    }

    pub(super) fn give_other_ports(&mut self) -> Result<(), TestbedError> {
        self.kill9_all()?;
        let ports = Ports::reserve(2 * self.processes.len())
            .or_cannot("find free ports for", self.layout.path())?;
        self.layout.give_addresses(&ports)?;
        self.ports = Some(ports);
        Ok(())
    }

    pub(super) fn start(&mut self, server: usize) -> Result<(), TestbedError> {
        self.release_ports();
        let place = self.place(server);
        let config = self.layout.config(&place.server.name);
        let filter = self.log_filter.as_deref();
        let process = Process::start(&self.program, &config, &place.log, filter)
            .or_cannot("start", &self.program)?;
        self.processes[server] = Some(process);
        Ok(())
    }

    pub(super) fn kill9(&mut self, server: usize) {
        self.processes[server] = None;
    }

    pub(super) fn kill9_all(&mut self) -> Result<(), TestbedError> {
        for process in self.processes.iter_mut().flatten() {
            process.kill().or_cannot("kill", &self.program)?;
        }
        self.processes.fill_with(|| None);
        Ok(())
    }

    pub(super) fn signal(&mut self, server: usize, signal: Signal) -> Result<(), TestbedError> {
        let program = self.program.clone();
        self.process(server)?
            .signal(signal)
            .or_cannot("signal", program)
    }

    /// Waits for the end of a server that was asked to stop.
    pub(super) async fn wait_stopped(
        &mut self,
        server: usize,
        patience: Duration,
    ) -> Result<(), TestbedError> {
        let program = self.program.clone();
        let process = self.process(server)?;
        let ended = process
            .wait(patience)
            .await
            .or_cannot("wait for", program)?;
        let Some(status) = ended else {
            let place = self.place(server);
            return Err(TestbedError::Late {
                what: format!("{} stopped by SIGTERM", place.server.name),
                waited: patience,
                last: log_events::last_words(&place.log),
            });
        };
        self.processes[server] = None;
        if status.success() {
            Ok(())
        } else {
            Err(TestbedError::ended(self.place(server), status))
        }
    }

    pub(super) fn wipe(&self, server: usize) -> Result<(), TestbedError> {
        layout::wipe(&self.data_dir(server))
    }

    pub(super) fn data_dir(&self, server: usize) -> PathBuf {
        self.layout.data_dir(&self.place(server).server.name)
    }

    pub(super) fn take_ended(&mut self) -> Result<Vec<(usize, ExitStatus)>, TestbedError> {
        let mut all = Vec::new();
        for (server, process) in self.processes.iter_mut().enumerate() {
            let Some(running) = process else { continue };
            let ended = running.ended().or_cannot("watch", &self.program)?;
            if let Some(status) = ended {
                *process = None;
                all.push((server, status));
            }
        }
        Ok(all)
    }

    pub(super) fn directory(&self) -> &Path {
        self.layout.path()
    }

    fn process(&mut self, server: usize) -> Result<&mut Process, TestbedError> {
        let name = &self.layout.places[server].server.name;
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
