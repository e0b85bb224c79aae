//! What a certificate file says: names, purpose, validity, fingerprint.

use std::path::Path;

use quorid_api::pem::{self, PemError};
use sha2::{Digest as _, Sha256};
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _, x509::X509Name,
};

use super::CertError;
use crate::tls::{OPERATOR_UNIT, SERVER_UNIT};

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It signs the others.
    Authority,
    /// It is a server's.
    Server,
    /// It is an operator's.
    Operator,
    /// It has none of the organisational units that Quorid gives.
    Other,
}

impl Purpose {
    /// One word, as shown to people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Server => "server",
            Self::Operator => "operator",
            Self::Other => "other",
        }
    }
}

/// What is worth knowing of one certificate.
#[derive(Clone, Debug)]
pub struct CertificateFacts {
    /// Common name of its subject.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Hosts it is valid for.
    pub hosts: Vec<String>,
    /// Common name of who signed it.
    pub issuer: String,
    /// Valid from, seconds since 1970.
    pub not_before: i64,
    /// Valid until, seconds since 1970.
    pub not_after: i64,
    /// SHA-256 of the certificate, in hexadecimal.
    pub fingerprint: String,
    /// The subject's public key, as it stands in the certificate.
    pub public_key: Vec<u8>,
}

/// What the certificates of a PEM file say, in their order.
pub fn inspect(path: &Path) -> Result<Vec<CertificateFacts>, CertError> {
    let what = "the certificate";
    let read = pem::certificates(what, path)?;
    let read = read.iter().map(|certificate| facts(certificate));
    let facts = read.collect::<Result<_, _>>();
    Ok(facts.map_err(|problem| PemError::new(what, path, problem))?)
}

/// What a certificate says, or why it is none. DER.
pub fn facts(der: &[u8]) -> Result<CertificateFacts, String> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    let unit = certificate
        .subject()
        .iter_organizational_unit()
        .next()
        .and_then(|unit| unit.as_str().ok());
    let purpose = match unit {
        _ if certificate.is_ca() => Purpose::Authority,
        Some(SERVER_UNIT) => Purpose::Server,
        Some(OPERATOR_UNIT) => Purpose::Operator,
        Some(_) | None => Purpose::Other,
    };
    Ok(CertificateFacts {
        name: common_name(certificate.subject()),
        purpose,
        hosts: hosts(&certificate),
        issuer: common_name(certificate.issuer()),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        fingerprint: fingerprint(der),
        public_key: certificate
            .public_key()
            .subject_public_key
            .data
            .clone()
            .into_owned(),
    })
}

fn common_name(name: &X509Name<'_>) -> String {
    name.iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok())
        .unwrap_or_default()
        .to_owned()
}

fn hosts(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    alternatives
        .value
        .general_names
        .iter()
        .map(|name| {
            if let GeneralName::DNSName(host) = name {
                (*host).to_owned()
            } else if let GeneralName::IPAddress(bytes) = name {
                address(bytes)
            } else {
                name.to_string()
            }
        })
        .collect()
}

fn address(bytes: &[u8]) -> String {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        std::net::Ipv4Addr::from(v4).to_string()
    } else if let Ok(v6) = <[u8; 16]>::try_from(bytes) {
        std::net::Ipv6Addr::from(v6).to_string()
    } else {
        format!("{bytes:02x?}")
    }
}

fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(":")
}
