//! `quorid health`: whether the server on this machine is ready.

mod probe;

use clap::Args;
use quorid_server::config::{Config, ServeArgs};

use self::probe::HealthError;
use super::{
    errors::{Cause, Failure, OrFailure as _},
    terminal::Output,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid health --config /etc/quorid/quorid.toml

Takes the settings of the server on this machine (QUORID_* variables, file, flags) and asks it at
its client port, as /readyz would be asked. Exit code 0: it knows a leader and serves clients. 5:
not now, and why. It is meant for health checks of containers and service managers.";

/// The settings of the server that is asked.
#[derive(Args, Debug)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    args: ServeArgs,
}

pub(crate) fn run(args: &HealthArgs, out: Output) -> Result<(), Failure> {
    let ServeArgs { check_config, .. } = args.args;
    if check_config {
        return Err(Failure::usage("--check-config is for `quorid serve`"));
    }
    let config = Config::load(&args.args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_failure(Failure::io, "cannot start")?;
    match runtime.block_on(probe::check(&config)) {
        Ok(()) => out.line(format!("{} is ready", config.own.name)),
        Err(HealthError::Tls(error)) => Err(Failure::usage(error.to_string())),
        Err(HealthError::NotReady(why)) => Err(Failure::unavailable(Cause::NotReady, why)),
        Err(error @ HealthError::NoAnswer { .. }) => {
            Err(Failure::unavailable(Cause::NotReady, error.to_string()).hint("the server's log"))
        }
    }
}
