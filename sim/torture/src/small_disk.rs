//! A small file system of a server's own, in a file, which can be filled to the last byte.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};
use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};

/// Room for the whole log of a campaign. What isn't used takes no space.
const BYTES: u64 = 512 << 20;
/// Size of a block of the file system.
const BLOCK: u64 = 4096;
const BALLAST: &str = "ballast";

/// A file system that is mounted where a server's data goes. Unmounted when it is dropped; the
/// mounts and loop devices of a process that is killed go with its namespace.
pub(crate) struct SmallDisk {
    mounted: PathBuf,
}

impl SmallDisk {
    /// Makes a file system in `image` and mounts it on a directory, which is made.
    pub(crate) fn mount(image: &Path, on: &Path) -> anyhow::Result<Self> {
        let file =
            File::create_new(image).with_context(|| format!("making {}", image.display()))?;
        file.set_len(BYTES).context("making a small disk")?;
        fs::create_dir_all(on).with_context(|| format!("making {}", on.display()))?;
        // No blocks for root alone: the servers may be root's.
        let block = BLOCK.to_string();
        run(Command::new("mkfs.ext4")
            .args(["-q", "-m", "0", "-b", &block])
            .arg(image))?;
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(image)
            .arg(on))?;
        Ok(Self {
            mounted: on.to_owned(),
        })
    }

    /// Leaves no free block. What a server frees from now on it may use again.
    pub(crate) fn fill(&self) -> anyhow::Result<()> {
        let ballast = File::create(self.ballast()).context("making ballast")?;
        let (mut length, mut step) = (0, BYTES);
        while step >= BLOCK {
            match fallocate(&ballast, FallocateFlags::empty(), length, step) {
                Ok(()) => length += step,
                Err(Errno::NOSPC) => step /= 2,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("filling a small disk"),
            }
        }
        Ok(())
    }

    /// There is space again.
    pub(crate) fn free(&self) -> io::Result<()> {
        match fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn ballast(&self) -> PathBuf {
        self.mounted.join(BALLAST)
    }

    /// Whether all of this works here.
    pub(crate) fn try_out(directory: &Path) -> anyhow::Result<()> {
        let on = directory.join("disk-tried");
        let disk = Self::mount(&directory.join("disk-tried.img"), &on)?;
        disk.fill()?;
        let full = fs::write(on.join("more"), [0x51; 2 * BLOCK as usize]);
        match full {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
            Err(error) => return Err(error).context("a full disk fails otherwise"),
            Ok(()) => bail!("a full disk is not full"),
        }
        disk.free().context("removing ballast")?;
        fs::write(on.join("more"), [0x51; 2 * BLOCK as usize]).context("using a freed disk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A server that still runs keeps it busy, and is ended soon.
        let _ = run(Command::new("umount").arg("--lazy").arg(&self.mounted));
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_owned();
    let program = program.display();
    let output = command
        .output()
        .with_context(|| format!("{program} cannot be run"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("{program} failed: {}", said.trim().replace('\n', ", "))
}
