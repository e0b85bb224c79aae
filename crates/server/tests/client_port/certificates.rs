//! A CA for one test, and what it issues.

use std::path::PathBuf;

use quorid_server::tls::{OPERATOR_UNIT, SERVER_UNIT, TlsFiles, peer_server_name};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;

pub(crate) struct Ca {
    pub(crate) dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test CA");
        let certificate = params.self_signed(&key).expect("signed");
        std::fs::write(dir.path().join("ca.crt"), certificate.pem()).expect("written");
        Self {
            dir,
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn server(&self, name: &str) -> TlsFiles {
        self.issue(name, SERVER_UNIT, |params| {
            let names = [peer_server_name(name), "localhost".to_owned()];
            *params = CertificateParams::new(names).expect("names");
            params.extended_key_usages = vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ];
        })
    }

    pub(crate) fn operator(&self, name: &str) -> TlsFiles {
        self.issue(name, OPERATOR_UNIT, |_| {})
    }

    pub(crate) fn expired_operator(&self, name: &str) -> TlsFiles {
        self.issue(name, OPERATOR_UNIT, |params| {
            params.not_after = date_time_ymd(2020, 1, 1)
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn issue(
        &self,
        name: &str,
        unit: &str,
        alter: impl FnOnce(&mut CertificateParams),
    ) -> TlsFiles {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        alter(&mut params);
        params.distinguished_name.push(DnType::CommonName, name);
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, unit);
        let key = KeyPair::generate().expect("key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let files = TlsFiles {
            ca: self.path("ca.crt"),
            cert: self.path(&format!("{name}.crt")),
            key: self.path(&format!("{name}.key")),
        };
        std::fs::write(&files.cert, certificate.pem()).expect("written");
        std::fs::write(&files.key, key.serialize_pem()).expect("written");
        files
    }
}
