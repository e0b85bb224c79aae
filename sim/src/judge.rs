//! The host that hands leadership over when the plan says so, and that looks, once the faults
//! are over, whether the cluster is well again.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use quorid_api::{Client, NewAccount, Read};
use quorid_directory::{Level, RequestId, Revision};
use quorid_history::{Shown, chance::Chance, shown};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use crate::{
    clients::connect,
    middlebox::{Middlebox, Refusal},
    observer::Observer,
    plan::{Fault, Planned},
    seams::true_time_ms,
    settings::{CLIENT_HOSTS, CLIENT_PORT, FOLLOWER_HOSTS, Settings, WORKERS},
    trace::note,
};

pub(crate) const HOST: &str = "judge";

/// Login name of the account that is made when all else is done.
pub(crate) const LAST: &str = "judge";

/// From the end of all faults until the cluster serves and all servers have the same state.
const RECOVERY_MAX: Duration = Duration::from_secs(20);

/// By then nothing that the faults have broken is still waited for: connections over links that were cut,
/// say.
const SETTLED: Duration = Duration::from_secs(5);
/// How often the connections of the leader are reset, and its port refuses for a moment.
const MEDDLINGS: u32 = 3;
/// More than a follower probes for, and less than the lease.
const BETWEEN_MEDDLINGS: Duration = Duration::from_millis(250);

/// The cluster in the end.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) transfers_done: u64,
    pub(crate) transfers_refused: u64,
    /// All accounts, read after the last change.
    pub(crate) accounts: Vec<Shown>,
    /// From the end of the faults until a change was acknowledged, and until all had it, ms.
    pub(crate) served_after_ms: u64,
    pub(crate) equal_after_ms: u64,
}

pub(crate) struct Judge {
    pub(crate) settings: Settings,
    pub(crate) plan: Vec<Planned>,
    pub(crate) observer: Observer,
    pub(crate) middlebox: Middlebox,
    /// One permit from each client that is done, the prober among them.
    pub(crate) done: Arc<Semaphore>,
    /// One permit from each follower that was given the judge's account.
    pub(crate) followed: Arc<Semaphore>,
}

impl Judge {
    pub(crate) async fn run(self) -> anyhow::Result<Verdict> {
        let begun = Instant::now();
        let client = connect(&self.settings)?.with_deadline(RECOVERY_MAX);
        let mut verdict = Verdict::default();
        self.hand_over(&client, begun, &mut verdict).await;
        let faults_end = Duration::from_millis(self.settings.faults_end_ms());
        sleep_until(begun + faults_end).await;
        let deadline = Instant::now() + RECOVERY_MAX;
        let ended = Instant::now();
        let all = u32::try_from(WORKERS * CLIENT_HOSTS.len() + 1).context("few clients")?;
        let permits = timeout_at(deadline, self.done.acquire_many(all)).await;
        permits
            .context("the clients do not come to an end")??
            .forget();

        if self.all_are_new() {
            timeout_at(deadline, raise_level(&client))
                .await
                .context("the level cannot be raised after all servers were upgraded")?;
        }
        let mut chance = Chance::of(self.settings.seed, "judge");
        let account = NewAccount {
            login_name: LAST.to_owned(),
            real_name: "The last one".to_owned(),
            request_id: Some(RequestId::new(Revision(0), chance.next()).uuid()),
            ..NewAccount::default()
        };
        let probe = client.with_new_session();
        timeout_at(deadline, probe.create_account(account))
            .await
            .context("no change is acknowledged after the faults ended")?
            .context("no change is acknowledged after the faults ended")?;
        let since = |ended: Instant| u64::try_from(ended.elapsed().as_millis()).unwrap_or(u64::MAX);
        verdict.served_after_ms = since(ended);
        note!("judge: serves again, revision {}", probe.last_revision());
        timeout_at(deadline, self.converge(&client, probe.last_revision()))
            .await
            .context("the servers do not converge after the faults ended")??;
        verdict.equal_after_ms = since(ended);
        let all = u32::try_from(FOLLOWER_HOSTS.len()).context("few followers")?;
        let permits = timeout_at(deadline, self.followed.acquire_many(all)).await;
        permits
            .context("not all followers are given the last change after the faults ended")??
            .forget();
        let mut accounts = Box::pin(client.accounts(Read::Linearizable));
        while let Some(account) = accounts.next().await {
            verdict
                .accounts
                .push(shown(account.context("listing all accounts")?));
        }
        note!("judge: {} accounts", verdict.accounts.len());
        self.meddle().await;
        Ok(verdict)
    }

    /// Does to the connections of a living leader what must not unseat it, while nothing else is wrong.
    async fn meddle(&self) {
        sleep(SETTLED).await;
        let Some((leader, before)) = self.observer.leader_and_highest_term() else {
            return;
        };
        let servers = self.settings.servers;
        let leader = servers[usize::try_from(leader - 1).expect("an index fits")];
        for _ in 0..MEDDLINGS {
            let reset = self.middlebox.reset(leader);
            note!("judge: {reset} connections of {leader} are reset");
            if reset == 0 {
                let why = format!("{leader} leads, and has no connections");
                self.observer.saw_violation(why);
            }
            sleep(BETWEEN_MEDDLINGS).await;
            note!("judge: the port of {leader} refuses");
            self.middlebox.set_refusing(leader, Refusal::Blocked, true);
            sleep(BETWEEN_MEDDLINGS).await;
            self.middlebox.set_refusing(leader, Refusal::Blocked, false);
            sleep(BETWEEN_MEDDLINGS).await;
        }
        let after = self.observer.leader_and_highest_term();
        if after.is_none_or(|(_, after)| after != before) {
            self.observer.saw_violation(format!(
                "{leader} led in term {before}, lived and was reached by all, and only its \
                 connections were reset, or new ones refused: now {after:?}"
            ));
        }
    }

    /// Whether every server is of the newest version in the end.
    fn all_are_new(&self) -> bool {
        self.settings.older.iter().all(|older| {
            let upgrades =
                |it: &Planned| matches!(it.fault, Fault::Upgrade { server } if server == *older);
            self.plan.iter().any(upgrades)
        })
    }

    async fn hand_over(&self, client: &Client, begun: Instant, verdict: &mut Verdict) {
        let servers = self.settings.servers;
        for planned in &self.plan {
            let Fault::Transfer { to, .. } = planned.fault else {
                continue;
            };
            sleep_until(begun + Duration::from_millis(planned.from_ms)).await;
            let client = client.with_deadline(Duration::from_millis(500));
            match client.transfer_leadership(Some(servers[to])).await {
                Ok(view) => {
                    verdict.transfers_done += 1;
                    note!(
                        "judge: leadership handed to {}, term {}",
                        servers[to],
                        view.term
                    );
                }
                Err(error) => {
                    verdict.transfers_refused += 1;
                    note!("judge: no transfer to {}: {error}", servers[to]);
                }
            }
        }
    }

    /// Returns once all servers have the same state, of at least this revision.
    async fn converge(&self, client: &Client, revision: u64) -> anyhow::Result<()> {
        let client = client.with_deadline(Duration::from_secs(3));
        let servers = self.settings.servers;
        loop {
            let mut digests = Vec::new();
            for server in servers {
                let address = format!("{server}:{CLIENT_PORT}");
                match client.server_status(&address, true, revision).await {
                    Ok(status) => digests.push((status.applied_index, status.digest)),
                    Err(error) => note!("judge: no status of {server}: {error}"),
                }
            }
            let same = digests.windows(2).all(|pair| pair[0].1 == pair[1].1);
            let index = digests.windows(2).all(|pair| pair[0].0 == pair[1].0);
            if digests.len() == servers.len() && same {
                note!("judge: all have digest {}", digests[0].1);
                return Ok(());
            }
            if digests.len() == servers.len() && index {
                self.observer
                    .saw_violation(format!("states differ at one index: {digests:?}"));
                return Ok(());
            }
            note!("judge: not equal yet at {}", true_time_ms());
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Asks for the highest level until it is given.
async fn raise_level(client: &Client) {
    let client = client.with_deadline(Duration::from_secs(2));
    loop {
        match client.raise_level(None).await {
            Ok(level) if level == Level::SUPPORTED.0 => return,
            Ok(level) => note!("judge: only level {level}"),
            Err(error) => note!("judge: the level is not raised: {error}"),
        }
        sleep(Duration::from_millis(100)).await;
    }
}
