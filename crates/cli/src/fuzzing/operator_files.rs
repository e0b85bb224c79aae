//! What operators write and users type: the first byte says what.

use std::path::{Path, PathBuf};

use quorid_api::{Endpoint, fuzzing::assert_endpoint};
use quorid_server::{
    certs::{self, LeafOptions, Purpose, facts},
    config::{self, Config},
    named_server::NamedServer,
    tls::{Holder, holder_of},
};
use quorid_storage::Identity;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use crate::{
    options::{ClientOptions, parse_duration},
    password,
    reverse_lookup::parse_uuid,
    settings::{ClientSettings, Variables, parse_config},
};

/// A file or an option is taken or refused with a reason, and what is taken is written as it is
/// read.
pub fn check(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    match kind % 7 {
        0 => with_text(bytes, server_config),
        1 => with_text(bytes, client_config),
        2 => identity(bytes),
        3 => password_line(bytes),
        4 => with_text(bytes, option),
        5 => pem(bytes),
        _ => certificate(bytes),
    }
}

fn with_text(bytes: &[u8], check: impl Fn(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(text);
    }
}

/// What a server prints of its configuration is that configuration.
fn server_config(text: &str) {
    let path = Path::new("quorid.toml");
    let parse = |text: &str| config::parse(path, text).and_then(Config::from_settings);
    match parse(text) {
        Err(error) => assert_ne!(error.to_string(), ""),
        Ok(config) => {
            let printed = config.to_string();
            let again = parse(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
            assert_eq!(again, config);
        }
    }
}

fn client_config(text: &str) {
    let path = PathBuf::from("/etc/client.toml");
    let environment = Variables(&|_| None);
    let settings = parse_config(&path, text).and_then(|file| {
        ClientSettings::over_file(ClientOptions::default(), &environment, Some(path), file)
    });
    match settings {
        Err(failure) => assert_ne!(failure.to_text(), ""),
        Ok(settings) => {
            for server in &settings.servers {
                server.parse::<Endpoint>().expect("it was checked");
            }
            assert!(
                [settings.ca, settings.cert, settings.key]
                    .into_iter()
                    .flatten()
                    .all(|path| path.is_absolute())
            );
        }
    }
}

/// identity.json, as it stands in a data directory.
fn identity(bytes: &[u8]) {
    if let Ok(identity) = serde_json::from_slice::<Identity>(bytes) {
        let written = serde_json::to_vec_pretty(&identity).expect("JSON has every text");
        let again: Identity = serde_json::from_slice(&written).expect("an identity");
        assert_eq!(again, identity);
    }
}

/// A line is a password, without what ends the line.
fn password_line(bytes: &[u8]) {
    let mut input = bytes;
    match password::from_line(&mut input) {
        Err(failure) => assert_ne!(failure.to_text(), ""),
        Ok(password) => {
            let taken = &bytes[..bytes.len() - input.len()];
            let rest = taken.strip_prefix(password.reveal().as_bytes());
            let rest = rest.expect("the line begins with the password");
            assert!([b"".as_slice(), b"\n", b"\r", b"\r\n"].contains(&rest));
            assert!(!password.reveal().contains('\n'));
        }
    }
}

fn option(text: &str) {
    if let Ok(duration) = parse_duration(text) {
        assert!(
            (1..=86_400_000).contains(&duration.as_millis()),
            "{duration:?}"
        );
    }
    if let Ok(server) = text.parse::<NamedServer>() {
        let again: NamedServer = server.to_string().parse().expect("an initial server");
        assert_eq!(again, server);
    }
    if let Ok(id) = parse_uuid(text) {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
    assert_endpoint(text);
}

fn pem(bytes: &[u8]) {
    for der in CertificateDer::pem_slice_iter(bytes).flatten() {
        certificate(&der);
    }
}

/// Both places that look at a certificate see the same in it.
fn certificate(der: &[u8]) {
    let holder = holder_of(&CertificateDer::from(der));
    match (facts(der), holder) {
        (Err(_), holder) => assert_eq!(holder, Holder::Other),
        (Ok(facts), Holder::Server(name)) => {
            assert!(matches!(
                facts.purpose,
                Purpose::Server | Purpose::Authority
            ));
            assert_eq!(facts.name, name);
        }
        (Ok(facts), Holder::Operator(name)) => {
            assert!(matches!(
                facts.purpose,
                Purpose::Operator | Purpose::Authority
            ));
            assert_eq!(facts.name, name);
        }
        (Ok(facts), Holder::Other) => {
            assert!(
                matches!(facts.purpose, Purpose::Other | Purpose::Authority)
                    || facts.name.is_empty()
            );
        }
    }
}

/// One of each, certificates as `quorid cert` makes them.
pub fn seeds() -> Vec<Vec<u8>> {
    let of_text = |kind: u8, text: &str| [&[kind], text.as_bytes()].concat();
    let mut seeds = vec![
        of_text(0, SERVER_CONFIG),
        of_text(1, CLIENT_CONFIG),
        of_text(2, IDENTITY),
        of_text(3, "a password\r\nanother\n"),
        of_text(4, "1.5min"),
        of_text(4, "s1=10.0.0.1:7401,10.0.0.1:7400"),
        of_text(4, "01890a5d-ac96-774b-bcce-b302099a8057"),
        of_text(4, "[2001:db8::1]:7400"),
    ];
    for pem in certificates() {
        let der = CertificateDer::from_pem_slice(&pem).expect("a certificate");
        seeds.push([&[6], der.as_ref()].concat());
        seeds.push([&[5], pem.as_slice()].concat());
    }
    seeds
}

fn certificates() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = certs::make_ca(folder.path(), 1).expect("an authority");
    let options = LeafOptions::in_dir(folder.path());
    let hosts = ["10.0.0.1", "::1", "s1.example"].map(str::to_owned);
    let server = certs::make_server("s1", &hosts, &options).expect("a server's");
    let operator = certs::make_operator("ana", &options).expect("an operator's");
    [authority, server, operator]
        .iter()
        .map(|files| std::fs::read(&files.certificate).expect("the file"))
        .collect()
}

const SERVER_CONFIG: &str = r#"
name = "n1"
data_dir = "data"
client_listen = "0.0.0.0:1"
client_address = "a:1"
peer_listen = "[::]:2"
peer_address = "a:2"
initial_servers = ["n1=a:2,a:1", { name = "n2", peer_address = "b:2", client_address = "b:1" }]
join = false
form_alone = true
access = "open"
timing = "wan"
heartbeat_ms = 20
election_min_ms = 200
election_max_ms = 400
checkpoint_interval_ms = 1000
checkpoint_bytes = 1000000
log_keep_entries = 6
snapshot_after_entries = 7
server_threads = 3
cache_bytes = 8000000
log_cache_bytes = 9000000
log_format = "json"
verbose = true
[tls]
ca = "ca"
cert = "cert"
key = "key"
[password]
memory_kib = 64
iterations = 2
parallelism = 3
threads = 4
queue = 5
"#;

const CLIENT_CONFIG: &str = r#"
servers = ["127.0.0.1:7401", "s2:7400"]
ca = "ca.crt"
cert = "/etc/ana.crt"
key = "ana.key"
user = "ana"
user_password_file = "password"
timeout = "1.5s"
output = "json"
color = "never"
"#;

const IDENTITY: &str = r#"{
  "format_version": 1,
  "cluster_id": "01890a5d-ac96-774b-bcce-b302099a8057",
  "server_id": 1,
  "name": "s1",
  "formed": true
}"#;
