//! A leader that is gone and the one that takes over: what it looked like, and whether all went
//! well.

use crate::testbed::LogEvent;
use serde_json::json;

use super::{Beginning, PAUSE_MAX, Tour, heard_moment, moment, whole_ms};
use crate::{
    demo::{narrator::ms, watcher::Heard, writers::Written},
    error::LabError,
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
    /// What the servers logged of it.
    pub(super) events: Vec<LogEvent>,
    /// What a listening client heard.
    pub(super) heard: Heard,
}

impl Failover {
    /// Shows it as a time line.
    pub(super) fn show(&self, tour: &mut Tour<'_>, written: &Written) -> Result<(), LabError> {
        let mut moments = tour.moments(&self.events, self.began);
        let harm = format!("{} {}, the leader", tour.name(self.old), self.harmed);
        moments.insert(0, moment(0, "tour", self.harm, harm));
        let told = self.began.ms_until(self.heard.at);
        moments.push(heard_moment(told, &self.heard));
        if let Some(resumed) = written.resumed(self.began.process) {
            let what = "the first create is acknowledged by the new leader";
            let resumed = self.began.ms_until(resumed);
            moments.push(moment(resumed, "client", "acknowledged", what));
        }
        tour.narrator.timeline(moments)?;
        let acknowledged = written.acknowledged.iter();
        let acknowledged = acknowledged.map(|each| self.began.millis_until(each.at));
        tour.narrator.acknowledged(acknowledged);
        Ok(())
    }

    /// Checks that the servers, the listening client and the writing clients got over it.
    pub(super) fn check(&self, tour: &mut Tour<'_>, written: &Written) -> Result<(), LabError> {
        let others = |event: &&LogEvent| event.server != self.old;
        let elected = self.events.iter().filter(others);
        let elected = elected.rev().find(|event| event.is("elected"));
        let term = elected.and_then(|event| event.number("term")).unwrap_or(0);
        // Who stands for election has noticed, be it the first to say so or not.
        let mut noticed = self.events.iter().filter(others);
        let noticed = noticed.find(|event| !event.is("follows")).map(|event| {
            let after = self.began.ms_until_wall(event.at);
            (tour.name(event.server), after)
        });
        let new = tour.name(self.new);
        let told = self.began.ms_until(self.heard.at);
        let pause = written.longest_pause(self.began.process);
        let later = written
            .acknowledged
            .iter()
            .filter(|each| each.at > self.began.process)
            .count();
        tour.narrator.figures(json!({
            "old": tour.name(self.old),
            "new": new,
            "term": term,
            "noticed_by": noticed.as_ref().map(|(who, _)| who),
            "noticed_ms": noticed.as_ref().map(|(_, ms)| ms),
            "elected_ms": elected.map(|event| self.began.ms_until_wall(event.at)),
            "heard_from": self.heard.teller(),
            "heard_ms": told,
            "pause_ms": pause.map(whole_ms),
            "creates": written.acknowledged.len(),
            "creates_later": later,
            "errors": written.failed.len(),
        }));
        let noticed = noticed.map_or_else(
            || "nobody noticed".to_owned(),
            |(who, ms)| format!("{who} noticed after {ms} ms"),
        );
        let held = self.new != self.old && elected.is_some_and(|event| event.server == self.new);
        tour.narrator.check(
            held,
            "the servers replaced their leader by themselves",
            format!("{noticed}; {new} was elected in term {term}"),
        )?;
        tour.narrator.check(
            self.heard.leader() == new && self.heard.teller() != tour.name(self.old),
            "a server told a listening client of it",
            format!("{}, {told} ms after the {}", self.heard.teller(), self.harm),
        )?;
        tour.narrator.check(
            pause.is_some_and(|pause| pause < PAUSE_MAX),
            format!("writes stood still for less than {} s", PAUSE_MAX.as_secs()),
            pause.map_or_else(|| "they never went on".to_owned(), ms),
        )?;
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
