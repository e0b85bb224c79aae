//! `quorid completions`: what a shell needs to complete command lines.

use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, errors::Failure, terminal::stdout_failed};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid completions bash > ~/.local/share/bash-completion/completions/quorid
  quorid completions zsh > ~/.zfunc/_quorid
  quorid completions fish > ~/.config/fish/completions/quorid.fish";

/// For which shell.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(
        ["bash", "zsh", "fish", "powershell"]
    ))]
    shell: String,
}

pub(crate) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let shell = match args.shell.as_str() {
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        "powershell" => Shell::PowerShell,
        _ => Shell::Bash,
    };
    // Into memory first: the generator panics where a pipe is closed early.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "quorid", &mut script);
    io::stdout().write_all(&script).map_err(stdout_failed)
}
