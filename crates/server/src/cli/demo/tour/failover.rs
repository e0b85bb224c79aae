//! A leader that is gone and the one that takes over: what it looked like, and whether all went
//! well.

use quorid::testbed::LogEvent;
use tokio::time::Instant;

use super::{Beginning, PAUSE_MAX, Tour, moment};
use crate::cli::{
    demo::{narrator::ms, watcher::Heard, writers::Written},
    errors::Failure,
};

/// One leader after the other.
pub(super) struct Failover {
    /// When the old one was harmed.
    pub(super) began: Beginning,
    /// What was done to it, as in `kill`.
    pub(super) harm: &'static str,
    /// The same as a sentence that goes on behind its name.
    pub(super) harmed: &'static str,
    pub(super) old: usize,
    pub(super) new: usize,
    /// What the servers told in their logs of it.
    pub(super) events: Vec<LogEvent>,
    /// What a client was told.
    pub(super) heard: Heard,
}

impl Failover {
    /// Shows it as a time line.
    pub(super) fn show(&self, tour: &Tour<'_>, written: &Written) -> Result<(), Failure> {
        let mut moments = tour.moments(&self.events, self.began);
        let harm = format!("{} {}, the leader", tour.name(self.old), self.harmed);
        moments.insert(0, moment(0, "tour", harm));
        let told = self.began.ms_until(self.heard.at);
        moments.push(moment(told, "client", self.heard.sentence()));
        if let Some(resumed) = written.resumed(self.began.process) {
            let what = "the first create is acknowledged by the new leader";
            moments.push(moment(self.began.ms_until(resumed), "client", what));
        }
        tour.narrator.timeline(moments)
    }

    /// Checks that the servers, the listening client and the writing clients got over it.
    pub(super) fn check(&self, tour: &mut Tour<'_>, written: &Written) -> Result<(), Failure> {
        let others = |event: &&LogEvent| event.server != self.old;
        let elected = self.events.iter().filter(others);
        let elected = elected.rev().find(|event| event.is("elected"));
        let term = elected.and_then(|event| event.number("term")).unwrap_or(0);
        // Who stands for election has noticed, be it the first to say so or not.
        let noticed = self
            .events
            .iter()
            .filter(others)
            .find(|event| !event.is("follows"))
            .map_or_else(
                || "nobody".to_owned(),
                |event| {
                    let after = self.began.ms_until_wall(event.at);
                    format!("{} noticed after {after} ms", tour.name(event.server))
                },
            );
        let new = tour.name(self.new);
        let held = self.new != self.old && elected.is_some_and(|event| event.server == self.new);
        tour.narrator.check(
            held,
            "the servers replaced their leader by themselves",
            format!("{noticed}; {new} was elected in term {term}"),
        )?;
        let told = self.began.ms_until(self.heard.at);
        tour.narrator.check(
            self.heard.leader() == new && self.heard.teller() != tour.name(self.old),
            "a server told a listening client of it",
            format!("{}, {told} ms after the {}", self.heard.teller(), self.harm),
        )?;
        let pause = written.longest_pause(self.began.process);
        tour.narrator.check(
            pause.is_some_and(|pause| pause < PAUSE_MAX),
            format!("writes stood still for less than {} s", PAUSE_MAX.as_secs()),
            pause.map_or_else(|| "they never went on".to_owned(), ms),
        )?;
        let after = |at: Instant| at > self.began.process;
        let later = written
            .acknowledged
            .iter()
            .filter(|each| after(each.at))
            .count();
        tour.narrator.check(
            written.failed.is_empty(),
            "no client saw an error",
            format!(
                "{} creates acknowledged, {later} of them after the {}, {}",
                written.acknowledged.len(),
                self.harm,
                written.errors()
            ),
        )
    }
}
