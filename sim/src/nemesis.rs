//! The nemesis: makes the plan come true.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use turmoil::Sim;

use crate::{
    disk::USUAL_FLUSH_MS,
    judge,
    machine::Machine,
    middlebox::{Middlebox, Refusal},
    plan::{Fault, Planned},
    settings::{CLIENT_HOSTS, Settings},
    trace::note,
};

/// A fuse that nothing burns down: the power goes anyway, ms.
const FUSE_MS: u64 = 1500;
/// A server whose sync failed has ended after this time, ms.
const ENDING_MS: u64 = 300;
/// Once nothing was wrong for this long, no election has a reason, ms.
const CALM_MS: u64 = 5000;

/// Makes the plan come true.
pub(crate) struct Nemesis<'a> {
    machines: &'a [Machine],
    /// Not yet begun.
    planned: Vec<&'a Planned>,
    /// Begun and not yet ended.
    active: Vec<&'a Planned>,
    /// Servers whose power goes in an operation, by this time at the latest, and for how long.
    fuses: Vec<Fuse>,
    fired: BTreeMap<&'static str, u64>,
    calm: Calm,
    /// The cut of a hand-over: whose messages do not reach whom.
    unheard: Option<(&'static str, &'static str)>,
    settings: &'a Settings,
}

/// Whether, and since when, nothing is wrong that could cause an election.
#[derive(Default)]
struct Calm {
    /// When something was wrong last, ms.
    disturbed_ms: u64,
    term: u64,
}

impl Calm {
    /// For how long there had been nothing wrong, if there is an election all the same.
    fn broken_by_election(&mut self, now_ms: u64, calm: bool, term: u64) -> Option<u64> {
        let elected = std::mem::replace(&mut self.term, term) < term;
        if !calm {
            self.disturbed_ms = now_ms;
        }
        let lasted_ms = now_ms - self.disturbed_ms;
        (elected && lasted_ms > CALM_MS).then_some(lasted_ms)
    }
}

struct Fuse {
    server: usize,
    until_ms: u64,
    off_ms: u64,
    /// Since when there is no power.
    burnt_ms: Option<u64>,
}

impl<'a> Nemesis<'a> {
    pub(crate) fn new(
        machines: &'a [Machine],
        plan: &'a [Planned],
        settings: &'a Settings,
    ) -> Self {
        Self {
            machines,
            planned: plan.iter().collect(),
            active: Vec::new(),
            fuses: Vec::new(),
            fired: BTreeMap::new(),
            calm: Calm::default(),
            unheard: None,
            settings,
        }
    }

    /// How often each kind of fault came.
    pub(crate) fn fired(self) -> BTreeMap<&'static str, u64> {
        self.fired
    }

    pub(crate) fn act(&mut self, sim: &mut Sim<'_>, now_ms: u64) {
        self.burn(sim, now_ms);
        let (ended, active) = std::mem::take(&mut self.active)
            .into_iter()
            .partition(|planned| planned.to_ms <= now_ms);
        self.active = active;
        for planned in ended {
            self.end(sim, planned);
        }
        while let Some(planned) = self.planned.first().copied() {
            if planned.from_ms > now_ms {
                break;
            }
            self.planned.remove(0);
            self.begin(sim, planned, now_ms);
        }
        self.look_for_needless_elections(now_ms);
    }

    /// Nobody stands for election while the leader lives, is reached by all, and at most its
    /// connections are reset.
    fn look_for_needless_elections(&mut self, now_ms: u64) {
        let harmless = |it: &&Planned| matches!(it.fault, Fault::ConnectionsReset { .. });
        let calm = self.fuses.is_empty() && self.active.iter().all(harmless);
        let Some((_, term)) = self.machines[0].observer.leader_and_highest_term() else {
            return;
        };
        if let Some(lasted_ms) = self.calm.broken_by_election(now_ms, calm, term) {
            self.machines[0].observer.saw_violation(format!(
                "an election in term {term}, after {lasted_ms} ms in which nothing was wrong, but \
                 for connections that were reset"
            ));
        }
    }

    fn begin(&mut self, sim: &mut Sim<'_>, planned: &'a Planned, now_ms: u64) {
        note!("{now_ms}: begins {:?}", planned.fault);
        *self.fired.entry(planned.fault.kind()).or_default() += 1;
        match &planned.fault {
            Fault::PowerCut { server } => self.power_off(sim, *server),
            Fault::Killed { server } => {
                self.set_refusing(*server, Refusal::Gone, true);
                self.power_off(sim, *server);
            }
            Fault::ConnectionsReset { server } => self.reset_connections(*server),
            Fault::PortRefuses { server } => self.set_refusing(*server, Refusal::Blocked, true),
            Fault::PowerCutInOperation { server, after } => {
                self.machines[*server].disk.set_fuse(*after);
                return self.light_fuse(*server, planned, now_ms);
            }
            Fault::SyncFails { server } => {
                self.machines[*server].disk.fail_next_sync();
                return self.light_fuse(*server, planned, now_ms);
            }
            Fault::PowerCutOfAll => {
                for server in 0..self.machines.len() {
                    self.power_off(sim, server);
                }
            }
            fault @ (Fault::Isolated { .. }
            | Fault::IsolatedFromServers { .. }
            | Fault::Bridge { .. }
            | Fault::Ring) => {
                for (a, b) in self.links(fault) {
                    sim.partition(a, b);
                    self.middlebox().set_cut(a, b, true);
                    self.middlebox().set_cut(b, a, true);
                }
            }
            fault @ (Fault::OneWayCut { .. } | Fault::Muted { .. }) => {
                for (from, to) in self.links(fault) {
                    sim.partition_oneway(from, to);
                    self.middlebox().set_cut(from, to, true);
                }
            }
            fault @ Fault::Delay { latency_ms, .. } => {
                self.set_latency(sim, fault, *latency_ms);
            }
            Fault::SlowDisk { server, flush_ms } => {
                let disk = &self.machines[*server].disk;
                disk.set_flush_ms((*flush_ms / 2, *flush_ms));
            }
            Fault::ClockError { server, error_ms } => {
                self.machines[*server].clock.set_error_ms(*error_ms);
            }
            fault @ (Fault::Held { .. } | Fault::Frozen { .. }) => {
                for (a, b) in self.links(fault) {
                    sim.hold(a, b);
                }
                if let Fault::Frozen { server } = fault {
                    self.machines[*server].disk.set_stalled(true);
                }
            }
            Fault::DiskFull { server } => self.machines[*server].disk.set_full(true),
            Fault::BitsFlipped { server, bits } => self.machines[*server].disk.flip_bits(*bits),
            Fault::Upgrade { server } => {
                self.set_refusing(*server, Refusal::Gone, true);
                self.power_off(sim, *server);
                self.machines[*server].upgrade();
            }
            Fault::WrongDisk { server } => {
                self.power_off(sim, *server);
                self.machines[*server].disk.replace_by_empty();
                self.power_on(sim, *server);
            }
            // The judge does it, at the same time.
            Fault::Transfer { to, unheard } => {
                self.calm.disturbed_ms = now_ms;
                let leader = self.machines[0].observer.leader_and_highest_term();
                let leader = leader
                    .and_then(|(id, _)| self.settings.servers.get(usize::try_from(id - 1).ok()?));
                let to = self.settings.servers[*to];
                let Some(leader) = leader.copied().filter(|leader| *unheard && *leader != to)
                else {
                    return;
                };
                self.unheard = Some((to, leader));
                sim.partition_oneway(to, leader);
                self.middlebox().set_cut(to, leader, true);
            }
        }
        self.active.push(planned);
    }

    fn end(&mut self, sim: &mut Sim<'_>, planned: &Planned) {
        note!("ends {:?}", planned.fault);
        match &planned.fault {
            Fault::PowerCut { server } => self.power_on(sim, *server),
            Fault::Killed { server } | Fault::Upgrade { server } => {
                self.set_refusing(*server, Refusal::Gone, false);
                self.power_on(sim, *server);
            }
            Fault::ConnectionsReset { server } => self.reset_connections(*server),
            Fault::PortRefuses { server } => self.set_refusing(*server, Refusal::Blocked, false),
            Fault::PowerCutOfAll => {
                for server in 0..self.machines.len() {
                    self.power_on(sim, server);
                }
            }
            fault @ (Fault::Isolated { .. }
            | Fault::IsolatedFromServers { .. }
            | Fault::Bridge { .. }
            | Fault::Ring
            | Fault::OneWayCut { .. }
            | Fault::Muted { .. }) => {
                for (a, b) in self.links(fault) {
                    sim.repair(a, b);
                    self.middlebox().set_cut(a, b, false);
                    self.middlebox().set_cut(b, a, false);
                }
            }
            fault @ Fault::Delay { .. } => {
                self.set_latency(sim, fault, self.settings.latency_max_ms);
            }
            Fault::SlowDisk { server, .. } => {
                self.machines[*server].disk.set_flush_ms(USUAL_FLUSH_MS);
            }
            Fault::ClockError { server, .. } => self.machines[*server].clock.set_error_ms(0),
            fault @ (Fault::Held { .. } | Fault::Frozen { .. }) => {
                for (a, b) in self.links(fault) {
                    sim.release(a, b);
                }
                if let Fault::Frozen { server } = fault {
                    self.machines[*server].disk.set_stalled(false);
                }
            }
            Fault::DiskFull { server } => {
                self.machines[*server].disk.set_full(false);
                // Whoever looks after it makes space.
                self.start_again(sim, *server);
            }
            Fault::BitsFlipped { server, .. } => {
                self.machines[*server].disk.mend_bits();
                self.start_again(sim, *server);
            }
            Fault::WrongDisk { server } => {
                let machine = &self.machines[*server];
                self.power_off(sim, *server);
                if machine.disk.put_back() {
                    machine
                        .observer
                        .saw_violation(format!("{} took part with an empty disk", machine.name));
                }
                self.power_on(sim, *server);
            }
            Fault::Transfer { .. } => {
                if let Some((from, to)) = self.unheard.take() {
                    sim.repair(from, to);
                    self.middlebox().set_cut(from, to, false);
                }
            }
            Fault::PowerCutInOperation { .. } | Fault::SyncFails { .. } => {}
        }
    }

    fn middlebox(&self) -> &Middlebox {
        &self.machines[0].middlebox
    }

    fn reset_connections(&self, server: usize) {
        let name = self.settings.servers[server];
        let count = self.middlebox().reset(name);
        note!("{count} connections of {name} are reset");
    }

    fn set_refusing(&self, server: usize, why: Refusal, refusing: bool) {
        let name = self.settings.servers[server];
        self.middlebox().set_refusing(name, why, refusing);
    }

    fn set_latency(&self, sim: &Sim<'_>, fault: &Fault, latency_ms: u64) {
        for (a, b) in self.links(fault) {
            sim.set_link_max_message_latency(a, b, Duration::from_millis(latency_ms));
        }
    }

    fn light_fuse(&mut self, server: usize, planned: &Planned, now_ms: u64) {
        self.fuses.push(Fuse {
            server,
            until_ms: now_ms + FUSE_MS,
            off_ms: planned.to_ms - planned.from_ms,
            burnt_ms: None,
        });
    }

    /// Ends the servers whose disk lost its power, and brings them back later.
    fn burn(&mut self, sim: &mut Sim<'_>, now_ms: u64) {
        for mut fuse in std::mem::take(&mut self.fuses) {
            let machine = &self.machines[fuse.server];
            let ending = machine.disk.sync_failed() && machine.lives.load(Ordering::Relaxed);
            match fuse.burnt_ms {
                None if ending && now_ms < fuse.until_ms + ENDING_MS => self.fuses.push(fuse),
                None if !machine.disk.is_on() || now_ms >= fuse.until_ms => {
                    self.power_off(sim, fuse.server);
                    fuse.burnt_ms = Some(now_ms);
                    self.fuses.push(fuse);
                }
                Some(since) if now_ms >= since + fuse.off_ms => self.power_on(sim, fuse.server),
                None | Some(_) => self.fuses.push(fuse),
            }
        }
    }

    /// Starts a server that has ended by itself.
    fn start_again(&self, sim: &mut Sim<'_>, server: usize) {
        let machine = &self.machines[server];
        if machine.disk.is_on() && !machine.lives.load(Ordering::Relaxed) {
            self.power_off(sim, server);
            self.power_on(sim, server);
        }
    }

    /// First the disk: what the server does while it is taken down isn't done any more.
    fn power_off(&self, sim: &mut Sim<'_>, server: usize) {
        let Machine {
            name,
            disk,
            lives,
            observer,
            ..
        } = &self.machines[server];
        if lives.swap(false, Ordering::Relaxed) && disk.sync_failed() {
            observer.saw_violation(format!("{name} goes on after a sync failed"));
        }
        self.machines[server].disk.power_off();
        sim.crash(self.settings.servers[server]);
    }

    fn power_on(&self, sim: &mut Sim<'_>, server: usize) {
        if !self.machines[server].disk.is_on() {
            sim.bounce(self.settings.servers[server]);
        }
    }

    /// The links that a fault of the network is about, from whom to whom.
    fn links(&self, fault: &Fault) -> Vec<(&'static str, &'static str)> {
        let servers = self.settings.servers;
        let from = |server: usize| move |other| (servers[server], other);
        match fault {
            Fault::Isolated { server } | Fault::Frozen { server } => {
                let others = self.settings.others(*server);
                let everybody = others.chain(CLIENT_HOSTS).chain([judge::HOST]);
                everybody.map(from(*server)).collect()
            }
            Fault::IsolatedFromServers { server } | Fault::Muted { server } => {
                let others = self.settings.others(*server);
                others.map(from(*server)).collect()
            }
            Fault::OneWayCut { from: a, to: b }
            | Fault::Bridge { a, b }
            | Fault::Held { a, b }
            | Fault::Delay { a, b, .. } => vec![(servers[*a], servers[*b])],
            Fault::Ring => {
                // All pairs that aren't neighbours where the servers stand in a ring.
                let count = servers.len();
                let pairs = (0..count).flat_map(|a| (a + 2..count).map(move |b| (a, b)));
                let chords = pairs.filter(|(a, b)| (b + 1) % count != *a);
                chords.map(|(a, b)| (servers[a], servers[b])).collect()
            }
            Fault::PowerCut { .. }
            | Fault::PowerCutInOperation { .. }
            | Fault::SyncFails { .. }
            | Fault::Killed { .. }
            | Fault::PowerCutOfAll
            | Fault::ConnectionsReset { .. }
            | Fault::PortRefuses { .. }
            | Fault::SlowDisk { .. }
            | Fault::ClockError { .. }
            | Fault::Transfer { .. }
            | Fault::DiskFull { .. }
            | Fault::BitsFlipped { .. }
            | Fault::Upgrade { .. }
            | Fault::WrongDisk { .. } => Vec::new(),
        }
    }
}
