//! Where a command writes a file to: a file that appears once it is whole, or standard output.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::{
    errors::{Failure, OrFailure as _},
    terminal::stdout_failed,
};

/// An open destination.
pub(crate) enum Destination {
    /// Whoever reads it sees it as it is written.
    Stdout(BufWriter<io::Stdout>),
    /// Under another name until the end; removed by itself if that does not come.
    File {
        writer: BufWriter<NamedTempFile>,
        path: PathBuf,
    },
}

impl Destination {
    /// The file, or standard output if there is none.
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self::Stdout(BufWriter::new(io::stdout())));
        };
        let dir = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let file = tempfile::Builder::new()
            .prefix(".quorid-export-")
            .tempfile_in(dir);
        Ok(Self::File {
            writer: or_not_written(file.map(BufWriter::new), &path)?,
            path,
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Stdout(writer) => writer.write_all(bytes).map_err(stdout_failed),
            Self::File { writer, path } => or_not_written(writer.write_all(bytes), path),
        }
    }

    /// All of it is there. Gives the file's path, if it is one.
    pub(crate) fn finish(self) -> Result<Option<PathBuf>, Failure> {
        match self {
            Self::Stdout(mut writer) => {
                writer.flush().map_err(stdout_failed)?;
                Ok(None)
            }
            Self::File { writer, path } => {
                or_not_written(put_in_place(writer, &path), &path)?;
                Ok(Some(path))
            }
        }
    }
}

fn put_in_place(writer: BufWriter<NamedTempFile>, path: &Path) -> io::Result<()> {
    let file = writer.into_inner()?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn or_not_written<T>(written: io::Result<T>, path: &Path) -> Result<T, Failure> {
    written.or_failure(
        Failure::io,
        format_args!("cannot write `{}`", path.display()),
    )
}
