//! Clients that create accounts for as long as they are let, and when each was acknowledged.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quorid_api::{Client, Error, NewAccount};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, interval, timeout},
};

use crate::error::LabError;

/// An account that the cluster said it has.
#[derive(Debug, Clone)]
pub(super) struct Acknowledged {
    pub(super) at: Instant,
    pub(super) id: String,
    pub(super) login_name: String,
}

/// What came of it all.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// In the order of time.
    pub(super) acknowledged: Vec<Acknowledged>,
    /// Login names whose create ended with an error, and the error.
    pub(super) failed: Vec<(String, String)>,
}

impl Written {
    /// The longest time without an acknowledgement that ends after a moment.
    pub(super) fn longest_pause(&self, after: Instant) -> Option<Duration> {
        let times: Vec<_> = self.acknowledged.iter().map(|each| each.at).collect();
        longest_pause(&times, after)
    }

    /// The first acknowledgement of what was done after a moment: the one that ends the
    /// longest pause, as others may have been under way.
    pub(super) fn resumed(&self, after: Instant) -> Option<Instant> {
        let pause = self.longest_pause(after)?;
        let pairs = self.acknowledged.windows(2);
        pairs
            .map(|pair| (pair[0].at, pair[1].at))
            .find(|(before, at)| *at > after && *at - *before == pause)
            .map(|(_, at)| at)
    }

    /// `no error`, or how many there were and the first.
    pub(super) fn errors(&self) -> String {
        match self.failed.first() {
            None => "no error".to_owned(),
            Some((name, error)) => format!("{} errors, first {name}: {error}", self.failed.len()),
        }
    }
}

fn longest_pause(times: &[Instant], after: Instant) -> Option<Duration> {
    times
        .windows(2)
        .filter(|pair| pair[1] > after)
        .map(|pair| pair[1] - pair[0])
        .max()
}

/// Writers at work. They end when this is dropped.
pub(super) struct Writers {
    tasks: JoinSet<()>,
    written: Arc<Mutex<Written>>,
    count: watch::Receiver<usize>,
    stop: watch::Sender<bool>,
}

impl Writers {
    /// One writer per client, each creating one account after the other, at most one in
    /// `pace`.
    pub(super) fn start(clients: Vec<Client>, prefix: &str, pace: Duration) -> Self {
        let written = Arc::new(Mutex::new(Written::default()));
        let (counted, count) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let counted = Arc::new(counted);
        let mut tasks = JoinSet::new();
        for (client, number) in clients.into_iter().zip(1..) {
            tasks.spawn(write(
                client,
                format!("{prefix}-{number}"),
                pace,
                Arc::clone(&written),
                Arc::clone(&counted),
                stopped.clone(),
            ));
        }
        Self {
            tasks,
            written,
            count,
            stop,
        }
    }

    /// How many accounts were acknowledged so far.
    pub(super) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Returns once so many more accounts are acknowledged.
    pub(super) async fn more(&mut self, wanted: usize, patience: Duration) -> Result<(), LabError> {
        let until = self.count() + wanted;
        let reached = self.count.wait_for(|count| *count >= until);
        if let Ok(Ok(_)) = timeout(patience, reached).await {
            return Ok(());
        }
        let written = lock(&self.written);
        Err(LabError::WritesStandStill(format!(
            "of {wanted} creates, {} were acknowledged within {patience:?}; {}",
            (written.acknowledged.len() + wanted).saturating_sub(until),
            written.errors()
        )))
    }

    /// Lets every writer end what it is at; then, what came of it.
    pub(super) async fn finish(mut self, patience: Duration) -> Result<Written, LabError> {
        self.stop.send_replace(true);
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(patience, all_ended).await.is_err() {
            return Err(LabError::WritesStandStill(format!(
                "some creates got no answer within {patience:?}"
            )));
        }
        Ok(std::mem::take(&mut *lock(&self.written)))
    }
}

async fn write(
    client: Client,
    prefix: String,
    pace: Duration,
    written: Arc<Mutex<Written>>,
    counted: Arc<watch::Sender<usize>>,
    stopped: watch::Receiver<bool>,
) {
    let mut turns = interval(pace);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for number in 1_u64.. {
        turns.tick().await;
        if *stopped.borrow() {
            return;
        }
        let login_name = format!("{prefix}-{number}");
        let new = NewAccount {
            login_name: login_name.clone(),
            real_name: format!("Account {number} of client {prefix}"),
            ..NewAccount::default()
        };
        let created = client.create_account(new).await;
        let mut written = lock(&written);
        match created {
            Ok(account) => {
                written.acknowledged.push(Acknowledged {
                    at: Instant::now(),
                    id: account.id,
                    login_name,
                });
                counted.send_modify(|count| *count += 1);
            }
            Err(error) => {
                let fatal = !matches!(error, Error::Unavailable(_));
                written.failed.push((login_name, error.to_string()));
                if fatal {
                    return;
                }
            }
        }
    }
}

/// No code that can panic runs under this lock.
fn lock(written: &Mutex<Written>) -> std::sync::MutexGuard<'_, Written> {
    written.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(begin: Instant, at_ms: &[u64]) -> Written {
        let acknowledged = at_ms.iter().map(|ms| Acknowledged {
            at: begin + Duration::from_millis(*ms),
            id: String::new(),
            login_name: String::new(),
        });
        Written {
            acknowledged: acknowledged.collect(),
            failed: Vec::new(),
        }
    }

    #[test]
    fn pause_is_the_longest_that_ends_after_the_moment() {
        let begin = Instant::now();
        let table: [(&[u64], u64, Option<u64>); 6] = [
            (&[], 0, None),
            (&[5], 0, None),
            (&[0, 900, 910, 915], 950, None),
            (&[0, 900, 910, 915], 905, Some(10)),
            (&[0, 10, 20, 420, 425], 15, Some(400)),
            // The last one before the kill counts as the beginning.
            (&[0, 10, 410], 200, Some(400)),
        ];
        for (times, after, expected) in table {
            let after = begin + Duration::from_millis(after);
            let pause = written(begin, times).longest_pause(after);
            assert_eq!(pause, expected.map(Duration::from_millis), "{times:?}");
        }
    }

    #[test]
    fn writes_resume_with_the_end_of_the_longest_pause() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        // At 21 an answer that was on its way arrives.
        let written = written(begin, &[0, 10, 21, 420, 425]);
        assert_eq!(written.resumed(at(20)), Some(at(420)));
        assert_eq!(written.resumed(at(500)), None);
    }
}
