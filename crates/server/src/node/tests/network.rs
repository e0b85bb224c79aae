//! What is asked of a server that refuses connections, or is silent.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::stream;
use openraft::{
    errors::RPCError,
    network::{RPCOption, RaftNetworkFactory as _, v2::RaftNetworkV2 as _},
};
use quorid_storage::{LogPos, LogVote, Payload};
use rustls::{RootCertStore, crypto::ring};
use tokio::time::{Instant, timeout};

use crate::{
    named_server::NamedServer,
    node::{
        dialer::PeerDialer,
        network::{PeerConnection, PeerNetwork},
        types::{AppendRequest, Enlisted},
        wire,
    },
    seams::{BoxFuture, BoxedIo, InPlace, Listener, Network},
};

/// Counts who tries.
#[derive(Default)]
struct Refusing(AtomicU64);

impl Network for Refusing {
    fn connect<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<BoxedIo>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
    }

    fn bind<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
}

/// Counts who tries, and lets all of them wait.
#[derive(Default)]
struct Silent(AtomicU64);

impl Network for Silent {
    fn connect<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<BoxedIo>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::pending())
    }

    fn bind<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
}

const OPTION: Duration = Duration::from_millis(100);

/// Reaches nobody.
pub(super) fn refusing() -> PeerNetwork {
    peers(&Arc::new(Refusing::default()))
}

fn peers(network: &Arc<impl Network>) -> PeerNetwork {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let network: Arc<dyn Network> = Arc::clone(network) as _;
    let dialer = PeerDialer::new(network, Arc::new(tls), OPTION);
    let cluster_id = "97c3d893-8b2e-4291-bd9c-a6c94d4b3fe8";
    PeerNetwork::new(dialer, Arc::new(InPlace), cluster_id, 1, OPTION).expect("a UUID")
}

fn member() -> Enlisted {
    let server = NamedServer {
        name: "n2".to_owned(),
        client_address: "n2:7400".to_owned(),
        peer_address: "n2:7401".to_owned(),
    };
    Enlisted {
        server,
        ..Enlisted::default()
    }
}

async fn connection(network: &Arc<Refusing>) -> PeerConnection {
    peers(network).new_client(2, &member()).await
}

/// One blank entry at index `first`, after `prev`.
fn request(prev: u64, first: u64) -> AppendRequest {
    let at = |index| LogPos { term: 1, index };
    AppendRequest {
        vote: wire::vote(LogVote {
            term: 1,
            candidate: 1,
            committed: true,
        }),
        prev_log_id: Some(wire::log_id(at(prev))),
        entries: vec![wire::entry(at(first), Payload::Blank).expect("an entry")],
        leader_commit: None,
    }
}

// The engine's pause after a failure is in the stream: whoever connects first makes none.
#[tokio::test(start_paused = true)]
async fn nobody_connects_before_there_is_something_to_send() {
    let network = Arc::new(Refusing::default());
    let mut connection = connection(&network).await;
    let append = connection.stream_append(stream::pending(), RPCOption::new(OPTION));
    assert!(timeout(100 * OPTION, append).await.is_err(), "it waits");
    assert_eq!(network.0.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn entries_that_would_leave_a_hole_in_a_followers_log_are_not_sent() {
    let network = Arc::new(Refusing::default());
    let mut connection = connection(&network).await;
    let hole = stream::iter([request(5, 9)]);
    let append = connection.stream_append(hole, RPCOption::new(OPTION)).await;
    assert!(matches!(append.err(), Some(RPCError::Network(_))));
    assert_eq!(network.0.load(Ordering::Relaxed), 0);

    let fits = stream::iter([request(5, 6)]);
    let append = connection.stream_append(fits, RPCOption::new(OPTION)).await;
    assert!(matches!(append.err(), Some(RPCError::Unreachable(_))));
    assert_eq!(network.0.load(Ordering::Relaxed), 1);
}

/// A request without entries.
fn heartbeat() -> AppendRequest {
    AppendRequest {
        entries: Vec::new(),
        ..request(5, 6)
    }
}

#[tokio::test(start_paused = true)]
async fn each_heartbeat_tries_once_to_reach_a_server() {
    let network = Arc::new(Refusing::default());
    let mut connection = peers(&network).new_heartbeat_client(2, &member()).await;
    for tries in 1..=3 {
        let option = RPCOption::new(OPTION);
        let outcome = connection.append_entries(heartbeat(), option).await;
        assert!(matches!(outcome, Err(RPCError::Unreachable(_))));
        assert_eq!(network.0.load(Ordering::Relaxed), tries);
    }
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_waits_no_longer_than_the_engine() {
    let network = Arc::new(Silent::default());
    let mut connection = peers(&network).new_heartbeat_client(2, &member()).await;
    let began = Instant::now();
    let option = RPCOption::new(OPTION / 2);
    let outcome = connection.append_entries(heartbeat(), option).await;
    assert!(matches!(outcome, Err(RPCError::Timeout(_))));
    assert!(began.elapsed() < OPTION, "{:?}", began.elapsed());
    assert_eq!(network.0.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_and_entries_keep_to_their_own_connections() {
    let network = Arc::new(Refusing::default());
    let mut heartbeats = peers(&network).new_heartbeat_client(2, &member()).await;
    let mut entries = peers(&network).new_client(2, &member()).await;
    let option = RPCOption::new(OPTION);
    let with_entries = heartbeats.append_entries(request(5, 6), option.clone());
    assert!(matches!(with_entries.await, Err(RPCError::Network(_))));
    let alone = entries.append_entries(heartbeat(), option);
    assert!(matches!(alone.await, Err(RPCError::Network(_))));
    assert_eq!(network.0.load(Ordering::Relaxed), 0);
}
