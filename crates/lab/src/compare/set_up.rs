//! What is there before the clock starts, and the requests of each turn.

use quorid_api::{Attribute, GroupName, MemberName, Read};
use rand::RngExt as _;

use super::{
    CompareOptions, Pair, Requester,
    request::{Request, login},
};
use crate::{error::LabError, load::known_names};

/// Groups of one account: as many as the directory allows.
const GROUPS: usize = 1_000;
/// How deep they are nested: as deep as the directory allows.
const DEPTH: usize = 8;
/// Members that are added or removed at once where that is not measured.
const MEMBERS_AT_ONCE: usize = 500;

/// What is there before the clock starts.
pub(super) struct SetUp {
    pair: Pair,
    read: Read,
    requests: usize,
    /// What all names begin with.
    run: String,
    /// The group that gets members.
    group: String,
    /// The accounts that requests are about.
    names: Vec<String>,
    /// What the figures are about.
    pub(super) setting: String,
}

impl SetUp {
    pub(super) async fn make(
        options: &CompareOptions,
        requester: &Requester<'_>,
        progress: &impl Fn(String),
    ) -> Result<Self, LabError> {
        let run = format!("{}-{:08x}", options.prefix, rand::random::<u32>());
        let mut set_up = Self {
            pair: options.pair,
            read: options.read,
            requests: options.requests,
            group: format!("{run}-group"),
            run: run.clone(),
            names: Vec::new(),
            setting: String::new(),
        };
        match options.pair {
            Pair::Member => {
                let members = existing(options, requester).await?;
                progress(format!("a group of {} members", members.len()));
                let group = Request::CreateGroup(set_up.group.clone());
                requester.all(vec![group]).await?;
                requester.all(set_up.members(&members, true)).await?;
                set_up.setting = format!("a group of {} members", members.len());
                set_up.names = numbered(&run, options.requests);
                requester.all(set_up.new_accounts()).await?;
            }
            Pair::Groups => {
                progress(format!("{GROUPS} groups, {DEPTH} deep"));
                set_up.names = numbered(&run, 1);
                set_up.join_groups(requester).await?;
                set_up.setting = format!("an account in {GROUPS} groups, nested {DEPTH} deep");
            }
            Pair::Mail => {
                set_up
                    .found_by("mail", options, requester, progress)
                    .await?
            }
            Pair::Title => {
                set_up
                    .found_by("title", options, requester, progress)
                    .await?
            }
        }
        Ok(set_up)
    }

    /// Undoes what the last round did.
    pub(super) async fn reset(&self, requester: &Requester<'_>) -> Result<(), LabError> {
        match self.pair {
            Pair::Member => requester.all(self.members(&self.names, false)).await?,
            Pair::Groups | Pair::Mail | Pair::Title => return Ok(()),
        };
        Ok(())
    }

    /// The requests of one side's turn: 0 is the plain one.
    pub(super) fn requests(&self, side: usize, round: u32) -> Vec<Request> {
        let mut random = rand::rng();
        let requests = (0..self.requests).map(|number| {
            let login_name = match self.pair {
                // Each account once.
                Pair::Member => self.names[number].clone(),
                Pair::Groups | Pair::Mail | Pair::Title => {
                    self.names[random.random_range(0..self.names.len())].clone()
                }
            };
            let read = self.read;
            match (self.pair, side) {
                (Pair::Member, 0) => Request::Set {
                    login_name,
                    attribute: "title",
                    value: format!("Round {round}"),
                },
                (Pair::Member, _) => Request::Members {
                    group: self.group.clone(),
                    add: vec![account(&login_name)],
                    remove: Vec::new(),
                },
                (Pair::Groups | Pair::Mail | Pair::Title, 0) => Request::Get { login_name, read },
                (Pair::Groups, _) => Request::GetWithGroups {
                    login_name,
                    groups: GROUPS,
                    read,
                },
                (Pair::Mail, _) => find("mail", &login_name, read),
                (Pair::Title, _) => find("title", &login_name, read),
            }
        });
        requests.collect()
    }

    /// As many new accounts as asked for, each with a value of its own by which it is found.
    async fn found_by(
        &mut self,
        attribute: &'static str,
        options: &CompareOptions,
        requester: &Requester<'_>,
        progress: &impl Fn(String),
    ) -> Result<(), LabError> {
        let values = match attribute {
            "mail" => "mail addresses",
            _ => "titles",
        };
        self.setting = format!("{} accounts with {values}", options.accounts);
        progress(self.setting.clone());
        self.names = numbered(&self.run, options.accounts);
        let new = self.names.iter().map(|name| Request::Create {
            login_name: name.clone(),
            attributes: vec![Attribute {
                name: attribute.to_owned(),
                values: vec![own(attribute, name)],
            }],
        });
        requester.all(new.collect()).await.map(drop)
    }

    fn new_accounts(&self) -> Vec<Request> {
        let new = self.names.iter().map(|name| Request::Create {
            login_name: name.clone(),
            attributes: Vec::new(),
        });
        new.collect()
    }

    /// Adds accounts to the large group, or removes them.
    fn members(&self, names: &[String], add: bool) -> Vec<Request> {
        let some = names.chunks(MEMBERS_AT_ONCE).map(|names| {
            let accounts = names.iter().map(|name| account(name)).collect();
            let (add, remove) = match add {
                true => (accounts, Vec::new()),
                false => (Vec::new(), accounts),
            };
            Request::Members {
                group: self.group.clone(),
                add,
                remove,
            }
        });
        some.collect()
    }

    /// The account is in the groups of the innermost layer, and each of these in one of the next.
    async fn join_groups(&self, requester: &Requester<'_>) -> Result<(), LabError> {
        requester.all(self.new_accounts()).await?;
        let groups = numbered(&self.group, GROUPS);
        let new = groups.iter().cloned().map(Request::CreateGroup);
        requester.all(new.collect()).await?;
        let layer = GROUPS / DEPTH;
        let members = groups.iter().enumerate().map(|(number, group)| {
            let inner = number.checked_sub(layer).map(|inner| &groups[inner]);
            let add = match inner {
                Some(inner) => vec![MemberName::Group(GroupName::Name(inner.clone()))],
                None => self.names.iter().map(|name| account(name)).collect(),
            };
            Request::Members {
                group: group.clone(),
                add,
                remove: Vec::new(),
            }
        });
        requester.all(members.collect()).await?;
        Ok(())
    }
}

/// Accounts that are there already.
async fn existing(
    options: &CompareOptions,
    requester: &Requester<'_>,
) -> Result<Vec<String>, LabError> {
    let (lister, _) = requester
        .sessions
        .first()
        .ok_or(LabError::NothingToLookUp)?;
    let names = known_names(lister, options.accounts).await?;
    match names.is_empty() {
        true => Err(LabError::NothingToLookUp),
        false => Ok(names),
    }
}

fn numbered(name: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{name}-{number}"))
        .collect()
}

fn account(name: &str) -> MemberName {
    MemberName::Account(login(name))
}

fn find(attribute: &'static str, login_name: &str, read: Read) -> Request {
    Request::Find {
        attribute,
        value: own(attribute, login_name),
        read,
    }
}

/// A value that no other account has.
fn own(attribute: &str, login_name: &str) -> String {
    match attribute {
        "mail" => format!("{login_name}@bench.example"),
        _ => format!("title-of-{login_name}"),
    }
}
