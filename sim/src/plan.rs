//! The nemesis: which faults come when, all of it decided from the seed before anything runs.

use std::fmt;

use crate::{
    chance::Chance,
    settings::{CLIENT_HOSTS, SERVERS, Settings},
};

/// A fault, from when to when (simulated ms).
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    pub(crate) fault: Fault,
}

#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The power of a server goes, with what it hadn't synced.
    PowerCut { server: usize },
    /// The same in the midst of one of its next operations on the disk.
    PowerCutInOperation { server: usize, after: u64 },
    /// The next sync of a server's log fails; the server has to end.
    SyncFails { server: usize },
    /// The power of all of them goes at once.
    PowerCutOfAll,
    /// Nobody reaches a server, nor does it reach anybody.
    Isolated { server: usize },
    /// The other servers and a server don't reach each other; clients reach all.
    IsolatedFromServers { server: usize },
    /// What one server sends doesn't reach another; the way back is open.
    OneWayCut { from: usize, to: usize },
    /// What a server sends reaches no other server; it hears all of them.
    Muted { server: usize },
    /// Two servers don't reach each other; the third reaches both.
    Bridge { a: usize, b: usize },
    /// Messages between two servers take this long, ms.
    Delay { a: usize, b: usize, latency_ms: u64 },
    /// Messages between two servers wait, and come all at once.
    Held { a: usize, b: usize },
    /// Syncs of a server's log take long, ms.
    SlowDisk { server: usize, flush_ms: u64 },
    /// A server's clock is wrong, ms.
    ClockError { server: usize, error_ms: i64 },
    /// An operator hands leadership to a server.
    Transfer { to: usize },
}

impl Fault {
    /// For the report.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::PowerCut { .. } => "power cut",
            Self::PowerCutInOperation { .. } => "power cut in an operation",
            Self::SyncFails { .. } => "sync fails",
            Self::PowerCutOfAll => "power cut of all",
            Self::Isolated { .. } => "isolated",
            Self::IsolatedFromServers { .. } => "isolated from servers",
            Self::OneWayCut { .. } => "one-way cut",
            Self::Muted { .. } => "muted",
            Self::Bridge { .. } => "bridge",
            Self::Delay { .. } => "delay",
            Self::Held { .. } => "held messages",
            Self::SlowDisk { .. } => "slow disk",
            Self::ClockError { .. } => "clock error",
            Self::Transfer { .. } => "transfer of leadership",
        }
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{} ms: {:?}", self.from_ms, self.to_ms, self.fault)
    }
}

/// Three sequences of faults beside each other: of power, of the network, of the rest. Within
/// one, a fault ends before the next begins.
pub(crate) fn plan(settings: &Settings, begin_ms: u64) -> Vec<Planned> {
    let mut faults = Vec::new();
    let lanes: [(&str, Lane); 3] = [("power", power), ("network", network), ("rest", rest)];
    for (name, lane) in lanes {
        let mut chance = Chance::of(settings.seed, name);
        let pause_max = *chance.one_of(&[800, 2000, 5000]);
        let mut at = begin_ms;
        loop {
            let from_ms = at + chance.within(100..=pause_max);
            let (fault, lasts_ms) = lane(&mut chance);
            let to_ms = from_ms + lasts_ms;
            if to_ms >= begin_ms + settings.faults_ms {
                break;
            }
            faults.push(Planned {
                from_ms,
                to_ms,
                fault,
            });
            at = to_ms;
        }
    }
    faults.sort_by_key(|planned| planned.from_ms);
    faults
}

type Lane = fn(&mut Chance) -> (Fault, u64);

fn power(chance: &mut Chance) -> (Fault, u64) {
    let server = any_server(chance);
    let fault = match chance.within(0..=10) {
        0..=3 => Fault::PowerCut { server },
        4..=5 => Fault::SyncFails { server },
        6..=9 => Fault::PowerCutInOperation {
            server,
            after: chance.within(0..=60),
        },
        _ => Fault::PowerCutOfAll,
    };
    let lasts = *chance.one_of(&[50, 300, 1000, 3000]);
    (fault, chance.within(10..=lasts))
}

fn network(chance: &mut Chance) -> (Fault, u64) {
    let server = any_server(chance);
    let other = (server + 1 + any_index(chance, SERVERS.len() - 1)) % SERVERS.len();
    let (a, b) = (server, other);
    let fault = match chance.within(0..=10) {
        0..=1 => Fault::Isolated { server },
        2..=3 => Fault::IsolatedFromServers { server },
        4 => Fault::OneWayCut { from: a, to: b },
        5..=6 => Fault::Muted { server },
        7 => Fault::Bridge { a, b },
        8 => Fault::Delay {
            a,
            b,
            latency_ms: *chance.one_of(&[20, 80, 250]),
        },
        _ => Fault::Held { a, b },
    };
    let lasts = *chance.one_of(&[100, 800, 2500]);
    (fault, chance.within(20..=lasts))
}

fn rest(chance: &mut Chance) -> (Fault, u64) {
    let server = any_server(chance);
    let fault = match chance.within(0..=5) {
        0..=1 => Fault::SlowDisk {
            server,
            flush_ms: *chance.one_of(&[20, 100, 600]),
        },
        2 => Fault::ClockError {
            server,
            error_ms: *chance.one_of(&[-200_000, -3000, 3000, 200_000]),
        },
        _ => return (Fault::Transfer { to: server }, 300),
    };
    let lasts = *chance.one_of(&[300, 2000]);
    (fault, chance.within(100..=lasts))
}

fn any_server(chance: &mut Chance) -> usize {
    any_index(chance, SERVERS.len())
}

fn any_index(chance: &mut Chance, of: usize) -> usize {
    let index = chance.within(0..=of as u64 - 1);
    usize::try_from(index).expect("an index fits")
}

/// Everybody but one server.
pub(crate) fn all_but(server: usize) -> impl Iterator<Item = &'static str> {
    others(server)
        .chain(CLIENT_HOSTS)
        .chain([crate::judge::HOST])
}

/// The other servers.
pub(crate) fn others(server: usize) -> impl Iterator<Item = &'static str> {
    let name = SERVERS[server];
    SERVERS.into_iter().filter(move |other| *other != name)
}
