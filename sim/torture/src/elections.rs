//! Who was elected when, as the servers' logs tell.

use std::{collections::BTreeMap, time::SystemTime};

use quorid_lab::testbed::{LogTail, Testbed, TestbedError};

use crate::record::unix_ms;

/// The elections of one cluster.
pub(crate) struct Elections {
    tail: LogTail,
    /// What was logged before is about another cluster.
    since: SystemTime,
    /// By term.
    won: BTreeMap<u64, Won>,
}

struct Won {
    server: usize,
    at_ms: u64,
}

impl Elections {
    /// From now on.
    pub(crate) fn of(cluster: &Testbed) -> Result<Self, TestbedError> {
        Ok(Self {
            tail: cluster.follow_logs()?,
            since: SystemTime::now(),
            won: BTreeMap::new(),
        })
    }

    /// Reads what was logged since the last time. Returns what must never be.
    pub(crate) fn look(&mut self) -> Result<Vec<String>, TestbedError> {
        let mut violations = Vec::new();
        for event in self.tail.new_events()? {
            let Some(term) = event.number("term") else {
                continue;
            };
            if !event.is("elected") || event.at < self.since {
                continue;
            }
            let at_ms = unix_ms(event.at);
            let server = event.server;
            let known = self.won.entry(term).or_insert(Won { server, at_ms });
            if known.server != server {
                violations.push(format!(
                    "two leaders in term {term}: servers {} and {}",
                    known.server + 1,
                    server + 1
                ));
            }
        }
        Ok(violations)
    }

    /// When each leader but the first began, Unix time, ms.
    pub(crate) fn new_leaders_ms(&self) -> Vec<u64> {
        self.won.values().skip(1).map(|won| won.at_ms).collect()
    }

    /// Terms whose leader isn't that of the term before.
    pub(crate) fn failovers(&self) -> u64 {
        let leaders: Vec<usize> = self.won.values().map(|won| won.server).collect();
        leaders.windows(2).filter(|pair| pair[0] != pair[1]).count() as u64
    }
}
