//! Clients that get in each other's way: few names, many changes, and every call retried by
//! the client library.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use quorid_api::{
    Account, AccountName, Client, ClientConfig, DeleteAccount, Error, NewAccount, Read, TlsFiles,
    UpdateAccount, tls,
};
use quorid_directory::{LoginName, RequestId};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    chance::Chance,
    history::{Answer, Asked, Freshness, Operation, Shown, Which},
    mutant::Mutant,
    observer::Observer,
    seams::{SimConnector, true_time_ms},
    settings::{CLIENT_PORT, SERVERS, Settings},
    trace::note,
};

/// Few, so that clients collide.
const NAMES: [&str; 6] = ["ana", "bruno", "clara", "dino", "ema", "filip"];

/// A client of the cluster; an operator where `operator` is true.
pub(crate) fn connect(settings: &Settings, operator: bool) -> anyhow::Result<Client> {
    let file = |name: &str| settings.certificates.join(name);
    let files = TlsFiles {
        ca: file("ca.crt"),
        cert: operator.then(|| file("operator.crt")),
        key: operator.then(|| file("operator.key")),
    };
    let servers = SERVERS.map(|server| format!("{server}:{CLIENT_PORT}"));
    let mut config = ClientConfig::new(servers).with_tls(tls::load(&files)?);
    config.connector = Some(Arc::new(SimConnector));
    config.attempt_timeout = Duration::from_millis(1000);
    config.connect_timeout = Duration::from_millis(500);
    config.deadline = Duration::from_secs(4);
    Client::new(config).context("a client")
}

/// One client, until the time is over.
pub(crate) struct Worker {
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) chance: Chance,
    pub(crate) observer: Observer,
    /// Ids that it has seen lately.
    pub(crate) ids: Vec<String>,
    /// The highest revision that it has seen.
    pub(crate) revision: u64,
}

impl Worker {
    pub(crate) async fn work(mut self, until: Instant) {
        while Instant::now() < until {
            let pause = self.chance.within(1..=40);
            sleep(Duration::from_millis(pause)).await;
            let asked = self.choose();
            self.ask(asked).await;
        }
    }

    fn choose(&mut self) -> Asked {
        let request = request_id(&mut self.chance);
        match self.chance.within(0..=99) {
            0..=29 => Asked::Create {
                request,
                login_name: self.login_name(),
                real_name: format!("Person {}", self.chance.within(0..=999)),
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
                freshness: match self.chance.within(0..=9) {
                    0..=5 => Freshness::Linearizable,
                    6 => Freshness::AtLeast(self.revision),
                    _ => Freshness::Stale,
                },
            },
        }
    }

    fn login_name(&mut self) -> LoginName {
        let name = *self.chance.one_of(&NAMES);
        LoginName::parse(name).expect("the names are valid")
    }

    fn which(&mut self) -> Which {
        if !self.ids.is_empty() && self.chance.percent(40) {
            return Which::Id(self.chance.one_of(&self.ids).clone());
        }
        Which::Name(self.login_name())
    }

    async fn ask(&mut self, asked: Asked) {
        let invoked = self.observer.moment();
        note!("{} asks {asked:?}", self.name);
        let mut answer = self.call(&asked).await;
        // The same request again until it is known what became of it, most of the time.
        while answer == (Answer::Unavailable { unknown: true }) && self.chance.percent(70) {
            let asked = self.again(&asked);
            answer = match self.call(&asked).await {
                // That says nothing of the tries before.
                Answer::Unavailable { .. } => Answer::Unavailable { unknown: true },
                known @ (Answer::Account { .. }
                | Answer::Deleted { .. }
                | Answer::Rejected { .. }) => known,
            };
        }
        note!("{} hears {answer:?}", self.name);
        if let Answer::Account { account, .. } = &answer {
            self.ids.push(account.id.clone());
            if self.ids.len() > 8 {
                self.ids.remove(0);
            }
        }
        self.revision = self.revision.max(answer.revision().unwrap_or(0));
        let operation = Operation {
            client: self.name.clone(),
            asked,
            invoked,
            returned: self.observer.moment(),
            committed: self.observer.highest_committed(),
            answer,
        };
        self.observer.lock().operations.push(operation);
    }

    /// The same once more, unless a bug was planted.
    fn again(&mut self, asked: &Asked) -> Asked {
        let mut again = asked.clone();
        if Mutant::RequestIdForgotten.is_planted()
            && let Asked::Create { request, .. } = &mut again
        {
            *request = request_id(&mut self.chance);
        }
        again
    }

    async fn call(&mut self, asked: &Asked) -> Answer {
        // Some give up soon, and don't know what became of it.
        let patience = *self.chance.one_of(&[120, 400, 1500, 4000]);
        // A session of its own tells the revision of just this answer.
        let client = self.client.with_new_session();
        let client = client.with_deadline(Duration::from_millis(patience));
        let result = match asked {
            Asked::Create {
                request,
                login_name,
                real_name,
            } => {
                let account = NewAccount {
                    login_name: login_name.as_str().to_owned(),
                    real_name: real_name.clone(),
                    request_id: Some(request.uuid()),
                    ..NewAccount::default()
                };
                client.create_account(account).await.map(Some)
            }
            Asked::Rename {
                request,
                account,
                to,
            } => {
                let mut change = UpdateAccount::of(account_name(account));
                change.login_name = Some(to.as_str().to_owned());
                change.request_id = Some(request.uuid());
                client.update_account(change).await.map(Some)
            }
            Asked::Delete { request, account } => {
                let mut removal = DeleteAccount::of(account_name(account));
                removal.request_id = Some(request.uuid());
                client.delete_account(removal).await.map(|()| None)
            }
            Asked::Look { account, freshness } => {
                let read = match freshness {
                    Freshness::Linearizable if Mutant::StaleRead.is_planted() => Read::Stale,
                    Freshness::Linearizable => Read::Linearizable,
                    Freshness::AtLeast(revision) => Read::AtLeast(*revision),
                    Freshness::Stale => Read::Stale,
                };
                let account = client.get_account(&account_name(account), read).await;
                account.map(Some)
            }
        };
        let revision = client.last_revision();
        match result {
            Ok(Some(account)) => Answer::Account {
                account: shown(account),
                revision,
            },
            Ok(None) => Answer::Deleted { revision },
            Err(Error::Rejected(rejected)) => Answer::Rejected {
                reason: rejected.reason,
                revision,
            },
            Err(Error::Unavailable(unavailable)) => Answer::Unavailable {
                unknown: unavailable.outcome_unknown,
            },
            Err(error @ (Error::Tls(_) | Error::InvalidServer(_))) => {
                self.observer.violated(format!("a client fails: {error}"));
                Answer::Unavailable { unknown: true }
            }
        }
    }
}

/// A request id as clients make them, from the seed.
pub(crate) fn request_id(chance: &mut Chance) -> RequestId {
    let mut random = [0; 10];
    chance.fill(&mut random);
    let uuid = uuid::Builder::from_unix_timestamp_millis(true_time_ms(), &random).into_uuid();
    RequestId::from_uuid(uuid).expect("a UUID of version 7")
}

pub(crate) fn shown(account: Account) -> Shown {
    Shown {
        id: account.id,
        login_name: account.login_name,
        real_name: account.real_name,
        version: account.etag,
    }
}

fn account_name(which: &Which) -> AccountName {
    match which {
        Which::Id(id) => AccountName::Id(Uuid::parse_str(id).expect("an id that was answered")),
        Which::Name(name) => AccountName::Login(name.as_str().to_owned()),
    }
}
