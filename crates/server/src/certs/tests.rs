use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn made(dir: &Path) -> CertificateFiles {
    make_ca(dir, AUTHORITY_DAYS).unwrap();
    make_server(
        "s1",
        &[
            "127.0.0.1".to_owned(),
            "Host.Example".to_owned(),
            "::1".to_owned(),
        ],
        &LeafOptions::in_dir(dir),
    )
    .unwrap()
}

#[test]
fn server_certificate_carries_name_role_and_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let files = made(dir.path());
    let facts = inspect(&files.certificate).unwrap();
    assert_eq!(facts.len(), 1);
    assert_eq!(facts[0].name, "s1");
    assert_eq!(facts[0].purpose, Purpose::Server);
    assert_eq!(
        facts[0].hosts,
        ["127.0.0.1", "host.example", "::1", "s1.server.quorid"]
    );
    let authority = inspect(&dir.path().join("ca.crt")).unwrap();
    assert_eq!(authority[0].purpose, Purpose::Authority);
    assert_eq!(facts[0].issuer, authority[0].name);
}

#[test]
fn operator_certificate_has_the_operator_role_and_no_hosts() {
    let dir = tempfile::tempdir().unwrap();
    make_ca(dir.path(), 10).unwrap();
    let files = make_operator("admin", &LeafOptions::in_dir(dir.path())).unwrap();
    let facts = inspect(&files.certificate).unwrap();
    assert_eq!(facts[0].purpose, Purpose::Operator);
    assert!(facts[0].hosts.is_empty());
}

#[test]
fn certificates_are_valid_an_hour_ago_and_never_longer_than_their_authority() {
    let dir = tempfile::tempdir().unwrap();
    make_ca(dir.path(), 10).unwrap();
    let files = make_operator("admin", &LeafOptions::in_dir(dir.path())).unwrap();
    let leaf = &inspect(&files.certificate).unwrap()[0];
    let authority = &inspect(&dir.path().join("ca.crt")).unwrap()[0];
    assert_eq!(leaf.not_after, authority.not_after);
    let age = now() - u64::try_from(leaf.not_before).unwrap();
    assert!((3_600..3_700).contains(&age), "{age}");
}

#[test]
fn keys_are_readable_by_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let files = made(dir.path());
    for key in [files.key, dir.path().join("ca.key")] {
        let mode = fs::metadata(&key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", key.display());
    }
}

#[test]
fn nothing_is_overwritten_unless_forced() {
    let dir = tempfile::tempdir().unwrap();
    let files = made(dir.path());
    let before = fs::read(&files.certificate).unwrap();
    let hosts = ["127.0.0.1".to_owned()];
    let mut options = LeafOptions::in_dir(dir.path());
    let refused = make_server("s1", &hosts, &options).unwrap_err();
    assert!(refused.to_string().contains("--force"), "{refused}");
    assert_eq!(fs::read(&files.certificate).unwrap(), before);
    assert!(make_ca(dir.path(), 1).is_err());
    options.force = true;
    make_server("s1", &hosts, &options).unwrap();
    assert_ne!(fs::read(&files.certificate).unwrap(), before);
}

#[test]
fn another_authoritys_key_is_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    made(one.path());
    made(two.path());
    fs::copy(two.path().join("ca.key"), one.path().join("ca.key")).unwrap();
    let error = make_operator("admin", &LeafOptions::in_dir(one.path())).unwrap_err();
    assert!(
        matches!(error, CertError::AuthorityMismatch { .. }),
        "{error}"
    );
}

#[test]
fn names_and_hosts_that_nobody_could_verify_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    make_ca(dir.path(), 1).unwrap();
    let options = LeafOptions::in_dir(dir.path());
    let host = ["localhost".to_owned()];
    for name in ["", "ca", "S1", "a.b", "-a", "a/b", "a b", &"a".repeat(64)] {
        let error = make_server(name, &host, &options).unwrap_err();
        assert!(matches!(error, CertError::ServerName { .. }), "{name}");
    }
    for name in ["", "ca", "../x", ".x", "a b", "a/b", "a\n"] {
        let error = make_operator(name, &options).unwrap_err();
        assert!(matches!(error, CertError::OperatorName { .. }), "{name}");
    }
    for host in ["", "256.1.1.1", "a b", "host:7001", "http://host", "a..b"] {
        let error = make_server("s1", &[host.to_owned()], &options).unwrap_err();
        assert!(matches!(error, CertError::Host { .. }), "{host}");
    }
    assert!(matches!(
        make_server("s1", &[], &options).unwrap_err(),
        CertError::NoHost { .. }
    ));
}

#[test]
fn missing_authority_says_how_to_make_one() {
    let dir = tempfile::tempdir().unwrap();
    let error = make_operator("admin", &LeafOptions::in_dir(dir.path())).unwrap_err();
    assert!(error.to_string().contains("quorid cert ca"), "{error}");
}

#[test]
fn an_authority_that_is_of_no_use_is_named() {
    for broken in ["ca.crt", "ca.key"] {
        let dir = tempfile::tempdir().unwrap();
        make_ca(dir.path(), 1).unwrap();
        fs::write(dir.path().join(broken), "hello").unwrap();
        let error = make_operator("admin", &LeafOptions::in_dir(dir.path())).unwrap_err();
        assert!(matches!(error, CertError::Authority { .. }), "{error}");
        assert!(error.to_string().contains(broken), "{error}");
    }
}

#[test]
fn file_without_a_certificate_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.crt");
    fs::write(&path, "hello").unwrap();
    let error = inspect(&path).unwrap_err();
    assert!(error.to_string().contains("x.crt"), "{error}");
}
