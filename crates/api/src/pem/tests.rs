//! Which files are of no use, and what is said of them.

use super::*;

#[test]
fn a_file_of_no_use_is_refused_with_its_name_and_the_reason() {
    const CUT_OFF: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n";
    const NOT_BASE64: &str = "-----BEGIN CERTIFICATE-----\n#\n-----END CERTIFICATE-----\n";
    const NO_DER: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x.pem");
    let missing = dir.path().join("missing.pem");
    let error = trusted(&missing).expect_err("it is missing").to_string();
    assert!(
        error.contains("CA certificate") && error.contains("missing.pem: No such file"),
        "{error}"
    );
    for (content, certificate, key) in [
        ("", "it has no PEM certificate", "it has none in PEM format"),
        ("hello", "it has no PEM certificate", "it has none"),
        (
            CUT_OFF,
            "x.pem: it ends too early",
            "x.pem: it ends too early",
        ),
        (NOT_BASE64, "x.pem: base64", "x.pem: base64"),
        (NO_DER, "x.pem: ", "it has none"),
    ] {
        std::fs::write(&path, content).expect("written");
        let error = trusted(&path).expect_err(content).to_string();
        assert!(error.contains(certificate), "{content:?}: {error}");
        let error = private_key(&path).expect_err(content).to_string();
        assert!(error.starts_with("cannot use the private key "), "{error}");
        assert!(error.contains(key), "{content:?}: {error}");
    }
}
