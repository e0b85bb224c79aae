//! Whom the client trusts, and who it is: the cluster's CA and a client certificate.

use std::{fmt, path::PathBuf, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate of the cluster's CA.
    pub ca: PathBuf,
    /// The client's certificate and its chain. None: the client is no operator.
    pub cert: Option<PathBuf>,
    /// Private key of `cert`.
    pub key: Option<PathBuf>,
}

/// What a client needs to speak TLS. Cheap to clone.
#[derive(Clone)]
pub struct TlsSettings {
    pub(crate) config: Arc<ClientConfig>,
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsSettings(..)")
    }
}

impl TlsSettings {
    /// From a configuration made elsewhere. Offers HTTP/2 only, whatever it said before.
    pub fn from_config(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            config: Arc::new(config),
        }
    }
}

/// Why TLS can't be spoken, with a remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, unreadable, or not what it should be.
    #[error("cannot use {what} {}: {problem}\ntry: `quorid cert` makes the files", path.display())]
    File {
        /// `the CA certificate`, `the certificate`, `the private key`.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A certificate without a key, or the other way round.
    #[error(
        "a client certificate needs its private key: only the {given} is given\ntry: give both --cert and --key, or neither"
    )]
    Incomplete {
        /// `certificate` or `key`.
        given: &'static str,
    },
    /// The handshake failed.
    #[error("no secure connection to {server}: {problem}\ntry: {remedy}")]
    Handshake {
        /// `host:port`.
        server: String,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
}

/// Reads the files.
pub fn load(files: &TlsFiles) -> Result<TlsSettings, TlsError> {
    let file_error = |what, path: &PathBuf, problem: String| TlsError::File {
        what,
        path: path.clone(),
        problem,
    };
    let certificates = |what, path: &PathBuf| -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let found = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| file_error(what, path, error.to_string()))?;
        if found.is_empty() {
            return Err(file_error(
                what,
                path,
                "it has no PEM certificate".to_owned(),
            ));
        }
        Ok(found)
    };

    let mut roots = RootCertStore::empty();
    for certificate in certificates("the CA certificate", &files.ca)? {
        roots
            .add(certificate)
            .map_err(|error| file_error("the CA certificate", &files.ca, error.to_string()))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let config = match (&files.cert, &files.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(_), None) => {
            return Err(TlsError::Incomplete {
                given: "certificate",
            });
        }
        (None, Some(_)) => return Err(TlsError::Incomplete { given: "key" }),
        (Some(cert), Some(key)) => {
            let chain = certificates("the certificate", cert)?;
            let secret = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| file_error("the private key", key, error.to_string()))?;
            builder
                .with_client_auth_cert(chain, secret)
                .map_err(|error| file_error("the private key", key, error.to_string()))?
        }
    };
    Ok(TlsSettings::from_config(config))
}
