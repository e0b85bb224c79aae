//! How the engine's messages reach the other servers: gRPC over mutual TLS, one connection
//! each for replication, for heartbeats, for snapshots and for votes, so that none waits for
//! another. (Read barriers have theirs, too: `ask_voters`.)

mod answers;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, future, stream};
use openraft::{
    OptionalSend,
    base::{BoxFuture, BoxStream},
    errors::{
        NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout as RpcTimeout,
        Unreachable,
    },
    network::{
        RPCOption, RPCTypes, RaftNetworkFactory, stream_append_sequential, v2::RaftNetworkV2,
    },
    raft::{
        AppendEntriesResponse, SnapshotResponse, TransferLeaderError, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use tokio::time::timeout;
use tonic::{
    Code, Request, Status,
    metadata::MetadataValue,
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use self::answers::{Answers, Sent};
use super::{
    dialer::PeerDialer,
    send_heartbeats::Heartbeats,
    send_snapshot::{SNAPSHOT_STEP_TIMEOUT, snapshot_head, snapshot_parts, stalled},
    snapshot::StateSnapshot,
    types::{AppendRequest, Enlisted, Snapshot, StreamAppendResult, TypeConfig, Vote},
    vote_channels::VoteChannels,
    wire::{self, proto, proto::peer_client::PeerClient},
};
use crate::{named_server::NamedServer, seams::Threads};

/// The largest message between servers. The largest batch of entries comes nowhere near it.
pub(crate) const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// Headers that say which cluster a message belongs to, from whom it comes and for whom it
/// is meant.
pub(crate) const CLUSTER_HEADER: &str = "quorid-cluster";
pub(crate) const FROM_HEADER: &str = "quorid-from";
pub(crate) const TO_HEADER: &str = "quorid-to";

/// Labels each message with the cluster, its sender and its receiver.
#[derive(Clone)]
pub(crate) struct Label {
    cluster: MetadataValue<tonic::metadata::Ascii>,
    from: u64,
    to: u64,
}

impl Interceptor for Label {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert(CLUSTER_HEADER, self.cluster.clone());
        metadata.insert(FROM_HEADER, self.from.into());
        metadata.insert(TO_HEADER, self.to.into());
        Ok(request)
    }
}

/// Makes the engine's clients for other servers.
#[derive(Clone)]
pub(crate) struct PeerNetwork {
    votes: VoteChannels,
    threads: Arc<dyn Threads>,
    cluster: MetadataValue<tonic::metadata::Ascii>,
    this: u64,
    patience: Duration,
    told: ToldCommitted,
    addresses: Addresses,
}

/// Where members are, by their ids: connections live longer than addresses. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Addresses(Arc<Mutex<BTreeMap<u64, String>>>);

impl Addresses {
    /// Takes the addresses of all members.
    pub(super) fn note(&self, members: impl Iterator<Item = (u64, String)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = members.collect();
    }

    /// Where a server is, as far as it is known to be elsewhere by now.
    fn of(&self, id: u64, server: &NamedServer) -> String {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&id).unwrap_or(&server.peer_address).clone()
    }
}

/// The last entry of which another server was told that it is committed: that server may show its effect from
/// then on. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct ToldCommitted(Arc<AtomicU64>);

impl ToldCommitted {
    /// Notes what a message is about to say.
    fn note(&self, message: &AppendRequest) {
        if let Some(committed) = message.leader_commit {
            self.0.fetch_max(committed.index, Ordering::SeqCst);
        }
    }

    /// Its index.
    pub(super) fn index(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl PeerNetwork {
    /// `cluster_id` is a UUID. A follower that owes an answer for longer than `patience` is
    /// taken for unreachable; its disk may be slow, so that's more than the time in which the
    /// engine expects the answer to a heartbeat.
    pub(crate) fn new(
        dialer: PeerDialer,
        threads: Arc<dyn Threads>,
        cluster_id: &str,
        this: u64,
        patience: Duration,
    ) -> Option<Self> {
        Some(Self {
            votes: VoteChannels::new(dialer),
            threads,
            cluster: cluster_id.parse().ok()?,
            this,
            patience,
            told: ToldCommitted::default(),
            addresses: Addresses::default(),
        })
    }

    /// Where the members are.
    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What other servers were told of what is committed.
    pub(super) fn told(&self) -> &ToldCommitted {
        &self.told
    }

    /// The connections that votes are asked for over.
    pub(super) fn votes(&self) -> &VoteChannels {
        &self.votes
    }

    /// Threads for what is sent.
    pub(super) fn threads(&self) -> &Arc<dyn Threads> {
        &self.threads
    }

    fn label(&self, target: u64) -> Label {
        Label {
            cluster: self.cluster.clone(),
            from: self.this,
            to: target,
        }
    }

    /// Asks a server over a connection of its own, which is made at the first use.
    pub(super) fn client(&self, target: u64, server: &NamedServer) -> LabelledClient {
        let (addresses, known) = (self.addresses.clone(), server.clone());
        let address = move || addresses.of(target, &known);
        let channel = self.votes.dialer().channel_where(&server.name, address);
        PeerClient::with_interceptor(channel, self.label(target))
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The same over the connection that is kept open for votes.
    pub(super) fn warm_client(&self, target: u64, server: &NamedServer) -> LabelledClient {
        PeerClient::with_interceptor(self.votes.to(server), self.label(target))
    }

    /// Id of this server.
    pub(super) fn this(&self) -> u64 {
        self.this
    }

    fn connection(&self, target: u64, server: &NamedServer) -> PeerConnection {
        PeerConnection {
            client: self.client(target, server),
            heartbeats: None,
            label: self.label(target),
            server: server.clone(),
            votes: self.votes.clone(),
            threads: Arc::clone(&self.threads),
            this: self.this,
            target,
            patience: self.patience,
            told: self.told.clone(),
            addresses: self.addresses.clone(),
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for PeerNetwork {
    type Network = PeerConnection;

    async fn new_client(&mut self, target: u64, member: &Enlisted) -> PeerConnection {
        self.connection(target, &member.server)
    }

    async fn new_heartbeat_client(&mut self, target: u64, member: &Enlisted) -> PeerConnection {
        let mut connection = self.connection(target, &member.server);
        connection.heartbeats = Some(Heartbeats::over(connection.client.clone()));
        connection
    }

    async fn new_snapshot_client(&mut self, target: u64, member: &Enlisted) -> PeerConnection {
        self.connection(target, &member.server)
    }
}

/// One connection to one server, made at its first use, and the one for votes that all share.
pub(crate) struct PeerConnection {
    client: LabelledClient,
    /// Of the connection that is for heartbeats.
    heartbeats: Option<Heartbeats>,
    label: Label,
    server: NamedServer,
    votes: VoteChannels,
    threads: Arc<dyn Threads>,
    this: u64,
    target: u64,
    patience: Duration,
    told: ToldCommitted,
    addresses: Addresses,
}

/// Asks one server, and says with each message for whom it is meant.
pub(super) type LabelledClient = PeerClient<InterceptedService<Channel, Label>>;

pub(super) type RpcError = RPCError<TypeConfig>;

impl PeerConnection {
    async fn call<T>(
        &self,
        action: RPCTypes,
        patience: Duration,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, RpcError> {
        match timeout(patience, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(rpc_error(&status)),
            Err(_) => Err(self.timed_out(action, patience)),
        }
    }

    /// The server, where it is now.
    fn server(&self) -> NamedServer {
        NamedServer {
            peer_address: self.addresses.of(self.target, &self.server),
            ..self.server.clone()
        }
    }

    fn timed_out(&self, action: RPCTypes, after: Duration) -> RpcError {
        RPCError::Timeout(RpcTimeout {
            action,
            id: self.this,
            target: self.target,
            timeout: after,
        })
    }

    async fn ask_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
        before: bool,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        let message = proto::VoteRequest {
            vote: Some(wire::vote_message(&request.vote)),
            last_log_id: request.last_log_id.as_ref().map(wire::log_id_message),
            leadership_transfer: request.leadership_transfer,
        };
        let channel = self.votes.to(&self.server());
        let mut client = PeerClient::with_interceptor(channel, self.label.clone());
        let patience = option.soft_ttl();
        let answer = if before {
            self.call(RPCTypes::Vote, patience, client.pre_vote(message))
                .await
        } else {
            self.call(RPCTypes::Vote, patience, client.vote(message))
                .await
        };
        if let Err(RPCError::Timeout(_)) = &answer {
            self.votes.give_up(&self.server());
        }
        let response = answer?;
        let vote = wire::vote_from(response.vote)?;
        let last = response.last_log_id.map(wire::log_id_from);
        Ok(VoteResponse::new(vote, last, response.vote_granted))
    }
}

/// Whether the entries don't follow on what the follower is asked to have. The engine can come
/// back to a task from before the log's beginning was cut off; it reads what is left then, and
/// a follower that took that would have a hole in its log.
fn has_gap(request: &AppendRequest) -> bool {
    let next = request.prev_log_id.map_or(0, |prev| prev.index + 1);
    let first = request.entries.first();
    first.is_some_and(|first| first.log_id.index != next)
}

/// A server that cannot be reached is left alone for a while; other errors are tried again
/// at once.
pub(super) fn rpc_error(status: &Status) -> RpcError {
    let away = [
        Code::Unavailable,
        Code::FailedPrecondition,
        Code::PermissionDenied,
        Code::Unknown,
    ];
    if away.contains(&status.code()) {
        RPCError::Unreachable(Unreachable::from_string(status))
    } else {
        RPCError::Network(NetworkError::from_string(status))
    }
}

impl From<wire::Malformed> for RpcError {
    fn from(malformed: wire::Malformed) -> Self {
        Self::Network(NetworkError::from_string(malformed))
    }
}

impl RaftNetworkV2<TypeConfig> for PeerConnection {
    type SnapshotData = StateSnapshot;

    async fn append_entries(
        &mut self,
        rpc: AppendRequest,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        let Some(heartbeats) = &mut self.heartbeats else {
            let what = "entries are sent as a stream, over a connection of their own";
            return Err(RPCError::Network(NetworkError::from_string(what)));
        };
        self.told.note(&rpc);
        // The engine waits as long, and no longer.
        let patience = option.hard_ttl();
        match timeout(patience, heartbeats.ask(&rpc)).await {
            Ok(outcome) => Ok(outcome?.into()),
            Err(_) => Err(self.timed_out(RPCTypes::AppendEntries, patience)),
        }
    }

    fn stream_append<'s, S>(
        &'s mut self,
        mut input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult, RpcError>>, RpcError>>
    where
        S: Stream<Item = AppendRequest> + OptionalSend + Unpin + 'static,
    {
        if self.heartbeats.is_some() {
            return stream_append_sequential(self, input, option);
        }
        Box::pin(async move {
            // The engine's pause after a server couldn't be reached is in its stream of
            // requests: who connects before taking the first tries again without any.
            let Some(first) = input.next().await else {
                return Ok(stream::empty().boxed());
            };
            if has_gap(&first) {
                let why = "the entries to be sent are no longer in the log";
                return Err(RPCError::Network(NetworkError::from_string(why)));
            }
            let sent = Arc::new(Sent::default());
            let (counter, end) = (Arc::clone(&sent), Arc::clone(&sent));
            let told = self.told.clone();
            let requests = stream::once(future::ready(first))
                .chain(input)
                .inspect(move |request| {
                    told.note(request);
                    counter.requests.fetch_add(1, Ordering::Relaxed);
                })
                // One that isn't sent counts as unanswered: the stream ends with an error.
                .take_while(|request| future::ready(!has_gap(request)))
                .map(wire::append_message)
                .chain(stream::poll_fn(move |_| {
                    end.all.store(true, Ordering::Relaxed);
                    Poll::Ready(None)
                }));
            let mut client = self.client.clone();
            let responses = self
                .call(
                    RPCTypes::AppendEntries,
                    self.patience,
                    client.append_stream(requests),
                )
                .await?;
            let step = Answers {
                responses,
                sent,
                received: 0,
                patience: self.patience,
            };
            let (this, target) = (self.this, self.target);
            let answers = stream::unfold(Some(step), move |step| async move {
                let mut step = step?;
                let answer = step.next(this, target).await?;
                // After an error or a refusal the engine begins anew.
                let go_on = matches!(answer, Ok(Ok(_)));
                Some((answer, go_on.then_some(step)))
            });
            Ok(answers.boxed())
        })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.ask_vote(rpc, option, false).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.ask_vote(rpc, option, true).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let StateSnapshot::Outgoing(reader) = snapshot.snapshot else {
            let what = "the engine sent a snapshot that was not made to be sent";
            return Err(StreamingError::Network(NetworkError::from_string(what)));
        };
        let head =
            snapshot_head(&vote, &snapshot.meta, &reader).map_err(NetworkError::from_string)?;
        let revision = snapshot.meta.last_log_id.map_or(0, |last| last.index);
        tracing::info!(to = self.target, revision, "sending a snapshot");
        let progress = Arc::new(AtomicU64::new(0));
        let parts = snapshot_parts(
            head,
            *reader,
            Arc::clone(&self.threads),
            Arc::clone(&progress),
        );
        let mut client = self.client.clone();
        let send = client.install_snapshot(parts);
        tokio::select! {
            sent = send => match sent {
                Ok(response) => {
                    let vote = wire::vote_from(response.into_inner().vote)
                        .map_err(NetworkError::from_string)?;
                    Ok(SnapshotResponse::new(vote))
                }
                Err(status) => Err(StreamingError::Unreachable(Unreachable::from_string(status))),
            },
            closed = cancel => Err(StreamingError::Closed(closed)),
            () = stalled(progress) => Err(StreamingError::Timeout(RpcTimeout {
                action: RPCTypes::InstallSnapshot,
                id: self.this,
                target: self.target,
                timeout: SNAPSHOT_STEP_TIMEOUT,
            })),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        let message = proto::TransferLeaderRequest {
            from_leader: Some(wire::vote_message(request.from_leader())),
            to: *request.to_node_id(),
            last_log_id: request.last_log_id().map(wire::log_id_message),
        };
        let channel = self.votes.to(&self.server());
        let mut client = PeerClient::with_interceptor(channel, self.label.clone());
        let response = self
            .call(
                RPCTypes::TransferLeader,
                option.soft_ttl(),
                client.transfer_leader(message),
            )
            .await?;
        if response.accepted {
            return Ok(Ok(()));
        }
        let actual = wire::vote_from(response.vote)?;
        Ok(Err(TransferLeaderError::VoteChanged {
            expected: *request.from_leader(),
            actual,
        }))
    }
}
