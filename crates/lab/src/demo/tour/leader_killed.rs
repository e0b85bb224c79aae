//! The leader is killed while clients write.

use std::time::Duration;

use super::{Beginning, PATIENCE, Tour, WRITERS, failover::Failover, ledger};
use crate::error::LabError;

const KINDS: [&str; 5] = [
    "leader_gone",
    "leader_lost",
    "candidate",
    "elected",
    "follows",
];
const PACE: Duration = Duration::from_millis(10);
/// Acknowledged creates before the kill, and after it.
const CREATES: usize = 300;

/// Returns the server that was killed, which is down afterwards.
pub(super) async fn tell(tour: &mut Tour<'_>) -> Result<usize, LabError> {
    tour.narrator
        .chapter("leader_killed", "The leader is killed")?;
    tour.narrator.say(&format!(
        "{WRITERS} clients create one account after the other while the leader's process gets \
         kill -9: no goodbye, nothing written. The others see that its port refuses connections, \
         or else that its heartbeats stop. One after the other asks for votes, and gets them only \
         if its log lacks nothing that was acknowledged. Clients ask again with the same request id, so nothing \
         is done twice."
    ))?;
    let old = tour.cluster.wait_ready(PATIENCE).await?;
    let mut writers = tour.writers("killed", PACE)?;
    writers.more(CREATES, PATIENCE).await?;

    let killed = Beginning::now();
    tour.cluster.kill9(old).await?;
    let old_name = tour.name(old);
    let heard = tour
        .watcher
        .other_leader_since(killed.process, &old_name, PATIENCE);
    let heard = heard.await?;
    let new = tour.cluster.leader(PATIENCE).await?;
    writers.more(CREATES, PATIENCE).await?;
    let written = writers.finish(PATIENCE).await?;
    tour.ledger.add(&written);

    let mut events = tour.told(killed, &KINDS)?;
    events.retain(|event| event.server != old);
    let failover = Failover {
        began: killed,
        harm: "kill",
        harmed: "is killed with -9",
        old,
        new,
        events,
        heard,
    };
    failover.show(tour, &written)?;
    failover.check(tour, &written)?;
    tour.show(&["cluster", "status"]).await?;
    ledger::verify(tour).await?;
    Ok(old)
}
