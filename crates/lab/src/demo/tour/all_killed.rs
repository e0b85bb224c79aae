//! All servers are killed at once.

use std::time::Duration;

use serde_json::json;

use super::{Beginning, PATIENCE, Tour, ledger, moment, whole_ms};
use crate::{demo::narrator::ms, error::LabError};

const KINDS: [&str; 4] = ["opened", "candidate", "elected", "follows"];
const PACE: Duration = Duration::from_millis(10);
const CREATES: usize = 200;

pub(super) async fn tell(tour: &mut Tour<'_>) -> Result<(), LabError> {
    tour.narrator
        .chapter("all_killed", "All servers are killed at once")?;
    tour.narrator.say(
        "The lights go out: kill -9 for all three while clients write, then all are started \
         again. What was acknowledged was on the disks of a majority before anybody was told, \
         so it is there. The clients are patient: what they were waiting for is done after the \
         restart, once.",
    )?;
    tour.cluster.wait_ready(PATIENCE).await?;
    let mut writers = tour.writers("dark", PACE)?;
    writers.more(CREATES, PATIENCE).await?;
    let killed = Beginning::now();
    tour.cluster.kill9_all().await?;
    tour.cluster.start_all().await?;
    writers.more(CREATES, PATIENCE).await?;
    let written = writers.finish(PATIENCE).await?;
    tour.ledger.add(&written);
    let leader = tour.cluster.leader(PATIENCE).await?;

    let events = tour.told(killed, &KINDS)?;
    let mut moments = tour.moments(&events, killed);
    moments.insert(
        0,
        moment(
            0,
            "tour",
            "kill",
            "all servers are killed with -9, and started again",
        ),
    );
    if let Some(resumed) = written.resumed(killed.process) {
        let what = "the first create is acknowledged again";
        moments.push(moment(
            killed.ms_until(resumed),
            "client",
            "acknowledged",
            what,
        ));
    }
    tour.narrator.timeline(moments)?;
    let term = tour.cluster.status(leader).await?.term;
    let pause = written.longest_pause(killed.process);
    tour.narrator.figures(json!({
        "leader": tour.name(leader),
        "term": term,
        "pause_ms": pause.map(whole_ms),
        "creates": written.acknowledged.len(),
        "errors": written.failed.len(),
    }));
    tour.narrator.check(
        written.failed.is_empty() && pause.is_some(),
        "the cluster comes back by itself, and its clients never knew",
        format!(
            "{} leads in term {term}; writes stood still for {}; {} creates, {}",
            tour.name(leader),
            pause.map_or_else(|| "ever".to_owned(), ms),
            written.acknowledged.len(),
            written.errors()
        ),
    )?;
    ledger::verify(tour).await
}
