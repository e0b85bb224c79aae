//! Standing for election as soon as the lease of a silent leader is over.
//!
//! A follower that hears nothing of its leader can be elected once the lease has run out. The engine
//! waits for a random time-out more. Followers of one leader do not need that: they have turns.

use std::{sync::Arc, time::Duration};

use openraft::async_runtime::watch::WatchReceiver as _;
use tokio::time::sleep;

use super::{
    compare_clocks::OwnClock,
    leader_contact::LeaderContact,
    succession::{Leader, stand, turn},
    types::Raft,
};

/// From what is heard of the leader to the end of the lease that the engine keeps: messages wait until
/// it comes to them.
const MARGIN: Duration = Duration::from_millis(3);

/// Stands for election whenever the leader was silent for its lease.
pub(super) async fn watch_for_silence(
    raft: Raft,
    contact: Arc<LeaderContact>,
    (lease, heartbeat): (Duration, Duration),
    own_clock: Arc<OwnClock>,
) {
    let until = lease + MARGIN;
    loop {
        sleep(until.saturating_sub(contact.silence())).await;
        if contact.silence() < until {
            continue;
        }
        let leader = Leader::followed(&raft.server_metrics().borrow_watched());
        if let Some(leader) = leader
            && stand(&raft, &leader, &own_clock, (turn(heartbeat), lease))
                .await
                .is_err()
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
