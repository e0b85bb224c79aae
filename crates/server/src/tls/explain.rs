//! The TLS library's verdicts in an operator's words.

use std::{io, path::Path};

/// Why a handshake failed, as the side that accepted the connection describes it.
#[must_use]
pub fn handshake_failure(error: &io::Error) -> String {
    use rustls::{AlertDescription as Alert, CertificateError as E, Error};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    if let Some(Error::InvalidCertificate(E::Other(reason))) = inner {
        return reason.to_string();
    }
    let known = [
        (
            matches!(
                inner,
                Some(Error::InvalidCertificate(
                    E::Expired | E::ExpiredContext { .. }
                ))
            ),
            "its certificate has expired",
        ),
        (
            matches!(
                inner,
                Some(Error::InvalidCertificate(
                    E::UnknownIssuer | E::BadSignature
                ))
            ),
            "its certificate wasn't issued by the CA of this cluster",
        ),
        (
            matches!(inner, Some(Error::NoCertificatesPresented)),
            "it showed no certificate",
        ),
        (
            matches!(
                inner,
                Some(Error::AlertReceived(
                    Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown
                ))
            ),
            "it doesn't trust this server's certificate; has it the CA of this cluster?",
        ),
    ];
    match known.iter().find(|(applies, _)| *applies) {
        Some((_, reason)) => (*reason).to_owned(),
        None => format!("TLS handshake: {error}"),
    }
}

/// The library's verdict in an operator's words.
pub(super) fn explain(error: &rustls::Error, ca: &Path, dns_name: &str) -> String {
    use rustls::CertificateError as E;
    let rustls::Error::InvalidCertificate(verdict) = error else {
        return format!("was refused: {error}");
    };
    if matches!(verdict, E::Expired | E::ExpiredContext { .. }) {
        return "has expired".to_owned();
    }
    if matches!(verdict, E::NotValidYet | E::NotValidYetContext { .. }) {
        return "isn't valid yet; is the clock of this machine right?".to_owned();
    }
    if matches!(verdict, E::UnknownIssuer | E::BadSignature) {
        return format!("wasn't issued by the CA {}", ca.display());
    }
    if matches!(
        verdict,
        E::NotValidForName | E::NotValidForNameContext { .. }
    ) {
        return format!("doesn't have the DNS name {dns_name}");
    }
    format!("was refused: {error}")
}
