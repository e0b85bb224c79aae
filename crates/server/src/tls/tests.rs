//! What is taken for whose certificate, and which certificates a server starts with.

use std::{io, path::PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls_pki_types::pem::PemObject as _;
use tempfile::TempDir;

use super::*;

struct Ca {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

fn new_ca() -> Ca {
    let dir = tempfile::tempdir().expect("directory");
    let key = KeyPair::generate().expect("key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "test CA");
    let certificate = params.self_signed(&key).expect("signed");
    std::fs::write(dir.path().join("ca.crt"), certificate.pem()).expect("written");
    Ca {
        dir,
        issuer: Issuer::new(params, key),
    }
}

impl Ca {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Issues `<name>.crt` and `<name>.key`.
    fn issue(
        &self,
        name: &str,
        unit: &str,
        alter: impl FnOnce(&mut CertificateParams),
    ) -> TlsFiles {
        let mut params = CertificateParams::new(vec![peer_server_name(name)]).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, unit);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        alter(&mut params);
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

fn verdict(files: &TlsFiles, name: &str) -> String {
    match ServerTls::load(files).and_then(|tls| tls.check(name)) {
        Ok(()) => "fits".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_server_starts_with_its_own_valid_certificate_only() {
    let (ca, foreign) = (new_ca(), new_ca());
    let good = ca.issue("n1", SERVER_UNIT, |_| {});
    assert_eq!(verdict(&good, "n1"), "fits");

    let operator = ca.issue("ana", OPERATOR_UNIT, |_| {});
    let unknown = ca.issue("bob", "visitors", |_| {});
    let expired = ca.issue("n2", SERVER_UNIT, |p| {
        p.not_after = date_time_ymd(2020, 1, 1)
    });
    let nameless = ca.issue("n3", SERVER_UNIT, |p| p.subject_alt_names.clear());
    let of_foreign = TlsFiles {
        ca: ca.path("ca.crt"),
        ..foreign.issue("n1", SERVER_UNIT, |_| {})
    };
    let other_key = TlsFiles {
        key: expired.key.clone(),
        ..good.clone()
    };
    let missing = TlsFiles {
        cert: ca.path("nowhere.crt"),
        ..good.clone()
    };
    let not_pem = TlsFiles {
        cert: ca.path("n1.txt"),
        ..good.clone()
    };
    std::fs::write(&not_pem.cert, "hello").expect("written");

    let table = [
        (good, "n9", "is the one of server `n1`, not of `n9`"),
        (
            operator,
            "ana",
            "is the one of operator `ana`, not of a server",
        ),
        (unknown, "bob", "isn't a server's"),
        (expired, "n2", "has expired"),
        (nameless, "n3", "doesn't have the DNS name n3.server.quorid"),
        (of_foreign, "n1", "wasn't issued by the CA"),
        (other_key, "n1", "don't go together"),
        (missing, "n1", "nowhere.crt: No such file"),
        (not_pem, "n1", "no PEM certificate"),
    ];
    for (files, name, expected) in table {
        let verdict = verdict(&files, name);
        assert!(
            verdict.contains(expected),
            "{verdict:?} should say {expected:?}"
        );
    }
}

#[test]
fn holders_are_read_from_the_organisational_unit() {
    let ca = new_ca();
    let holder = |files: &TlsFiles| {
        holder_of(&CertificateDer::from_pem_file(&files.cert).expect("certificate"))
    };
    assert_eq!(
        holder(&ca.issue("n1", SERVER_UNIT, |_| {})),
        Holder::Server("n1".to_owned())
    );
    assert_eq!(
        holder(&ca.issue("ana", OPERATOR_UNIT, |_| {})),
        Holder::Operator("ana".to_owned())
    );
    assert_eq!(
        holder(&ca.issue("eve", "quorid-server2", |_| {})),
        Holder::Other
    );
    assert_eq!(
        holder_of(&CertificateDer::from(b"no certificate".to_vec())),
        Holder::Other
    );
}

#[test]
fn only_servers_may_knock_at_the_peer_port() {
    let ca = new_ca();
    let server = ca.issue("n1", SERVER_UNIT, |_| {});
    let tls = ServerTls::load(&server).expect("loaded");
    let any = WebPkiClientVerifier::builder_with_provider(
        Arc::clone(&tls.roots),
        Arc::clone(&tls.provider),
    )
    .build()
    .expect("verifier");
    let port = ServersOnly { any };
    let knock = |files: &TlsFiles| {
        let certificate = CertificateDer::from_pem_file(&files.cert).expect("certificate");
        port.verify_client_cert(&certificate, &[], UnixTime::now())
    };
    assert!(knock(&server).is_ok());
    let refused = knock(&ca.issue("ana", OPERATOR_UNIT, |_| {})).expect_err("not a server");
    let refused = handshake_failure(&io::Error::other(refused));
    assert!(refused.contains("operator `ana`"), "{refused}");
    assert!(knock(&ca.issue("eve", "visitors", |_| {})).is_err());
    assert!(knock(&new_ca().issue("n1", SERVER_UNIT, |_| {})).is_err());
}
