//! The command line: one file per verb or noun.
//!
//! Parsed here, run there; whatever fails comes back as a `Failure`, which `errors.rs` turns
//! into a message and an exit code.

mod assignment;
mod bench;
mod cert;
mod changes;
mod check;
mod check_password;
mod cluster;
mod completions;
mod consistency;
mod context;
mod create;
mod delete;
mod deleted;
mod destination;
mod errors;
mod export;
#[cfg(fuzzing)]
pub mod fuzzing;
mod get;
mod group;
mod health;
mod import;
mod kept;
mod lookup;
mod modify;
mod operating_user;
mod options;
mod password;
mod record;
mod reverse_lookup;
mod schema;
mod serve;
mod settings;
mod terminal;

use std::{
    env,
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, error::ErrorKind};
use quorid_lab::{demo, interrupted, table};
use tokio::runtime::Runtime;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use context::Context;
use errors::{Exit, Failure, OrFailure as _};
use options::{ClientOptions, DisplayOptions};
use settings::ClientSettings;
use terminal::{Color, Format, Output};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  rejected by the directory's rules
  2  wrong usage, configuration or input file
  3  not found
  4  not allowed: login, operator's certificate, or a wrong password
  5  unavailable: try again; the message says if a change may have been made
  6  a fault of the program, a server or the system
  7  partly done: an import with rejected lines, or from a file that is cut off

Try `quorid <command> --help` for a command's options and examples.";

/// A distributed identity server: a replicated directory of accounts
///
/// `quorid serve` is a server; the other commands are clients and an operator's tools.
#[derive(Debug, Parser)]
#[command(name = "quorid", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    options: ClientOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a server until it is told to end
    #[command(after_help = serve::EXAMPLES)]
    Serve(Box<serve::ServeCommand>),
    /// Creates an account and prints its UUID
    #[command(after_help = create::EXAMPLES)]
    Create(ClientCommand<create::CreateArgs>),
    /// Shows the account with a login name
    #[command(after_help = lookup::EXAMPLES)]
    Lookup(ClientCommand<lookup::LookupArgs>),
    /// Shows the account with a UUID
    #[command(after_help = reverse_lookup::EXAMPLES)]
    ReverseLookup(ClientCommand<reverse_lookup::ReverseLookupArgs>),
    /// Changes an account's login name, real name or password
    #[command(after_help = modify::EXAMPLES)]
    Modify(Box<ClientCommand<modify::ModifyArgs>>),
    /// Deletes an account
    #[command(after_help = delete::EXAMPLES)]
    Delete(ClientCommand<delete::DeleteArgs>),
    /// Lists all login names, UUIDs or accounts
    #[command(after_help = get::EXAMPLES)]
    Get(ClientCommand<get::GetArgs>),
    /// Shows what was changed, by whom, and what was there before
    #[command(after_help = changes::CHANGES_EXAMPLES)]
    Changes(ClientCommand<changes::ChangesArgs>),
    /// Shows the changes of one account or group
    #[command(after_help = changes::HISTORY_EXAMPLES)]
    History(ClientCommand<changes::HistoryArgs>),
    /// Undoes one change, if nothing later stands against it
    #[command(after_help = changes::REVERT_EXAMPLES)]
    Revert(ClientCommand<changes::RevertArgs>),
    /// Restores a deleted account or group
    #[command(after_help = deleted::RESTORE_EXAMPLES)]
    Restore(ClientCommand<deleted::RestoreArgs>),
    /// Erases a deleted account or group for ever
    #[command(after_help = deleted::PURGE_EXAMPLES)]
    Purge(ClientCommand<deleted::PurgeArgs>),
    /// Frees a reserved login name before its time
    #[command(after_help = deleted::FREE_NAME_EXAMPLES)]
    FreeName(ClientCommand<deleted::FreeNameArgs>),
    /// Creates, changes and shows groups of accounts
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Lists and adds attributes of accounts and groups
    #[command(subcommand)]
    Schema(schema::SchemaCommand),
    /// Checks whether a password is an account's
    #[command(after_help = check_password::EXAMPLES)]
    CheckPassword(ClientCommand<check_password::CheckPasswordArgs>),
    /// Creates the accounts of a CSV or JSON lines file
    #[command(after_help = import::EXAMPLES)]
    Import(ClientCommand<import::ImportArgs>),
    /// Writes all accounts to a CSV or JSON lines file
    #[command(after_help = export::EXAMPLES)]
    Export(ClientCommand<export::ExportArgs>),
    /// Shows and changes the servers of the cluster
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Makes and shows the cluster's certificates
    #[command(subcommand)]
    Cert(cert::CertCommand),
    /// Reports whether the server on this machine is ready
    #[command(after_help = health::EXAMPLES)]
    Health(Box<health::HealthArgs>),
    /// Checks the data directory of a server that is not running
    #[command(after_help = check::EXAMPLES)]
    Check(LocalCommand<check::CheckArgs>),
    /// Starts servers on this machine, to try or to watch
    #[command(after_help = demo::EXAMPLES)]
    Demo(LocalCommand<demo::DemoArgs>),
    /// Measures requests per second and their latencies
    #[command(after_help = bench::EXAMPLES)]
    Bench(ClientCommand<bench::BenchArgs>),
    /// Prints what a shell needs to complete command lines
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::CompletionsArgs),
}

/// A command that talks to a cluster.
#[derive(Args, Debug)]
pub(crate) struct ClientCommand<A: Args> {
    #[command(flatten)]
    args: A,
    #[command(flatten)]
    options: ClientOptions,
}

/// A command that works on this machine only.
#[derive(Args, Debug)]
pub(crate) struct LocalCommand<A: Args> {
    #[command(flatten)]
    args: A,
    #[command(flatten)]
    display: DisplayOptions,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let outer = cli.options;
    match cli.command {
        Command::Serve(command) => {
            let display = outer.display.clone();
            local(&outer, display, |_| serve::run(*command))
        }
        Command::Create(c) => client(outer, c, async |a, c| create::run(a, c).await),
        Command::Lookup(c) => client(outer, c, async |a, c| lookup::run(a, c).await),
        Command::ReverseLookup(c) => client(outer, c, async |a, c| reverse_lookup::run(a, c).await),
        Command::Modify(c) => client(outer, *c, async |a, c| modify::run(a, c).await),
        Command::Delete(c) => client(outer, c, async |a, c| delete::run(a, c).await),
        Command::Get(c) => client(outer, c, async |a, c| get::run(a, c).await),
        Command::Changes(c) => client(outer, c, async |a, c| changes::changes(a, c).await),
        Command::Revert(c) => client(outer, c, async |a, c| changes::revert(a, c).await),
        Command::History(c) => client(outer, c, async |a, c| changes::history(a, c).await),
        Command::Restore(c) => client(outer, c, async |a, c| deleted::restore(a, c).await),
        Command::Purge(c) => client(outer, c, async |a, c| deleted::purge(a, c).await),
        Command::FreeName(c) => client(outer, c, async |a, c| deleted::free_name(a, c).await),
        Command::CheckPassword(c) => client(outer, c, async |a, c| check_password::run(a, c).await),
        Command::Import(c) => client(outer, c, async |a, c| import::run(a, c).await),
        Command::Export(c) => client(outer, c, async |a, c| export::run(a, c).await),
        Command::Bench(c) => client(outer, c, async |a, c| bench::run(a, c).await),
        Command::Cluster(command) => {
            let (task, options) = command.split();
            run_client(options.over(outer), async |c| cluster::run(task, c).await)
        }
        Command::Group(command) => {
            let (task, options) = command.split();
            run_client(options.over(outer), async |c| group::run(task, c).await)
        }
        Command::Schema(command) => {
            let (task, options) = command.split();
            run_client(options.over(outer), async |c| schema::run(task, c).await)
        }
        Command::Cert(command) => {
            let (task, display) = command.split();
            let display = display.over(outer.display.clone());
            local(&outer, display, |out| cert::run(task, out))
        }
        Command::Check(command) => {
            let display = command.display.over(outer.display.clone());
            local(&outer, display, |out| check::run(&command.args, out))
        }
        Command::Health(args) => {
            let display = outer.display.clone();
            local(&outer, display, |out| health::run(&args, out))
        }
        Command::Demo(command) => {
            let display = command.display.over(outer.display.clone());
            local(&outer, display, |out| {
                Ok(demo::run(command.args, out.screen())?)
            })
        }
        Command::Completions(args) => {
            let display = outer.display.clone();
            local(&outer, display, |_| completions::run(&args))
        }
    }
}

fn client<A: Args>(
    outer: ClientOptions,
    command: ClientCommand<A>,
    run: impl AsyncFnOnce(A, &Context) -> Result<(), Failure>,
) -> ExitCode {
    let args = command.args;
    run_client(command.options.over(outer), async |context| {
        run(args, context).await
    })
}

/// Resolves the settings, runs the command until it ends or is interrupted, and keeps what was
/// learned of the cluster.
fn run_client(
    options: ClientOptions,
    run: impl AsyncFnOnce(&Context) -> Result<(), Failure>,
) -> ExitCode {
    let environment = |name: &str| env::var_os(name);
    let early = Output {
        format: settings::early_format(&options, &environment),
    };
    let settings = match ClientSettings::resolve(options, &environment) {
        Ok(settings) => settings,
        Err(failure) => return ended(early, Err(failure)),
    };
    settings.color.apply();
    log_to_stderr(settings.verbose, settings.color);
    let out = Output {
        format: settings.format,
    };
    let runtime = Runtime::new().or_failure(Failure::io, "cannot start");
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(failure) => return ended(out, Err(failure)),
    };
    let result = runtime.block_on(async {
        let context = Context::open(&settings)?;
        let result = tokio::select! {
            // First the command: it may have something to say of an interruption itself.
            biased;
            result = run(&context) => result,
            () = interrupted() => Err(Failure::interrupted()),
        };
        context.close();
        result
    });
    // Not to wait for requests that nobody waits for any more.
    runtime.shutdown_background();
    ended(out, result)
}

fn local(
    outer: &ClientOptions,
    display: DisplayOptions,
    run: impl FnOnce(Output) -> Result<(), Failure>,
) -> ExitCode {
    let environment = |name: &str| env::var_os(name);
    let options = ClientOptions {
        display,
        ..ClientOptions::default()
    };
    let out = Output {
        format: settings::early_format(&options, &environment),
    };
    options.display.color.unwrap_or_default().apply();
    let result = match outer.first_given() {
        Some(option) => Err(Failure::usage(format!(
            "{option} is not for this command, which talks to no server"
        ))),
        None => run(out),
    };
    ended(out, result)
}

fn ended(out: Output, result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.quiet {
                out.failure(&failure);
            }
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// Help and version go to standard output; a wrong command line is told in the format that it
/// asks for, as far as that can be seen.
fn usage(error: &clap::Error) -> ExitCode {
    let shows_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if shows_help || !json_is_asked_for() {
        // Nobody is left to be told if this cannot be written.
        let _ = error.print();
        return if error.use_stderr() {
            ExitCode::from(Exit::Usage as u8)
        } else {
            ExitCode::SUCCESS
        };
    }
    let text = error.render().to_string();
    let message = text.trim().strip_prefix("error: ").unwrap_or(text.trim());
    let out = Output {
        format: Format::Json,
    };
    ended(out, Err(Failure::usage(message)))
}

fn json_is_asked_for() -> bool {
    let words: Vec<_> = env::args_os().collect();
    let by_flag = words.iter().any(|word| word == "--output=json")
        || words
            .windows(2)
            .any(|pair| pair[0] == "--output" && pair[1] == "json");
    by_flag || env::var_os("QUORID_OUTPUT").is_some_and(|format| format == "json")
}

/// Quorid's own messages, and of the libraries below only the warnings.
fn log_to_stderr(verbose: u8, color: Color) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let colored = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none(),
    };
    let filter = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("quorid", level)
        .with_target("quorid_api", level);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(colored)
        .with_filter(filter);
    tracing_subscriber::registry().with(layer).init();
}

#[cfg(test)]
mod tests;
