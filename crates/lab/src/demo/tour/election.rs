//! The servers start and elect a leader.

use crate::testbed::Testbed;
use serde_json::json;

use super::{Beginning, PATIENCE, Tour};
use crate::{demo::narrator::Narrator, error::LabError};

const KINDS: [&str; 6] = [
    "listening",
    "enlisted",
    "forming",
    "candidate",
    "elected",
    "follows",
];

/// Starts the servers; when, for the time line.
pub(super) async fn start(
    cluster: &mut Testbed,
    narrator: &mut Narrator,
) -> Result<Beginning, LabError> {
    narrator.chapter("election", "Three servers start, and elect a leader")?;
    narrator.say(&format!(
        "Each server is a {} of its own, with its own certificate, log and disk. Changes \
         need one who puts them in order: the leader. A server that hears of no leader stands \
         for election; who gets the votes of a majority leads, in a term that is counted up \
         with every election. What follows is from the servers' own logs.",
        cluster.what()
    ))?;
    let began = Beginning::now();
    cluster.start_all().await?;
    Ok(began)
}

pub(super) async fn tell(tour: &mut Tour<'_>, began: Beginning) -> Result<(), LabError> {
    let heard = tour.watcher.leader_since(began.process, PATIENCE).await?;
    let leader = tour.cluster.wait_ready(PATIENCE).await?;
    let events = tour.told(began, &KINDS)?;
    let mut moments = tour.moments(&events, began);
    moments.push(super::heard_moment(began.ms_until(heard.at), &heard));
    tour.narrator.timeline(moments)?;
    let statuses = tour.cluster.statuses().await;
    let leaders: Vec<_> = statuses
        .iter()
        .map(|(_, status)| (status.leader_id, status.term))
        .collect();
    let agreed = leaders.len() == tour.cluster.len()
        && leaders
            .iter()
            .all(|seen| *seen == leaders[0] && seen.0 != 0);
    let elections = events.iter().filter(|event| event.is("elected")).count();
    let name = tour.name(leader);
    let term = leaders.first().map_or(0, |(_, term)| *term);
    let elected = events.iter().rev().find(|event| event.is("elected"));
    tour.narrator.figures(json!({
        "leader": name,
        "term": term,
        "elections": elections,
        "elected_ms": elected.map(|event| began.ms_until_wall(event.at)),
        "heard_from": heard.teller(),
        "heard_ms": began.ms_until(heard.at),
    }));
    tour.narrator.check(
        agreed,
        "all three servers follow one leader",
        format!("{name}, in term {term}, elections: {elections}"),
    )?;
    tour.show(&["cluster", "status"]).await?;
    Ok(())
}
