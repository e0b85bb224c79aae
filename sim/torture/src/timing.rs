//! What measurements of time-outs have in common: the servers' settings, and the clients' load.

use std::{str::FromStr, time::Duration};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use quorid_api::{Client, Read};
use quorid_lab::{
    load::{Connections, Kind, Load, LoadOptions, Measured, QuoridSession, Reading},
    testbed::{Builder, Testbed},
};

/// Clients that share a connection, as the tasks of a program do.
const CLIENTS_PER_CONNECTION: u32 = 16;
/// Lookups choose among so many accounts, and those that the clients make meanwhile.
const NAMES_MAX: usize = 10_000;

/// How time-outs are measured.
#[derive(Debug, Clone, Args)]
pub(crate) struct Measuring {
    /// Measured servers have these time-outs, ms: heartbeat, shortest and longest election time-out
    /// [default: those of the program]
    #[arg(long, value_name = "H,E,M")]
    time_outs: Option<TimeOuts>,
    /// Clients at work while time-outs are measured
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    clients: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TimeOuts([u32; 3]);

impl FromStr for TimeOuts {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let all: Result<Vec<u32>, _> = text.split(',').map(str::parse).collect();
        let all = all.context("three numbers are needed, such as 60,200,400")?;
        match all[..] {
            [heartbeat, min, max] => Ok(Self([heartbeat, min, max])),
            _ => bail!("{} numbers instead of three", all.len()),
        }
    }
}

impl Measuring {
    /// Servers with the time-outs that are measured.
    pub(crate) fn settings(&self, builder: Builder) -> Builder {
        let Some(TimeOuts([heartbeat, min, max])) = self.time_outs else {
            return builder;
        };
        builder
            .setting("heartbeat_ms", heartbeat)
            .setting("election_min_ms", min)
            .setting("election_max_ms", max)
    }

    /// A stage's servers have the settings that the stage was made with.
    pub(crate) fn refuse_time_outs(&self) -> anyhow::Result<()> {
        ensure!(
            self.time_outs.is_none(),
            "--time-outs is not for the servers of a stage\n\
             try: settings of the stage, such as deploy/hosts/stage.sh 'heartbeat_ms = 60' -- ..."
        );
        Ok(())
    }

    pub(crate) fn clients(&self) -> u32 {
        self.clients
    }

    /// The clients, connected to a cluster.
    pub(crate) fn connect(&self, cluster: &Testbed) -> anyhow::Result<Clients> {
        let connections = 0..self.clients.div_ceil(CLIENTS_PER_CONNECTION);
        let connections = connections.map(|_| cluster.operator());
        Ok(Clients {
            connections: Connections::new(connections.collect::<Result<_, _>>()?)?,
            lister: cluster.operator()?,
            count: self.clients,
        })
    }
}

/// Clients that make requests without a pause.
pub(crate) struct Clients {
    connections: Connections,
    lister: Client,
    count: u32,
}

impl Clients {
    /// A load that is ready to begin.
    pub(crate) async fn load(
        &self,
        kind: Kind,
        reads_percent: u8,
        lasts: Duration,
    ) -> anyhow::Result<Load<QuoridSession>> {
        let options = LoadOptions {
            kind,
            clients: self.count,
            duration: Some(lasts),
            count: None,
            prefix: "timing".to_owned(),
            reads_percent,
        };
        let reading = Reading {
            read: Read::Linearizable,
            names_max: NAMES_MAX,
            name_error: |error| error.to_string(),
        };
        let load = Load::prepare(options, reading, &self.lister, &self.connections).await;
        load.context("the clients of a load")
    }
}

/// What went wrong under a load, if anything did: clients retry until they are answered.
pub(crate) fn failures(what: &str, measured: &Measured) -> Option<String> {
    (measured.failures() > 0).then(|| format!("{what}: requests failed: {:?}", measured.errors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_outs_are_three_numbers() {
        let read = |text: &str| text.parse::<TimeOuts>().ok();
        assert_eq!(read("60,200,400"), Some(TimeOuts([60, 200, 400])));
        for other in [
            "",
            "60",
            "60,200",
            "60,200,400,500",
            "60,200,x",
            "60, 200,400",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
