//! Commands of this very program, run as a user would run them.

use std::{
    env,
    ffi::OsString,
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
};

use crate::testbed::Testbed;
use tokio::process::Command;

use crate::error::{LabError, OrFail as _};

/// How client commands are run.
pub(super) struct Commands {
    /// This program, or what runs it on the stage.
    command: Vec<OsString>,
    /// What the environment says. Where the stage runs commands, it takes care of that.
    variables: Vec<(&'static str, String)>,
    /// For what commands keep between runs: nothing of the user's.
    home: PathBuf,
}

/// What a command said, and how it ended.
pub(super) struct Said {
    /// The command as it could be typed.
    pub(super) line: String,
    /// Standard output, then standard error.
    pub(super) text: String,
    /// Its exit code.
    pub(super) exit: Option<i32>,
}

impl Commands {
    pub(super) fn new(program: &Path, cluster: &Testbed) -> Self {
        let (command, variables) = match cluster.command() {
            Some(words) => (words.iter().map(OsString::from).collect(), Vec::new()),
            None => (vec![program.into()], variables(cluster)),
        };
        Self {
            command,
            variables,
            home: cluster.directory().join("home"),
        }
    }

    /// Runs `quorid` with these arguments, as the operator.
    pub(super) async fn run(&self, arguments: &[&str]) -> Result<Said, LabError> {
        self.run_with(arguments, Stdio::null()).await
    }

    /// Runs `quorid` with a file as standard input, which the last argument, `-`, stands for.
    pub(super) async fn run_on(&self, arguments: &[&str], file: &Path) -> Result<Said, LabError> {
        let input = File::open(file).or_fail(format_args!("cannot read {}", file.display()))?;
        let mut said = self.run_with(arguments, input.into()).await?;
        said.line
            .push_str(&format!(" < {}", quoted(&file.to_string_lossy())));
        Ok(said)
    }

    async fn run_with(&self, arguments: &[&str], input: Stdio) -> Result<Said, LabError> {
        let (program, first) = self.command.split_first().expect("a command has a program");
        let mut command = Command::new(program);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("QUORID_") {
                command.env_remove(&name);
            }
        }
        let output = command
            .args(first)
            .args(arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("XDG_CACHE_HOME", self.home.join("cache"))
            .env("XDG_CONFIG_HOME", self.home.join("config"))
            .stdin(input)
            .kill_on_drop(true)
            .output()
            .await
            .or_fail(format_args!("cannot run {}", program.display()))?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        let words = arguments.iter().map(|argument| quoted(argument));
        Ok(Said {
            line: format!("quorid {}", words.collect::<Vec<_>>().join(" ")),
            text,
            exit: output.status.code(),
        })
    }
}

/// What a user sets to talk to a cluster as its operator.
pub(super) fn variables(cluster: &Testbed) -> Vec<(&'static str, String)> {
    let files = cluster.operator_files();
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    vec![
        ("QUORID_SERVERS", cluster.client_addresses().join(",")),
        ("QUORID_CA", text(cluster.authority())),
        ("QUORID_CERT", text(files.certificate)),
        ("QUORID_KEY", text(files.key)),
    ]
}

/// The text as one word of a shell.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-:,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_or_expand_them() {
        for (word, expected) in [
            ("samples/accounts.csv", "samples/accounts.csv"),
            ("joão.brandão", "joão.brandão"),
            ("Ana Lima", "'Ana Lima'"),
            ("o'brien", r"'o'\''brien'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
