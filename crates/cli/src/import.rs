//! `quorid import`: accounts from a file, many at once.
//!
//! The file is read as it is needed, a bounded number of requests is in flight, and lines are
//! reported in their order. An account that is there already under the same login name and
//! real name is no error, so an import that was cut short may simply be run again.

mod columns;
mod csv_reader;
#[cfg(fuzzing)]
pub mod fuzzing;
mod json;
mod lines;
mod report;
pub(crate) mod source;

use std::{
    collections::BTreeSet,
    io::BufRead,
    path::PathBuf,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::{Args, ValueEnum};
use futures_util::StreamExt as _;
use quorid_api::{
    Account, AccountName, Client, Error, NewAccount, Password, Read, Reason, Rejected,
};
use quorid_directory::{RealName, attribute};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    context::Context,
    errors::{Exit, Failure, OrFailure as _},
    interrupted,
};
use columns::{Columns, Mapping, mapping};
use lines::{BadLine, Line, Lines, NewLine, Unreadable};
use report::Report;

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid import samples/accounts.csv
  quorid import people.jsonl --rejected rejected.csv
  quorid import people.csv --ignore floor --ignore room
  quorid import people.csv --map username=login_name --map 'E-mail=mail' --map 'Full name=real_name'
  quorid export | quorid import - --servers other:7400 --ca other/ca.crt

A CSV file begins with a header: login_name,real_name and, if wanted, password and attributes such as
mail, in any order; several values of an attribute are lines of one quoted field. A JSON lines file has
one object with login_name, real_name, password and attributes a line. --map reads columns of other names,
without regard to case and to spaces around them; where no column is the real name, the given and the
family name are it. The read-only columns of an export are accepted and ignored; another is an error
unless --ignore or --map names it. Exit code 7 if lines were rejected; what was accepted stays.";

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

/// What became of one line.
enum Outcome {
    Created,
    AlreadyThere,
    Rejected(BadLine),
    /// Nothing further can be imported.
    Stopped(Failure),
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
    let columns = Columns::new(args.maps, args.ignored)
        .map_err(|why| Failure::usage(why).hint("name each column once"))?;
    let lines = Lines::open(source.input, source.format, columns)
        .or_failure(Failure::usage, &source.name)?;
    let mut report = Report::new(context.out, source.bytes, args.rejected)?;

    let (sender, receiver) = mpsc::channel(in_flight);
    let reader = std::thread::spawn(move || hand_over(lines, &sender));
    let importer = Arc::new(Importer {
        client: context.client.clone(),
        repeats: AtomicBool::new(false),
    });
    let mut outcomes = tokio_stream::wrappers::ReceiverStream::new(receiver)
        .map(|item| process(Arc::clone(&importer), item))
        .buffered(in_flight);
    let mut stopped = None;
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
            Outcome::Created => report.created(position),
            Outcome::AlreadyThere => report.already_there(position),
            Outcome::Rejected(line) => report.rejected(position, &line)?,
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
    }
    report.finish(&source.name, stopped)
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

async fn process(importer: Arc<Importer>, item: Item) -> (Position, Outcome) {
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
            // A task of its own: work for all cores, not only for the one that waits.
            let task = tokio::spawn(async move { importer.create(new).await });
            match task.await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::Stopped(Failure::fault(format!("a task ended: {error}"))),
            }
        }
    };
    (position, outcome)
}

/// Creates accounts, unless they are there.
struct Importer {
    client: Client,
    /// Whether the last account was there already. Then the next one probably is, and asking
    /// first spares the server the hash of a password that comes to nothing.
    repeats: AtomicBool,
}

impl Importer {
    async fn create(&self, new: NewLine) -> Outcome {
        if self.repeats.load(Ordering::Relaxed) {
            let name = AccountName::Login(new.login_name.clone());
            if matches!(self.is_the_same(&name, &new).await, Ok(true)) {
                return Outcome::AlreadyThere;
            }
            self.repeats.store(false, Ordering::Relaxed);
        }
        let created = self
            .client
            .create_account(NewAccount {
                login_name: new.login_name.clone(),
                real_name: new.new_real_name().unwrap_or_default(),
                attributes: new.attributes.clone(),
                assign_posix_number: false,
                password: new.password.clone().map(Password::from),
                request_id: None,
            })
            .await;
        match created {
            Ok(_) => Outcome::Created,
            Err(Error::Rejected(rejected)) if rejected.reason == Reason::LoginNameTaken => {
                self.taken(new, rejected).await
            }
            Err(error) => stopped_or_rejected(new, error.into()),
        }
    }

    async fn taken(&self, new: NewLine, rejected: Rejected) -> Outcome {
        let name = rejected
            .metadata
            .get("account_id")
            .and_then(|id| Uuid::try_parse(id).ok())
            .map_or_else(
                || AccountName::Login(new.login_name.clone()),
                AccountName::Id,
            );
        match self.is_the_same(&name, &new).await {
            Ok(true) => {
                self.repeats.store(true, Ordering::Relaxed);
                Outcome::AlreadyThere
            }
            Ok(false) => rejected_line(new, rejected.into()),
            Err(error) => stopped_or_rejected(new, error.into()),
        }
    }

    /// Whether the account of that name has the real name and the attributes of the line.
    async fn is_the_same(&self, name: &AccountName, new: &NewLine) -> Result<bool, Error> {
        match self.client.get_account(name, Read::Linearizable).await {
            Ok(account) => Ok(has_all(&account, new)),
            // Deleted meanwhile: then it isn't the same.
            Err(Error::Rejected(rejected)) if rejected.reason == Reason::AccountNotFound => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether an account has what a line says.
fn has_all(account: &Account, new: &NewLine) -> bool {
    let same_name = new.new_real_name().is_some_and(|real_name| {
        RealName::parse(&real_name).is_ok_and(|it| it.as_str() == account.real_name)
    });
    same_name
        && new.attributes.iter().all(|asked| {
            let Ok(attribute) = attribute(&asked.name) else {
                return false;
            };
            let key = |text: &String| {
                let value = attribute.syntax.parse(text).ok()?;
                Some(attribute.syntax.key(&value))
            };
            let keys = |values: &[String]| values.iter().map(key).collect::<BTreeSet<_>>();
            let mut there = account.attributes.iter();
            let there = there.find(|there| there.name == asked.name);
            there.is_some_and(|there| keys(&there.values) == keys(&asked.values))
        })
}

/// What is wrong with one line concerns that line; all else would befall the others as well.
fn stopped_or_rejected(new: NewLine, failure: Failure) -> Outcome {
    match failure.exit {
        Exit::Rejected | Exit::NotFound => rejected_line(new, failure),
        Exit::Usage
        | Exit::NotAllowed
        | Exit::Unavailable
        | Exit::Fault
        | Exit::PartlyDone
        | Exit::Interrupted
        | Exit::ClosedPipe => Outcome::Stopped(failure),
    }
}

fn rejected_line(new: NewLine, failure: Failure) -> Outcome {
    Outcome::Rejected(BadLine {
        login_name: new.login_name,
        cause: failure.cause,
        message: failure.message,
    })
}
