//! Where a password comes from: the terminal, standard input, a file, or, with a warning, the
//! command line.

use std::{
    fs,
    io::{self, BufRead, IsTerminal as _},
    path::{Path, PathBuf},
};

use clap::Args;
use quorid_api::Password;

use super::{
    errors::{Failure, OrFailure as _},
    terminal::Output,
};

/// Longest line read from standard input, bytes. The server's own bound is lower.
const BYTES_MAX: u64 = 64 * 1024;

/// The options that give an account's password.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PasswordOptions {
    /// The account's password; without a value it is asked for on the terminal. A value given
    /// here can be seen by every user of this machine
    #[arg(long, value_name = "PASSWORD", num_args = 0..=1, group = "password-source")]
    password: Option<Option<String>>,
    /// Read the account's password from standard input, up to the end of the line
    #[arg(long, group = "password-source")]
    password_stdin: bool,
    /// Read the account's password from this file; a line break at its end doesn't count
    #[arg(long, value_name = "FILE", group = "password-source")]
    password_file: Option<PathBuf>,
}

/// The options that give an account a new password.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct NewPasswordOptions {
    /// The account's new password; without a value it is asked for on the terminal. A value
    /// given here can be seen by every user of this machine
    #[arg(long, value_name = "PASSWORD", num_args = 0..=1, group = "new-password-source")]
    new_password: Option<Option<String>>,
    /// Read the new password from standard input: the next line, after that of
    /// --password-stdin
    #[arg(long, group = "new-password-source")]
    new_password_stdin: bool,
    /// Read the new password from this file; a line break at its end doesn't count
    #[arg(long, value_name = "FILE", group = "new-password-source")]
    new_password_file: Option<PathBuf>,
    /// Remove the password: anyone who may change accounts may change this one then
    #[arg(long, group = "new-password-source")]
    pub(crate) remove_password: bool,
}

/// Where a password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The terminal, without echo.
    Ask,
    /// The command line.
    Value(String),
    /// The next line of standard input.
    StandardInput,
    /// A file.
    File(PathBuf),
}

impl PasswordOptions {
    pub(crate) fn source(&self) -> Option<Source> {
        source(&self.password, self.password_stdin, &self.password_file)
    }
}

impl NewPasswordOptions {
    pub(crate) fn source(&self) -> Option<Source> {
        source(
            &self.new_password,
            self.new_password_stdin,
            &self.new_password_file,
        )
    }
}

fn source(
    value: &Option<Option<String>>,
    standard_input: bool,
    file: &Option<PathBuf>,
) -> Option<Source> {
    match (value, standard_input, file) {
        (Some(Some(value)), _, _) => Some(Source::Value(value.clone())),
        (Some(None), _, _) => Some(Source::Ask),
        (None, true, _) => Some(Source::StandardInput),
        (None, false, Some(path)) => Some(Source::File(path.clone())),
        (None, false, None) => None,
    }
}

/// How the terminal asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prompt<'a> {
    /// Shown before the cursor.
    pub(crate) text: &'a str,
    /// A new password is asked for twice, because a slip of the fingers would lock its owner out.
    pub(crate) twice: bool,
    /// The option, without value.
    pub(crate) option: &'a str,
}

/// The password, from where it is to come from.
pub(crate) fn read(source: Source, prompt: Prompt<'_>, out: Output) -> Result<Password, Failure> {
    match source {
        Source::Value(value) => {
            let option = prompt.option;
            out.warn(&format!(
                "a password on the command line can be seen by every user of this machine; \
                 {option} without a value asks for it, {option}-stdin and {option}-file read it"
            ));
            not_empty(value, option)
        }
        Source::Ask => {
            let others = format!("{0}-stdin or {0}-file", prompt.option);
            let first = ask(prompt.text, &others)?;
            if prompt.twice && ask("The same again: ", &others)? != first {
                return Err(Failure::usage("the two passwords are not the same"));
            }
            Ok(first)
        }
        Source::StandardInput => from_line(&mut io::stdin().lock()),
        Source::File(path) => from_file(&path),
    }
}

/// Asks on the terminal, without echo. `others` are the options that need no terminal.
pub(crate) fn ask(text: &str, others: &str) -> Result<Password, Failure> {
    match rpassword::prompt_password(text) {
        Ok(password) => not_empty(password, "the terminal"),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(Failure::interrupted()),
        Err(error) => Err(Failure::input(format!(
            "cannot ask for the password without a terminal: {error}"
        ))
        .hint(others)),
    }
}

/// Whether somebody is there to be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The content of a file, without the line break at its end.
pub(crate) fn from_file(path: &Path) -> Result<Password, Failure> {
    let name = path.display();
    let doing = format!("cannot read the password file `{name}`");
    let bytes = fs::metadata(path).or_failure(Failure::input, &doing)?.len();
    if bytes > BYTES_MAX {
        return Err(Failure::usage(format!(
            "the password file `{name}` has {bytes} bytes: is it the right one?"
        )));
    }
    let text = fs::read_to_string(path).or_failure(Failure::input, &doing)?;
    not_empty(without_line_break(&text).to_owned(), &format!("`{name}`"))
}

pub(super) fn from_line(input: &mut impl BufRead) -> Result<Password, Failure> {
    let mut line = String::new();
    io::Read::take(input, BYTES_MAX)
        .read_line(&mut line)
        .or_failure(
            Failure::input,
            "cannot read the password from standard input",
        )?;
    not_empty(without_line_break(&line).to_owned(), "standard input")
}

fn without_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// On the wire an empty password means none; here somebody meant to give one.
fn not_empty(password: String, source: &str) -> Result<Password, Failure> {
    if password.is_empty() {
        return Err(
            Failure::usage(format!("the password from {source} is empty"))
                .hint("leave the option out for an account without a password"),
        );
    }
    Ok(Password::from(password))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        password: PasswordOptions,
        #[command(flatten)]
        new_password: NewPasswordOptions,
    }

    fn parse(line: &str) -> Result<Line, clap::Error> {
        Line::try_parse_from(["x"].into_iter().chain(line.split_whitespace()))
    }

    #[test]
    fn each_option_is_its_source() {
        for (line, expected) in [
            ("", None),
            ("--password", Some(Source::Ask)),
            (
                "--password secret",
                Some(Source::Value("secret".to_owned())),
            ),
            (
                "--password=secret",
                Some(Source::Value("secret".to_owned())),
            ),
            ("--password-stdin", Some(Source::StandardInput)),
            ("--password-file pw", Some(Source::File("pw".into()))),
        ] {
            assert_eq!(parse(line).unwrap().password.source(), expected, "{line}");
            let line = line.replace("--password", "--new-password");
            assert_eq!(
                parse(&line).unwrap().new_password.source(),
                expected,
                "{line}"
            );
        }
    }

    #[test]
    fn two_sources_of_one_password_are_refused() {
        for line in [
            "--password --password-stdin",
            "--password-stdin --password-file pw",
            "--password secret --password-file pw",
            "--new-password --remove-password",
            "--new-password-file pw --remove-password",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse("--password-stdin --new-password-stdin").is_ok());
    }

    #[test]
    fn standard_input_gives_one_password_per_line() {
        let mut input = io::Cursor::new("old one\r\nnew one");
        assert_eq!(from_line(&mut input).unwrap().reveal(), "old one");
        assert_eq!(from_line(&mut input).unwrap().reveal(), "new one");
        assert!(from_line(&mut input).is_err());
    }

    #[test]
    fn only_the_last_line_break_of_a_file_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        for (content, password) in [
            ("a b", "a b"),
            ("a\n", "a"),
            ("a\n\n", "a\n"),
            (" a\r\n", " a"),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(from_file(&path).unwrap().reveal(), password);
        }
        for content in ["", "\n"] {
            fs::write(&path, content).unwrap();
            assert!(from_file(&path).unwrap_err().message.contains("empty"));
        }
        fs::write(&path, [0xff]).unwrap();
        assert!(from_file(&path).unwrap_err().message.contains("UTF-8"));
        assert!(
            from_file(&dir.path().join("none"))
                .unwrap_err()
                .message
                .contains("none")
        );
    }
}
