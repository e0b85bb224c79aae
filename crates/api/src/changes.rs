//! The calls about changes: what was changed, and to be told of every change as it is made.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use tokio::time::{self, Instant};
use tonic::Streaming;
use uuid::Uuid;

use crate::{
    AccountName, Client, Error, FailedTry, GroupName, Read, Unavailable,
    backoff::Backoff,
    failure::{Failure, Lost},
    proto::{
        Change, GetChangeRequest, ListChangesRequest, ListChangesResponse, ListHistoryRequest,
        ListHistoryResponse, RevertChangeRequest, WatchChangesRequest, WatchChangesResponse,
        changes_client::ChangesClient,
    },
    server::KnownServer,
};

/// Whose history is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryOf {
    /// Of this account. One that was deleted is found by its id.
    Account(AccountName),
    /// Of this group. One that was deleted is found by its id.
    Group(GroupName),
}

impl fmt::Display for HistoryOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => account.fmt(f),
            Self::Group(group) => group.fmt(f),
        }
    }
}

/// From where on changes are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Those after this revision. Where these are not kept any more, the stream begins and ends with a
    /// [`Rejected`](crate::Rejected) of reason `CHANGES_GONE`.
    Revision(u64),
    /// All that are kept.
    Oldest,
    /// Those that are made from now on.
    Now,
}

impl Since {
    fn request(self) -> WatchChangesRequest {
        let (since_revision, from_the_oldest) = match self {
            Self::Revision(revision) => (revision, revision == 0),
            Self::Oldest => (0, true),
            Self::Now => (0, false),
        };
        WatchChangesRequest {
            since_revision,
            from_the_oldest,
        }
    }
}

/// Changes that follow each other, and how far they go.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangesBatch {
    /// In the order of their revisions; there may be none.
    pub changes: Vec<Change>,
    /// Every change up to here has been given: where to go on from, in another run of a program for instance.
    pub revision: u64,
}

impl Client {
    /// One page of changes in the order of their revisions: those after `since`, 0 for all that are kept; at
    /// most `page_size`, 0 for the server's usual number.
    pub async fn list_changes(
        &self,
        since: u64,
        page_size: u32,
        read: Read,
    ) -> Result<ListChangesResponse, Error> {
        let request = ListChangesRequest {
            since_revision: since,
            page_size: page_size.try_into().unwrap_or(i32::MAX),
            read: Some(read.options(self.session_revision())),
        };
        self.read(read, request).await
    }

    /// The change of one revision.
    pub async fn get_change(&self, revision: u64, read: Read) -> Result<Change, Error> {
        let request = GetChangeRequest {
            revision,
            read: Some(read.options(self.session_revision())),
        };
        self.read(read, request).await
    }

    /// Undoes the change of a revision, if nothing later stands against it. Returns the change that does so.
    pub async fn revert_change(
        &self,
        revision: u64,
        request_id: Option<Uuid>,
    ) -> Result<Change, Error> {
        let request = RevertChangeRequest {
            revision,
            request_id: crate::client::request_id(request_id),
        };
        self.write(request).await
    }

    /// One page of the changes of an account or group, the newest first: at most `page_size`, 0 for the
    /// server's usual number; after the page that gave `page_token`, or the first if empty.
    pub async fn list_history(
        &self,
        of: &HistoryOf,
        page_size: u32,
        page_token: &str,
        read: Read,
    ) -> Result<ListHistoryResponse, Error> {
        let request = ListHistoryRequest {
            name: of.to_string(),
            page_size: page_size.try_into().unwrap_or(i32::MAX),
            page_token: page_token.to_owned(),
            read: Some(read.options(self.session_revision())),
        };
        self.read(read, request).await
    }

    /// Every change, once and in order, and then each one as it is made. Outlives the server that it hears from:
    /// another one goes on where that one ended. Once it has begun, it is silent while no server is
    /// reached. Ends after an error: the servers' refusal, or that no server answered within the deadline at the
    /// beginning. Must be polled in a tokio runtime.
    pub fn watch_changes(
        &self,
        since: Since,
    ) -> impl Stream<Item = Result<ChangesBatch, Error>> + Send + use<> {
        let watch = Watch {
            client: self.clone(),
            since,
            began: false,
            from: None,
        };
        stream::unfold(Some(watch), |watch| async move {
            let mut watch = watch?;
            match watch.next().await {
                Ok(batch) => Some((Ok(batch), Some(watch))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

/// One who follows the changes.
struct Watch {
    client: Client,
    since: Since,
    /// A server has answered once.
    began: bool,
    from: Option<(Arc<KnownServer>, Streaming<WatchChangesResponse>)>,
}

impl Watch {
    async fn next(&mut self) -> Result<ChangesBatch, Error> {
        let start = Instant::now();
        let (mut tried, mut asked) = (Vec::new(), Vec::new());
        let mut backoff = Backoff::default();
        loop {
            let failure = match self.hear(&mut tried).await {
                Some(Ok(batch)) => {
                    self.since = Since::Revision(batch.revision);
                    self.began = true;
                    return Ok(batch);
                }
                Some(Err(Failure::Final(rejected))) => return Err(rejected.into()),
                Some(Err(
                    failure @ (Failure::Busy(_) | Failure::NotLeader(_) | Failure::Elsewhere(_)),
                )) => failure,
                None => {
                    // Every server was asked.
                    asked.append(&mut tried);
                    time::sleep(backoff.next()).await;
                    continue;
                }
            };
            let problem = failure.problem().to_owned();
            tracing::debug!(problem, "cannot follow the changes at this server");
            if !self.began && start.elapsed() >= self.client.deadline {
                let last_error = tried.last().map(|server| FailedTry {
                    server: server.endpoint.to_string(),
                    problem,
                });
                asked.append(&mut tried);
                let mut addresses: Vec<_> =
                    asked.iter().map(|it| it.endpoint.to_string()).collect();
                addresses.sort();
                addresses.dedup();
                return Err(Error::Unavailable(Unavailable {
                    tried: addresses,
                    waited: start.elapsed(),
                    last_error,
                    outcome_unknown: false,
                }));
            }
        }
    }

    /// The next message, from the server that is followed or else from one that was not tried. None: there
    /// is no other.
    async fn hear(
        &mut self,
        tried: &mut Vec<Arc<KnownServer>>,
    ) -> Option<Result<ChangesBatch, Failure>> {
        if self.from.is_none() {
            let finder = &self.client.inner.caller.finder;
            let server = finder.for_any(tried)?;
            tried.push(server.clone());
            match self.open(&server).await {
                Ok(stream) => self.from = Some((server, stream)),
                Err(failure) => return Some(Err(failure)),
            }
        }
        let (server, stream) = self.from.as_mut()?;
        let ended = match stream.message().await {
            Ok(Some(message)) => {
                return Some(Ok(ChangesBatch {
                    changes: message.changes,
                    revision: message.revision,
                }));
            }
            Ok(None) => Failure::Elsewhere(Lost::timed_out(false)),
            Err(status) => Failure::from(status),
        };
        if !tried.iter().any(|other| other.is(server)) {
            tried.push(server.clone());
        }
        self.from = None;
        Some(Err(ended))
    }

    async fn open(
        &self,
        server: &Arc<KnownServer>,
    ) -> Result<Streaming<WatchChangesResponse>, Failure> {
        let request = self.since.request();
        let opening = async {
            let connection = server.connection().await?;
            let mut changes = ChangesClient::new(connection);
            let answer = changes.watch_changes(request).await?;
            Ok(answer.into_inner())
        };
        let patience: Duration = self.client.inner.attempt_timeout;
        match time::timeout(patience, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(Failure::Elsewhere(Lost::timed_out(false))),
        }
    }
}
