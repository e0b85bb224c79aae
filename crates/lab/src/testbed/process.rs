//! One server process, which ends with the value that stands for it.

use std::{
    fs::OpenOptions,
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

const POLL: Duration = Duration::from_millis(2);

/// A running server. Killed and reaped when it is dropped.
///
/// Its standard input is a pipe that nobody writes to: should this process be killed, the
/// pipe is closed and the server ends by itself.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
}

impl Process {
    /// `quorid serve` with a configuration file; what it says is added to `log`.
    pub(super) fn start(
        program: &Path,
        config: &Path,
        log: &Path,
        filter: Option<&str>,
    ) -> io::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new(program);
        command
            .arg("serve")
            .arg("--exit-on-stdin-close")
            .arg("--config")
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C in the terminal is for the program that started the servers.
            .process_group(0);
        for (name, _) in std::env::vars_os() {
            let ours = name.to_string_lossy();
            if ours.starts_with("QUORID_") || ours == "RUST_LOG" {
                command.env_remove(&name);
            }
        }
        if let Some(filter) = filter {
            command.env("QUORID_LOG", filter);
        }
        let child = command.spawn()?;
        Ok(Self { child })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended; None while it runs.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks for its end with SIGKILL, and doesn't wait for it.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()
    }

    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("a process without an id"))?;
        Ok(kill_process(pid, signal)?)
    }

    /// How it ended; None if it still runs after `patience`.
    pub(super) async fn wait(&mut self, patience: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + patience;
        loop {
            let ended = self.ended()?;
            if ended.is_some() || Instant::now() >= deadline {
                return Ok(ended);
            }
            sleep(POLL).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
