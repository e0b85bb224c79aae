//! Clients that get in each other's way: few names, many changes, and every call retried by
//! the client library.

mod call;
mod staff;

use std::{fmt, time::Duration};

use quorid_api::{Client, Error};
use quorid_directory::{LoginName, RequestId, Revision};
use tokio::time::sleep;

use self::call::{Call, Told};
pub use self::staff::{Acting, PASSWORDS, STAFF};
use crate::{
    chance::Chance,
    operation::{Answer, Asked, Freshness, Name, Operation, Shown, Which},
};

/// Few, so that clients collide.
const NAMES: [&str; 6] = ["ana", "bruno", "clara", "dino", "ema", "filip"];

/// Fewer still.
const GROUPS: [&str; 2] = ["staff", "guests"];
/// The attributes that sites add are numbered up to this.
const ATTRIBUTES: u64 = 11;
/// Of every account, where clients log in.
const PASSWORD: &str = PASSWORDS[0];

/// For how long a client waits for an answer, ms: some give up soon, and don't know what
/// became of it.
const PATIENCE_MS: &[u64] = &[120, 400, 1500, 4000];

/// What clients need of the world that they run in.
pub trait World {
    /// Time of day, Unix time, ms.
    fn now_ms(&self) -> u64;
    /// A point in time, later than all before, over all clients.
    fn moment(&self) -> u64;
    /// Index of the last entry that any server took for committed; the largest number where
    /// nobody can see that.
    fn highest_committed(&self) -> u64;
    /// Which names there are now: those of one cell differ from those of all others.
    fn cell(&self) -> u64;
    /// An operation came to its end.
    fn record(&self, operation: Operation);
    /// Something happened.
    fn note(&self, what: fmt::Arguments<'_>);
    /// Something that must never be.
    fn violated(&self, what: String);
}

/// What may be wrong with a client, to see that the checks see it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Habits {
    /// It takes stale answers for linearizable ones.
    pub stale_reads: bool,
    /// A retry has another request id than the first try.
    pub new_request_ids: bool,
    /// No bug: an operator, who also gives numbers, edits attributes, changes groups and their
    /// members, disables accounts and logs in,
    /// adds attributes, raises the feature level, restores and erases what was deleted, frees names, and changes
    /// how long these are kept.
    pub all_of_it: bool,
}

/// One client, until the time is over.
pub struct Worker<W> {
    name: String,
    client: Client,
    chance: Chance,
    world: W,
    habits: Habits,
    /// One of these for each call, ms.
    patience_ms: &'static [u64],
    /// Whose names are in use.
    cell: u64,
    /// Ids that it has seen lately in this cell.
    ids: Vec<String>,
    /// The highest revision that it has seen.
    revision: u64,
    /// The accounts that it acts as, too.
    acting: Vec<Acting>,
}

impl<W: World> Worker<W> {
    /// A client of this name, which decides what it does.
    pub fn new(name: String, client: Client, seed: u64, habits: Habits, world: W) -> Self {
        Self {
            chance: Chance::of(seed, &name),
            name,
            client,
            cell: world.cell(),
            world,
            habits,
            patience_ms: PATIENCE_MS,
            ids: Vec::new(),
            revision: 0,
            acting: Vec::new(),
        }
    }

    /// The same one, which also acts as these accounts, and as an operator gives and takes their roles.
    #[must_use]
    pub fn acting_as(mut self, acting: Vec<Acting>) -> Self {
        self.acting = acting;
        self
    }

    /// The same one, which waits for an answer as long as one of these says, ms.
    #[must_use]
    pub fn with_patience(mut self, patience_ms: &'static [u64]) -> Self {
        self.patience_ms = patience_ms;
        self
    }

    /// Asks one thing after the other, for as long as there is time.
    pub async fn work(mut self, there_is_time: impl Fn() -> bool) {
        if self.habits.all_of_it {
            let request = self.request_id();
            let asked = self.keep(request);
            self.ask(asked).await;
        }
        while there_is_time() {
            let pause = self.chance.within(1..=40);
            sleep(Duration::from_millis(pause)).await;
            if !self.acting.is_empty() && self.chance.percent(40) {
                let (asked, acting) = self.choose_of_staff();
                self.ask_as(asked, acting).await;
            } else {
                let asked = self.choose();
                self.ask(asked).await;
            }
        }
    }

    /// Asks for any change, until one is answered, and returns which account it was about and
    /// how it is named since. None if there is no time left.
    async fn change(&mut self, there_is_time: impl Fn() -> bool) -> Option<Which> {
        while there_is_time() {
            let asked = self.choose();
            let named = match &asked {
                Asked::Create { login_name, .. } => Which::Name(login_name.clone()),
                Asked::Rename { to, .. } => Which::Name(to.clone()),
                Asked::Delete { account, .. } => account.clone(),
                Asked::Look { .. }
                | Asked::LogIn { .. }
                | Asked::Edit { .. }
                | Asked::SetPassword { .. }
                | Asked::CreateGroup { .. }
                | Asked::DeleteGroup { .. }
                | Asked::Member { .. }
                | Asked::Define { .. }
                | Asked::Restore { .. }
                | Asked::Purge { .. }
                | Asked::FreeName { .. }
                | Asked::Keep { .. }
                | Asked::RaiseLevel
                | Asked::Members { .. } => continue,
            };
            match self.ask(asked).await {
                Answer::Unavailable { .. } => {}
                Answer::Account { .. }
                | Answer::Members { .. }
                | Answer::Deleted { .. }
                | Answer::Directory { .. }
                | Answer::Level { .. }
                | Answer::Rejected { .. } => {
                    return Some(named);
                }
            }
        }
        None
    }

    /// What it asks next, of the names that there are now.
    fn choose(&mut self) -> Asked {
        let cell = self.world.cell();
        if cell != self.cell {
            self.cell = cell;
            self.ids.clear();
        }
        let request = self.request_id();
        if self.habits.all_of_it && self.chance.percent(40) {
            return self.choose_more(request);
        }
        match self.chance.within(0..=99) {
            0..=29 => Asked::Create {
                request,
                login_name: self.login_name(),
                real_name: format!("Person {}", self.chance.within(0..=999)),
                numbered: self.habits.all_of_it && self.chance.percent(50),
            },
            30..=49 => Asked::Rename {
                request,
                account: self.which(),
                to: self.login_name(),
            },
            50..=63 => Asked::Delete {
                request,
                account: self.which(),
            },
            _ => Asked::Look {
                account: self.which(),
                freshness: self.freshness(),
            },
        }
    }

    /// What it asks next, of what accounts have beside their names.
    fn choose_more(&mut self, request: RequestId) -> Asked {
        match self.chance.within(0..=127) {
            105..=116 => Asked::Restore {
                request,
                account: self.which(),
            },
            117..=119 => Asked::Purge {
                request,
                account: self.which(),
            },
            120..=123 => Asked::FreeName {
                request,
                name: self.login_name(),
            },
            124..=127 => self.keep(request),
            100..=102 => Asked::Define {
                request,
                attribute: format!("of_site_{}", self.chance.within(0..=ATTRIBUTES)),
            },
            103..=104 => Asked::RaiseLevel,
            0..=17 => Asked::Edit {
                request,
                account: self.which(),
                attribute: "title",
                value: match self.chance.within(0..=3) {
                    0 => None,
                    title => Some(format!("Title {title}")),
                },
            },
            18..=39 => Asked::Edit {
                request,
                account: self.which(),
                attribute: "disabled",
                value: self.chance.percent(50).then(|| "true".to_owned()),
            },
            40..=59 => Asked::LogIn {
                account: self.which(),
                freshness: self.freshness(),
            },
            60..=67 => Asked::CreateGroup {
                request,
                group: self.group(),
                numbered: self.chance.percent(50),
                role: None,
            },
            68..=70 => Asked::DeleteGroup {
                request,
                group: self.group(),
            },
            71..=89 => Asked::Member {
                request,
                group: self.group(),
                account: self.which(),
                joins: self.chance.percent(70),
            },
            _ => Asked::Members {
                group: self.group(),
                freshness: self.freshness(),
            },
        }
    }

    /// Short times, so that what is kept ends within a run.
    fn keep(&mut self, request: RequestId) -> Asked {
        let times_ms = [0, 200, 1000, 4000];
        Asked::Keep {
            request,
            tombstones_ms: *self.chance.one_of(&times_ms),
            names_ms: *self.chance.one_of(&times_ms),
        }
    }

    fn freshness(&mut self) -> Freshness {
        match self.chance.within(0..=9) {
            0..=5 => Freshness::Linearizable,
            6 => Freshness::AtLeast(self.revision),
            _ => Freshness::Stale,
        }
    }

    fn group(&mut self) -> quorid_directory::GroupName {
        let name = *self.chance.one_of(&GROUPS);
        quorid_directory::GroupName::parse(name).expect("the names are valid")
    }

    /// Its names are those of the other's cell.
    fn follow_cell_of(&mut self, other: &Self) {
        self.cell = other.cell;
    }

    fn login_name(&mut self) -> Name {
        let name = *self.chance.one_of(&NAMES);
        let text = match self.cell {
            0 => name.to_owned(),
            cell => format!("{name}-{cell}"),
        };
        let spelled = match self.chance.within(0..=9) {
            0 => text.to_uppercase(),
            1 => text.chars().map(full_width).collect(),
            _ => text.clone(),
        };
        let login_name = LoginName::parse(&text).expect("the names are valid");
        Name {
            login_name,
            spelled,
        }
    }

    fn which(&mut self) -> Which {
        if !self.ids.is_empty() && self.chance.percent(40) {
            return Which::Id(self.chance.one_of(&self.ids).clone());
        }
        Which::Name(self.login_name())
    }

    async fn ask(&mut self, asked: Asked) -> Answer {
        self.ask_as(asked, None).await
    }

    /// Asks as one of the accounts that it acts as, by number, or in its own name.
    async fn ask_as(&mut self, asked: Asked, acting: Option<usize>) -> Answer {
        let invoked = self.world.moment();
        let by = acting.map(|number| self.acting[number].by);
        self.world
            .note(format_args!("{} asks {asked:?} {by:?}", self.name));
        let mut answer = self.call(&asked, acting).await;
        // The same request again until it is known what became of it, most of the time.
        while answer == (Answer::Unavailable { unknown: true }) && self.chance.percent(70) {
            let asked = self.again(&asked);
            answer = match self.call(&asked, acting).await {
                // That says nothing of the tries before.
                Answer::Unavailable { .. } => Answer::Unavailable { unknown: true },
                known @ (Answer::Account { .. }
                | Answer::Deleted { .. }
                | Answer::Members { .. }
                | Answer::Directory { .. }
                | Answer::Level { .. }
                | Answer::Rejected { .. }) => known,
            };
        }
        self.world
            .note(format_args!("{} hears {answer:?}", self.name));
        let of_a_group = matches!(
            asked,
            Asked::CreateGroup { .. } | Asked::Member { .. } | Asked::Members { .. }
        );
        // Those of the staff have other passwords, and stay.
        let staff = |account: &Shown| STAFF.contains(&&*account.login_name);
        if let (false, Answer::Account { account, .. }) = (of_a_group, &answer)
            && !staff(account)
        {
            self.ids.push(account.id.clone());
            if self.ids.len() > 8 {
                self.ids.remove(0);
            }
        }
        self.revision = self.revision.max(answer.revision().unwrap_or(0));
        let operation = Operation {
            client: self.name.clone(),
            by,
            asked,
            invoked,
            cell: self.cell,
            returned: self.world.moment(),
            returned_ms: self.world.now_ms(),
            committed: self.world.highest_committed(),
            answer: answer.clone(),
        };
        self.world.record(operation);
        answer
    }

    /// A new request id as the client library makes them, but decided by the seed.
    fn request_id(&mut self) -> RequestId {
        RequestId::new(Revision(self.revision), self.chance.next())
    }

    /// The same once more, unless a bug was planted.
    fn again(&mut self, asked: &Asked) -> Asked {
        let mut again = asked.clone();
        if self.habits.new_request_ids
            && let Asked::Create { request, .. } = &mut again
        {
            *request = self.request_id();
        }
        again
    }

    async fn call(&mut self, asked: &Asked, acting: Option<usize>) -> Answer {
        let patience = *self.chance.one_of(self.patience_ms);
        // A session of its own has the revision of just this answer.
        let client = acting.map_or(&self.client, |number| &self.acting[number].client);
        let client = client.with_new_session();
        let call = Call {
            client: client.with_deadline(Duration::from_millis(patience)),
            with_password: self.habits.all_of_it,
            stale_reads: self.habits.stale_reads,
        };
        let result = call.make(asked).await;
        let revision = call.client.last_revision();
        match result {
            Ok(Told::Object(account)) => Answer::Account { account, revision },
            Ok(Told::Members(members)) => Answer::Members { members, revision },
            Ok(Told::Deleted) => Answer::Deleted { revision },
            Ok(Told::Directory) => Answer::Directory { revision },
            Ok(Told::Level(level)) => Answer::Level { level, revision },
            Err(Error::Rejected(rejected)) => Answer::Rejected {
                reason: rejected.reason,
                revision,
            },
            Err(Error::Unavailable(unavailable)) => Answer::Unavailable {
                unknown: unavailable.outcome_unknown,
            },
            Err(error @ (Error::Tls(_) | Error::InvalidServer(_))) => {
                self.world.violated(format!("a client fails: {error}"));
                Answer::Unavailable { unknown: true }
            }
        }
    }
}

/// Two clients in turn: the first one changes an account through whoever leads, the second one
/// asks a single server for that account, linearizably. It finds out a server that led and
/// doesn't know that another one does.
pub struct Prober<W> {
    writer: Worker<W>,
    reader: Worker<W>,
}

/// What a prober got from the server that it asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Probed {
    /// Look-ups that were answered.
    pub answered: u64,
    /// Look-ups that weren't.
    pub refused: u64,
}

impl<W: World> Prober<W> {
    /// A prober whose `reader` reaches just the one server.
    pub fn new(writer: Worker<W>, reader: Worker<W>) -> Self {
        Self { writer, reader }
    }

    /// Asks for as long as there is time. `answered` is called for the first answer: from then
    /// on there is a connection over which to ask.
    pub async fn probe(
        mut self,
        there_is_time: impl Fn() -> bool,
        answered: impl FnOnce(),
    ) -> Probed {
        let mut answered = Some(answered);
        let mut probed = Probed::default();
        while let Some(is_answered) = self.once(&there_is_time).await {
            if !is_answered {
                probed.refused += 1;
                continue;
            }
            probed.answered += 1;
            if let Some(tell) = answered.take() {
                tell();
            }
        }
        probed
    }

    /// Changes something, and asks for it; whether that was answered, or none if there is no time left.
    pub async fn once(&mut self, there_is_time: impl Fn() -> bool) -> Option<bool> {
        let account = self.writer.change(there_is_time).await?;
        let freshness = Freshness::Linearizable;
        self.reader.follow_cell_of(&self.writer);
        Some(
            match self.reader.ask(Asked::Look { account, freshness }).await {
                Answer::Unavailable { .. } => false,
                Answer::Account { .. }
                | Answer::Members { .. }
                | Answer::Deleted { .. }
                | Answer::Directory { .. }
                | Answer::Level { .. }
                | Answer::Rejected { .. } => true,
            },
        )
    }
}

/// The same letter as East Asian typography has it.
fn full_width(letter: char) -> char {
    match letter {
        '!'..='~' => char::from_u32(u32::from(letter) + 0xfee0).unwrap_or(letter),
        _ => letter,
    }
}
