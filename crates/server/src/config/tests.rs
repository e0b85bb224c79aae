//! Which settings win, and which are refused.

use std::path::Path;

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
}

const BASE: &[&str] = &[
    "serve",
    "--name=n1",
    "--data-dir=/var/lib/quorid",
    "--tls-ca=ca.crt",
    "--tls-cert=n1.crt",
    "--tls-key=n1.key",
];
const TRIO: &[&str] = &[
    "--initial-servers=n1=10.0.0.1:7401,10.0.0.1:7400",
    "--initial-servers=n2=10.0.0.2:7401,10.0.0.2:7400;n3=10.0.0.3:7401,10.0.0.3:7400",
];

fn load(flags: &[&str]) -> Result<Config, ConfigError> {
    let line = BASE.iter().chain(flags);
    Config::load(&Cli::try_parse_from(line).expect("flags").serve)
}

fn trio_and(flags: &[&str]) -> Result<Config, ConfigError> {
    load(&[TRIO, flags].concat())
}

#[test]
fn what_is_not_given_has_the_documented_default() {
    let config = trio_and(&[]).expect("valid");
    assert_eq!(config.client_listen, "0.0.0.0:7400");
    assert_eq!(config.own.client_address, "10.0.0.1:7400");
    assert_eq!(config.own.peer_address, "10.0.0.1:7401");
    assert_eq!(config.initial_servers.len(), 3);
    assert!(!config.join && !config.form_alone);
    assert_eq!(config.access, Access::Closed);
    assert_eq!(config.timing, TimingPreset::Lan.timing());
    assert_eq!(config.checkpoint_interval_ms, 1000);
    assert_eq!(config.password.memory_kib, 19_456);
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("quorid.toml");
    std::fs::write(
        &path,
        "access = \"open\"\nheartbeat_ms = 50\n[tls]\nca = \"x.crt\"\n",
    )
    .expect("written");
    let config = format!("--config={}", path.display());
    let loaded = trio_and(&[&config, "--heartbeat-ms=60"]).expect("valid");
    assert_eq!(loaded.access, Access::Open);
    assert_eq!(loaded.timing.heartbeat_ms, 60);
    assert_eq!(loaded.timing.election_min_ms, 150);
    assert_eq!(loaded.tls.ca, Path::new("ca.crt"));
}

#[test]
fn paths_in_a_file_count_from_the_file() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("quorid.toml");
    std::fs::write(&path, "data_dir = \"data\"\n[tls]\nca = \"/etc/ca.crt\"\n").expect("written");
    let settings = file::read(&path).expect("valid");
    assert_eq!(settings.data_dir, Some(dir.path().join("data")));
    assert_eq!(settings.tls.ca, Some(PathBuf::from("/etc/ca.crt")));
}

#[test]
fn the_printed_settings_are_a_file_that_says_the_same() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("quorid.toml");
    let mut first =
        trio_and(&["--access=open", "--timing=wan", "--form-alone", "-v"]).expect("valid");
    assert!(first.form_alone);
    first.tls.ca = "/a".into();
    first.tls.cert = "/b".into();
    first.tls.key = "/c".into();
    std::fs::write(&path, first.to_string()).expect("written");
    let again = Config::from_settings(file::read(&path).expect("valid")).expect("valid");
    assert_eq!(again, first);
}

#[test]
fn even_numbers_of_servers_are_taken_with_a_warning() {
    let config = load(&["--initial-servers=n1=a:2,a:1;n2=b:2,b:1"]).expect("valid");
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
}

#[test]
fn a_joining_server_needs_its_addresses_and_no_initial_servers() {
    let addresses = ["--client-address=a:1", "--peer-address=a:2"];
    let config = load(&[&["--join"][..], &addresses].concat()).expect("valid");
    assert!(config.join && config.initial_servers.is_empty());
    assert!(load(&["--join"]).is_err());
    assert!(trio_and(&["--join"]).is_err());
}

#[test]
fn what_is_refused_is_refused_by_its_key_and_with_the_reason() {
    let eight: String = (1..=8).map(|n| format!("n{n}=h{n}:2,h{n}:1;")).collect();
    let eight = format!("--initial-servers={}", eight.trim_end_matches(';'));
    let table: [(&[&str], &str); 22] = [
        (&["--heartbeat-ms=5"], "`heartbeat_ms`: 5 is out of bounds"),
        (
            &["--heartbeat-ms=100"],
            "`election_min_ms`: 150 must be more than two heartbeats",
        ),
        (
            &["--election-min-ms=350"],
            "`election_max_ms`: 350 must be more than election_min_ms",
        ),
        (
            &["--election-max-ms=70000"],
            "`election_max_ms`: 70000 is more than a minute",
        ),
        (
            &["--client-listen=7400"],
            "`client_listen`: `7400` is no server address: the port is missing",
        ),
        (&["--client-listen=::1:7400"], "`client_listen`"),
        (&["--client-listen=a=b:7400"], "`client_listen`"),
        (&["--client-listen=[a;b]:7400"], "`client_listen`"),
        (&["--client-listen=a:+80"], "`client_listen`"),
        (&["--client-listen=a:080"], "`client_listen`"),
        (&["--client-listen=a,b:7400"], "`client_listen`"),
        (&["--client-listen=a:0"], "a number from 1 to 65535"),
        (&["--client-listen=[one]:7400"], "no IPv6 address"),
        (
            &["--peer-listen=[fe80::1%2]:7401"],
            "`peer_listen`: `[fe80::1%2]:7401` is no server address: a zone",
        ),
        (
            &["--initial-servers=n4=a:0,a:6"],
            "`initial_servers`: `a:0` is no server address",
        ),
        (
            &["--peer-address=10.9.9.9:1"],
            "contradicts `10.0.0.1:7401` in initial_servers",
        ),
        (&["--checkpoint-interval-ms=1"], "between 10 and 60000"),
        (&["--password-memory-kib=1"], "`password.memory_kib`"),
        (
            &["--password-iterations=99"],
            "`password.iterations`: 99 is out of bounds",
        ),
        (&["--initial-servers=n1=a:5,a:6"], "`n1` is there twice"),
        (
            &["--initial-servers=N4=a:5,a:6"],
            "`N4` cannot name a server",
        ),
        (
            &["--initial-servers=n4=0.0.0.0:5,a:6"],
            "nobody can connect to `0.0.0.0:5`",
        ),
    ];
    for (flags, expected) in table {
        let error = trio_and(flags).expect_err(expected).to_string();
        assert!(
            error.contains(expected),
            "{error:?} should say {expected:?}"
        );
    }
    let error = load(&[&eight]).expect_err("too many").to_string();
    assert!(error.contains("8 servers are too many"), "{error}");
    let error = load(&["--initial-servers=n2=a:5,a:6"])
        .expect_err("not in it")
        .to_string();
    assert!(
        error.contains("this server, `n1`, isn't one of them (n2)"),
        "{error}"
    );
    let error = load(&[]).expect_err("missing").to_string();
    assert!(
        error.contains("--initial-servers, as QUORID_INITIAL_SERVERS"),
        "{error}"
    );
}
