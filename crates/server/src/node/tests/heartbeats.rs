//! Heartbeats to a real server, over TLS: its checks at the opening of a stream, and a stream that breaks.

use std::time::Duration;

use openraft::{
    errors::RPCError,
    network::{RPCOption, RaftNetworkFactory as _, v2::RaftNetworkV2 as _},
    raft::AppendEntriesResponse,
};
use quorid_storage::LogVote;
use tokio::time::{Instant, sleep};

use super::harness::{Cluster, DEADLINE};
use crate::node::{
    network::{PeerConnection, RpcError},
    types::{AppendRequest, Enlisted},
    wire,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// A cluster of one server, which leads, and what another server of it would reach that with.
async fn one() -> Cluster {
    let mut cluster = Cluster::new(1).await;
    cluster.start(&[0]).await;
    cluster.leader().await;
    cluster
}

async fn heartbeats(cluster: &Cluster, cluster_id: &str, target: u64) -> PeerConnection {
    let member = Enlisted {
        server: cluster.servers[0].clone(),
        ..Enlisted::default()
    };
    let mut network = cluster.peer_network(cluster_id, PATIENCE);
    network.new_heartbeat_client(target, &member).await
}

/// From a leader of a term that is over.
async fn ask(
    connection: &mut PeerConnection,
) -> Result<AppendEntriesResponse<crate::node::types::TypeConfig>, RpcError> {
    let request = AppendRequest {
        vote: wire::vote(LogVote {
            term: 0,
            candidate: 2,
            committed: true,
        }),
        prev_log_id: None,
        entries: Vec::new(),
        leader_commit: None,
    };
    let option = RPCOption::new(PATIENCE);
    connection.append_entries(request, option).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stream_of_heartbeats_goes_on_after_refusals_and_is_opened_anew_after_it_broke() {
    let cluster = one().await;
    let (_, leader) = cluster.leader().await;
    let mut connection = heartbeats(&cluster, &leader.state().cluster_id, 1).await;
    for _ in 0..10 {
        let outcome = ask(&mut connection).await.expect("an answer");
        assert!(matches!(outcome, AppendEntriesResponse::HigherVote(_)));
    }

    assert_eq!(cluster.networks["s1"].reset_accepted(), 1, "connections");
    let until = Instant::now() + DEADLINE;
    loop {
        match ask(&mut connection).await {
            Ok(_) => break,
            Err(RPCError::Unreachable(why)) => assert!(Instant::now() < until, "{why}"),
            Err(other) => panic!("{other}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn heartbeats_of_another_cluster_or_for_another_server_are_refused() {
    let cluster = one().await;
    let (_, leader) = cluster.leader().await;
    let cluster_id = leader.state().cluster_id.clone();
    let cases = [
        (
            "97c3d893-8b2e-4291-bd9c-a6c94d4b3fe8",
            1,
            "belongs to cluster",
        ),
        (cluster_id.as_str(), 7, "this is server 1, not 7"),
    ];
    for (cluster_id, target, why) in cases {
        let mut connection = heartbeats(&cluster, cluster_id, target).await;
        let error = ask(&mut connection).await.expect_err(why);
        assert!(matches!(error, RPCError::Unreachable(_)), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
}
