//! Why a certificate couldn't be made or read, with a remedy.

use std::{io, path::PathBuf};

use quorid_api::pem::PemError;

/// Why a certificate couldn't be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// A file of that name is there.
    #[error("`{path}` is there already and is not overwritten{remedy}")]
    Exists {
        /// The file.
        path: PathBuf,
        /// What to do about it, as the end of the sentence.
        remedy: &'static str,
    },
    /// A server's name must be a host name's label, because the other servers verify it as such.
    #[error(
        "`{name}` cannot be a server's name: it takes 1 to 63 of the characters a-z, 0-9 and `-`, \
         doesn't begin or end with `-`, and isn't `ca`; for example `s1`"
    )]
    ServerName {
        /// The name.
        name: String,
    },
    /// An operator's name is also a file's name.
    #[error(
        "`{name}` cannot be an operator's name: it takes 1 to 63 of the characters A-Z, a-z, 0-9, \
         `.`, `_`, `@` and `-`, begins with a letter or digit, and isn't `ca`; for example `admin`"
    )]
    OperatorName {
        /// The name.
        name: String,
    },
    /// A host is neither an address nor a host name.
    #[error("`{host}` is neither an IP address nor a host name; for example 10.0.0.1 or s1.lan")]
    Host {
        /// What was given.
        host: String,
    },
    /// Nobody could verify a server without a host.
    #[error(
        "server `{name}` needs at least one host that clients reach it by; for example 10.0.0.1"
    )]
    NoHost {
        /// The server's name.
        name: String,
    },
    /// The authority has expired.
    #[error("the CA `{path}` has expired: make a new one in another directory")]
    AuthorityExpired {
        /// The authority's certificate.
        path: PathBuf,
    },
    /// The authority's key isn't its certificate's.
    #[error("`{key}` isn't the private key of `{certificate}`: both must come from one `cert ca`")]
    AuthorityMismatch {
        /// The authority's certificate.
        certificate: PathBuf,
        /// The key that doesn't fit.
        key: PathBuf,
    },
    /// A certificate's file is of no use.
    #[error(transparent)]
    File(#[from] PemError),
    /// The authority's files are of no use.
    #[error("{error}; make a CA with `quorid cert ca`, or name its directory with --ca")]
    Authority {
        /// Which of them, and why.
        error: PemError,
    },
    /// A file couldn't be written.
    #[error("cannot write `{path}`: {error}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The certificate couldn't be signed.
    #[error("cannot make the certificate: {0}")]
    Sign(#[from] rcgen::Error),
}
