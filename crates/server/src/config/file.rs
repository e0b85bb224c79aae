//! Reading the configuration file, with errors that name the file, the key and what was meant.

use std::path::{Path, PathBuf};

use super::{ConfigError, PasswordFlags, ServerSettings, TlsFlags};

/// Reads the settings of a file. Paths in it count from the file's directory.
pub(super) fn read(path: &Path) -> Result<ServerSettings, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
        file: path.to_owned(),
        reason: error.to_string(),
    })?;
    let mut settings = parse(path, &text)?;
    let from = path.parent().unwrap_or_else(|| Path::new(""));
    let tls = &mut settings.tls;
    for entry in [
        &mut settings.data_dir,
        &mut tls.ca,
        &mut tls.cert,
        &mut tls.key,
    ] {
        *entry = entry.take().map(|relative: PathBuf| from.join(relative));
    }
    Ok(settings)
}

/// The settings in the text of a configuration file, which errors call `path`. Paths in it stay as
/// they are written.
pub fn parse(path: &Path, text: &str) -> Result<ServerSettings, ConfigError> {
    let malformed = |error: toml::de::Error| ConfigError::Malformed {
        file: path.to_owned(),
        reason: error.to_string().trim_end().to_owned(),
    };
    let table: toml::Table = toml::from_str(text).map_err(malformed)?;
    refuse_unknown(path, "", &table, ServerSettings::KEYS)?;
    for (name, known) in [("tls", TlsFlags::KEYS), ("password", PasswordFlags::KEYS)] {
        if let Some(inner) = table.get(name).and_then(toml::Value::as_table) {
            refuse_unknown(path, &format!("{name}."), inner, known)?;
        }
    }
    toml::from_str(text).map_err(malformed)
}

fn refuse_unknown(
    path: &Path,
    within: &str,
    table: &toml::Table,
    known: &[&str],
) -> Result<(), ConfigError> {
    let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) else {
        return Ok(());
    };
    Err(ConfigError::UnknownKey {
        file: path.to_owned(),
        key: format!("{within}{key}"),
        hint: match nearest(key, known) {
            Some(near) => format!("did you mean `{within}{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        },
    })
}

/// The known key that was probably meant, if one is close enough.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::levenshtein(key, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use clap::Args as _;

    use super::*;

    fn error(text: &str) -> String {
        parse(Path::new("quorid.toml"), text)
            .expect_err("refused")
            .to_string()
    }

    #[test]
    fn every_known_key_is_taken() {
        let text = r#"
            name = "n1"
            data_dir = "data"
            client_listen = "0.0.0.0:1"
            client_address = "a:1"
            peer_listen = "0.0.0.0:2"
            peer_address = "a:2"
            initial_servers = ["n1=a:2,a:1", { name = "n2", peer_address = "b:2", client_address = "b:1" }]
            join = false
            form_alone = true
            access = "open"
            self_rename = true
            timing = "wan"
            heartbeat_ms = 1
            election_min_ms = 2
            election_max_ms = 3
            checkpoint_interval_ms = 4
            checkpoint_bytes = 5
            log_keep_entries = 6
            snapshot_after_entries = 7
            server_threads = 10
            cache_bytes = 8
            log_cache_bytes = 9
            log_format = "json"
            verbose = true
            [tls]
            ca = "ca"
            cert = "cert"
            key = "key"
            [password]
            memory_kib = 1
            iterations = 2
            parallelism = 3
            threads = 4
            queue = 5
        "#;
        let settings = parse(Path::new("quorid.toml"), text).expect("valid");
        assert_eq!(
            settings.initial_servers.expect("given")[1].peer_address,
            "b:2"
        );
        let table: toml::Table = toml::from_str(text).expect("valid");
        assert_eq!(
            table.len(),
            ServerSettings::KEYS.len(),
            "a key is missing from this test"
        );
    }

    /// One row for each setting, with its key, flag and variable.
    #[test]
    fn the_reference_has_the_settings_and_no_others() {
        const PAGE: &str = include_str!("../../../../docs/reference/configuration.md");
        let of = |table: &str, args: clap::Command| -> Vec<String> {
            args.get_arguments()
                .map(|arg| {
                    let flag = arg.get_long().expect("every setting has a flag");
                    let flag = match arg.get_short() {
                        Some(short) => format!("`--{flag}`, `-{short}`"),
                        None => format!("`--{flag}`"),
                    };
                    let variable = arg.get_env().expect("every setting has a variable");
                    let key = arg.get_id();
                    format!("| `{table}{key}` | {flag} | `{}` |", variable.display())
                })
                .collect()
        };
        let mut rows = of("", ServerSettings::augment_args(clap::Command::new("all")));
        let tables = [
            ("tls.", TlsFlags::augment_args(clap::Command::new("tls"))),
            (
                "password.",
                PasswordFlags::augment_args(clap::Command::new("password")),
            ),
        ];
        for (table, args) in tables {
            let inner: Vec<_> = args
                .get_arguments()
                .map(|arg| arg.get_id().clone())
                .collect();
            rows.retain(|row| {
                !inner
                    .iter()
                    .any(|id| row.starts_with(&format!("| `{id}` ")))
            });
            rows.extend(of(table, args));
        }
        for row in &rows {
            assert!(
                PAGE.contains(row),
                "{row} is not in docs/reference/configuration.md"
            );
        }
        let documented = PAGE
            .lines()
            .filter(|line| line.starts_with("| `") && line.contains("` | `--"));
        assert_eq!(
            documented.count(),
            rows.len(),
            "rows for what is no setting"
        );
    }

    #[test]
    fn errors_name_the_file_the_key_and_what_was_meant() {
        let table = [
            (
                "hartbeat_ms = 5",
                "quorid.toml: unknown key `hartbeat_ms`; did you mean `heartbeat_ms`?",
            ),
            (
                "[password]\nmemory = 5",
                "`password.memory`; did you mean `password.memory_kib`?",
            ),
            ("[tls]\nfoo = 5", "`tls.foo`; known here: ca, cert, key"),
            ("zzz = 5", "unknown key `zzz`; known here: name, data_dir"),
            ("heartbeat_ms = \"fast\"", "line 1"),
            ("access = \"ajar\"", "closed"),
            (
                "initial_servers = [\"n1\"]",
                "name=peer_address,client_address",
            ),
            ("name = ", "quorid.toml"),
        ];
        for (text, expected) in table {
            let error = error(text);
            assert!(
                error.contains(expected),
                "{error:?} should say {expected:?}"
            );
        }
    }
}
