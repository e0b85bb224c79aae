//! Certificates and keys in PEM files. Clients, servers and `quorid cert` read them all here.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

/// A file that is missing, unreadable, or not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use {what} {}: {problem}", path.display())]
pub struct PemError {
    /// What it should be, such as `the private key`.
    pub what: &'static str,
    /// Which.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl PemError {
    /// For a file that was read and turned out to be of no use.
    pub fn new(what: &'static str, path: &Path, problem: impl ToString) -> Self {
        Self {
            what,
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }
}

/// The certificates of a file in their order, at least one.
pub fn certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates: Vec<_> = read.map_err(|error| unreadable(what, path, error))?;
    if certificates.is_empty() {
        return Err(PemError::new(what, path, "it has no PEM certificate"));
    }
    Ok(certificates)
}

/// The private key of a file.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    let read = PrivateKeyDer::from_pem_file(path);
    read.map_err(|error| unreadable("the private key", path, error))
}

/// The CA's certificates of a file, to be trusted.
pub fn trusted(path: &Path) -> Result<RootCertStore, PemError> {
    let what = "the CA certificate";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(what, path)? {
        roots
            .add(certificate)
            .map_err(|error| PemError::new(what, path, error))?;
    }
    Ok(roots)
}

fn unreadable(what: &'static str, path: &Path, error: pem::Error) -> PemError {
    if let pem::Error::Io(error) = error {
        return PemError::new(what, path, error);
    }
    if matches!(error, pem::Error::NoItemsFound) {
        return PemError::new(what, path, "it has none in PEM format");
    }
    if matches!(error, pem::Error::MissingSectionEnd { .. }) {
        return PemError::new(what, path, "it ends too early");
    }
    PemError::new(what, path, error)
}

#[cfg(test)]
mod tests;
