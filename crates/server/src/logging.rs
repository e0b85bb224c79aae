//! Log lines, to standard error: a sentence for people, or all fields as JSON for machines.
//!
//! Every line's sentence says all that its fields do.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{
    EnvFilter, Layer as _, fmt::format::debug_fn, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::config::LogFormat;

/// What the libraries may say. The consensus engine reports each attempt to reach a server
/// that is down, and each message that came while it stopped; `node` logs the first once,
/// and gives the second to whoever asked. The listener logs a refused handshake.
const LIBRARIES: &str = "warn,rustls=error,openraft=error,openraft::raft=off,\
    openraft::replication=off,openraft::network=off";

/// Starts logging. `QUORID_LOG` or `RUST_LOG`, where set, say what is logged, in the usual
/// syntax; `verbose` adds this program's debug lines otherwise.
pub fn start(format: LogFormat, verbose: bool) -> anyhow::Result<()> {
    let filter = filter(
        |name| std::env::var(name).ok().filter(|value| !value.is_empty()),
        verbose,
    )?;
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let layer = match format {
        LogFormat::Human => {
            let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let sentence = debug_fn(|writer, field, value| match field.name() {
                "message" => write!(writer, "{value:?}"),
                _ => Ok(()),
            });
            layer
                .with_ansi(colour)
                .with_target(verbose)
                .fmt_fields(sentence)
                .boxed()
        }
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init()
        .map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}

fn filter(variable: impl Fn(&str) -> Option<String>, verbose: bool) -> anyhow::Result<EnvFilter> {
    for name in ["QUORID_LOG", "RUST_LOG"] {
        if let Some(directives) = variable(name) {
            return EnvFilter::try_new(&directives).map_err(|error| {
                anyhow::anyhow!(
                    "{name} is `{directives}`: {error}; write it like quorid=debug,warn"
                )
            });
        }
    }
    let own = if verbose { "debug" } else { "info" };
    Ok(EnvFilter::new(format!("{LIBRARIES},quorid={own}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorid_log_wins_over_rust_log_and_both_over_the_flag() {
        let both = |name: &str| {
            Some(
                if name == "QUORID_LOG" {
                    "quorid=trace"
                } else {
                    "warn"
                }
                .to_owned(),
            )
        };
        assert_eq!(
            filter(both, false).expect("valid").to_string(),
            "quorid=trace"
        );
        let rust = |name: &str| (name == "RUST_LOG").then(|| "info".to_owned());
        assert_eq!(filter(rust, true).expect("valid").to_string(), "info");
    }

    #[test]
    fn verbose_adds_debug_lines_of_this_program_only() {
        let of = |verbose| filter(|_| None, verbose).expect("valid").to_string();
        assert!(of(false).contains("quorid=info"));
        assert!(of(true).contains("quorid=debug") && of(true).contains("openraft=error"));
    }

    #[test]
    fn a_malformed_variable_is_named() {
        let bad = |name: &str| (name == "QUORID_LOG").then(|| "quorid=loud".to_owned());
        let error = filter(bad, false).expect_err("refused").to_string();
        assert!(error.starts_with("QUORID_LOG is `quorid=loud`"), "{error}");
    }
}
