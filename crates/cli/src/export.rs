//! `quorid export`: all accounts, as a file that can be imported again.

use std::{path::PathBuf, pin::pin};

use clap::Args;
use futures_util::StreamExt as _;
use indicatif::ProgressBar;
use quorid_directory::Schema;
use serde::Serialize;

use super::{
    consistency::ReadOptions, context::Context, destination::Destination, errors::Failure,
    import::FileFormat, record::Record, schema, terminal::to_json,
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
    /// The format [default: by the extension of --out; on standard output csv, for groups jsonl]
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    /// Write to this file; it is replaced once the export is whole
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) read: ReadOptions,
}

impl ExportArgs {
    /// The format, which is `usual` where nothing says another.
    pub(crate) fn format(&self, usual: FileFormat) -> FileFormat {
        let by_name = || FileFormat::of(self.out.as_deref()?);
        self.format.or_else(by_name).unwrap_or(usual)
    }
}

pub(crate) async fn run(args: ExportArgs, context: &Context) -> Result<(), Failure> {
    let usual = if context.out.is_json() {
        FileFormat::Jsonl
    } else {
        FileFormat::Csv
    };
    let format = args.format(usual);
    let read = args.read.read(context)?;
    let schema = match format {
        FileFormat::Csv => schema::of_directory(context).await?,
        FileFormat::Jsonl => Schema::builtin(), // Each line names its attributes.
    };
    let mut to = Destination::open(args.out)?;
    let mut accounts = pin!(context.client.accounts(read));
    let progress = ProgressBar::new_spinner();
    let mut count = 0;
    if format == FileFormat::Csv {
        to.write(&csv_line(&Record::columns(schema)))?;
    }
    while let Some(account) = accounts.next().await {
        let record = Record::from(account?);
        to.write(&match format {
            FileFormat::Csv => csv_line(&record.values(schema)),
            FileFormat::Jsonl => json_line(&record)?,
        })?;
        count += 1;
        if count % 1_000 == 0 {
            progress.set_message(format!("{count} accounts"));
            progress.tick();
        }
    }
    let written = to.finish()?;
    progress.finish_and_clear();
    if let Some(path) = written {
        context
            .out
            .note(&format!("exported {count} accounts to {}", path.display()));
    }
    Ok(())
}

/// Values exactly as they are, also those that a spreadsheet would take for a formula.
pub(crate) fn csv_line(values: &[impl AsRef<[u8]>]) -> Vec<u8> {
    const MEMORY: &str = "memory takes what is written to it";
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(values).expect(MEMORY);
    writer.into_inner().expect(MEMORY)
}

pub(crate) fn json_line(record: &impl Serialize) -> Result<Vec<u8>, Failure> {
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
        let line = String::from_utf8(csv_line(&record.values(Schema::builtin()))).unwrap();
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
