//! A follower loses its network for a while.

use std::time::Duration;

use crate::testbed::{Cut, LogEvent};
use serde_json::json;

use super::{Beginning, NETWORK_EVENTS, PATIENCE, Tour, ledger, moment, whole_ms};
use crate::{demo::narrator::ms, error::LabError};

const PACE: Duration = Duration::from_millis(10);
/// Acknowledged creates before the cut, during it, and after the link is back.
const CREATES: usize = 300;

pub(super) async fn tell(tour: &mut Tour<'_>) -> Result<(), LabError> {
    tour.narrator.chapter(
        "follower_cut_off",
        "A follower loses its network for a while",
    )?;
    tour.narrator.say(
        "Cut off, a follower hears of no leader and would stand for election. Before that it \
         asks the others whether they would vote for it. It gets no answer, so it does not count \
         up its term, and it does not disturb the leader when it is back: it gets what it missed, \
         and that is all.",
    )?;
    let leader = tour.cluster.wait_ready(PATIENCE).await?;
    let others = (0..tour.cluster.len()).rev();
    let follower = others.clone().find(|server| *server != leader);
    let follower = follower.expect("the tour has three servers");
    let name = tour.name(follower);
    let mut writers = tour.writers("unplugged", PACE)?;
    writers.more(CREATES, PATIENCE).await?;

    let cut = Beginning::now();
    let term = tour.cluster.status(leader).await?.term;
    tour.cluster.cut(follower, Cut::All).await?;
    let lost = tour.cluster.wait_event(cut.wall, PATIENCE, |event| {
        event.server == follower && event.is("leader_lost")
    });
    lost.await?;
    writers.more(CREATES, PATIENCE).await?;
    let healed = Beginning::now();
    tour.cluster.heal().await?;
    let goal = tour.cluster.status(leader).await?.applied_index;
    let status = tour.cluster.wait_applied(follower, goal, PATIENCE).await?;
    let caught_up = healed.process.elapsed();
    tour.cluster.wait_ready(PATIENCE).await?;
    writers.more(CREATES, PATIENCE).await?;
    let written = writers.finish(PATIENCE).await?;
    tour.ledger.add(&written);

    let events = tour.told(cut, &NETWORK_EVENTS)?;
    let follows = |event: &LogEvent| event.server == follower && event.is("follows");
    let follows_again = events
        .iter()
        .any(|event| event.at >= healed.wall && follows(event));
    let mut moments = tour.moments(&events, cut);
    moments.insert(
        0,
        moment(
            0,
            "tour",
            "cut",
            format!("{name} is cut off from everybody"),
        ),
    );
    let back = cut.ms_until(healed.process);
    moments.push(moment(
        back,
        "tour",
        "healed",
        format!("the link of {name} is up again"),
    ));
    moments.push(moment(
        cut.ms_until(healed.process + caught_up),
        &name,
        "caught_up",
        format!("has applied revision {}", status.applied_index),
    ));
    tour.narrator.timeline(moments)?;
    let now = tour.cluster.leader(PATIENCE).await?;
    let term_now = tour.cluster.status(now).await?.term;
    tour.narrator.figures(json!({
        "server": name,
        "leader": tour.name(now),
        "term": term_now,
        "away_ms": back,
        "caught_up_ms": whole_ms(caught_up),
    }));
    tour.narrator.check(
        now == leader && term_now == term,
        "the leader was not disturbed",
        format!("{} still leads, still in term {term_now}", tour.name(now)),
    )?;
    tour.narrator.check(
        follows_again,
        "the follower follows again, and caught up",
        format!(
            "{name} has revision {}, {} after the link was back",
            goal,
            ms(caught_up)
        ),
    )?;
    tour.check_writes_went_on(&written, cut.process)?;
    ledger::verify(tour).await
}
