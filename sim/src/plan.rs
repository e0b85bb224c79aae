//! The nemesis: which faults come when, all of it decided from the seed before anything runs.

use std::fmt;

use quorid_history::chance::Chance;

use crate::settings::Settings;

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
    /// A server's process ends, and its machine goes on: connections to it are refused.
    Killed { server: usize },
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
    /// Whatever stands between the servers resets the connections of a server, at the beginning and in the end.
    ConnectionsReset { server: usize },
    /// New connections to a server are refused; those that are open go on.
    PortRefuses { server: usize },
    /// Messages between two servers take this long, ms.
    Delay { a: usize, b: usize, latency_ms: u64 },
    /// Messages between two servers wait, and come all at once.
    Held { a: usize, b: usize },
    /// Syncs of a server's log take long, ms.
    SlowDisk { server: usize, flush_ms: u64 },
    /// A server's clock is wrong, ms.
    ClockError { server: usize, error_ms: i64 },
    /// An operator hands leadership to a server. What that sends may not reach the leader before the end, which
    /// hears of it from the others only.
    Transfer { to: usize, unheard: bool },
    /// Nothing that a server sends or is sent arrives before the end, and neither does its
    /// disk write anything: what others see of a process that is stopped and goes on.
    Frozen { server: usize },
    /// Whatever a server writes fails for want of space.
    DiskFull { server: usize },
    /// A server starts with an empty disk in place of its own; it must be refused.
    WrongDisk { server: usize },
    /// Bits of a server's state change by themselves, and later they are again as they were.
    BitsFlipped { server: usize, bits: u64 },
    /// Of five servers each reaches its two neighbours only.
    Ring,
    /// A server of an older version is stopped, and starts as one of the newest version.
    Upgrade { server: usize },
}

/// What [`Fault::kind`] gives.
pub(crate) const KINDS: [&str; 23] = [
    "power cut",
    "power cut in an operation",
    "sync fails",
    "killed",
    "power cut of all",
    "isolated",
    "isolated from servers",
    "one-way cut",
    "muted",
    "bridge",
    "connections reset",
    "port refuses",
    "delay",
    "held messages",
    "slow disk",
    "clock error",
    "transfer of leadership",
    "frozen",
    "disk full",
    "empty disk",
    "bits flipped",
    "ring",
    "upgrade",
];

impl Fault {
    /// The name of the fault in the report.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::PowerCut { .. } => "power cut",
            Self::PowerCutInOperation { .. } => "power cut in an operation",
            Self::SyncFails { .. } => "sync fails",
            Self::Killed { .. } => "killed",
            Self::PowerCutOfAll => "power cut of all",
            Self::Isolated { .. } => "isolated",
            Self::IsolatedFromServers { .. } => "isolated from servers",
            Self::OneWayCut { .. } => "one-way cut",
            Self::Muted { .. } => "muted",
            Self::Bridge { .. } => "bridge",
            Self::ConnectionsReset { .. } => "connections reset",
            Self::PortRefuses { .. } => "port refuses",
            Self::Delay { .. } => "delay",
            Self::Held { .. } => "held messages",
            Self::SlowDisk { .. } => "slow disk",
            Self::ClockError { .. } => "clock error",
            Self::Transfer { .. } => "transfer of leadership",
            Self::Frozen { .. } => "frozen",
            Self::DiskFull { .. } => "disk full",
            Self::WrongDisk { .. } => "empty disk",
            Self::BitsFlipped { .. } => "bits flipped",
            Self::Ring => "ring",
            Self::Upgrade { .. } => "upgrade",
        }
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{} ms: {:?}", self.from_ms, self.to_ms, self.fault)
    }
}

/// Four sequences of faults beside each other: of power, of the network, of disks, of the rest.
/// Within one, a fault ends before the next begins.
pub(crate) fn plan(settings: &Settings) -> Vec<Planned> {
    let mut faults = Vec::new();
    // An empty disk is refused by a cluster that has formed.
    let (begin, formed) = (settings.faults_from_ms, settings.formed_ms());
    let lanes: [(&str, u64, Lane); 4] = [
        ("power", begin, power),
        ("network", begin, network),
        ("rest", begin, rest),
        ("disks", formed, disks),
    ];
    for (name, begin_ms, lane) in lanes {
        let mut chance = Chance::of(settings.seed, name);
        let pause_max = *chance.one_of(&[800, 2000, 5000]);
        let mut at = begin_ms;
        loop {
            let from_ms = at + chance.within(100..=pause_max);
            let (fault, lasts_ms) = lane(&mut chance, settings.servers.len());
            let to_ms = from_ms + lasts_ms;
            if to_ms >= settings.faults_end_ms() {
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
    faults.extend(upgrades(settings));
    faults.sort_by_key(|planned| planned.from_ms);
    faults
}

/// One server after the other is upgraded, in some order, at any time.
fn upgrades(settings: &Settings) -> Vec<Planned> {
    let mut chance = Chance::of(settings.seed, "upgrades");
    let mut older = settings.older.clone();
    let mut planned = Vec::new();
    while !older.is_empty() {
        let server = older.swap_remove(any_of(&mut chance, older.len()));
        let from_ms = settings.faults_from_ms + chance.within(0..=settings.faults_ms * 4 / 5);
        let to_ms = from_ms + chance.within(10..=settings.faults_ms / 10);
        let fault = Fault::Upgrade { server };
        planned.push(Planned {
            from_ms,
            to_ms,
            fault,
        });
    }
    planned
}

/// Draws a fault that strikes so many servers, and for how long it lasts, ms.
type Lane = fn(&mut Chance, usize) -> (Fault, u64);

fn power(chance: &mut Chance, servers: usize) -> (Fault, u64) {
    let server = any_of(chance, servers);
    let fault = match chance.within(0..=14) {
        0..=3 => Fault::PowerCut { server },
        11..=14 => Fault::Killed { server },
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

fn network(chance: &mut Chance, servers: usize) -> (Fault, u64) {
    let server = any_of(chance, servers);
    let other = (server + 1 + any_of(chance, servers - 1)) % servers;
    let (a, b) = (server, other);
    let fault = match chance.within(0..=14) {
        _ if servers > 3 && chance.percent(20) => Fault::Ring,
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
        11..=12 => Fault::ConnectionsReset { server },
        13..=14 => Fault::PortRefuses { server },
        _ => Fault::Held { a, b },
    };
    let lasts = *chance.one_of(&[100, 800, 2500]);
    (fault, chance.within(20..=lasts))
}

fn rest(chance: &mut Chance, servers: usize) -> (Fault, u64) {
    let server = any_of(chance, servers);
    let fault = match chance.within(0..=7) {
        0..=1 => Fault::SlowDisk {
            server,
            flush_ms: *chance.one_of(&[20, 100, 600]),
        },
        2 => Fault::ClockError {
            server,
            error_ms: *chance.one_of(&[-200_000, -3000, 3000, 200_000]),
        },
        3..=4 => Fault::Frozen { server },
        _ => {
            let unheard = chance.percent(50);
            return (
                Fault::Transfer {
                    to: server,
                    unheard,
                },
                300,
            );
        }
    };
    let lasts = *chance.one_of(&[300, 2000]);
    (fault, chance.within(100..=lasts))
}

fn disks(chance: &mut Chance, servers: usize) -> (Fault, u64) {
    let server = any_of(chance, servers);
    let fault = match chance.within(0..=4) {
        0 => Fault::WrongDisk { server },
        1..=2 => Fault::BitsFlipped {
            server,
            bits: *chance.one_of(&[1, 10, 1000]),
        },
        _ => Fault::DiskFull { server },
    };
    // Time enough to start, and to be refused.
    (fault, chance.within(300..=2500))
}

fn any_of(chance: &mut Chance, servers: usize) -> usize {
    let index = chance.within(0..=servers as u64 - 1);
    usize::try_from(index).expect("an index fits")
}
