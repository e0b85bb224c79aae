//! TLS for both ports: loading and checking of certificates, and who a certificate speaks for.
//!
//! One CA belongs to one cluster. Its certificates tell the role of their holder in the
//! subject's organisational unit: `quorid-server` (common name: the server's name) or
//! `quorid-operator`. Servers verify each other by the DNS name `<server name>.server.quorid`,
//! whatever the address they connect to.

mod explain;

use std::{path::PathBuf, sync::Arc};

use quorid_api::pem::{self, PemError};
use rustls::{
    ClientConfig, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    crypto::CryptoProvider,
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Name};

use self::explain::explain;
pub use self::explain::handshake_failure;

/// Organisational unit of a server's certificate.
pub const SERVER_UNIT: &str = "quorid-server";
/// Organisational unit of an operator's certificate.
pub const OPERATOR_UNIT: &str = "quorid-operator";

const ALPN_H2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Where a server's certificates are, PEM all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The cluster's CA.
    pub ca: PathBuf,
    /// The server's certificate, and what lies between it and the CA, if anything.
    pub cert: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// A file is of no use.
    #[error(transparent)]
    File(#[from] PemError),
    /// A certificate that doesn't serve its purpose.
    #[error("certificate {} {reason}; try: {remedy}", path.display())]
    Unfit {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// The TLS library refuses the combination.
    #[error("TLS: {0}")]
    Refused(String),
}

/// Whom a certificate of the cluster's CA speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// The server of this name.
    Server(String),
    /// The operator of this name.
    Operator(String),
    /// Nobody that the cluster gives a role.
    Other,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server(name) => write!(f, "server {name}"),
            Self::Operator(name) => write!(f, "operator {name}"),
            Self::Other => f.write_str("nobody in particular"),
        }
    }
}

/// Reads the holder from the subject. Says nothing on whether the certificate is valid.
#[must_use]
pub fn holder_of(certificate: &CertificateDer<'_>) -> Holder {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Holder::Other;
    };
    let subject = parsed.subject();
    let (Some(unit), Some(name)) = (unit_of(subject), name_of(subject)) else {
        return Holder::Other;
    };
    match unit {
        SERVER_UNIT => Holder::Server(name.to_owned()),
        OPERATOR_UNIT => Holder::Operator(name.to_owned()),
        _ => Holder::Other,
    }
}

/// Whether this may stand between the dots of a host name, in lower case. A server's name must:
/// its peers verify it as part of one.
pub(crate) fn is_host_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The DNS name in a server's certificate that its peers verify.
#[must_use]
pub fn peer_server_name(name: &str) -> String {
    format!("{name}.server.quorid")
}

fn unit_of<'a>(subject: &'a X509Name<'_>) -> Option<&'a str> {
    subject.iter_organizational_unit().next()?.as_str().ok()
}

fn name_of<'a>(subject: &'a X509Name<'_>) -> Option<&'a str> {
    subject.iter_common_name().next()?.as_str().ok()
}

/// A server's certificates and key, loaded.
pub struct ServerTls {
    files: TlsFiles,
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Reads the files. `check` says whether they fit.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsSetupError> {
        Ok(Self {
            files: files.clone(),
            roots: Arc::new(pem::trusted(&files.ca)?),
            chain: pem::certificates("the server's certificate", &files.cert)?,
            key: pem::private_key(&files.key)?,
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        })
    }

    /// Makes sure that the certificate is the one of server `name`, valid now, and of the CA.
    pub fn check(&self, name: &str) -> Result<(), TlsSetupError> {
        let again = format!(
            "quorid cert server {name}, in the directory of the cluster's CA, and use what it writes"
        );
        let unfit = |reason: String| TlsSetupError::Unfit {
            path: self.files.cert.clone(),
            reason,
            remedy: again.clone(),
        };
        let own = &self.chain[0];
        match holder_of(own) {
            Holder::Server(holder) if holder == name => {}
            Holder::Server(holder) => {
                return Err(unfit(format!(
                    "is the one of server `{holder}`, not of `{name}`"
                )));
            }
            Holder::Operator(holder) => {
                return Err(unfit(format!(
                    "is the one of operator `{holder}`, not of a server"
                )));
            }
            Holder::Other => {
                return Err(unfit(format!(
                    "isn't a server's: its subject must have the organisational unit {SERVER_UNIT}"
                )));
            }
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::clone(&self.roots),
            Arc::clone(&self.provider),
        )
        .build()
        .map_err(refused)?;
        let dns_name = peer_server_name(name);
        let server_name = ServerName::try_from(dns_name.clone()).map_err(|_| {
            unfit(format!(
                "cannot be verified: `{name}` isn't part of a host name"
            ))
        })?;
        verifier
            .verify_server_cert(own, &self.chain[1..], &server_name, &[], UnixTime::now())
            .map_err(|error| unfit(explain(&error, &self.files.ca, &dns_name)))?;
        // Only a key that belongs to the certificate is taken.
        self.server_config_peers().map(drop)
    }

    /// For the clients' port: h2 and HTTP/1.1, client certificates optional.
    pub fn server_config_clients(&self) -> Result<Arc<ServerConfig>, TlsSetupError> {
        let verifier = WebPkiClientVerifier::builder_with_provider(
            Arc::clone(&self.roots),
            Arc::clone(&self.provider),
        )
        .allow_unauthenticated()
        .build()
        .map_err(|error| TlsSetupError::Refused(error.to_string()))?;
        self.server_config(verifier, &[ALPN_H2, ALPN_HTTP1])
    }

    /// For the peers' port: h2 only, and a server's certificate is required.
    pub fn server_config_peers(&self) -> Result<Arc<ServerConfig>, TlsSetupError> {
        let any = WebPkiClientVerifier::builder_with_provider(
            Arc::clone(&self.roots),
            Arc::clone(&self.provider),
        )
        .build()
        .map_err(|error| TlsSetupError::Refused(error.to_string()))?;
        self.server_config(Arc::new(ServersOnly { any }), &[ALPN_H2])
    }

    /// For connections to peers: shows the server's certificate, trusts the CA only.
    pub fn client_config_peers(&self) -> Result<Arc<ClientConfig>, TlsSetupError> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_root_certificates(Arc::clone(&self.roots))
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| self.key_refused(&error))?;
        config.alpn_protocols = vec![ALPN_H2.to_vec()];
        Ok(Arc::new(config))
    }

    /// For a look at this server's own clients' port: HTTP/1.1, shows no certificate.
    pub fn client_config_own(&self) -> Result<Arc<ClientConfig>, TlsSetupError> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN_HTTP1.to_vec()];
        Ok(Arc::new(config))
    }

    fn server_config(
        &self,
        verifier: Arc<dyn ClientCertVerifier>,
        protocols: &[&[u8]],
    ) -> Result<Arc<ServerConfig>, TlsSetupError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| self.key_refused(&error))?;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }

    fn key_refused(&self, error: &rustls::Error) -> TlsSetupError {
        TlsSetupError::Unfit {
            path: self.files.cert.clone(),
            reason: format!(
                "and private key {} don't go together: {error}",
                self.files.key.display()
            ),
            remedy: "the key that was made together with the certificate".to_owned(),
        }
    }
}

/// Lets servers in and nobody else, operators neither.
#[derive(Debug)]
struct ServersOnly {
    any: Arc<dyn ClientCertVerifier>,
}

#[derive(Debug, thiserror::Error)]
enum NotAServer {
    #[error("the certificate is the one of operator `{0}`; this port is for servers only")]
    Operator(String),
    #[error("the certificate isn't a server's; this port is for servers only")]
    Other,
}

impl ClientCertVerifier for ServersOnly {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.any.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self
            .any
            .verify_client_cert(end_entity, intermediates, now)?;
        let refusal = match holder_of(end_entity) {
            Holder::Server(_) => return Ok(verified),
            Holder::Operator(name) => NotAServer::Operator(name),
            Holder::Other => NotAServer::Other,
        };
        Err(rustls::CertificateError::Other(rustls::OtherError(Arc::new(refusal))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.any
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.any
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.any.supported_verify_schemes()
    }
}

fn refused(error: impl std::fmt::Display) -> TlsSetupError {
    TlsSetupError::Refused(error.to_string())
}

#[cfg(test)]
mod tests;
