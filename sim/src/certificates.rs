//! Certificates for one run. Ed25519, so that signatures have the same length every time:
//! what TLS draws itself isn't from the seed, and must not show in the sizes of messages.

use std::{fs, path::Path, time::Duration};

use anyhow::Context as _;
use quorid_server::tls::{OPERATOR_UNIT, SERVER_UNIT, peer_server_name};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, SerialNumber,
};
use tempfile::TempDir;

/// A folder of certificates and keys, removed when it is dropped.
pub(crate) struct Certificates(TempDir);

impl Certificates {
    /// A CA, one certificate for each server, and an operator's.
    pub(crate) fn make(servers: &[&str]) -> anyhow::Result<Self> {
        // A name of this process alone. One that is taken, by another run of the seed or by one
        // that was killed, makes tempfile draw again, after some tries from the seed's numbers.
        let folder = tempfile::Builder::new()
            .prefix(&format!("quorid-sim-{}-", std::process::id()))
            .tempdir()
            .context("making a folder for certificates")?;
        let folder = Self(folder);
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let mut authority = params("Simulated CA", "quorid-ca", 1);
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        folder.write("ca", &authority.self_signed(&key)?.pem(), &key)?;
        let issuer = Issuer::new(authority, key);
        for (serial, name) in (2..).zip(servers) {
            let mut leaf = params(name, SERVER_UNIT, serial);
            leaf.subject_alt_names = [(*name).to_owned(), peer_server_name(name)]
                .map(|name| name.try_into().map(rcgen::SanType::DnsName))
                .into_iter()
                .collect::<Result<_, _>>()?;
            leaf.extended_key_usages = vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ];
            folder.sign(name, leaf, &issuer)?;
        }
        let mut operator = params("operator", OPERATOR_UNIT, 100);
        operator.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        folder.sign("operator", operator, &issuer)?;
        Ok(folder)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    fn sign(
        &self,
        name: &str,
        params: CertificateParams,
        issuer: &Issuer<'_, KeyPair>,
    ) -> anyhow::Result<()> {
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        self.write(name, &params.signed_by(&key, issuer)?.pem(), &key)
    }

    fn write(&self, name: &str, certificate: &str, key: &KeyPair) -> anyhow::Result<()> {
        let put = |suffix: &str, text: &str| {
            let path = self.folder().join(format!("{name}.{suffix}"));
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
        };
        put("crt", certificate)?;
        put("key", &key.serialize_pem())
    }
}

/// Valid from 1970 on: that is where simulated time begins.
fn params(name: &str, unit: &str, serial: u64) -> CertificateParams {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject.push(DnType::OrganizationalUnitName, unit);
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.serial_number = Some(SerialNumber::from(serial));
    params.not_before = rcgen::date_time_ymd(1970, 1, 1);
    params.not_after = params.not_before + Duration::from_secs(365 * 86_400);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}
