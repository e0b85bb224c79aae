//! A cluster of fake servers on a network in memory.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io,
    pin::Pin,
    sync::{Arc, Mutex},
};

use futures_util::{Stream, StreamExt, future::BoxFuture};
use quorid_api::{
    BoxedIo, Client, ClientConfig, Connector, Endpoint,
    proto::{
        self, Account, ClusterView, Server, ServerStatus, accounts_server::AccountsServer,
        cluster_server::ClusterServer, requests_server::RequestsServer,
    },
};
use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
};
use tokio_stream::wrappers::{UnboundedReceiverStream, WatchStream};
use tonic::{Code, Extensions, Request, Response, Status, Streaming, metadata::MetadataMap};
use tonic_types::{ErrorDetails, StatusExt};

use crate::network::Wire;

/// What a server does with the next call instead of what it would do.
pub(crate) enum Next {
    Hang,
    Fail(Status),
}

/// A call as a server saw it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) server: u64,
    pub(crate) call: &'static str,
    pub(crate) request_id: String,
    pub(crate) read: Option<proto::ReadOptions>,
    pub(crate) headers: BTreeMap<String, String>,
}

#[derive(Default)]
struct State {
    wires: HashMap<String, Wire>,
    black_holes: Vec<String>,
    mute: bool,
    next: HashMap<u64, VecDeque<Next>>,
}

/// The servers share one view of who leads, which the test sets.
#[derive(Clone)]
pub(crate) struct Fake {
    state: Arc<Mutex<State>>,
    pub(crate) view: watch::Sender<ClusterView>,
    pub(crate) seen: watch::Sender<Vec<Seen>>,
    pub(crate) revision: watch::Sender<u64>,
    /// The server that was last asked to tell of elections.
    pub(crate) watched: watch::Sender<u64>,
    /// How many streams of requests were opened.
    pub(crate) streams: watch::Sender<u64>,
    /// How many requests on them were cancelled.
    pub(crate) cancelled: watch::Sender<u64>,
    /// The server whose streams end, and how.
    ends: watch::Sender<Option<(u64, Status)>>,
}

pub(crate) fn address(id: u64) -> String {
    format!("server-{id}.test:7400")
}

pub(crate) fn view(term: u64, leader_id: u64, ids: impl IntoIterator<Item = u64>) -> ClusterView {
    let servers = ids.into_iter().map(|id| Server {
        id,
        name: format!("server-{id}"),
        client_address: address(id),
        peer_address: format!("server-{id}.test:7500"),
        voter: true,
    });
    ClusterView {
        cluster_id: "fake".to_owned(),
        term,
        leader_id,
        servers: servers.collect(),
        answered_by: 0,
    }
}

pub(crate) fn refusal(code: Code, reason: &str, metadata: &[(&str, &str)]) -> Status {
    let pairs = metadata.iter();
    let metadata: HashMap<String, String> = pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let details = ErrorDetails::with_error_info(reason, "quorid", metadata);
    Status::with_error_details(code, format!("refused: {reason}"), details)
}

impl Fake {
    /// Servers 1, 2 and 3; the second leads.
    pub(crate) fn start() -> Self {
        let fake = Self {
            state: Arc::default(),
            view: watch::Sender::new(view(1, 2, 1..=3)),
            seen: watch::Sender::new(Vec::new()),
            revision: watch::Sender::new(1),
            watched: watch::Sender::new(0),
            streams: watch::Sender::new(0),
            cancelled: watch::Sender::new(0),
            ends: watch::Sender::new(None),
        };
        (1..=3).for_each(|id| fake.run(id));
        fake
    }

    /// Starts a server, or starts it again.
    pub(crate) fn run(&self, id: u64) {
        let (wire, streams) = Wire::new();
        let server = FakeServer {
            id,
            fake: self.clone(),
        };
        let served = tonic::transport::Server::builder()
            .add_service(AccountsServer::new(server.clone()))
            .add_service(RequestsServer::new(server.clone()))
            .add_service(ClusterServer::new(server))
            .serve_with_incoming(streams);
        tokio::spawn(async move { served.await.expect("the fake serves") });
        self.state().wires.insert(address(id), wire);
    }

    /// Connections break, new ones are refused.
    pub(crate) fn kill(&self, id: u64) {
        let wire = self.state().wires.remove(&address(id)).expect("it runs");
        wire.break_off();
    }

    /// Nothing arrives any more, in either direction, and nobody is told.
    pub(crate) fn cut(&self, id: u64) {
        let mut state = self.state();
        state.wires[&address(id)].cut();
        state.black_holes.push(address(id));
    }

    /// No server tells of elections any more.
    pub(crate) fn mute(&self) {
        self.state().mute = true;
    }

    pub(crate) fn next(&self, id: u64, next: impl IntoIterator<Item = Next>) {
        self.state().next.entry(id).or_default().extend(next);
    }

    pub(crate) fn elect(&self, term: u64, leader_id: u64) {
        self.view.send_modify(|view| {
            view.term = term;
            view.leader_id = leader_id;
        });
    }

    /// A server's streams of requests end, without the answers that are missing.
    pub(crate) fn end_streams(&self, id: u64, status: Status) {
        self.ends.send_replace(Some((id, status)));
    }

    pub(crate) fn config(&self, seeds: impl IntoIterator<Item = u64>) -> ClientConfig {
        ClientConfig {
            connector: Some(Arc::new(self.clone())),
            ..ClientConfig::new(seeds.into_iter().map(address))
        }
    }

    pub(crate) fn client(&self, seeds: impl IntoIterator<Item = u64>) -> Client {
        Client::new(self.config(seeds)).expect("valid")
    }

    /// The calls so far, but for those that only ask for the view.
    pub(crate) fn calls(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// The servers that were asked, in order.
    pub(crate) fn asked(&self) -> Vec<u64> {
        self.calls().iter().map(|seen| seen.server).collect()
    }

    /// Waits until the servers have seen this many calls.
    pub(crate) async fn saw(&self, count: usize) {
        let mut seen = self.seen.subscribe();
        let enough = seen.wait_for(|seen| seen.len() >= count);
        within(enough).await.expect("the fake lives");
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no test panics under it")
    }
}

/// Fails a test that waits for what doesn't come.
pub(crate) async fn within<F: Future>(waited_for: F) -> F::Output {
    tokio::time::timeout(std::time::Duration::from_secs(120), waited_for)
        .await
        .expect("what the test waits for comes")
}

impl Connector for Fake {
    fn connect<'a>(&'a self, server: &'a Endpoint) -> BoxFuture<'a, io::Result<BoxedIo>> {
        Box::pin(async move {
            if self
                .state()
                .black_holes
                .iter()
                .any(|hole| hole == server.as_str())
            {
                std::future::pending::<()>().await;
            }
            let state = self.state();
            let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
            let wire = state.wires.get(server.as_str()).ok_or_else(refused)?;
            let near = wire.connect().ok_or_else(refused)?;
            Ok(Box::new(near) as BoxedIo)
        })
    }
}

#[derive(Clone)]
struct FakeServer {
    id: u64,
    fake: Fake,
}

impl FakeServer {
    fn metadata(&self, metadata: &mut MetadataMap) {
        let revision = *self.fake.revision.borrow();
        metadata.insert("quorid-revision", revision.into());
    }

    /// Notes the call, does what the test wants instead, or what a server does.
    async fn handle<T, A>(
        &self,
        call: &'static str,
        request: &Request<T>,
        request_id: &str,
        read: Option<proto::ReadOptions>,
        answer: A,
    ) -> Result<Response<A>, Status> {
        let headers = request.metadata().as_ref().iter().map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        });
        let seen = Seen {
            server: self.id,
            call,
            request_id: request_id.to_owned(),
            read,
            headers: headers.collect(),
        };
        self.fake.seen.send_modify(|all| all.push(seen));
        let next = self
            .fake
            .state()
            .next
            .get_mut(&self.id)
            .and_then(VecDeque::pop_front);
        let mut status = match next {
            Some(Next::Hang) => std::future::pending().await,
            Some(Next::Fail(status)) => status,
            None => {
                let anywhere = read
                    .is_some_and(|read| read.consistency > proto::Consistency::Linearizable.into())
                    || call == "get_server";
                let view = self.fake.view.borrow().clone();
                if anywhere || view.leader_id == self.id {
                    let mut response = Response::new(answer);
                    self.metadata(response.metadata_mut());
                    return Ok(response);
                }
                let (term, leader) = (view.term.to_string(), address(view.leader_id));
                let hint = [("term", &*term), ("leader_address", &*leader)];
                let known = if view.leader_id == 0 { 1 } else { 2 };
                refusal(Code::Unavailable, "NOT_LEADER", &hint[..known])
            }
        };
        self.metadata(status.metadata_mut());
        Err(status)
    }

    fn view(&self, mut view: ClusterView) -> ClusterView {
        view.answered_by = self.id;
        view
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl proto::accounts_server::Accounts for FakeServer {
    async fn get_account(&self, request: Request<proto::GetAccountRequest>) -> Answer<Account> {
        let asked = request.get_ref();
        let account = Account {
            name: asked.name.clone(),
            ..Account::default()
        };
        self.handle("get_account", &request, "", asked.read, account)
            .await
    }

    async fn list_accounts(
        &self,
        request: Request<proto::ListAccountsRequest>,
    ) -> Answer<proto::ListAccountsResponse> {
        let asked = request.get_ref();
        let page: u64 = asked.page_token.parse().unwrap_or(0);
        let accounts = (0..2).map(|n| Account {
            login_name: format!("ana-{}", page * 2 + n),
            ..Account::default()
        });
        let answer = proto::ListAccountsResponse {
            accounts: accounts.collect(),
            next_page_token: if page < 2 {
                (page + 1).to_string()
            } else {
                String::new()
            },
        };
        self.handle("list_accounts", &request, "", asked.read, answer)
            .await
    }

    async fn create_account(
        &self,
        request: Request<proto::CreateAccountRequest>,
    ) -> Answer<Account> {
        let asked = request.get_ref();
        let account = asked.account.clone().unwrap_or_default();
        self.handle("create_account", &request, &asked.request_id, None, account)
            .await
    }

    async fn update_account(
        &self,
        request: Request<proto::UpdateAccountRequest>,
    ) -> Answer<Account> {
        let asked = request.get_ref();
        let mut account = asked.account.clone().unwrap_or_default();
        // So that a test can see the mask.
        account.etag = asked
            .update_mask
            .clone()
            .unwrap_or_default()
            .paths
            .join(",");
        self.handle("update_account", &request, &asked.request_id, None, account)
            .await
    }

    async fn delete_account(&self, request: Request<proto::DeleteAccountRequest>) -> Answer<()> {
        let request_id = &request.get_ref().request_id;
        self.handle("delete_account", &request, request_id, None, ())
            .await
    }

    async fn check_password(
        &self,
        request: Request<proto::CheckPasswordRequest>,
    ) -> Answer<Account> {
        let read = request.get_ref().read;
        self.handle("check_password", &request, "", read, Account::default())
            .await
    }
}

#[tonic::async_trait]
impl proto::requests_server::Requests for FakeServer {
    type ExchangeStream =
        Pin<Box<dyn Stream<Item = Result<proto::ExchangeResponse, Status>> + Send>>;

    /// Each request is a call of its own to the fake, with the headers of the stream.
    async fn exchange(
        &self,
        request: Request<Streaming<proto::ExchangeRequest>>,
    ) -> Answer<Self::ExchangeStream> {
        let (metadata, _, mut requests) = request.into_parts();
        let (answers, answered) = mpsc::unbounded_channel();
        self.fake.streams.send_modify(|count| *count += 1);
        let (server, last_word) = (self.clone(), answers.clone());
        let mut ends = self.fake.ends.subscribe();
        let ended = async move {
            let mine =
                |end: &Option<(u64, Status)>| end.as_ref().is_some_and(|(id, _)| *id == server.id);
            let (_, status) = ends
                .wait_for(mine)
                .await
                .expect("the fake lives")
                .clone()
                .expect("an end");
            // The client may be gone.
            drop(last_word.send(Err(status)));
        };
        let server = self.clone();
        let answer = async move {
            let mut calls = JoinSet::new();
            let mut under_way = HashMap::new();
            while let Ok(Some(request)) = requests.message().await {
                if request.cancel {
                    let call: Option<AbortHandle> = under_way.remove(&request.id);
                    call.expect("what is cancelled was asked").abort();
                    server.fake.cancelled.send_modify(|count| *count += 1);
                    continue;
                }
                let (server, answers) = (server.clone(), answers.clone());
                let metadata = metadata.clone();
                let id = request.id;
                let call = calls.spawn(async move {
                    let answer = server.exchanged(metadata, request).await;
                    // The client may be gone.
                    drop(answers.send(Ok(answer)));
                });
                under_way.insert(id, call);
            }
            calls.join_all().await;
        };
        tokio::spawn(async move {
            tokio::select! {
                () = ended => {}
                () = answer => {}
            }
        });
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(
            answered,
        ))))
    }
}

impl FakeServer {
    async fn exchanged(
        &self,
        metadata: MetadataMap,
        request: proto::ExchangeRequest,
    ) -> proto::ExchangeResponse {
        use proto::{
            accounts_server::Accounts, exchange_request::Request as Asked,
            exchange_response::Answer as Answered,
        };

        let mut headers = metadata;
        let timeout = format!("{}m", request.timeout_ms);
        headers.insert("grpc-timeout", timeout.parse().expect("a header"));
        macro_rules! call {
            ($method:ident($asked:ident) as $answer:ident) => {{
                let request = Request::from_parts(headers, Extensions::new(), $asked);
                self.$method(request)
                    .await
                    .map(|answer| answer.map(Answered::$answer))
            }};
        }
        let answered = match request.request.expect("something is asked") {
            Asked::GetAccount(asked) => call!(get_account(asked) as Account),
            Asked::CreateAccount(asked) => call!(create_account(asked) as Account),
            Asked::UpdateAccount(asked) => call!(update_account(asked) as Account),
            Asked::DeleteAccount(asked) => call!(delete_account(asked) as Deleted),
            Asked::CheckPassword(asked) => call!(check_password(asked) as Account),
            other @ (Asked::GetGroup(_)
            | Asked::CreateGroup(_)
            | Asked::UpdateGroup(_)
            | Asked::DeleteGroup(_)
            | Asked::ChangeMembers(_)) => panic!("the fake has no answer to {other:?}"),
        };
        let (metadata, answer) = match answered {
            Ok(answer) => {
                let (metadata, answer, _) = answer.into_parts();
                (metadata, answer)
            }
            Err(status) => {
                let error = proto::ExchangeError {
                    code: status.code().into(),
                    message: status.message().to_owned(),
                    details: status.details().to_vec(),
                };
                (status.metadata().clone(), Answered::Error(error))
            }
        };
        let revision = metadata.get("quorid-revision").expect("a revision");
        let revision = revision.to_str().expect("text");
        proto::ExchangeResponse {
            id: request.id,
            revision: revision.parse().expect("a number"),
            answer: Some(answer),
        }
    }
}

#[tonic::async_trait]
impl proto::cluster_server::Cluster for FakeServer {
    async fn get_cluster(&self, _: Request<proto::GetClusterRequest>) -> Answer<ClusterView> {
        let view = self.fake.view.borrow().clone();
        Ok(Response::new(self.view(view)))
    }

    type WatchClusterStream = Pin<Box<dyn Stream<Item = Result<ClusterView, Status>> + Send>>;

    async fn watch_cluster(
        &self,
        _: Request<proto::WatchClusterRequest>,
    ) -> Answer<Self::WatchClusterStream> {
        let server = self.clone();
        let mute = self.fake.state().mute;
        if mute {
            std::future::pending::<()>().await;
        }
        self.fake.watched.send_replace(self.id);
        let views = WatchStream::new(self.fake.view.subscribe());
        let views = views.map(move |view| Ok(server.view(view)));
        Ok(Response::new(Box::pin(views)))
    }

    async fn get_server(&self, request: Request<proto::GetServerRequest>) -> Answer<ServerStatus> {
        let status = ServerStatus {
            leader_id: self.id,
            ..ServerStatus::default()
        };
        self.handle("get_server", &request, "", None, status).await
    }

    async fn add_server(&self, request: Request<proto::AddServerRequest>) -> Answer<ClusterView> {
        let view = self.fake.view.borrow().clone();
        self.handle("add_server", &request, "", None, view).await
    }

    async fn remove_server(
        &self,
        request: Request<proto::RemoveServerRequest>,
    ) -> Answer<ClusterView> {
        let view = self.fake.view.borrow().clone();
        self.handle("remove_server", &request, "", None, view).await
    }

    async fn replace_server(
        &self,
        request: Request<proto::ReplaceServerRequest>,
    ) -> Answer<ClusterView> {
        let view = self.fake.view.borrow().clone();
        self.handle("replace_server", &request, "", None, view)
            .await
    }

    async fn move_server(&self, request: Request<proto::MoveServerRequest>) -> Answer<ClusterView> {
        let view = self.fake.view.borrow().clone();
        self.handle("move_server", &request, "", None, view).await
    }

    async fn transfer_leadership(
        &self,
        request: Request<proto::TransferLeadershipRequest>,
    ) -> Answer<ClusterView> {
        let view = self.fake.view.borrow().clone();
        self.handle("transfer_leadership", &request, "", None, view)
            .await
    }

    async fn get_settings(
        &self,
        request: Request<proto::GetSettingsRequest>,
    ) -> Answer<proto::Settings> {
        let settings = proto::Settings::default();
        self.handle("get_settings", &request, "", None, settings)
            .await
    }

    async fn change_settings(
        &self,
        request: Request<proto::ChangeSettingsRequest>,
    ) -> Answer<proto::Settings> {
        let settings = proto::Settings::default();
        self.handle("change_settings", &request, "", None, settings)
            .await
    }

    async fn raise_level(
        &self,
        request: Request<proto::RaiseLevelRequest>,
    ) -> Answer<proto::RaiseLevelResponse> {
        let level = request.get_ref().level;
        let response = proto::RaiseLevelResponse { level };
        self.handle("raise_level", &request, "", None, response)
            .await
    }
}
