//! The leader's network is cut while it keeps running, then restored.

use std::time::Duration;

use crate::testbed::Cut;
use serde_json::json;

use super::{
    Beginning, NETWORK_EVENTS, PATIENCE, Tour, WRITERS, failover::Failover, ledger, moment,
    whole_ms,
};
use crate::error::LabError;

const PACE: Duration = Duration::from_millis(10);
/// Some times the lease, for a machine that is busy with other things.
const STOPS_WITHIN: Duration = Duration::from_secs(2);
/// Acknowledged creates before the cut, after it, and after the link is back.
const CREATES: usize = 300;

pub(super) async fn tell(tour: &mut Tour<'_>) -> Result<(), LabError> {
    tour.narrator
        .chapter("leader_cut_off", "The leader's network is cut")?;
    tour.narrator.say(&format!(
        "The leader keeps running, but nothing it sends arrives and nothing reaches it. It cannot \
         know whether it still leads, so once no majority has answered it for the length of its \
         lease, it stops serving changes and linearizable reads. By then the others elect \
         another. {WRITERS} clients go on creating accounts."
    ))?;
    let old = tour.cluster.wait_ready(PATIENCE).await?;
    let mut writers = tour.writers("cut", PACE)?;
    writers.more(CREATES, PATIENCE).await?;

    let cut = Beginning::now();
    tour.cluster.cut(old, Cut::All).await?;
    let old_name = tour.name(old);
    let heard = tour
        .watcher
        .other_leader_since(cut.process, &old_name, PATIENCE);
    let heard = heard.await?;
    let new = tour.cluster.leader(PATIENCE).await?;
    let lost = tour.cluster.wait_event(cut.wall, PATIENCE, |event| {
        event.server == old && event.is("majority_lost")
    });
    let lost = lost.await?;
    writers.more(CREATES, PATIENCE).await?;
    let events = tour.told(cut, &NETWORK_EVENTS)?;

    let healed = Beginning::now();
    tour.cluster.heal().await?;
    let stepped_down = tour.cluster.wait_event(healed.wall, PATIENCE, |event| {
        event.server == old && event.is("stepped_down")
    });
    let stepped_down = stepped_down.await?;
    let goal = tour.cluster.status(new).await?.applied_index;
    let status = tour.cluster.wait_applied(old, goal, PATIENCE).await?;
    let caught_up = healed.process.elapsed();
    tour.cluster.wait_ready(PATIENCE).await?;
    writers.more(CREATES, PATIENCE).await?;
    let written = writers.finish(PATIENCE).await?;
    tour.ledger.add(&written);

    let name = tour.name(old);
    let failover = Failover {
        began: cut,
        harm: "cut",
        harmed: "is cut off from everybody",
        old,
        new,
        events,
        heard,
    };
    failover.show(tour, &written)?;
    failover.check(tour, &written)?;
    tour.narrator.check(
        lost.at < cut.wall + STOPS_WITHIN,
        "the old leader stopped serving by itself",
        format!("{name}, {} ms after the cut", cut.ms_until_wall(lost.at)),
    )?;

    tour.narrator.say(&format!(
        "The link is back. {name} hears of the later term, steps down, drops what it had written \
         and could not get to a majority, and gets what it missed."
    ))?;
    let mut moments = tour.moments(&tour.told(healed, &NETWORK_EVENTS)?, healed);
    moments.insert(
        0,
        moment(
            0,
            "tour",
            "healed",
            format!("the link of {name} is up again"),
        ),
    );
    moments.push(moment(
        healed.ms_until(healed.process + caught_up),
        &name,
        "caught_up",
        format!("has applied revision {}", status.applied_index),
    ));
    tour.narrator.timeline(moments)?;
    let leader = tour.cluster.leader(PATIENCE).await?;
    tour.narrator.figures(json!({
        "stopped_ms": cut.ms_until_wall(lost.at),
        "healed_ms": cut.ms_until(healed.process),
        "stepped_down_ms": healed.ms_until_wall(stepped_down.at),
        "caught_up_ms": whole_ms(caught_up),
    }));
    tour.narrator.check(
        leader == new,
        "the old leader stepped down and got back in sync",
        format!(
            "{name} stepped down after {} ms, had revision {} after {} ms, follows {}",
            healed.ms_until_wall(stepped_down.at),
            status.applied_index,
            caught_up.as_millis(),
            tour.name(leader)
        ),
    )?;
    ledger::verify(tour).await
}
