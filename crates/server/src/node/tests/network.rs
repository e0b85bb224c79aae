//! What is asked of a server that refuses connections.

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
use tokio::time::timeout;

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

const OPTION: Duration = Duration::from_millis(100);

/// Reaches nobody.
pub(super) fn refusing() -> PeerNetwork {
    peers(&Arc::default())
}

fn peers(network: &Arc<Refusing>) -> PeerNetwork {
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

async fn connection(network: &Arc<Refusing>) -> PeerConnection {
    let server = NamedServer {
        name: "n2".to_owned(),
        client_address: "n2:7400".to_owned(),
        peer_address: "n2:7401".to_owned(),
    };
    let member = Enlisted {
        server,
        ..Enlisted::default()
    };
    peers(network).new_client(2, &member).await
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
