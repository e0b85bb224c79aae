//! `quorid import`: accounts from a file, many at once.
//!
//! The file is read as it is needed, a bounded number of requests is in flight, and lines are
//! reported in their order. An account that is there already with what its line says is no error,
//! so an import that was cut short may simply be run again.

mod columns;
mod csv_reader;
mod difference;
mod dry_run;
#[cfg(fuzzing)]
pub mod fuzzing;
mod importer;
mod json;
mod lines;
mod report;
pub(crate) mod source;

use std::{
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    io::BufRead,
    path::PathBuf,
    pin::pin,
    sync::Arc,
};

use clap::{Args, ValueEnum};
use futures_util::StreamExt as _;
use quorid_directory::LoginName;
use tokio::sync::{Mutex, mpsc};

use super::{
    context::Context,
    errors::{Failure, OrFailure as _},
    interrupted, schema,
};
use columns::{Columns, Mapping, mapping};
use dry_run::{Ledger, Plan};
use importer::{Importer, Outcome};
use lines::{BadLine, Line, Lines, NewLine, Unreadable};
use report::Report;

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid import samples/accounts.csv
  quorid import people.jsonl --rejected rejected.csv
  quorid import people.csv --ignore floor --ignore room
  quorid import people.csv --map username=login_name --map 'E-mail=mail' --map 'Full name=real_name'
  quorid import people.csv --map 'Hash=password_hash'
  quorid import people.csv --update          changes the accounts that are there already
  quorid import people.csv --update --dry-run
  quorid export | quorid import - --servers other:7400 --ca other/ca.crt

A CSV file begins with a header: login_name,real_name and, if wanted, password and attributes such as
mail, in any order; several values of an attribute are lines of one quoted field. A JSON lines file has
one object with login_name, real_name, password and attributes a line. --map reads columns of other names,
without regard to case and to spaces around them; where no column is the real name, the given and the
family name are it. The number in the column posix_number is the account's; of auto, the directory gives it
the next one. The column password_hash has hashes of passwords that another program made: argon2, bcrypt,
sha512-crypt, pbkdf2, scrypt, {SSHA} and the like. The read-only columns of an export are accepted and ignored; another is an error
unless --ignore or --map names it.

With --update, the account of a line's id, or else of its login name, gets the values that the line gives.
An empty field leaves the account's value as it is, and a password is given only to an account without one.
--dry-run reads and sends no change: it prints what would be done, and ends with the same exit code.
Exit code 7 if lines were rejected; what was accepted stays.";

/// What is imported, and how.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The file, or `-` for standard input
    file: PathBuf,
    /// The file's format [default: by the file's extension; csv for standard input]
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    /// How many accounts are created at once
    #[arg(long, value_name = "NUMBER", default_value_t = 64,
        value_parser = clap::value_parser!(u16).range(1..=4096))]
    in_flight: u16,
    /// Read this column, or key of JSON lines, as an attribute or another field; may be given more
    /// than once
    #[arg(long = "map", value_name = "COLUMN=FIELD", value_parser = mapping)]
    maps: Vec<Mapping>,
    /// Accept this column, or key of JSON lines, and ignore it; may be given more than once
    #[arg(long = "ignore", value_name = "COLUMN")]
    ignored: Vec<String>,
    /// Change accounts that are there already to what the file says
    #[arg(long)]
    update: bool,
    /// Change nothing, and print what would be done for each line
    #[arg(long)]
    dry_run: bool,
    /// Write the rejected lines to this file, as CSV, instead of standard error
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
}

/// How accounts stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileFormat {
    /// Comma-separated values by RFC 4180, with a header
    Csv,
    /// One JSON object a line
    Jsonl,
}

impl FileFormat {
    /// By a file's extension: `.csv`, or `.jsonl`, `.ndjson` and `.json`.
    pub(crate) fn of(path: &std::path::Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// What the reading thread hands over.
enum Item {
    Line(Line),
    /// The file ends here, though it shouldn't.
    Unreadable(Unreadable),
}

pub(crate) async fn run(args: ImportArgs, context: &Context) -> Result<(), Failure> {
    let in_flight = usize::from(args.in_flight);
    let source = source::open(&args.file, args.format)?;
    let schema = schema::of_directory(context).await?;
    let columns = Columns::new(schema, args.maps, args.ignored, args.update)
        .map_err(|why| Failure::usage(why).hint("name each column once"))?;
    let lines = Lines::open(source.input, source.format, columns)
        .or_failure(Failure::usage, &source.name)?;
    let mut report = Report::new(context.out, source.bytes, args.rejected, args.dry_run)?;
    let mut ledger = Ledger::default();

    let (sender, receiver) = mpsc::channel(in_flight);
    let reader = std::thread::spawn(move || hand_over(lines, &sender));
    let client = context.client.clone();
    let importer = Arc::new(Importer::new(client, schema, args.update, args.dry_run));
    let turns = Turns::new();
    let mut outcomes = tokio_stream::wrappers::ReceiverStream::new(receiver)
        .map(|item| process(&turns, Arc::clone(&importer), item))
        .buffered(in_flight);
    let mut stopped = None;
    let (mut waiting, mut planned) = (Vec::new(), Vec::new());
    let mut interrupted = pin!(interrupted());
    loop {
        let next = tokio::select! {
            next = outcomes.next() => next,
            () = &mut interrupted => {
                stopped = Some(Failure::interrupted());
                break;
            }
        };
        let Some((position, outcome)) = next else {
            break;
        };
        match outcome {
            Outcome::Done(done) => report.done(position, done),
            Outcome::Planned(plan) if ledger.misses(&plan).is_some() => {
                planned.push((position, plan))
            }
            Outcome::Planned(plan) => enter(&mut ledger, &mut report, position, plan, args.update)?,
            Outcome::Rejected(line) => report.rejected(position, &line)?,
            Outcome::Waits(line, why) => waiting.push((position, line, why)),
            Outcome::Stopped(failure) => {
                stopped = Some(failure);
                break;
            }
        }
    }
    // A reader that waits for room ends once nobody receives any more. One that waits for
    // standard input ends with the process.
    drop(outcomes);
    if stopped.is_none() {
        reader
            .join()
            .map_err(|_| Failure::fault("the thread that reads the file panicked"))?;
        stopped = tokio::select! {
            ended = again(&importer, waiting, &mut report) => ended?,
            () = &mut interrupted => Some(Failure::interrupted()),
        };
        plan_again(planned, &mut ledger, &mut report, args.update)?;
    }
    report.finish(&source.name, stopped)
}

/// Lines that refer to accounts which were not there: for as long as one of them is imported, which another one
/// may have waited for.
async fn again(
    importer: &Importer,
    mut waiting: Vec<(Position, Box<NewLine>, BadLine)>,
    report: &mut Report,
) -> Result<Option<Failure>, Failure> {
    loop {
        let (before, mut still) = (waiting.len(), Vec::new());
        for (position, line, _) in waiting {
            match importer.import(*line).await {
                Outcome::Done(done) => report.done(position, done),
                Outcome::Planned(plan) => report.planned(position, &plan)?,
                Outcome::Rejected(line) => report.rejected(position, &line)?,
                Outcome::Waits(line, why) => still.push((position, line, why)),
                Outcome::Stopped(failure) => return Ok(Some(failure)),
            }
        }
        if still.len() == before {
            for (position, _, why) in still {
                report.rejected(position, &why)?;
            }
            return Ok(None);
        }
        waiting = still;
    }
}

/// The same for a dry run.
fn plan_again(
    mut waiting: Vec<(Position, Plan)>,
    ledger: &mut Ledger,
    report: &mut Report,
    update: bool,
) -> Result<(), Failure> {
    loop {
        let (before, mut still) = (waiting.len(), Vec::new());
        for (position, plan) in waiting {
            match ledger.misses(&plan) {
                Some(_) => still.push((position, plan)),
                None => enter(ledger, report, position, plan, update)?,
            }
        }
        if still.len() == before {
            for (position, plan) in still {
                if let Some(why) = ledger.misses(&plan) {
                    report.rejected(position, &why)?;
                }
            }
            return Ok(());
        }
        waiting = still;
    }
}

fn enter(
    ledger: &mut Ledger,
    report: &mut Report,
    position: Position,
    plan: Plan,
    update: bool,
) -> Result<(), Failure> {
    match ledger.enter(position.line, plan, update) {
        Ok(plan) => report.planned(position, &plan),
        Err(line) => report.rejected(position, &line),
    }
}

fn hand_over(lines: Lines<Box<dyn BufRead + Send>>, sender: &mpsc::Sender<Item>) {
    for line in lines {
        let item = match line {
            Ok(line) => Item::Line(line),
            Err(error) => Item::Unreadable(error),
        };
        if sender.blocking_send(item).is_err() {
            break;
        }
    }
}

/// Where a line stands: its number, and the bytes up to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    pub(crate) line: u64,
    pub(crate) bytes: u64,
}

/// Lines of one login name come one after the other, in the order of the file.
struct Turns(Vec<Mutex<()>>);

impl Turns {
    const STRIPES: usize = 1024;

    fn new() -> Self {
        Self((0..Self::STRIPES).map(|_| Mutex::default()).collect())
    }

    fn of(&self, login_name: &str) -> &Mutex<()> {
        let normal = LoginName::parse(login_name);
        let name = normal.as_ref().map_or(login_name, LoginName::as_str);
        let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one(name);
        let stripe = usize::try_from(hash % Self::STRIPES as u64).unwrap_or_default();
        &self.0[stripe]
    }
}

async fn process(turns: &Turns, importer: Arc<Importer>, item: Item) -> (Position, Outcome) {
    let line = match item {
        Item::Line(line) => line,
        Item::Unreadable(error) => {
            let position = Position {
                line: error.line,
                bytes: 0,
            };
            let failure = Failure::partly_done(error.cause.clone(), error.to_string());
            return (position, Outcome::Stopped(failure));
        }
    };
    let position = Position {
        line: line.number,
        bytes: line.bytes,
    };
    let outcome = match line.content {
        Err(bad) => Outcome::Rejected(bad),
        Ok(new) => {
            let _turn = turns.of(&new.login_name).lock().await;
            // A task of its own: work for all cores, not only for the one that waits.
            let task = tokio::spawn(async move { importer.import(new).await });
            match task.await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::Stopped(Failure::fault(format!("a task ended: {error}"))),
            }
        }
    };
    (position, outcome)
}
