//! The old leader comes back, as a follower.

use serde_json::json;

use super::{Beginning, PATIENCE, Tour, ledger, moment, whole_ms};
use crate::error::LabError;

const KINDS: [&str; 5] = [
    "listening",
    "opened",
    "follows",
    "elected",
    "snapshot_installed",
];

pub(super) async fn tell(tour: &mut Tour<'_>, old: usize) -> Result<(), LabError> {
    let name = tour.name(old);
    tour.narrator
        .chapter("leader_back", "The old leader comes back")?;
    tour.narrator.say(&format!(
        "{name} reads its last checkpoint and applies the log behind it. It hears of a leader of \
         a later term and follows it; the leader sends the part of the log that it missed. A \
         revision is the number of the last log entry that a server has applied.",
    ))?;
    let leader = tour.cluster.leader(PATIENCE).await?;
    let goal = tour.cluster.status(leader).await?.applied_index;
    let began = Beginning::now();
    tour.cluster.start(old).await?;
    let status = tour.cluster.wait_applied(old, goal, PATIENCE).await?;
    let caught_up = whole_ms(began.process.elapsed());
    tour.cluster.wait_ready(PATIENCE).await?;

    let mut events = tour.told(began, &KINDS)?;
    events.retain(|event| event.server == old);
    let mut moments = tour.moments(&events, began);
    moments.insert(
        0,
        moment(0, "tour", "started", format!("{name} is started again")),
    );
    let reached = format!("has applied revision {}", status.applied_index);
    moments.push(moment(
        i64::try_from(caught_up).unwrap_or(i64::MAX),
        &name,
        "caught_up",
        reached,
    ));
    tour.narrator.timeline(moments)?;

    let had = events
        .iter()
        .find(|event| event.is("opened"))
        .and_then(|event| event.number("last_log"))
        .unwrap_or(0);
    tour.narrator.figures(json!({
        "server": name,
        "leader": tour.name(leader),
        "from_revision": had,
        "to_revision": status.applied_index,
        "missed": status.applied_index.saturating_sub(had),
        "caught_up_ms": caught_up,
    }));
    let still_led = tour.cluster.leader(PATIENCE).await?;
    tour.narrator.check(
        still_led == leader && events.iter().any(|event| event.is("follows")),
        "the old leader rejoins as a follower",
        format!("{name} follows {}", tour.name(leader)),
    )?;
    let by_snapshot = events.iter().any(|event| event.is("snapshot_installed"));
    tour.narrator.check(
        !by_snapshot && status.applied_index >= goal && had > 0 && had < goal,
        "it catches up by log",
        format!(
            "from revision {had} to {}, {caught_up} ms after its start",
            status.applied_index
        ),
    )?;
    ledger::verify(tour).await
}
