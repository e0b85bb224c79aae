//! Why a configuration is refused.

use std::path::PathBuf;

/// Why a configuration isn't valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration file {}: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file isn't TOML, or a value has the wrong type.
    #[error("configuration file {}: {reason}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// The file has a key that means nothing.
    #[error("configuration file {}: unknown key `{key}`; {hint}", file.display())]
    UnknownKey {
        /// The file.
        file: PathBuf,
        /// The key, with its table.
        key: String,
        /// The key that was meant, or those there are.
        hint: String,
    },
    /// A setting that has no default wasn't given.
    #[error(
        "setting `{key}` is missing; give it as --{flag}, as {variable}, or in the file of --config"
    )]
    Missing {
        /// The key in a file.
        key: &'static str,
        /// The flag.
        flag: String,
        /// The environment variable.
        variable: String,
    },
    /// A value that cannot be.
    #[error("setting `{key}`: {reason}")]
    Invalid {
        /// The key in a file.
        key: &'static str,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
}
