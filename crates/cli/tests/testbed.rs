//! The harness itself: what it starts answers, and ends with it.

use std::{
    fs::DirEntry,
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use quorid_api::{AccountName, NewAccount, Read};
use quorid_lab::testbed::{Testbed, TestbedError};

const PATIENCE: Duration = Duration::from_secs(90);

fn runs(process: u32) -> bool {
    Path::new(&format!("/proc/{process}/stat")).exists()
}

/// A cluster of one server that ran once and is stopped.
async fn with_a_stopped_server() -> Testbed {
    let mut cluster = Testbed::builder(env!("CARGO_BIN_EXE_quorid"))
        .servers(1)
        .start()
        .await
        .expect("started");
    cluster.stop(0).await.expect("a clean end");
    cluster
}

/// Starts its server by hand. It ends when its standard input does.
fn serve(cluster: &Testbed) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorid"));
    command
        .args(["serve", "--exit-on-stdin-close", "--config"])
        .arg(cluster.directory().join("s1.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Everything below a directory.
fn files(directory: &Path) -> Vec<DirEntry> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("its type").is_dir() {
            all.extend(files(&entry.path()));
        }
        all.push(entry);
    }
    all
}

fn new_account(login_name: &str) -> NewAccount {
    NewAccount {
        login_name: login_name.to_owned(),
        real_name: "Ana".to_owned(),
        ..NewAccount::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_started_killed_restarted_and_end_with_the_cluster() {
    let began = SystemTime::now();
    let mut cluster = Testbed::builder(env!("CARGO_BIN_EXE_quorid"))
        .start()
        .await
        .expect("started");
    let elected = cluster
        .wait_event(began, PATIENCE, |event| event.is("elected"))
        .await
        .expect("an election");
    let leader = cluster.leader(PATIENCE).await.expect("a leader");
    assert_eq!(elected.server, leader);

    let operator = cluster.operator().expect("a client");
    operator
        .create_account(new_account("ana"))
        .await
        .expect("created");
    cluster.kill9(leader).await.expect("killed");
    operator
        .create_account(new_account("bea"))
        .await
        .expect("created");
    assert_ne!(cluster.leader(PATIENCE).await.expect("a leader"), leader);

    cluster.start(leader).await.expect("started");
    cluster.wait_ready(PATIENCE).await.expect("ready");
    let digests = cluster.digests(PATIENCE).await.expect("digests");
    assert!(digests.equal() && digests.of.len() == 3, "{digests:?}");
    let revision = operator.session_revision();
    let held = cluster.accounts_of(leader, revision).await.expect("listed");
    assert_eq!(held.len(), 2);

    for entry in files(&cluster.directory().join(cluster.name(leader))) {
        let mode = entry.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", entry.path().display());
    }

    cluster.pause(leader).await.expect("paused");
    cluster.resume(leader).await.expect("resumed");
    cluster.stop(leader).await.expect("a clean end");
    let processes: Vec<u32> = (0..3).filter_map(|i| cluster.process_id(i)).collect();
    assert_eq!(processes.len(), 2);
    assert!(processes.iter().all(|process| runs(*process)));
    let directory = cluster.directory().to_owned();
    drop(cluster);
    assert!(!processes.iter().any(|process| runs(*process)));
    assert!(!directory.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_found_again_in_its_directory() {
    let dir = tempfile::tempdir().expect("directory");
    let builder = Testbed::builder(env!("CARGO_BIN_EXE_quorid"))
        .servers(1)
        .directory(dir.path());
    let mut cluster = builder.clone().start().await.expect("started");
    let operator = cluster.operator().expect("a client");
    operator
        .create_account(new_account("ana"))
        .await
        .expect("created");
    cluster.stop_all().await.expect("a clean end");
    drop(cluster);

    let cluster = builder.start().await.expect("started again");
    let ana = AccountName::Login("ana".to_owned());
    let operator = cluster.operator().expect("a client");
    let account = operator.get_account(&ana, Read::Linearizable).await;
    assert_eq!(account.expect("kept").real_name, "Ana");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_start_is_told_with_its_last_words() {
    let mut cluster = Testbed::builder(env!("CARGO_BIN_EXE_quorid"))
        .servers(1)
        .setting("heartbeat_ms", 1)
        .create()
        .expect("made");
    let error = cluster.start_all().await.expect_err("refused");
    let told = matches!(&error, TestbedError::Ended { last_words, .. }
        if last_words.contains("heartbeat_ms"));
    assert!(told, "{error}");
}

/// As systemd does it with `Type=notify`.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_is_told_when_a_server_is_up_who_leads_and_when_it_stops() {
    let cluster = with_a_stopped_server().await;
    let path = cluster.directory().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("it takes a time-out");
    let mut server = serve(&cluster)
        .env("NOTIFY_SOCKET", &path)
        .spawn()
        .expect("started");
    let told = tokio::task::spawn_blocking(move || {
        let hear = || {
            let mut message = [0; 512];
            let length = socket.recv(&mut message).expect("told in time");
            String::from_utf8_lossy(&message[..length]).into_owned()
        };
        let up = hear();
        while !hear().contains("STATUS=leads in term") {}
        drop(server.stdin.take());
        while !hear().contains("STOPPING=1") {}
        let status = server.wait().expect("it ends");
        (up, status)
    });
    let (up, status) = tokio::time::timeout(PATIENCE, told)
        .await
        .expect("in time")
        .expect("heard");
    assert!(up.starts_with("READY=1\n"), "{up}");
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_whether_the_server_of_a_configuration_is_ready_and_why_not() {
    let mut cluster = Testbed::builder(env!("CARGO_BIN_EXE_quorid"))
        .start()
        .await
        .expect("started");
    let config = cluster.directory().join("s1.toml");
    let health = || {
        let output = Command::new(env!("CARGO_BIN_EXE_quorid"))
            .args(["health", "--config"])
            .arg(&config)
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), said)
    };
    assert_eq!(health(), (Some(0), "s1 is ready\n".to_owned()));

    // Alone, it knows no leader.
    cluster.kill9(1).await.expect("killed");
    cluster.kill9(2).await.expect("killed");
    let deadline = Instant::now() + PATIENCE;
    let (exit, said) = loop {
        let answer = health();
        if answer.0 != Some(0) || Instant::now() > deadline {
            break answer;
        }
    };
    assert_eq!(exit, Some(5), "{said}");
    assert!(said.contains("not ready: no leader is known"), "{said}");

    cluster.kill9(0).await.expect("killed");
    let (exit, said) = health();
    assert_eq!(exit, Some(5), "{said}");
    assert!(said.contains("s1 does not answer at 127.0.0.1:"), "{said}");
}

/// Who starts servers may be killed without a chance to end them.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_ends_when_nobody_is_left_at_its_standard_input() {
    let cluster = with_a_stopped_server().await;
    let mut server = serve(&cluster).spawn().expect("started");
    let operator = cluster.operator().expect("a client");
    operator.cluster().await.expect("it serves");
    drop(server.stdin.take());
    let ended = tokio::task::spawn_blocking(move || server.wait());
    let status = tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("in time");
    assert!(status.expect("waited").expect("waited").success());
}
