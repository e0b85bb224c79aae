//! Where an import reads from.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use super::FileFormat;
use crate::errors::{Failure, OrFailure as _};

/// An open file, or standard input.
pub(crate) struct Source {
    pub(crate) input: Box<dyn BufRead + Send>,
    pub(crate) format: FileFormat,
    /// Its size; None where it cannot be known.
    pub(crate) bytes: Option<u64>,
    /// How messages name it.
    pub(crate) name: String,
}

pub(crate) fn open(path: &Path, format: Option<FileFormat>) -> Result<Source, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Source {
            input: Box::new(BufReader::new(io::stdin())),
            format: format.unwrap_or(FileFormat::Csv),
            bytes: None,
            name: "standard input".to_owned(),
        });
    }
    let name = format!("`{}`", path.display());
    let Some(format) = format.or_else(|| FileFormat::of(path)) else {
        return Err(
            Failure::usage(format!("the format of {name} cannot be told from its name"))
                .hint("--format csv or --format jsonl"),
        );
    };
    let doing = format!("cannot read {name}");
    let file = File::open(path).or_failure(Failure::input, &doing)?;
    let metadata = file.metadata().or_failure(Failure::input, &doing)?;
    if metadata.is_dir() {
        return Err(Failure::usage(format!("{name} is a directory")));
    }
    Ok(Source {
        input: Box::new(BufReader::with_capacity(64 * 1024, file)),
        format,
        bytes: metadata.is_file().then_some(metadata.len()),
        name,
    })
}
