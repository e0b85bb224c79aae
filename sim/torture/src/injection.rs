//! Syncs of a running server that fail or take long: strace answers them in the kernel's place.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// Everything by which the log, the state and the identity get to the disk.
const SYNCS: &str = "fsync,fdatasync,sync_file_range,msync,syncfs,sync";
/// More than strace ever takes to begin or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// An strace that is attached to a server. The server goes on as usual when this is dropped.
pub(crate) struct Injection {
    strace: Child,
    output: PathBuf,
}

impl Injection {
    /// Lets syncs of a process end with EIO, without being done: after so many good ones of a
    /// thread `once`, or all.
    pub(crate) async fn fail(
        process: u32,
        after: u64,
        once: bool,
        output: PathBuf,
    ) -> anyhow::Result<Self> {
        let more = if once { "" } else { "+" };
        let how = format!("error=EIO:when={}{more}", after + 1);
        Self::attach(process, &how, output).await
    }

    /// Makes each sync of a process take longer.
    pub(crate) async fn delay(process: u32, by: Duration, output: PathBuf) -> anyhow::Result<Self> {
        let how = format!("delay_enter={}", by.as_micros());
        Self::attach(process, &how, output).await
    }

    async fn attach(process: u32, how: &str, output: PathBuf) -> anyhow::Result<Self> {
        let mut strace = Command::new("strace")
            .args(["-f", "-p", &process.to_string(), "-o"])
            .arg(&output)
            .args(["-e", &format!("trace={SYNCS}")])
            .args(["-e", &format!("inject={SYNCS}:{how}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("strace cannot be run")?;
        let said = strace.stderr.take().context("strace's words")?;
        let mut lines = BufReader::new(said).lines();
        let attached = async {
            let mut all = String::new();
            while let Some(line) = lines.next_line().await? {
                if line.contains("attached") {
                    return Ok(());
                }
                all.push_str(&line);
            }
            bail!("strace cannot attach: {all}")
        };
        timeout(PATIENCE, attached)
            .await
            .context("strace does not attach")??;
        // It must always find a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { strace, output })
    }

    /// Syncs that were made to fail or to wait so far.
    pub(crate) fn hits(&self) -> anyhow::Result<usize> {
        hits(&self.output)
    }

    /// Returns when it is no longer attached, and how many syncs it hit.
    pub(crate) async fn end(mut self) -> anyhow::Result<usize> {
        if let Some(id) = self.strace.id() {
            let id = i32::try_from(id).ok().and_then(Pid::from_raw);
            let id = id.context("strace's process id")?;
            kill_process(id, Signal::TERM).context("ending strace")?;
        }
        timeout(PATIENCE, self.strace.wait())
            .await
            .context("strace does not end")?
            .context("waiting for strace")?;
        self.hits()
    }

    /// Whether all of this works here, to a process that is none of Quorid's.
    pub(crate) async fn try_out(directory: &Path) -> anyhow::Result<()> {
        let mut victim = Command::new("sleep")
            .arg("60")
            .kill_on_drop(true)
            .spawn()
            .context("a process to try strace on")?;
        let id = victim.id().context("its id")?;
        let output = directory.join("strace-tried.txt");
        let injection = Self::fail(id, 0, false, output).await?;
        let hits = injection.end().await?;
        ensure!(
            hits == 0,
            "strace tells of {hits} syncs of a process that does none"
        );
        victim.kill().await.context("ending a process")
    }
}

fn hits(output: &Path) -> anyhow::Result<usize> {
    let text = fs::read_to_string(output);
    let text = text.with_context(|| format!("reading {}", output.display()))?;
    let hit = |line: &&str| line.contains("(INJECTED)") || line.contains("(DELAYED)");
    Ok(text.lines().filter(hit).count())
}

/// A program whose syncs are slow from its start on. It is stopped at its syncs only, where one that
/// strace is attached to is stopped at each system call.
pub(crate) struct SlowProgram {
    directory: TempDir,
}

impl SlowProgram {
    /// Each sync of this program takes longer by so much.
    pub(crate) fn new(program: &Path, by: Duration) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("quorid-").tempdir();
        let slow = Self {
            directory: directory.context("making a directory")?,
        };
        let (output, us) = (slow.directory.path().display(), by.as_micros());
        let program = program.display();
        // The process is the program's: strace is a child of it, and ends with it.
        let script = format!(
            "#!/bin/sh\nexec strace -D -f --seccomp-bpf -qq -o '{output}/strace-'$$ -e trace={SYNCS} \
             -e inject={SYNCS}:delay_enter={us} '{program}' \"$@\"\n"
        );
        let path = slow.path();
        fs::write(&path, script).context("writing a script")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).context("its rights")?;
        Ok(slow)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("program")
    }

    /// Syncs that were slow so far.
    pub(crate) fn hits(&self) -> anyhow::Result<usize> {
        let mut count = 0;
        for file in fs::read_dir(self.directory.path()).context("reading a directory")? {
            let file = file.context("reading a directory")?.path();
            if file != self.path() {
                count += hits(&file)?;
            }
        }
        Ok(count)
    }
}
