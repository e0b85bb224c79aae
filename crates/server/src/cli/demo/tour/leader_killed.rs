//! The leader is killed while clients write.

use std::time::Duration;

use quorid::testbed::LogEvent;
use tokio::time::Instant;

use super::{Beginning, PATIENCE, PAUSE_MAX, Tour, WRITERS, ledger, moment, watcher::Heard};
use crate::cli::{
    demo::{narrator::ms, writers::Written},
    errors::Failure,
};

const KINDS: [&str; 4] = ["leader_lost", "candidate", "elected", "follows"];
const PACE: Duration = Duration::from_millis(10);
/// Acknowledged creates before the kill, and after it.
const CREATES: usize = 300;

/// Returns the server that was killed, which is down afterwards.
pub(super) async fn tell(tour: &mut Tour<'_>) -> Result<usize, Failure> {
    tour.narrator.chapter("The leader is killed")?;
    tour.narrator.say(&format!(
        "{WRITERS} clients create one account after the other while the leader's process gets \
         kill -9: no goodbye, nothing written. The others notice that its heartbeats stop; the \
         first whose time-out runs out asks for votes, and gets them only if its log lacks \
         nothing that was acknowledged. Clients ask again with the same request id, so nothing \
         is done twice."
    ))?;
    let old = tour.cluster.wait_ready(PATIENCE).await?;
    let mut writers = tour.writers("killed", PACE)?;
    writers.more(CREATES, PATIENCE).await?;

    let killed = Beginning::now();
    tour.cluster.kill9(old).await?;
    let heard = tour.watcher.leader_since(killed.process, PATIENCE).await?;
    let new = tour.cluster.leader(PATIENCE).await?;
    writers.more(CREATES, PATIENCE).await?;
    let written = writers.finish(PATIENCE).await?;
    tour.ledger.add(&written);

    let mut events = tour.told(killed, &KINDS)?;
    events.retain(|event| event.server != old);
    show(tour, killed, old, &events, &heard, &written)?;
    check(tour, killed, (old, new), &events, &heard, &written)?;
    tour.show(&["cluster", "status"]).await?;
    ledger::verify(tour).await?;
    Ok(old)
}

fn show(
    tour: &Tour<'_>,
    killed: Beginning,
    old: usize,
    events: &[LogEvent],
    heard: &Heard,
    written: &Written,
) -> Result<(), Failure> {
    let mut moments = tour.moments(events, killed);
    let kill = format!("{} is killed with -9, the leader", tour.name(old));
    moments.insert(0, moment(0, "tour", kill));
    let told = killed.ms_until(heard.at);
    moments.push(moment(told, "client", heard.sentence()));
    if let Some(resumed) = written.resumed(killed.process) {
        let what = "the first create is acknowledged by the new leader";
        moments.push(moment(killed.ms_until(resumed), "client", what));
    }
    tour.narrator.timeline(moments)
}

fn check(
    tour: &mut Tour<'_>,
    killed: Beginning,
    (old, new): (usize, usize),
    events: &[LogEvent],
    heard: &Heard,
    written: &Written,
) -> Result<(), Failure> {
    let elected = events.iter().rev().find(|event| event.is("elected"));
    let term = elected.and_then(|event| event.number("term")).unwrap_or(0);
    // Who stands for election has noticed, be it the first to say so or not.
    let noticed = events
        .iter()
        .find(|event| !event.is("follows"))
        .map_or_else(
            || "nobody".to_owned(),
            |event| {
                let after = killed.ms_until_wall(event.at);
                format!("{} noticed after {after} ms", tour.name(event.server))
            },
        );
    let figure = format!("{noticed}; {} was elected in term {term}", tour.name(new));
    let held = new != old && elected.is_some_and(|event| event.server == new);
    tour.narrator.check(
        held,
        "the servers replaced their leader by themselves",
        figure,
    )?;
    let told = killed.ms_until(heard.at);
    tour.narrator.check(
        heard.teller() != tour.name(old),
        "a server told a listening client of it",
        format!("{}, {told} ms after the kill", heard.teller()),
    )?;
    let pause = written.longest_pause(killed.process);
    tour.narrator.check(
        pause.is_some_and(|pause| pause < PAUSE_MAX),
        format!("writes stood still for less than {} s", PAUSE_MAX.as_secs()),
        pause.map_or_else(|| "they never went on".to_owned(), ms),
    )?;
    let after = |at: Instant| at > killed.process;
    let later = written
        .acknowledged
        .iter()
        .filter(|each| after(each.at))
        .count();
    tour.narrator.check(
        written.failed.is_empty(),
        "no client saw an error",
        format!(
            "{} creates acknowledged, {later} of them after the kill, {}",
            written.acknowledged.len(),
            written.errors()
        ),
    )
}
