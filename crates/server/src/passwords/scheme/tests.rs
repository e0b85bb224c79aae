use super::*;

const PASSWORD: &str = "Initial pw ü1";

/// Of [`PASSWORD`], made by libxcrypt and by Python's hashlib; of Argon2, by its authors.
const HASHES: &[(&str, &str)] = &[
    (
        "password",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    ),
    (
        "password",
        "$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHQ$T/XOJ2mh1/TIpJHfCdQan76Q5esCFVoT5MAeIM1Oq2E",
    ),
    (
        PASSWORD,
        "$2b$04$abcdefghijklmnopqrstuue/RyPRbxicKsH.5AQBxpX5z1pjASeMu",
    ),
    (
        PASSWORD,
        "{CRYPT}$2a$04$abcdefghijklmnopqrstuue/RyPRbxicKsH.5AQBxpX5z1pjASeMu",
    ),
    (
        PASSWORD,
        "$6$saltsaltsaltsalt$CO0X3UCgIh.856CFK.aBzFZRIQx1HUqMKio6aCWVS2GpoaTN.VXQ.9JMPduWzIxATgu5KULn37hjxHgqAolsz0",
    ),
    (
        PASSWORD,
        "{crypt}$6$rounds=1000$short$jdjuZpYVqG2p80GsZqtyOrUOTtkhg8BYGoC9Op0kDPwdAxRkK2Q78r2z8AbKmC6g3c4pPepo6Epp7H81/WJEP1",
    ),
    (
        PASSWORD,
        "$pbkdf2-sha256$i=1000,l=32$8PHy8/T19vf4+fr7/P3+/w$SJ645rPlqSWRsNcYL+0pcVBCdPTXXsV4/D8tWJf6udM",
    ),
    (
        PASSWORD,
        "$pbkdf2-sha256$1000$8PHy8/T19vf4.fr7/P3./w$SJ645rPlqSWRsNcYL.0pcVBCdPTXXsV4/D8tWJf6udM",
    ),
    (
        PASSWORD,
        "{PBKDF2-SHA256}1000$8PHy8/T19vf4.fr7/P3./w$SJ645rPlqSWRsNcYL.0pcVBCdPTXXsV4/D8tWJf6udM",
    ),
    (
        PASSWORD,
        "{PBKDF2-SHA512}1000$8PHy8/T19vf4.fr7/P3./w$aZx/euNo72BYYlleOGXv.zpDCeaRNlUnzy8bWdtKFEnuPloyNPQey8Jw3UZux5NH/8NOF1T/Yl52cQjQRUHE9w",
    ),
    (
        PASSWORD,
        "$pbkdf2-sha512$1000$8PHy8/T19vf4.fr7/P3./w$aZx/euNo72BYYlleOGXv.zpDCeaRNlUnzy8bWdtKFEnuPloyNPQey8Jw3UZux5NH/8NOF1T/Yl52cQjQRUHE9w",
    ),
    (
        PASSWORD,
        "$scrypt$ln=10,r=8,p=2$8PHy8/T19vf4+fr7/P3+/w$rRUq5mmLA6w7omNeXWEQ9Lv3KdBGH5eGrvG2m9ni1Tw",
    ),
    (PASSWORD, "{SSHA}yNaOGW68ARIlHlGbjhB1nr3Q4ubw8fLz9PX29w=="),
    (
        PASSWORD,
        "{ssha256}xjFd9Ldt5bjP4rE0bokiGGDlRZXHwvgBXsA+MIe93Xzw8fLz9PX29w==",
    ),
    (
        PASSWORD,
        "{SSHA512}FmEGCCreZB0DvWqVNfPqZoHA1afF5uIUJXY+0ciq848WMqapHITyhB/uwUN+OGO2DOsEeM+uiouBmBN14Paxs/Dx8vP09fb3",
    ),
    (
        PASSWORD,
        "{SHA512}N78tGH9OIYg+C0XQ47+QpvqlroT5tHG6XqVGb4AD5wh2AbqlfA+R6AWewD46OBSx5ziv9ayDz5duE2cNwApXwQ==",
    ),
];

fn fits(password: &str, hash: &str) -> bool {
    let verifier = given_hash(hash).expect("a hash");
    let scheme = Scheme::parse(verifier.as_str()).expect("a hash");
    scheme.fits(password.as_bytes())
}

#[test]
fn hashes_of_other_programs_fit_their_password_and_no_other() {
    for (password, hash) in HASHES {
        assert!(fits(password, hash), "{hash}");
        assert!(!fits("Initial pw ü2", hash), "{hash}");
    }
}

#[test]
fn bcrypt_looks_at_72_bytes_as_it_does_elsewhere() {
    let hash = "$2y$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe";
    assert!(fits(&"a".repeat(80), hash));
    assert!(fits(&"a".repeat(72), hash));
    assert!(!fits(&"a".repeat(71), hash));
}

#[test]
fn what_is_cut_off_or_has_something_else_in_it_is_malformed() {
    for (_, hash) in HASHES {
        let cut = hash.char_indices().map(|(index, _)| &hash[..index]);
        // A hash of Argon2 or scrypt may have 16 bytes, and a salt at the end any number.
        let cut = cut.filter(|cut| cut.len() + 24 < hash.len());
        for cut in cut {
            assert!(given_hash(cut).is_err(), "{cut}");
        }
        assert!(given_hash(&hash.replace('$', "$ ").replace('}', "} ")).is_err());
        assert!(given_hash(&format!("{hash}$")).is_err());
        assert!(given_hash(&format!("{hash}\n\u{1b}x")).is_err());
    }
    for unknown in [
        "",
        "secret",
        "$1$abc$def",
        "{SSHA",
        "{MD5}AAAA",
        "$2x$04$x",
        "$y$j9T$a$b",
        "*",
    ] {
        assert_eq!(given_hash(unknown), Err(InvalidHash::Unknown), "{unknown}");
    }
}

#[test]
fn what_costs_too_much_is_refused_and_the_bound_named() {
    let bcrypt = HASHES[2].1;
    let sha512 = HASHES[5].1;
    let pbkdf2 = HASHES[8].1;
    let scrypt = HASHES[11].1;
    for (hash, bound) in [
        (
            bcrypt.replace("$04$", "$15$"),
            "cost is 15, and bcrypt is taken up to 14",
        ),
        (bcrypt.replace("$04$", "$31$"), "up to 14"),
        (sha512.replace("=1000$", "=1000001$"), "up to 1000000"),
        (
            sha512.replace("=1000$", "=99999999999999$"),
            "up to 1000000",
        ),
        (pbkdf2.replace("}1000$", "}2000001$"), "up to 2000000"),
        (pbkdf2.replace("}1000$", "}4294967297$"), "up to 2000000"),
        (scrypt.replace("ln=10", "ln=18"), "up to 268435456"),
        (scrypt.replace("ln=10", "ln=200"), "up to 268435456"),
        (scrypt.replace("r=8", "r=4000000000"), "up to 268435456"),
        (
            HASHES[0].1.replace("t=2", "t=17"),
            "iterations is 17, and Argon2 is taken up to 16",
        ),
        (HASHES[0].1.replace("m=65536", "m=4194304"), "up to 262144"),
    ] {
        let error = given_hash(&hash).expect_err(&hash);
        assert!(matches!(error, InvalidHash::TooCostly { .. }), "{hash}");
        assert!(error.to_string().contains(bound), "{error}");
    }
    // At the bound it is taken.
    assert!(given_hash(&bcrypt.replace("$04$", "$14$")).is_ok());
    assert!(given_hash(&pbkdf2.replace("}1000$", "}2000000$")).is_ok());
    for hash in [
        bcrypt.replace("$04$", "$03$"),
        bcrypt.replace("$04$", "$+4$"),
        sha512.replace("=1000$", "=999$"),
        pbkdf2.replace("}1000$", "}0$"),
        scrypt.replace("p=2", "p=0"),
    ] {
        let error = given_hash(&hash).expect_err(&hash);
        assert!(matches!(error, InvalidHash::Malformed { .. }), "{hash}");
    }
}

#[test]
fn no_message_repeats_the_hash() {
    for (_, hash) in HASHES {
        let broken = format!("{hash}$x");
        let error = given_hash(&broken).expect_err("broken").to_string();
        let secret = &hash[hash.len() - 20..];
        assert!(!error.contains(secret), "{error}");
    }
}
