//! Standing for election as soon as the lease of a silent leader is over, and a leader's own word that
//! it has lost its majority.
//!
//! A follower that hears nothing of its leader can be elected once the lease has run out. The engine
//! waits for a random time-out more. Followers of one leader do not need that: they have turns.
//!
//! A leader that hears nothing of the others may still be heard by them, and then their leases run
//! on. So when its own lease is over it says that it resigns, and who hears that drops the lease.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use openraft::{
    async_runtime::watch::WatchReceiver as _,
    network::{RPCOption, RaftNetworkFactory as _, v2::RaftNetworkV2 as _},
    raft::TransferLeaderRequest,
};
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::{
    leader_contact::LeaderContact,
    network::PeerNetwork,
    succession::{Leader, stand, turn},
    types::{Enlisted, Raft},
};

/// From what is heard of the leader to the end of the lease that the engine keeps: messages wait until
/// it comes to them.
const MARGIN: Duration = Duration::from_millis(3);

/// Stands for election whenever the leader was silent for its lease, or resigned.
pub(super) async fn watch_for_silence(
    raft: Raft,
    contact: Arc<LeaderContact>,
    lease: Duration,
    heartbeat: Duration,
) {
    let until = lease + MARGIN;
    loop {
        tokio::select! {
            () = contact.resigned() => {}
            () = sleep(until.saturating_sub(contact.silence())) => {
                if contact.silence() < until {
                    continue;
                }
            }
        }
        let leader = Leader::followed(&raft.server_metrics().borrow_watched());
        if let Some(leader) = leader
            && stand(&raft, &leader, turn(heartbeat), lease).await.is_err()
        {
            return;
        }
        // One that is still silent is left to the engine's time-outs: this server may be the one that
        // is cut off.
        while contact.silence() >= until {
            sleep(heartbeat).await;
        }
    }
}

/// Says to the other voters, whoever hears it, that this leader has no majority any more.
pub(super) async fn resign(raft: Raft, network: PeerNetwork, patience: Duration) {
    let (request, others) = {
        let metrics = raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let members = metrics.membership_config.membership();
        let voters: Vec<u64> = members.voter_ids().collect();
        let others = members
            .nodes()
            .filter(|(id, _)| **id != metrics.id && voters.contains(id));
        let others: Vec<(u64, Enlisted)> =
            others.map(|(id, member)| (*id, member.clone())).collect();
        // To itself: who gets it ends the lease, and nobody is to be elected without asking.
        (
            TransferLeaderRequest::new(metrics.vote, metrics.id, None),
            others,
        )
    };
    let tell = others.into_iter().map(|(id, member)| {
        let (mut network, request) = (network.clone(), request.clone());
        async move {
            let mut client = network.new_client(id, &member).await;
            let told = client.transfer_leader(request, RPCOption::new(patience));
            if !matches!(timeout(patience, told).await, Ok(Ok(Ok(())))) {
                debug!(
                    "{} did not answer that this leader resigns",
                    member.server.name
                );
            }
        }
    });
    join_all(tell).await;
}
