//! What other servers may ask of this one: who it is, at any time; the engine's messages,
//! once the engine runs.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{Stream, StreamExt as _};
use openraft::{
    async_runtime::watch::WatchReceiver as _,
    errors::{Fatal, RaftError},
    raft::{
        AppendEntriesResponse, SnapshotResponse, StreamAppendError, TransferLeaderRequest,
        VoteRequest,
    },
};
use quorid_storage::{Disk, FORMAT_VERSION, Identity, LogPos};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};
use tracing::{info, warn};

use super::{
    NodeConfig,
    network::{CLUSTER_HEADER, FROM_HEADER, MESSAGE_BYTES_MAX, TO_HEADER},
    snapshot::SnapshotReceiver,
    types::{AppendRequest, Raft, Snapshot, TypeConfig, Vote},
    wire::{
        self,
        proto::{
            self,
            peer_server::{Peer, PeerServer},
            snapshot_part::Part,
        },
    },
};
use crate::state::State;

/// A part of a snapshot that doesn't come by then ends the transfer.
const SNAPSHOT_PART_TIMEOUT: Duration = Duration::from_secs(10);

/// The name in the certificate of the server at the other end. Put into each request's
/// extensions by the peer port's listener, which has checked the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerName(pub String);

/// Answers other servers.
#[derive(Clone)]
pub struct Gate {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    initial_servers: Vec<proto::InitialServer>,
    disk: Arc<dyn Disk>,
    identity: watch::Sender<Option<Identity>>,
    /// Serialises changes of the identity.
    enlisting: Mutex<()>,
    running: OnceLock<Running>,
    /// The leader is giving leadership away.
    handing_over: AtomicBool,
    /// When a leader was heard last; at first, when this server began to listen.
    heard: Mutex<Instant>,
}

struct Running {
    raft: Raft,
    store: Arc<State>,
    /// One snapshot at a time is received and installed.
    receiving: Arc<tokio::sync::Mutex<()>>,
}

impl Gate {
    pub(super) fn new(
        config: &NodeConfig,
        disk: Arc<dyn Disk>,
        identity: Option<Identity>,
    ) -> Self {
        let inner = Inner {
            name: config.name.clone(),
            initial_servers: config.initial_messages(),
            disk,
            identity: watch::Sender::new(identity),
            enlisting: Mutex::new(()),
            running: OnceLock::new(),
            handing_over: AtomicBool::new(false),
            heard: Mutex::new(Instant::now()),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The service of the peer port.
    #[must_use]
    pub fn service(&self) -> PeerServer<impl Peer> {
        PeerServer::new(self.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// From now on the engine's messages are answered.
    pub(super) fn open(&self, raft: Raft, store: Arc<State>) {
        let running = Running {
            raft,
            store,
            receiving: Arc::default(),
        };
        assert!(
            self.inner.running.set(running).is_ok(),
            "a node is started once"
        );
    }

    pub(super) fn identity(&self) -> watch::Receiver<Option<Identity>> {
        self.inner.identity.subscribe()
    }

    /// Makes this server a member of a cluster for good, or says why not.
    pub(super) fn enlist(&self, cluster_id: &str, server_id: u64) -> Result<(), String> {
        let _one = self
            .inner
            .enlisting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.inner.identity.borrow().as_ref() {
            if known.cluster_id == cluster_id && known.server_id == server_id {
                return Ok(());
            }
            return Err(format!(
                "{} already belongs to cluster {} as server {}; \
                 try: give it an empty data directory",
                known.name, known.cluster_id, known.server_id
            ));
        }
        let identity = Identity {
            format_version: FORMAT_VERSION,
            cluster_id: cluster_id.to_owned(),
            server_id,
            name: self.inner.name.clone(),
            formed: false,
        };
        self.inner
            .disk
            .save_identity(&identity)
            .map_err(|error| format!("cannot write the identity: {error}"))?;
        info!(
            event = "enlisted",
            cluster_id, server_id, "enlisted as server {server_id}"
        );
        self.inner.identity.send_replace(Some(identity));
        Ok(())
    }

    /// Notes that log and state were begun.
    pub(super) fn mark_formed(&self) -> std::io::Result<()> {
        let _one = self
            .inner
            .enlisting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(mut identity) = self.inner.identity.borrow().clone() else {
            return Ok(());
        };
        if identity.formed {
            return Ok(());
        }
        identity.formed = true;
        self.inner.disk.save_identity(&identity)?;
        self.inner.identity.send_replace(Some(identity));
        Ok(())
    }

    /// For how long no leader was heard.
    pub(super) fn silence(&self) -> Duration {
        let heard = self.inner.heard.lock();
        heard.unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Notes that a leader was heard, unless it is one of an earlier term.
    fn hear(&self, raft: &Raft, leader: &Vote) {
        let term = raft.server_metrics().borrow_watched().vote.leader_id.term;
        if leader.leader_id.term < term {
            return;
        }
        let mut heard = self
            .inner
            .heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *heard = Instant::now();
    }

    /// Whether the leader was heard giving leadership away since this was last asked.
    pub(super) fn handed_over(&self) -> bool {
        self.inner.handing_over.swap(false, Ordering::Relaxed)
    }

    /// The engine, for a message that is meant for this server and comes from its cluster.
    fn engine(&self, metadata: &MetadataMap) -> Result<&Running, Status> {
        let running = self
            .inner
            .running
            .get()
            .ok_or_else(|| Status::unavailable("this server is still starting"))?;
        let identity = self.inner.identity.borrow();
        let identity = identity
            .as_ref()
            .ok_or_else(|| Status::unavailable("this server is still starting"))?;
        let header = |name| {
            metadata
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or("")
        };
        if header(CLUSTER_HEADER) != identity.cluster_id {
            let (theirs, from) = (header(CLUSTER_HEADER), header(FROM_HEADER));
            warn!(
                event = "peer_refused",
                "refused a message of server {from} of another cluster, {theirs}"
            );
            return Err(Status::failed_precondition(format!(
                "this server belongs to cluster {}, not to {theirs}",
                identity.cluster_id
            )));
        }
        if header(TO_HEADER) != identity.server_id.to_string() {
            return Err(Status::failed_precondition(format!(
                "this is server {}, not {}",
                identity.server_id,
                header(TO_HEADER)
            )));
        }
        Ok(running)
    }

    async fn receive_snapshot(
        &self,
        running: &Running,
        mut parts: Streaming<proto::SnapshotPart>,
    ) -> Result<SnapshotResponse<TypeConfig>, Status> {
        let one = Arc::clone(&running.receiving).lock_owned().await;
        let Some(Part::Head(head)) = next_part(&mut parts).await? else {
            return Err(Status::invalid_argument("a snapshot begins with its head"));
        };
        let mut receiver = SnapshotReceiver::begin(&running.store, head)?;
        info!(
            event = "snapshot_receiving",
            revision = receiver.revision(),
            "receiving a snapshot: the leader's log no longer has what this server lacks"
        );
        let tail = loop {
            match next_part(&mut parts).await? {
                Some(Part::Chunk(chunk)) => receiver.add(chunk)?,
                Some(Part::Tail(tail)) => break tail,
                Some(Part::Head(_)) | None => {
                    return Err(Status::data_loss("the snapshot ended before its tail"));
                }
            }
        };
        let (vote, snapshot) = receiver.finish(tail)?;
        // What the engine was handed is installed even if the leader gives up the call; the
        // next snapshot waits for that.
        let raft = running.raft.clone();
        let install = tokio::spawn(async move {
            let response = install(&raft, vote, snapshot).await;
            drop(one);
            response
        });
        install.await.map_err(internal)?
    }
}

/// Installs a snapshot, unless the log has all that is in it.
///
/// A snapshot that was long on its way may come when the log is past it already. To install that
/// one too would take the engine's note of what was written to the log back to the snapshot's end
/// (openraft 0.10.0-alpha.37), and what comes after it would be applied late. But all that a
/// leader sends in a snapshot is committed: the log can be told just that, by an append of
/// nothing. An append that comes between the two calls does no harm: the first one has told the
/// engine what is committed, and it then skips the snapshot by itself.
pub(super) async fn install(
    raft: &Raft,
    vote: Vote,
    snapshot: Snapshot,
) -> Result<SnapshotResponse<TypeConfig>, Status> {
    let last = snapshot.meta.last_log_id;
    let committed = AppendRequest {
        vote,
        prev_log_id: last,
        entries: Vec::new(),
        leader_commit: last,
    };
    match raft.append_entries(committed).await.map_err(stopped)? {
        AppendEntriesResponse::Success => {
            let revision = last.map_or(0, |last| last.index);
            info!(
                event = "snapshot_skipped",
                revision, "snapshot not needed: the log has all up to revision {revision} by now"
            );
            Ok(SnapshotResponse::new(vote))
        }
        AppendEntriesResponse::HigherVote(vote) => Ok(SnapshotResponse::new(vote)),
        AppendEntriesResponse::Conflict | AppendEntriesResponse::PartialSuccess(_) => raft
            .install_full_snapshot(vote, snapshot)
            .await
            .map_err(fatal),
    }
}

async fn next_part(parts: &mut Streaming<proto::SnapshotPart>) -> Result<Option<Part>, Status> {
    match timeout(SNAPSHOT_PART_TIMEOUT, parts.message()).await {
        Ok(part) => Ok(part?.and_then(|part| part.part)),
        Err(_) => Err(Status::deadline_exceeded("the snapshot stopped coming")),
    }
}

pub(super) fn internal(error: impl std::fmt::Display) -> Status {
    Status::internal(error.to_string())
}

fn fatal(error: Fatal<TypeConfig>) -> Status {
    Status::unavailable(error.to_string())
}

fn stopped(error: RaftError<TypeConfig>) -> Status {
    Status::unavailable(error.to_string())
}

#[tonic::async_trait]
impl Peer for Gate {
    async fn hello(
        &self,
        request: Request<proto::HelloRequest>,
    ) -> Result<Response<proto::HelloResponse>, Status> {
        let peer = request.extensions().get::<PeerName>().cloned();
        let hello = request.into_inner();
        if peer.is_some_and(|PeerName(name)| name != hello.name) {
            return Err(Status::permission_denied(
                "the name isn't the certificate's",
            ));
        }
        if hello.to != self.inner.name {
            return Err(Status::failed_precondition(format!(
                "this is server {}, not {}",
                self.inner.name, hello.to
            )));
        }
        let identity = self.inner.identity.borrow().clone();
        let (leader_id, asker_id) = self.inner.running.get().map_or((0, 0), |running| {
            let metrics = running.raft.metrics();
            let metrics = metrics.borrow_watched();
            let members = metrics.membership_config.membership();
            let asker = members.nodes().find(|(_, peer)| peer.name == hello.name);
            (
                metrics.current_leader.unwrap_or(0),
                asker.map_or(0, |(id, _)| *id),
            )
        });
        let formed = identity.as_ref().is_some_and(|identity| identity.formed);
        let (cluster_id, server_id) =
            identity.map_or((String::new(), 0), |id| (id.cluster_id, id.server_id));
        Ok(Response::new(proto::HelloResponse {
            name: self.inner.name.clone(),
            cluster_id,
            server_id,
            format_version: FORMAT_VERSION,
            initial_servers: self.inner.initial_servers.clone(),
            formed,
            asker_id,
            leader_id,
        }))
    }

    async fn enlist(
        &self,
        request: Request<proto::EnlistRequest>,
    ) -> Result<Response<proto::EnlistResponse>, Status> {
        let peer = request.extensions().get::<PeerName>().cloned();
        let order = request.into_inner();
        if let (Some(PeerName(peer)), Some(first)) = (peer, self.inner.initial_servers.first())
            && peer != first.name
        {
            return Err(Status::failed_precondition(format!(
                "{} waits for {} to form a cluster; try: start it with --join instead",
                self.inner.name, first.name
            )));
        }
        if order.name != self.inner.name {
            return Err(Status::failed_precondition(format!(
                "this is server {}, not {}",
                self.inner.name, order.name
            )));
        }
        Gate::enlist(self, &order.cluster_id, order.server_id)
            .map_err(Status::failed_precondition)?;
        Ok(Response::new(proto::EnlistResponse {}))
    }

    type AppendStreamStream =
        Pin<Box<dyn Stream<Item = Result<proto::AppendResponse, Status>> + Send>>;

    async fn append_stream(
        &self,
        request: Request<Streaming<proto::AppendRequest>>,
    ) -> Result<Response<Self::AppendStreamStream>, Status> {
        let raft = self.engine(request.metadata())?.raft.clone();
        // A stream that breaks, or a message that can't be read, ends the appends; the
        // leader begins anew with what the last answer said.
        let (gate, engine) = (self.clone(), raft.clone());
        let requests = request.into_inner().scan((), move |(), message| {
            let request = message
                .ok()
                .and_then(|message| wire::append_from(message).ok());
            if let Some(request) = &request {
                gate.hear(&engine, &request.vote);
            }
            std::future::ready(request)
        });
        let answers = raft.stream_append(requests).map(|answer| match answer {
            Ok(result) => Ok(wire::append_result_message(result)),
            Err(error) => Err(fatal(error)),
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn append(
        &self,
        request: Request<proto::AppendRequest>,
    ) -> Result<Response<proto::AppendResponse>, Status> {
        let raft = &self.engine(request.metadata())?.raft;
        let request = wire::append_from(request.into_inner())?;
        self.hear(raft, &request.vote);
        let (previous, last) = (
            request.prev_log_id,
            request
                .entries
                .last()
                .map(|entry| entry.log_id)
                .or(request.prev_log_id),
        );
        let result = match raft.append_entries(request).await.map_err(stopped)? {
            AppendEntriesResponse::Success => Ok(last),
            AppendEntriesResponse::PartialSuccess(last) => Ok(last),
            AppendEntriesResponse::Conflict => Err(StreamAppendError::Conflict(
                previous.unwrap_or(wire::log_id(LogPos::default())),
            )),
            AppendEntriesResponse::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote)),
        };
        Ok(Response::new(wire::append_result_message(result)))
    }

    async fn pre_vote(
        &self,
        request: Request<proto::VoteRequest>,
    ) -> Result<Response<proto::VoteResponse>, Status> {
        let raft = &self.engine(request.metadata())?.raft;
        let response = raft.pre_vote(vote_request(request.into_inner())?).await;
        Ok(Response::new(vote_response(&response.map_err(stopped)?)))
    }

    async fn vote(
        &self,
        request: Request<proto::VoteRequest>,
    ) -> Result<Response<proto::VoteResponse>, Status> {
        let raft = &self.engine(request.metadata())?.raft;
        let request = vote_request(request.into_inner())?;
        if request.leadership_transfer {
            self.inner.handing_over.store(true, Ordering::Relaxed);
        }
        let response = raft.vote(request).await;
        Ok(Response::new(vote_response(&response.map_err(stopped)?)))
    }

    async fn transfer_leader(
        &self,
        request: Request<proto::TransferLeaderRequest>,
    ) -> Result<Response<proto::TransferLeaderResponse>, Status> {
        let raft = &self.engine(request.metadata())?.raft;
        let message = request.into_inner();
        let from = wire::vote_from(message.from_leader)?;
        let last = message.last_log_id.map(wire::log_id_from);
        let request = TransferLeaderRequest::new(from, message.to, last);
        self.inner.handing_over.store(true, Ordering::Relaxed);
        let response = raft.handle_transfer_leader(request).await.map_err(fatal)?;
        let vote = raft.metrics().borrow_watched().vote;
        Ok(Response::new(proto::TransferLeaderResponse {
            accepted: response.is_ok(),
            vote: Some(wire::vote_message(&vote)),
        }))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<proto::SnapshotPart>>,
    ) -> Result<Response<proto::SnapshotResponse>, Status> {
        let running = self.engine(request.metadata())?;
        let response = self.receive_snapshot(running, request.into_inner()).await;
        if let Err(status) = &response {
            warn!(
                event = "snapshot_failed",
                "receiving a snapshot failed: {}",
                status.message()
            );
        }
        let vote = wire::vote_message(&response?.vote);
        Ok(Response::new(proto::SnapshotResponse { vote: Some(vote) }))
    }
}

pub(super) fn vote_request(message: proto::VoteRequest) -> Result<VoteRequest<TypeConfig>, Status> {
    let last = message.last_log_id.map(wire::log_id_from);
    let mut request = VoteRequest::new(wire::vote_from(message.vote)?, last);
    request.leadership_transfer = message.leadership_transfer;
    Ok(request)
}

fn vote_response(response: &openraft::raft::VoteResponse<TypeConfig>) -> proto::VoteResponse {
    proto::VoteResponse {
        vote: Some(wire::vote_message(&response.vote)),
        vote_granted: response.vote_granted,
        last_log_id: response.last_log_id.as_ref().map(wire::log_id_message),
    }
}
