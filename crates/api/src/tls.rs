//! Whom the client trusts, and who it is: the cluster's CA and a client certificate.

use std::{fmt, io, path::PathBuf, sync::Arc};

use rustls::{AlertDescription, CertificateError, ClientConfig, crypto::ring};

use crate::{
    Endpoint,
    pem::{self, PemError},
};

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTlsFiles {
    /// Certificate of the cluster's CA.
    pub ca: PathBuf,
    /// The client's certificate and its chain. None: the client is no operator.
    pub cert: Option<PathBuf>,
    /// Private key of `cert`.
    pub key: Option<PathBuf>,
}

/// What a client needs to speak TLS. Cheap to clone.
#[derive(Clone)]
pub struct ClientTls {
    pub(crate) config: Arc<ClientConfig>,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls(..)")
    }
}

impl ClientTls {
    /// From a configuration made elsewhere. Offers HTTP/2 only, whatever it said before.
    pub fn from_config(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            config: Arc::new(config),
        }
    }
}

/// What the user can do about a handshake that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Trust the certificate of the cluster's own CA.
    Authority,
    /// Set the clocks of both machines right, or renew the server's certificate.
    Dates,
    /// Use an address that the server's certificate carries, or add this one to it.
    Name,
    /// Use the server's client address: something else answers at this port.
    Port,
    /// Use a client certificate that is of the cluster's CA and still valid.
    OwnCertificate,
    /// Use an operator's certificate.
    Operator,
}

/// Why TLS cannot be spoken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file is of no use.
    #[error(transparent)]
    File(#[from] PemError),
    /// A certificate without a key, or the other way round.
    #[error("a client certificate needs its private key: only the {given} is given")]
    Incomplete {
        /// `certificate` or `key`.
        given: &'static str,
    },
    /// The handshake failed.
    #[error("no secure connection to {server}: {problem}")]
    Handshake {
        /// `host:port`.
        server: String,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: Remedy,
    },
}

impl TlsError {
    /// In short, for a message that names the server and the remedy itself.
    pub(crate) fn problem(&self) -> String {
        match self {
            Self::Handshake { problem, .. } => format!("no secure connection: {problem}"),
            Self::File(_) | Self::Incomplete { .. } => self.to_string(),
        }
    }
}

/// Reads the files.
pub fn load(files: &ClientTlsFiles) -> Result<ClientTls, TlsError> {
    let roots = pem::trusted(&files.ca)?;
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
            let chain = pem::certificates("the certificate", cert)?;
            builder
                .with_client_auth_cert(chain, pem::private_key(key)?)
                .map_err(|error| PemError::new("the private key", key, error))?
        }
    };
    Ok(ClientTls::from_config(config))
}

/// The TLS failure in an I/O error; None where it is another kind of failure.
pub(crate) fn explain(error: &io::Error, server: &Endpoint) -> Option<TlsError> {
    let failure = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let (problem, remedy) = diagnose(failure, server);
    Some(TlsError::Handshake {
        server: server.to_string(),
        problem,
        remedy,
    })
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "rustls's enums grow; what isn't named here explains itself"
)]
fn diagnose(failure: &rustls::Error, server: &Endpoint) -> (String, Remedy) {
    match failure {
        rustls::Error::InvalidCertificate(problem) => match problem {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => (
                "its certificate is not from the CA that is trusted".into(),
                Remedy::Authority,
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                ("its certificate has expired".into(), Remedy::Dates)
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                ("its certificate is not valid yet".into(), Remedy::Dates)
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                (
                    format!("its certificate is not made out to `{}`", server.host()),
                    Remedy::Name,
                )
            }
            other => (
                format!("its certificate is refused: {other}"),
                Remedy::Authority,
            ),
        },
        rustls::Error::InvalidMessage(_) => ("it does not speak TLS".into(), Remedy::Port),
        rustls::Error::NoCertificatesPresented => ("it has no certificate".into(), Remedy::Port),
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => {
                ("it asks for a client certificate".into(), Remedy::Operator)
            }
            AlertDescription::CertificateExpired => (
                "it finds this client's certificate expired".into(),
                Remedy::OwnCertificate,
            ),
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError => (
                format!("it refuses this client's certificate ({alert:?})"),
                Remedy::OwnCertificate,
            ),
            AlertDescription::NoApplicationProtocol => {
                ("it does not speak HTTP/2".into(), Remedy::Port)
            }
            other => (format!("it ended the connection ({other:?})"), Remedy::Port),
        },
        other => (other.to_string(), Remedy::Port),
    }
}
