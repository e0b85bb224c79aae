//! Clients of the simulated cluster, and the world that they are in.

use std::{fmt, sync::Arc, time::Duration};

use anyhow::Context as _;
use quorid_api::{Client, ClientConfig, ClientTlsFiles, tls};
use quorid_history::{Habits, Operation, Worker, World};

use crate::{
    mutant::Mutant,
    observer::Observer,
    seams::{SimConnector, true_time_ms},
    settings::{CLIENT_PORT, Settings},
    trace::note,
};

/// A client of the cluster; an operator where `operator` is true.
pub(crate) fn connect(settings: &Settings, operator: bool) -> anyhow::Result<Client> {
    let file = |name: &str| settings.certificates.join(name);
    let files = ClientTlsFiles {
        ca: file("ca.crt"),
        cert: operator.then(|| file("operator.crt")),
        key: operator.then(|| file("operator.key")),
    };
    let servers = settings.servers.iter();
    let servers = servers.map(|server| format!("{server}:{CLIENT_PORT}"));
    let mut config = ClientConfig::new(servers).with_tls(tls::load(&files)?);
    config.connector = Some(Arc::new(SimConnector));
    config.attempt_timeout = Duration::from_millis(1000);
    config.connect_timeout = Duration::from_millis(500);
    config.deadline = Duration::from_secs(4);
    Client::new(config).context("a client")
}

/// A client that works.
pub(crate) fn worker(
    name: String,
    settings: &Settings,
    observer: &Observer,
) -> anyhow::Result<Worker<Observer>> {
    let habits = Habits {
        stale_reads: Mutant::StaleAnswer.is_planted(),
        new_request_ids: Mutant::RequestIdForgotten.is_planted(),
        all_of_it: true,
    };
    let client = connect(settings, true)?;
    let observer = observer.clone();
    Ok(Worker::new(name, client, settings.seed, habits, observer))
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
