//! What every client command works with: a client of the cluster, and where results go.

use std::{env, fs, time::Duration};

use quorid_api::{
    Client, ClientConfig, Credentials,
    tls::{self, ClientTls, ClientTlsFiles},
};

use super::{
    errors::Failure,
    kept::{self, Kept},
    password,
    settings::{ClientSettings, UserPassword},
    terminal::Output,
};

/// A client command's surroundings.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) out: Output,
    config: ClientConfig,
    kept: Kept,
}

impl Context {
    /// Reads the certificates, asks for the password if there is one to ask for, and sets the
    /// client up. Connects to nothing yet.
    pub(crate) fn open(settings: &ClientSettings) -> Result<Self, Failure> {
        if settings.servers.is_empty() {
            return Err(missing(
                settings,
                "no server is given",
                "servers",
                "127.0.0.1:7400",
            ));
        }
        let tls = load_tls(settings)?;
        let ca = settings
            .ca
            .as_deref()
            .and_then(|path| fs::read(path).ok())
            .unwrap_or_default();
        let cache_dir = kept::cache_dir(&|name| env::var_os(name));
        let kept = Kept::load(cache_dir, &settings.servers, &ca);
        let mut config = ClientConfig::new(kept.merged_with(&settings.servers)).with_tls(tls);
        if let Some(timeout) = settings.timeout {
            config.deadline = timeout;
            config.attempt_timeout = config.attempt_timeout.min(timeout);
            config.connect_timeout = config.connect_timeout.min(timeout);
        }
        config.credentials = credentials(settings)?;
        Ok(Self {
            client: Client::new(config.clone())?,
            out: Output {
                format: settings.format,
            },
            config,
            kept,
        })
    }

    /// Another client of the same cluster, with connections of its own.
    pub(crate) fn another_client(&self) -> Result<Client, Failure> {
        Ok(Client::new(self.config.clone())?)
    }

    /// How long a request with all its retries may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.config.deadline
    }

    /// The highest revision that earlier runs on this cluster saw.
    pub(crate) fn kept_revision(&self) -> u64 {
        self.kept.revision()
    }

    /// Keeps what was learned for the next run.
    pub(crate) fn close(self) {
        let revision = self.kept.revision().max(self.client.session_revision());
        if revision == 0 {
            // No server ever answered: these addresses may be mistyped.
            return;
        }
        self.kept.store(self.client.known_servers(), revision);
    }
}

fn load_tls(settings: &ClientSettings) -> Result<ClientTls, Failure> {
    let Some(ca) = settings.ca.clone() else {
        return Err(missing(
            settings,
            "the certificate of the cluster's authority is not given",
            "ca",
            "certs/ca.crt",
        ));
    };
    Ok(tls::load(&ClientTlsFiles {
        ca,
        cert: settings.cert.clone(),
        key: settings.key.clone(),
    })?)
}

fn credentials(settings: &ClientSettings) -> Result<Option<Credentials>, Failure> {
    let Some(login_name) = settings.user.clone() else {
        return Ok(None);
    };
    let password = match &settings.user_password {
        UserPassword::Known(password) => password.clone(),
        UserPassword::File(path) => password::from_file(path)?,
        UserPassword::Ask => password::ask(
            &format!("Password of {login_name}: "),
            "--user-password-file or QUORID_USER_PASSWORD",
        )?,
    };
    Ok(Some(Credentials {
        login_name,
        password,
    }))
}

fn missing(settings: &ClientSettings, what: &str, key: &str, example: &str) -> Failure {
    let file = settings.config.as_deref().map_or_else(String::new, |path| {
        format!(", or `{key}` in {}", path.display())
    });
    Failure::usage(what).hint(format!(
        "--{key} {example}, or the environment variable QUORID_{}{file}",
        key.to_uppercase()
    ))
}
