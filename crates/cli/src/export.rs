//! `quorid export`: all accounts, as a file that can be imported again.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    pin::pin,
};

use clap::Args;
use futures_util::StreamExt as _;
use indicatif::ProgressBar;

use super::{
    consistency::ReadOptions,
    context::Context,
    errors::Failure,
    import::FileFormat,
    record::Record,
    terminal::{stdout_failed, to_json},
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid export > accounts.csv
  quorid export --out accounts.jsonl         the file appears once it is whole
  quorid export --consistency stale          spares the leader

Passwords are not exported: nobody, not even a server, knows them.";

/// Where to, and how.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The format [default: by the extension of --out; csv on standard output]
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    /// Write to this file; it is replaced once the export is whole
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    read: ReadOptions,
}

pub(crate) async fn run(args: ExportArgs, context: &Context) -> Result<(), Failure> {
    let usual = if context.out.is_json() {
        FileFormat::Jsonl
    } else {
        FileFormat::Csv
    };
    let format = args
        .format
        .or_else(|| FileFormat::of(args.out.as_deref()?))
        .unwrap_or(usual);
    let Some(path) = args.out else {
        let stdout = BufWriter::new(io::stdout());
        write_all(stdout, format, &args.read, context, stdout_failed).await?;
        return Ok(());
    };
    let failed =
        |error: io::Error| Failure::io(format_args!("cannot write `{}`", path.display()), &error);
    let dir = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // Removed by itself if the export fails or is interrupted.
    let file = tempfile::Builder::new()
        .prefix(".quorid-export-")
        .tempfile_in(dir)
        .map_err(failed)?;
    let writer = BufWriter::new(file);
    let (writer, count) = write_all(writer, format, &args.read, context, failed).await?;
    let file = writer
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    context
        .out
        .note(&format!("exported {count} accounts to {}", path.display()));
    Ok(())
}

async fn write_all<W: Write>(
    mut writer: W,
    format: FileFormat,
    read: &ReadOptions,
    context: &Context,
    failed: impl Fn(io::Error) -> Failure,
) -> Result<(W, u64), Failure> {
    let mut accounts = pin!(context.client.accounts(read.read(context)?));
    let progress = ProgressBar::new_spinner();
    let mut count = 0;
    if format == FileFormat::Csv {
        writer
            .write_all(&csv_line(&Record::columns()))
            .map_err(&failed)?;
    }
    while let Some(account) = accounts.next().await {
        let record = Record::from(account?);
        let line = match format {
            FileFormat::Csv => csv_line(&record.values()),
            FileFormat::Jsonl => json_line(&record)?,
        };
        writer.write_all(&line).map_err(&failed)?;
        count += 1;
        if count % 1_000 == 0 {
            progress.set_message(format!("{count} accounts"));
            progress.tick();
        }
    }
    writer.flush().map_err(&failed)?;
    progress.finish_and_clear();
    Ok((writer, count))
}

/// Values exactly as they are, also those that a spreadsheet would take for a formula.
pub(super) fn csv_line(values: &[impl AsRef<[u8]>]) -> Vec<u8> {
    const MEMORY: &str = "memory takes what is written to it";
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(values).expect(MEMORY);
    writer.into_inner().expect(MEMORY)
}

pub(super) fn json_line(record: &Record) -> Result<Vec<u8>, Failure> {
    let mut line = to_json(record)?.into_bytes();
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;
    use crate::record::tests::account;

    #[test]
    fn csv_keeps_every_value_exactly() {
        let record = Record::from(account("=ana", "A \"B\", C"));
        let line = String::from_utf8(csv_line(&record.values())).unwrap();
        assert!(
            line.starts_with("=ana,\"A \"\"B\"\", C\",") && line.contains(",,0199,2026-"),
            "{line}"
        );
        assert!(line.ends_with(",true,7\n"), "{line}");
    }

    #[test]
    fn json_is_one_line() {
        let line = json_line(&Record::from(account("ana", "A\nB"))).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(line.ends_with(b"}\n"));
    }
}
