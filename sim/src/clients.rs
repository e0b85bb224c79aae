//! Clients of the simulated cluster, and the world that they are in.

use std::{fmt, sync::Arc, time::Duration};

use anyhow::Context as _;
use quorid_api::{Client, ClientConfig, ClientTlsFiles, Credentials, tls};
use quorid_history::{Acting, By, Habits, Operation, PASSWORDS, Prober, STAFF, Worker, World};
use tokio::time::sleep;

use crate::{
    mutant::Mutant,
    observer::Observer,
    seams::{SimConnector, true_time_ms},
    settings::{CLIENT_PORT, Settings},
    trace::note,
};

/// An operator's client of the cluster.
pub(crate) fn connect(settings: &Settings) -> anyhow::Result<Client> {
    connect_as(settings, None, None)
}

/// A client with this login, or an operator's, which may reach one server only.
fn connect_as(
    settings: &Settings,
    by: Option<By>,
    only: Option<&'static str>,
) -> anyhow::Result<Client> {
    let operator = by.is_none();
    let file = |name: &str| settings.certificates.join(name);
    let files = ClientTlsFiles {
        ca: file("ca.crt"),
        cert: operator.then(|| file("operator.crt")),
        key: operator.then(|| file("operator.key")),
    };
    let servers = settings.servers.iter();
    let servers = servers.map(|server| format!("{server}:{CLIENT_PORT}"));
    let mut config = ClientConfig::new(servers).with_tls(tls::load(&files)?);
    config.connector = Some(Arc::new(SimConnector { only }));
    config.attempt_timeout = Duration::from_millis(1000);
    config.connect_timeout = Duration::from_millis(500);
    config.deadline = Duration::from_secs(4);
    config.credentials = by.map(|by| Credentials {
        login_name: by.login_name.to_owned(),
        password: by.password.into(),
    });
    Client::new(config).context("a client")
}

/// A client that works.
pub(crate) fn worker(
    name: String,
    settings: &Settings,
    observer: &Observer,
) -> anyhow::Result<Worker<Observer>> {
    let habits = habits();
    let client = connect(settings)?;
    let observer = observer.clone();
    let worker = Worker::new(name, client, settings.seed, habits, observer);
    if !settings.closed {
        return Ok(worker);
    }
    let logins = STAFF.into_iter().flat_map(|login_name| {
        PASSWORDS.map(|password| By {
            login_name,
            password,
        })
    });
    let acting = logins.map(|by| {
        let client = connect_as(settings, Some(by), None)?;
        Ok(Acting { by, client })
    });
    Ok(worker.acting_as(acting.collect::<anyhow::Result<_>>()?))
}

fn habits() -> Habits {
    Habits {
        stale_reads: Mutant::StaleAnswer.is_planted(),
        new_request_ids: Mutant::RequestIdForgotten.is_planted(),
        all_of_it: true,
    }
}

/// For how long a server is asked after another one was elected, ms.
const PROBE_AFTER_MS: u64 = 500;
/// Pause while no other one is elected, ms.
const PROBE_PAUSE_MS: u64 = 100;
/// How long an answer of the server that is asked is waited for, ms.
const PROBE_MS: &[u64] = &[300];

/// Changes accounts through whoever leads, and asks the server that was elected last for them, for as long as
/// there is time: most of all when another one has just been elected, and that server may not know it yet.
pub(crate) async fn probe(
    settings: &Settings,
    observer: &Observer,
    there_is_time: impl Fn() -> bool,
) -> anyhow::Result<()> {
    let leader = || observer.leader_and_highest_term().map(|(leader, _)| leader);
    let mut number = 0;
    while there_is_time() {
        let Some(asked) = leader() else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        let index = usize::try_from(asked - 1).context("an index fits")?;
        number += 1;
        let worker = |role, client| {
            let name = format!("prober {number} {role}");
            Worker::new(name, client, settings.seed, habits(), observer.clone())
        };
        let writer = worker("writer", connect(settings)?);
        let reader = connect_as(settings, None, Some(settings.servers[index]))?;
        let reader = worker("reader", reader).with_patience(PROBE_MS);
        let mut prober = Prober::new(writer, reader);
        let mut until_ms = u64::MAX;
        while there_is_time() && true_time_ms() < until_ms {
            let again_ms = true_time_ms() + PROBE_PAUSE_MS;
            while leader() == Some(asked) && true_time_ms() < again_ms {
                sleep(Duration::from_millis(2)).await;
            }
            if leader() != Some(asked) {
                until_ms = until_ms.min(true_time_ms() + PROBE_AFTER_MS);
            }
            prober.once(&there_is_time).await;
        }
    }
    Ok(())
}

impl World for Observer {
    fn now_ms(&self) -> u64 {
        true_time_ms()
    }

    fn moment(&self) -> u64 {
        self.next_moment()
    }

    fn highest_committed(&self) -> u64 {
        let seen = self.lock();
        let last = seen.committed.last_key_value();
        last.map_or(0, |(index, _)| *index)
    }

    /// A run is short enough for one.
    fn cell(&self) -> u64 {
        0
    }

    fn record(&self, operation: Operation) {
        self.lock().operations.push(operation);
    }

    fn note(&self, what: fmt::Arguments<'_>) {
        note!("{what}");
    }

    fn violated(&self, what: String) {
        self.saw_violation(what);
    }
}
