//! The options that every client command takes.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::terminal::{Color, Format};

/// How results are shown.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output options")]
pub(crate) struct DisplayOptions {
    /// Write results for people, or as JSON for programs [env: QUORID_OUTPUT] [default: text]
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = false)]
    pub(crate) output: Option<Format>,
    /// When to colour [env: QUORID_COLOR] [default: auto]
    #[arg(long, value_name = "WHEN", value_enum)]
    pub(crate) color: Option<Color>,
    /// Report on standard error what is done; -vv reports more
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Which cluster, and as whom. Each counts over the environment, and that over the
/// configuration file.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Client options")]
pub(crate) struct ClientOptions {
    /// Some servers of the cluster, `host:port`; the others are learned from them [env:
    /// QUORID_SERVERS]
    #[arg(long, value_name = "HOST:PORT,..", value_delimiter = ',')]
    pub(crate) servers: Vec<String>,
    /// Certificate of the cluster's authority, PEM [env: QUORID_CA]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// An operator's certificate, PEM [env: QUORID_CERT]
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// The private key of --cert, PEM [env: QUORID_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Act as this account; its password is asked for, or taken from --user-password-file or
    /// from QUORID_USER_PASSWORD [env: QUORID_USER]
    #[arg(long, value_name = "LOGIN NAME")]
    pub(crate) user: Option<String>,
    /// File with the password of --user [env: QUORID_USER_PASSWORD_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) user_password_file: Option<PathBuf>,
    /// How long a request and its retries may take, as in 500ms, 10s, 2m [env:
    /// QUORID_TIMEOUT] [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Configuration file [env: QUORID_CONFIG] [default: ~/.config/quorid/client.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) display: DisplayOptions,
}

impl ClientOptions {
    /// These, and where one isn't given, that of `outer`: options may stand before and after
    /// the command's name.
    pub(crate) fn over(self, outer: Self) -> Self {
        Self {
            servers: if self.servers.is_empty() {
                outer.servers
            } else {
                self.servers
            },
            ca: self.ca.or(outer.ca),
            cert: self.cert.or(outer.cert),
            key: self.key.or(outer.key),
            user: self.user.or(outer.user),
            user_password_file: self.user_password_file.or(outer.user_password_file),
            timeout: self.timeout.or(outer.timeout),
            config: self.config.or(outer.config),
            display: self.display.over(outer.display),
        }
    }

    /// The first that was given, as it is written; for commands that take none.
    pub(crate) fn first_given(&self) -> Option<&'static str> {
        [
            (!self.servers.is_empty(), "--servers"),
            (self.ca.is_some(), "--ca"),
            (self.cert.is_some(), "--cert"),
            (self.key.is_some(), "--key"),
            (self.user.is_some(), "--user"),
            (self.user_password_file.is_some(), "--user-password-file"),
            (self.timeout.is_some(), "--timeout"),
            (self.config.is_some(), "--config"),
        ]
        .into_iter()
        .find_map(|(given, name)| given.then_some(name))
    }
}

impl DisplayOptions {
    pub(crate) fn over(self, outer: Self) -> Self {
        Self {
            output: self.output.or(outer.output),
            color: self.color.or(outer.color),
            verbose: self.verbose.saturating_add(outer.verbose),
        }
    }
}

/// Longest time span that an option takes.
const SPAN_MAX: Duration = Duration::from_secs(24 * 3_600);

/// A time span as people write it: `500ms`, `10s`, `2m`, or seconds as a plain number.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let unit = if text.parse::<f64>().is_ok() { "s" } else { "" };
    let span = humantime::parse_duration(&format!("{text}{unit}"))
        .map_err(|_| format!("`{text}` is no time span: write it as in 500ms, 10s, 2m or 1h"))?;
    if !(Duration::from_millis(1)..=SPAN_MAX).contains(&span) {
        return Err(format!("`{text}` is not between 1ms and 24h"));
    }
    Ok(span)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_read_as_people_write_them() {
        for (text, ms) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("10", 10_000),
            ("1.5s", 1_500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1h 30m", 5_400_000),
        ] {
            assert_eq!(
                parse_duration(text).unwrap(),
                Duration::from_millis(ms),
                "{text}"
            );
        }
        for text in ["", "s", "-1s", "0", "1 year", "1e9", "inf", "25h", "1.2.3s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
