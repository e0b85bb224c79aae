//! Waiting for the servers to agree on a leader.

use std::time::Duration;

use quorid_api::{Read, ServerRole};
use tokio::time::{Instant, sleep};

use super::{POLL, Testbed, TestbedError};

impl Testbed {
    /// The leader, once all reachable servers agree on it and it answers linearizably.
    pub async fn wait_ready(&mut self, patience: Duration) -> Result<usize, TestbedError> {
        let all = self.reachable().count();
        self.wait_led(all, patience).await
    }

    /// The leader, once a majority of all servers agrees on it and it answers linearizably.
    pub async fn leader(&mut self, patience: Duration) -> Result<usize, TestbedError> {
        let majority = self.len() / 2 + 1;
        self.wait_led(majority, patience).await
    }

    async fn wait_led(&mut self, needed: usize, patience: Duration) -> Result<usize, TestbedError> {
        let deadline = Instant::now() + patience;
        loop {
            self.refuse_ended()?;
            let last = match self.led_by(needed).await {
                Ok(leader) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let client = self.operator.with_deadline(left);
                    match client.list_accounts(1, "", Read::Linearizable).await {
                        Ok(_) => return Ok(leader),
                        Err(error) => error.to_string(),
                    }
                }
                Err(last) => last,
            };
            if Instant::now() >= deadline {
                return Err(TestbedError::Late {
                    what: format!("a leader that {needed} servers follow"),
                    waited: patience,
                    last,
                });
            }
            sleep(POLL).await;
        }
    }

    /// The leader that so many servers agree on now; else, how they see it.
    async fn led_by(&self, needed: usize) -> Result<usize, String> {
        let statuses = self.statuses().await;
        let leader = statuses
            .iter()
            // One that no majority answers names no leader, and others who hear none don't either.
            .filter(|(_, status)| status.role() == ServerRole::Leader && status.leader_id != 0)
            .max_by_key(|(_, status)| status.term);
        if let Some((leader, theirs)) = leader {
            let agreed = statuses.iter().filter(|(_, status)| {
                (status.term, status.leader_id) == (theirs.term, theirs.leader_id)
            });
            if agreed.count() >= needed {
                return Ok(*leader);
            }
        }
        let seen: Vec<_> = statuses
            .iter()
            .map(|(server, status)| {
                let role = status
                    .role()
                    .as_str_name()
                    .trim_start_matches("SERVER_ROLE_");
                format!("{} {role} term {}", self.name(*server), status.term)
            })
            .collect();
        Err(format!("{} answered: {}", seen.len(), seen.join(", ")))
    }
}
