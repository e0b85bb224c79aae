//! What a client command runs with: flags over environment over configuration file.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use quorid_api::{Endpoint, Password};
use serde::Deserialize;

use super::{
    errors::{Failure, OrFailure as _, hints},
    options::{ClientOptions, parse_duration},
    terminal::{Color, Format},
};

/// One variable of the environment; a function, so that tests have their own.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Everything resolved.
#[derive(Clone, Debug)]
pub(crate) struct ClientSettings {
    pub(crate) servers: Vec<String>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) user: Option<String>,
    pub(crate) user_password: UserPassword,
    pub(crate) timeout: Option<Duration>,
    pub(crate) format: Format,
    pub(crate) color: Color,
    pub(crate) verbose: u8,
    /// Where the file is, or would be.
    pub(crate) config: Option<PathBuf>,
}

/// Where the password of `user` comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UserPassword {
    Ask,
    File(PathBuf),
    Known(Password),
}

/// The configuration file. Paths in it are relative to it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    servers: Option<Vec<String>>,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    user: Option<String>,
    user_password_file: Option<PathBuf>,
    timeout: Option<String>,
    output: Option<Format>,
    color: Option<Color>,
}

impl ClientSettings {
    pub(crate) fn resolve(
        options: ClientOptions,
        environment: Environment<'_>,
    ) -> Result<Self, Failure> {
        let env = Variables(environment);
        let (config, file) = read_config(options.config.clone(), &env)?;
        Self::over_file(options, &env, config, file)
    }

    pub(super) fn over_file(
        options: ClientOptions,
        env: &Variables<'_>,
        config: Option<PathBuf>,
        file: ConfigFile,
    ) -> Result<Self, Failure> {
        let file_dir = config
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""));
        let of_file = |path: Option<PathBuf>| path.map(|path| file_dir.join(path));
        let timeout = match (options.timeout, env.text("QUORID_TIMEOUT")?) {
            (Some(timeout), _) => Some(timeout),
            (None, Some(text)) => Some(duration(&text, "QUORID_TIMEOUT")?),
            (None, None) => match &file.timeout {
                Some(text) => Some(duration(text, "`timeout` in the configuration file")?),
                None => None,
            },
        };
        let user_password = if let Some(path) = options.user_password_file {
            UserPassword::File(path)
        } else if let Some(password) = env.text("QUORID_USER_PASSWORD")? {
            UserPassword::Known(Password::from(password))
        } else if let Some(path) = env
            .path("QUORID_USER_PASSWORD_FILE")
            .or(of_file(file.user_password_file))
        {
            UserPassword::File(path)
        } else {
            UserPassword::Ask
        };
        let settings = Self {
            servers: servers(options.servers, file.servers, env)?,
            ca: options.ca.or(env.path("QUORID_CA")).or(of_file(file.ca)),
            cert: options
                .cert
                .or(env.path("QUORID_CERT"))
                .or(of_file(file.cert)),
            key: options.key.or(env.path("QUORID_KEY")).or(of_file(file.key)),
            user: options.user.or(env.text("QUORID_USER")?).or(file.user),
            user_password,
            timeout,
            format: options
                .display
                .output
                .or(env.word("QUORID_OUTPUT")?)
                .or(file.output)
                .unwrap_or_default(),
            color: options
                .display
                .color
                .or(env.word("QUORID_COLOR")?)
                .or(file.color)
                .unwrap_or_default(),
            verbose: options.display.verbose,
            config,
        };
        Ok(settings)
    }
}

/// The format of errors while the settings are not known yet.
pub(crate) fn early_format(options: &ClientOptions, environment: Environment<'_>) -> Format {
    let from_environment = || Variables(environment).word("QUORID_OUTPUT").ok().flatten();
    options
        .display
        .output
        .or_else(from_environment)
        .unwrap_or_default()
}

/// Where the configuration file is looked for, unless it is named.
fn usual_config(env: &Variables<'_>) -> Option<PathBuf> {
    env.path("XDG_CONFIG_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| Some(env.path("HOME")?.join(".config")))
        .map(|dir| dir.join("quorid").join("client.toml"))
}

fn read_config(
    given: Option<PathBuf>,
    env: &Variables<'_>,
) -> Result<(Option<PathBuf>, ConfigFile), Failure> {
    let given = given.or(env.path("QUORID_CONFIG"));
    let Some(path) = given.clone().or(usual_config(env)) else {
        return Ok((None, ConfigFile::default()));
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if given.is_none() && error.kind() == io::ErrorKind::NotFound => {
            return Ok((Some(path), ConfigFile::default()));
        }
        Err(error) => {
            return Err(Failure::input(format!(
                "cannot read the configuration file `{}`: {error}",
                path.display()
            )));
        }
    };
    let file = parse_config(&path, &text)?;
    Ok((Some(path), file))
}

pub(super) fn parse_config(path: &Path, text: &str) -> Result<ConfigFile, Failure> {
    toml::from_str(text).map_err(|error| {
        Failure::usage(format!(
            "the configuration file `{}` is not valid: {}",
            path.display(),
            error.to_string().trim_end()
        ))
        .hint("the keys that docs/reference/command-line.md describes")
    })
}

fn servers(
    given: Vec<String>,
    of_file: Option<Vec<String>>,
    env: &Variables<'_>,
) -> Result<Vec<String>, Failure> {
    let (servers, source) = if !given.is_empty() {
        (given, "--servers")
    } else if let Some(list) = env.text("QUORID_SERVERS")? {
        (
            list.split(',').map(str::to_owned).collect(),
            "QUORID_SERVERS",
        )
    } else {
        (of_file.unwrap_or_default(), "the configuration file")
    };
    let servers: Vec<_> = servers
        .iter()
        .map(|server| server.trim())
        .filter(|server| !server.is_empty())
        .map(str::to_owned)
        .collect();
    for server in &servers {
        let usage = |message| Failure::usage(message).hint(hints::ADDRESS);
        server.parse::<Endpoint>().or_failure(usage, source)?;
    }
    Ok(servers)
}

fn duration(text: &str, source: &str) -> Result<Duration, Failure> {
    parse_duration(text).or_failure(Failure::usage, source)
}

/// The environment. A variable that is empty counts as not set.
pub(super) struct Variables<'a>(pub(super) Environment<'a>);

impl Variables<'_> {
    fn path(&self, name: &str) -> Option<PathBuf> {
        (self.0)(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    }

    fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        (self.0)(name)
            .filter(|value| !value.is_empty())
            .map(OsString::into_string)
            .transpose()
            .map_err(|_| Failure::usage(format!("{name} is not valid UTF-8")))
    }

    fn word<T: clap::ValueEnum>(&self, name: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        T::from_str(&text, true).map(Some).map_err(|_| {
            let known: Vec<_> = T::value_variants()
                .iter()
                .filter_map(|value| Some(value.to_possible_value()?.get_name().to_owned()))
                .collect();
            Failure::usage(format!("{name}: `{text}` is none of {}", known.join(", ")))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests;
