//! `quorid serve`: this process is a server, until it is asked to end.

use std::io::{self, ErrorKind};

use clap::Args;
use quorid_server::config::{ConfigError, ServeArgs};

use super::errors::Failure;

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid serve --config s1.toml
  quorid serve --config s1.toml --check-config     only says whether it could start
  quorid serve --config s4.toml --join             waits for `quorid cluster add`

Settings are described in docs/reference/configuration.md; a flag counts over the environment,
and that over the file. SIGTERM ends the server in order: it hands leadership over first.";

/// The server's settings.
#[derive(Args, Debug)]
pub(crate) struct ServeCommand {
    #[command(flatten)]
    args: ServeArgs,
}

pub(crate) fn run(command: ServeCommand) -> Result<(), Failure> {
    let check_config = command.args.check_config;
    quorid_server::serve::run(command.args).map_err(|error| {
        let written = error.downcast_ref::<io::Error>();
        if check_config && written.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            return Failure::closed_pipe();
        }
        let message = format!("{error:#}");
        let failure = if error.downcast_ref::<ConfigError>().is_some() {
            Failure::usage(message)
        } else {
            Failure::fault(message)
        };
        match quorid_server::serve::hint(&error) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}
