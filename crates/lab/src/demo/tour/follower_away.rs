//! A follower is away for longer than the log is kept.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Beginning, PATIENCE, Tour, ledger, moment, whole_ms};
use crate::{demo::narrator::ms, error::LabError};

const KINDS: [&str; 5] = [
    "opened",
    "follows",
    "elected",
    "snapshot_receiving",
    "snapshot_installed",
];
const PACE: Duration = Duration::from_millis(4);
const CREATES: usize = 200;
const POLL: Duration = Duration::from_millis(20);

pub(super) async fn tell(tour: &mut Tour<'_>) -> Result<(), LabError> {
    tour.narrator
        .chapter("follower_away", "A follower is away for too long")?;
    tour.narrator.say(
        "A follower is killed while clients write. Two of three are still a majority, so writes \
         go on. Servers do not keep their logs for ever: in this tour some 500 entries behind the \
         last checkpoint, half a million otherwise. Once the log no longer reaches back to where \
         the follower was, the leader sends it a snapshot of the whole state, then the log \
         behind it.",
    )?;
    let leader = tour.cluster.wait_ready(PATIENCE).await?;
    let follower = (0..tour.cluster.len())
        .rev()
        .find(|server| *server != leader);
    let follower = follower.expect("the tour has three servers");
    let name = tour.name(follower);
    let mut writers = tour.writers("away", PACE)?;
    writers.more(CREATES, PATIENCE).await?;
    let killed = Instant::now();
    tour.cluster.kill9(follower).await?;
    // What the follower got last, the leader has too.
    let reach = tour.cluster.status(leader).await?.last_log_index;
    let purged = wait_purged(tour, leader, reach).await?;
    let away = killed.elapsed();

    let began = Beginning::now();
    tour.cluster.start(follower).await?;
    let installed = tour.cluster.wait_event(began.wall, PATIENCE, |event| {
        event.server == follower && event.is("snapshot_installed")
    });
    let installed = installed.await?;
    let goal = tour.cluster.status(leader).await?.applied_index;
    let status = tour.cluster.wait_applied(follower, goal, PATIENCE).await?;
    let caught_up = began.process.elapsed();
    writers.more(CREATES, PATIENCE).await?;
    let written = writers.finish(PATIENCE).await?;
    tour.ledger.add(&written);

    let mut events = tour.told(began, &KINDS)?;
    events.retain(|event| event.server == follower);
    let opened = events.iter().find(|event| event.is("opened"));
    let had = opened
        .and_then(|event| event.number("last_log"))
        .unwrap_or(0);
    tour.narrator.facts(&[
        ("killed", format!("{name}, a follower, at revision {had}")),
        ("away for", ms(away)),
        (
            "meanwhile",
            format!("the leader's log was cut up to entry {purged}"),
        ),
    ])?;
    let mut moments = tour.moments(&events, began);
    moments.insert(
        0,
        moment(0, "tour", "started", format!("{name} is started again")),
    );
    moments.push(moment(
        began.ms_until(began.process + caught_up),
        &name,
        "caught_up",
        format!(
            "has applied revision {}, which the leader was at",
            status.applied_index
        ),
    ));
    tour.narrator.timeline(moments)?;
    tour.narrator.figures(json!({
        "server": name,
        "away_ms": whole_ms(away),
        "from_revision": had,
        "purged": purged,
        "snapshot_revision": installed.number("revision"),
        "to_revision": status.applied_index,
        "caught_up_ms": whole_ms(caught_up),
    }));
    tour.narrator.check(
        installed.number("revision").unwrap_or(0) >= purged && status.applied_index >= goal,
        "a follower that was away for too long catches up by snapshot",
        format!(
            "{name} from revision {had} to {}, {} after its start",
            status.applied_index,
            ms(caught_up)
        ),
    )?;
    tour.check_writes_went_on(&written, killed)?;
    ledger::verify(tour).await
}

/// Waits until the leader's log no longer has what a server lacks that got no further than
/// `reach`; the last entry that is gone.
async fn wait_purged(tour: &Tour<'_>, leader: usize, reach: u64) -> Result<u64, LabError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let purged = tour.cluster.status(leader).await?.purged_index;
        if purged > reach {
            return Ok(purged);
        }
        if Instant::now() >= deadline {
            return Err(LabError::LogNotCut {
                first: purged,
                waited: PATIENCE,
            });
        }
        sleep(POLL).await;
    }
}
