//! Password hashes that other programs made: imported, checked, hashed anew.

use quorid_lab::testbed::Testbed;

use crate::{directory::Directory, import::counts};

const PASSWORD: &str = "Initial pw ü1";

/// Of [`PASSWORD`], made by libxcrypt and by Python's hashlib.
const HASHES: [(&str, &str); 8] = [
    (
        "bcrypt",
        "$2b$04$abcdefghijklmnopqrstuue/RyPRbxicKsH.5AQBxpX5z1pjASeMu",
    ),
    (
        "crypt",
        "$6$saltsaltsaltsalt$CO0X3UCgIh.856CFK.aBzFZRIQx1HUqMKio6aCWVS2GpoaTN.VXQ.9JMPduWzIxATgu5KULn37hjxHgqAolsz0",
    ),
    (
        "phc",
        "\"$pbkdf2-sha256$i=1000,l=32$8PHy8/T19vf4+fr7/P3+/w$SJ645rPlqSWRsNcYL+0pcVBCdPTXXsV4/D8tWJf6udM\"",
    ),
    (
        "ldap.256",
        "{PBKDF2-SHA256}1000$8PHy8/T19vf4.fr7/P3./w$SJ645rPlqSWRsNcYL.0pcVBCdPTXXsV4/D8tWJf6udM",
    ),
    (
        "ldap.512",
        "{PBKDF2-SHA512}1000$8PHy8/T19vf4.fr7/P3./w$aZx/euNo72BYYlleOGXv.zpDCeaRNlUnzy8bWdtKFEnuPloyNPQey8Jw3UZux5NH/8NOF1T/Yl52cQjQRUHE9w",
    ),
    (
        "scrypt",
        "\"$scrypt$ln=10,r=8,p=2$8PHy8/T19vf4+fr7/P3+/w$rRUq5mmLA6w7omNeXWEQ9Lv3KdBGH5eGrvG2m9ni1Tw\"",
    ),
    ("ssha", "{SSHA}yNaOGW68ARIlHlGbjhB1nr3Q4ubw8fLz9PX29w=="),
    (
        "sha512",
        "{SHA512}N78tGH9OIYg+C0XQ47+QpvqlroT5tHG6XqVGb4AD5wh2AbqlfA+R6AWewD46OBSx5ziv9ayDz5duE2cNwApXwQ==",
    ),
];

fn csv() -> String {
    let lines = HASHES.map(|(name, hash)| format!("{name},Some One,{hash}\n"));
    format!("login_name,real_name,password_hash\n{}", lines.concat())
}

impl Directory {
    fn etag(&self, name: &str) -> String {
        self.lookup(name)["etag"].to_string()
    }

    /// How often the server's log says something.
    fn logged(&self, text: &str) -> usize {
        let log = std::fs::read_to_string(self.file("s1.log")).expect("a log");
        log.matches(text).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_hashes_let_their_owners_in_and_are_hashed_anew_once() {
    let directory = Directory::start().await;
    let file = directory.written("people.csv", &csv());
    let right = directory.written("right", PASSWORD);
    let wrong = directory.written("wrong", "Initial pw ü2");
    for options in [&["--dry-run"][..], &[], &["--update"]] {
        let (exit, summary) = directory.import(&[options, &[&file]].concat());
        let [created, _, unchanged, _] = counts(&summary);
        assert_eq!((exit, created + unchanged), (Some(0), 8), "{options:?}");
    }
    for (name, _) in HASHES {
        let check = |file: &str| {
            let output = directory.run(&["check-password", name, "--password-file", file]);
            output.status.code()
        };
        let before = directory.etag(name);
        assert_eq!(check(&wrong), Some(4), "{name}");
        assert_eq!(
            directory.etag(name),
            before,
            "{name}: only a login hashes anew"
        );
        assert_eq!(check(&right), Some(0), "{name}");
        let anew = directory.etag(name);
        assert_ne!(anew, before, "{name} is hashed anew");
        assert_eq!((check(&right), check(&wrong)), (Some(0), Some(4)), "{name}");
        assert_eq!(directory.etag(name), anew, "{name} is hashed anew once");
    }
    assert_eq!(directory.logged("password hashed anew"), HASHES.len());
    for (_, hash) in HASHES {
        assert_eq!(directory.logged(hash.trim_matches('"')), 0);
    }
    assert_eq!(directory.logged(PASSWORD), 0);

    // An import that is repeated does not bring a hash back.
    let before = HASHES.map(|(name, _)| directory.etag(name));
    let (exit, summary) = directory.import(&["--update", &file]);
    assert_eq!((exit, counts(&summary)), (Some(0), [0, 0, 8, 0]));
    assert_eq!(HASHES.map(|(name, _)| directory.etag(name)), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_hashes_anew_and_an_update_gives_a_hash_to_who_has_no_password() {
    let directory = Directory::start().await;
    directory.succeed(&["create", "ssha", "Some One"]);
    let (name, hash) = HASHES[6];
    let file = directory.written(
        "people.jsonl",
        &format!("{{\"login_name\":\"{name}\",\"password_hash\":\"{hash}\"}}\n"),
    );
    for expected in [[0, 1, 0, 0], [0, 0, 1, 0]] {
        let (exit, summary) = directory.import(&["--update", &file]);
        assert_eq!((exit, counts(&summary)), (Some(0), expected));
    }
    let login = |password| {
        directory
            .run_as(name, password, &["lookup", name])
            .status
            .code()
    };
    let before = directory.etag(name);
    assert_eq!((login("wrong"), login(PASSWORD)), (Some(4), Some(0)));
    let anew = directory.etag(name);
    assert_ne!(anew, before);
    assert_eq!((login(PASSWORD), login("wrong")), (Some(0), Some(4)));
    assert_eq!(directory.etag(name), anew);
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_that_cannot_be_checked_are_refused_and_not_repeated() {
    let directory = Directory::start().await;
    let (_, bcrypt) = HASHES[0];
    let file = directory.written(
        "people.csv",
        &format!(
            "login_name,real_name,password_hash,password\n\
             ana,Ana,{},\nben,Ben,{},\ncleo,Cleo,5f4dcc3b5aa765d61d8327deb882cf99,\n\
             dora,Dora,{bcrypt},secret\neve,Eve,,\n",
            &bcrypt[..50],
            bcrypt.replace("$04$", "$17$"),
        ),
    );
    for options in [&["--dry-run"][..], &[]] {
        let output = directory.run(&[&["import", &file], options].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{errors}");
        for line in [
            "line 2 (ana): INVALID_PASSWORD_HASH: password_hash: it begins like a hash of bcrypt",
            "line 3 (ben): INVALID_PASSWORD_HASH: password_hash: its cost is 17, and bcrypt is taken up to 14",
            "line 4 (cleo): INVALID_PASSWORD_HASH: password_hash: no scheme",
            "line 5 (dora): INVALID_LINE: password and password_hash",
        ] {
            assert!(errors.contains(line), "{line} in {errors}");
        }
        assert!(
            !errors.contains("abcdefghij") && !errors.contains("5f4dcc3b"),
            "{errors}"
        );
    }
    assert_eq!(directory.succeed(&["get", "users"]), "eve\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_give_hashes_even_where_anyone_creates_accounts() {
    let cluster = Testbed::builder(env!("CARGO_BIN_EXE_quorid"))
        .servers(1)
        .setting("access", "open")
        .start()
        .await
        .expect("a cluster");
    let directory = Directory { cluster };
    let password = directory.written("password", "open sesame");
    directory.succeed(&["create", "eve", "Eve", "--password-file", &password]);
    let (_, hash) = HASHES[6];
    let file = directory.written(
        "people.csv",
        &format!("login_name,real_name,password_hash\nana,Ana,\nben,Ben,{hash}\n"),
    );
    let words = ["import", "--output", "json", "--in-flight", "1", &file];
    let output = directory.run_as("eve", "open sesame", &words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{errors}");
    assert!(errors.contains("NOT_PERMITTED"), "{errors}");
    assert_eq!(directory.succeed(&["get", "users"]), "eve\nana\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_agree_on_what_was_hashed_anew_and_it_outlives_the_leader() {
    let mut cluster = Testbed::builder(env!("CARGO_BIN_EXE_quorid"))
        .start()
        .await
        .expect("a cluster");
    let patience = std::time::Duration::from_secs(90);
    let leader = cluster.leader(patience).await.expect("a leader");
    let directory = Directory { cluster };
    let file = directory.written("people.csv", &csv());
    let right = directory.written("right", PASSWORD);
    directory.succeed(&["import", &file]);
    directory.succeed(&["check-password", "ssha", "--password-file", &right]);
    let anew = directory.etag("ssha");
    let Directory { mut cluster } = directory;
    let digests = cluster.digests(patience).await.expect("digests");
    assert!(digests.equal() && digests.of.len() == 3, "{digests:?}");
    cluster.kill9(leader).await.expect("killed");
    let directory = Directory { cluster };
    directory.succeed(&["check-password", "ssha", "--password-file", &right]);
    assert_eq!(directory.etag("ssha"), anew);
    directory.succeed(&["check-password", "bcrypt", "--password-file", &right]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_s_first_login_may_be_a_change_and_the_role_decides_who_gives_hashes() {
    let directory = Directory::start().await;
    let people = directory.written("people.csv", &csv());
    directory.succeed(&["import", &people]);
    for (role, name) in [("user_manager", "ssha"), ("operator", "sha512")] {
        directory.succeed(&["group", "create", role, "--set", &format!("role={role}")]);
        directory.succeed(&["group", "add", role, name]);
    }
    // The login hashes the password anew, and the change counts all the same.
    let created = directory.run_as("ssha", PASSWORD, &["create", "gil", "Gil"]);
    assert_eq!(created.status.code(), Some(0), "{created:?}");
    assert_eq!(directory.logged("password hashed anew"), 1);

    let (_, hash) = HASHES[6];
    for (number, (name, exit)) in [("ssha", 4), ("sha512", 0)].into_iter().enumerate() {
        let line = format!("login_name,real_name,password_hash\nnew.{number},New,{hash}\n");
        let file = directory.written("new.csv", &line);
        let output = directory.run_as(name, PASSWORD, &["import", &file]);
        assert_eq!(output.status.code(), Some(exit), "{name}: {output:?}");
    }
    assert!(
        directory
            .succeed(&["get", "users"])
            .ends_with("gil\nnew.1\n")
    );
}
