//! The one retry loop: which server is asked next, when, and when it is enough.

use std::{
    convert::Infallible,
    future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{self, Instant},
};

use crate::{
    Endpoint, Error, FailedTry, Reason, Rejected, TlsError, Unavailable,
    backoff::Backoff,
    failure::{Failure, Lost},
    leader::{LeaderFinder, Leadership},
    rpc::Rpc,
    server::KnownServer,
    session::Session,
};

/// A leader that lets a call wait for this long may be gone. Most calls take far less; those
/// that hash a password may take as long, which does no harm.
const SUSPECT_AFTER: Duration = Duration::from_millis(250);

/// Which servers may answer.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Leader,
    Any,
    /// This one. Where it cannot be reached, the call fails at once.
    One(Arc<KnownServer>),
}

/// How a call is made.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) target: Target,
    /// Whether it changes anything, so that a lost answer leaves the outcome unknown.
    pub(crate) write: bool,
    /// Whether it may be asked again when the outcome is unknown.
    pub(crate) repeatable: bool,
    /// Time for one try.
    pub(crate) attempt_timeout: Duration,
    /// Time for all of them.
    pub(crate) deadline: Duration,
    /// Where the revisions of the answers are noted.
    pub(crate) session: Arc<Session>,
}

/// What a call has been through.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    tried: Vec<Arc<KnownServer>>,
    last_error: Option<FailedTry>,
    /// Whether a try that may have changed something got no answer.
    pub(crate) outcome_unknown: bool,
}

/// The tries since the last wait: every server gets one, unless there was an election.
#[derive(Default)]
struct Round {
    term: u64,
    tried: Vec<Arc<KnownServer>>,
    tls: Vec<TlsError>,
}

/// Makes calls: tries, waits and tries again.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) finder: Arc<LeaderFinder>,
}

impl Caller {
    pub(crate) async fn call<R: Rpc>(
        &self,
        plan: &Plan,
        message: R,
        trail: &mut Trail,
    ) -> Result<R::Answer, Error> {
        let start = Instant::now();
        let deadline = start + plan.deadline;
        let mut news = self.finder.leadership();
        let mut round = Round::default();
        let mut backoff = Backoff::default();
        // A server to ask next, and one to ask again after a wait.
        let mut hinted: Option<Arc<KnownServer>> = None;
        let mut busy: Option<Arc<KnownServer>> = None;
        loop {
            let known = news.borrow_and_update().clone();
            if known.term > round.term {
                round.restart_for(&known);
            }
            let chosen = match &busy {
                Some(_) => None,
                None => hinted.take().or_else(|| self.choose(plan, &known, &round)),
            };
            let Some(server) = chosen else {
                if let Some(refusal) = round.refused_by_all() {
                    return Err(refusal.into());
                }
                let until = deadline.min(Instant::now() + backoff.next());
                let news_came = rest(plan, until, &mut news, &round).await;
                if Instant::now() >= deadline {
                    return Err(trail.unavailable(start));
                }
                hinted = busy.take().filter(|_| !news_came);
                round.restart(round.term);
                continue;
            };

            let until = deadline.min(Instant::now() + plan.attempt_timeout);
            let attempt = self.attempt(plan, &server, &known, &mut news, until, message.clone());
            let failure = match attempt.await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            trail.note(R::NAME, &server, &failure);
            round.tried.push(server.clone());
            match failure {
                Failure::Final(rejected) => {
                    // The change in progress may be this very one.
                    if !(trail.outcome_unknown && rejected.reason == Reason::ChangeInProgress) {
                        return Err(rejected.into());
                    }
                    busy = Some(server);
                }
                Failure::Busy(_) => busy = Some(server),
                Failure::NotLeader(rejected) => {
                    hinted = self.redirected(plan, &server, &rejected, &round);
                }
                Failure::Elsewhere(lost) => {
                    round.tls.extend(lost.tls);
                    trail.outcome_unknown |= plan.write && lost.arrived;
                    let alone = matches!(plan.target, Target::One(_));
                    if alone && let Some(refusal) = round.refused_by_all() {
                        return Err(refusal.into());
                    }
                    if (alone && lost.unconnected) || (trail.outcome_unknown && !plan.repeatable) {
                        return Err(trail.unavailable(start));
                    }
                }
            }
            if Instant::now() >= deadline {
                return Err(trail.unavailable(start));
            }
        }
    }

    fn choose(&self, plan: &Plan, known: &Leadership, round: &Round) -> Option<Arc<KnownServer>> {
        match &plan.target {
            Target::Leader => self.finder.for_leader(known, &round.tried),
            Target::Any => self.finder.for_any(&round.tried),
            Target::One(server) if round.tried.is_empty() => Some(server.clone()),
            Target::One(_) => None,
        }
    }

    /// One try at one server.
    async fn attempt<R: Rpc>(
        &self,
        plan: &Plan,
        server: &Arc<KnownServer>,
        known: &Leadership,
        news: &mut watch::Receiver<Leadership>,
        until: Instant,
        message: R,
    ) -> Result<R::Answer, Failure> {
        let sent = AtomicBool::new(false);
        let since = Instant::now();
        let exchange = async {
            let connection = server.connection().await?;
            sent.store(true, Ordering::Relaxed);
            let answered = message.ask(connection, until).await;
            plan.session.note(answered.revision);
            answered.result
        };
        let superseded = async {
            match plan.target {
                Target::Leader if plan.repeatable => {
                    let newer = |now: &Leadership| now.supersedes(server, known.term);
                    news.wait_for(newer).await.is_ok()
                }
                Target::Leader | Target::Any | Target::One(_) => future::pending().await,
            }
        };
        let suspicion = async {
            if matches!(plan.target, Target::Leader) {
                time::sleep(SUSPECT_AFTER).await;
                self.finder.suspect_leader();
            }
            future::pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            answered = exchange => {
                if answered.is_ok() && matches!(plan.target, Target::Leader) {
                    self.finder.led(server, known);
                }
                answered
            }
            _ = superseded => {
                // Its wires may be cut: where the new leader is not ready yet, another server is asked next.
                if since.elapsed() >= SUSPECT_AFTER {
                    server.note_silence();
                }
                Err(Failure::Elsewhere(Lost::superseded(sent.load(Ordering::Relaxed))))
            }
            never = suspicion => match never {},
            () = time::sleep_until(until) => {
                Err(Failure::Elsewhere(Lost::timed_out(sent.load(Ordering::Relaxed))))
            }
        }
    }

    /// The server that a refusal points to, unless it was tried or failed a moment ago.
    fn redirected(
        &self,
        plan: &Plan,
        by: &KnownServer,
        refusal: &Rejected,
        round: &Round,
    ) -> Option<Arc<KnownServer>> {
        let (term, leader) = leader_told(refusal);
        let hint = leader.map(|endpoint| self.finder.server_at(&endpoint));
        self.finder.refused(by, term, hint.as_ref());
        let worth_a_try = |hint: &Arc<KnownServer>| !round.has_tried(hint) && !hint.failed_lately();
        hint.filter(|hint| matches!(plan.target, Target::Leader) && worth_a_try(hint))
    }
}

/// The term that a refusal names, 0 if none, and its leader, where there is one.
pub(crate) fn leader_told(refusal: &Rejected) -> (u64, Option<Endpoint>) {
    let said = |key| refusal.metadata.get(key);
    let term = said("term").and_then(|term| term.parse().ok());
    let leader = said("leader_address").and_then(|address| address.parse().ok());
    (term.unwrap_or(0), leader)
}

/// Waits, but no longer than until there is a leader to ask: then it returns true.
async fn rest(
    plan: &Plan,
    until: Instant,
    news: &mut watch::Receiver<Leadership>,
    round: &Round,
) -> bool {
    if !matches!(plan.target, Target::Leader) {
        time::sleep_until(until).await;
        return false;
    }
    // The same leader in the same term is worth another try once it was gone meanwhile.
    let mut gone = false;
    let worth_a_try = |now: &Leadership| {
        gone |= now.leader.is_none();
        let new = |leader| gone || now.term > round.term || !round.has_tried(leader);
        now.leader.as_deref().is_some_and(new)
    };
    matches!(
        time::timeout_at(until, news.wait_for(worth_a_try)).await,
        Ok(Ok(_))
    )
}

impl Trail {
    fn note(&mut self, call: &str, server: &Arc<KnownServer>, failure: &Failure) {
        let failed = FailedTry {
            server: server.endpoint.to_string(),
            problem: failure.problem().to_owned(),
        };
        tracing::debug!(call, error = %failed, "try failed");
        self.last_error = Some(failed);
        if !self.tried.iter().any(|other| other.is(server)) {
            self.tried.push(server.clone());
        }
    }

    fn unavailable(&self, start: Instant) -> Error {
        let tried = self.tried.iter();
        Error::Unavailable(Unavailable {
            tried: tried.map(|server| server.endpoint.to_string()).collect(),
            waited: start.elapsed(),
            last_error: self.last_error.clone(),
            outcome_unknown: self.outcome_unknown,
        })
    }
}

impl Round {
    fn restart(&mut self, term: u64) {
        self.term = term;
        self.tried.clear();
        self.tls.clear();
    }

    /// There was an election: every server gets another try. Those that failed a moment ago, and were not
    /// elected, get theirs after the next wait.
    fn restart_for(&mut self, known: &Leadership) {
        let leads = |server: &KnownServer| known.leader.as_ref().is_some_and(|it| it.is(server));
        self.tried
            .retain(|server| server.failed_lately() && !leads(server));
        self.term = known.term;
        self.tls.clear();
    }

    fn has_tried(&self, server: &KnownServer) -> bool {
        self.tried.iter().any(|other| other.is(server))
    }

    /// Where TLS failed with every server: waiting won't help.
    fn refused_by_all(&self) -> Option<TlsError> {
        let all = self.tls.len() == self.tried.len();
        self.tls.first().filter(|_| all).cloned()
    }
}
