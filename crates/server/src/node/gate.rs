//! What other servers may ask of this one: who it is, at any time; the engine's messages,
//! once the engine runs.

use std::{
    fmt::Display,
    pin::Pin,
    sync::{Arc, OnceLock, atomic::AtomicU64},
};

use futures_util::{Stream, StreamExt as _};
use openraft::{
    async_runtime::watch::WatchReceiver as _,
    raft::{TransferLeaderRequest, VoteRequest},
};
use quorid_directory::{Level, PlantedBug, Time, is_planted};
use quorid_storage::{FORMAT_VERSION, Identity};
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};
use tracing::warn;

use super::{
    NodeConfig, compare_sums,
    given_vote::GivenVote,
    leader_contact::LeaderContact,
    leader_death::LeaderDeaths,
    network::{CLUSTER_HEADER, FROM_HEADER, MESSAGE_BYTES_MAX, TO_HEADER},
    own_identity::OwnIdentity,
    receive_heartbeats, receive_snapshot,
    send_snapshot::{snapshot_head, snapshot_parts, stalled},
    state_machine::position,
    types::{Raft, SnapshotMeta, TypeConfig},
    wire::{
        self,
        proto::{
            self,
            peer_server::{Peer, PeerServer},
        },
    },
};
use crate::{
    seams::{Clock, Outside, Threads},
    state::State,
};

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
    own: proto::InitialServer,
    initial_servers: Vec<proto::InitialServer>,
    supports: Level,
    identity: Arc<OwnIdentity>,
    given: Arc<GivenVote>,
    leader: Arc<LeaderContact>,
    deaths: Arc<LeaderDeaths>,
    clock: Arc<dyn Clock>,
    running: OnceLock<Running>,
}

struct Running {
    raft: Raft,
    store: Arc<State>,
    threads: Arc<dyn Threads>,
    /// One snapshot at a time is received and installed.
    receiving: Arc<tokio::sync::Mutex<()>>,
}

impl Gate {
    pub(super) fn new(config: &NodeConfig, outside: &Outside, identity: Option<Identity>) -> Self {
        let disk = Arc::clone(&outside.disk);
        let inner = Inner {
            name: config.own.name.clone(),
            own: wire::initial_server_message(&config.own),
            initial_servers: config.initial_messages(),
            supports: config.supports,
            identity: Arc::new(OwnIdentity::new(config.own.name.clone(), disk, identity)),
            given: Arc::default(),
            leader: Arc::new(LeaderContact::new()),
            deaths: Arc::default(),
            clock: Arc::clone(&outside.clock),
            running: OnceLock::new(),
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

    /// Says that a connection from the server of this name has ended. The peer port's listener
    /// knows; the leader may be dead.
    pub fn connection_ended(&self, name: &str) {
        self.inner.deaths.connection_ended(name);
    }

    /// From now on the engine's messages are answered.
    pub(super) fn open(&self, raft: Raft, store: Arc<State>, threads: Arc<dyn Threads>) {
        let running = Running {
            raft,
            store,
            threads,
            receiving: Arc::default(),
        };
        assert!(
            self.inner.running.set(running).is_ok(),
            "a node is started once"
        );
    }

    /// Who this server is.
    pub(super) fn identity(&self) -> &Arc<OwnIdentity> {
        &self.inner.identity
    }

    /// The vote that this server gave last.
    pub(super) fn given(&self) -> &Arc<GivenVote> {
        &self.inner.given
    }

    /// What is heard of leaders.
    pub(super) fn leader(&self) -> &Arc<LeaderContact> {
        &self.inner.leader
    }

    /// What is seen of the ends of leaders.
    pub(super) fn deaths(&self) -> &Arc<LeaderDeaths> {
        &self.inner.deaths
    }

    /// The engine, for a message that is meant for this server and comes from its cluster.
    fn engine(&self, metadata: &MetadataMap) -> Result<&Running, Status> {
        let running = self
            .inner
            .running
            .get()
            .ok_or_else(|| Status::unavailable("this server is still starting"))?;
        let identity = self.inner.identity.known();
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
                "the name is not the certificate's",
            ));
        }
        if hello.to != self.inner.name {
            return Err(Status::failed_precondition(format!(
                "this is server {}, not {}",
                self.inner.name, hello.to
            )));
        }
        let identity = self.inner.identity.known().clone();
        let (leader_id, asker_id) = self.inner.running.get().map_or((0, 0), |running| {
            let metrics = running.raft.metrics();
            let metrics = metrics.borrow_watched();
            let members = metrics.membership_config.membership();
            let asker = members
                .nodes()
                .find(|(_, peer)| peer.server.name == hello.name);
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
            level: self.inner.supports.0,
            own: Some(self.inner.own.clone()),
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
        self.inner
            .identity
            .enlist(&order.cluster_id, order.server_id)
            .map_err(Status::failed_precondition)?;
        Ok(Response::new(proto::EnlistResponse {
            level: self.inner.supports.0,
        }))
    }

    type AppendStreamStream =
        Pin<Box<dyn Stream<Item = Result<proto::AppendResponse, Status>> + Send>>;

    async fn append_stream(
        &self,
        request: Request<Streaming<proto::AppendRequest>>,
    ) -> Result<Response<Self::AppendStreamStream>, Status> {
        let raft = self.engine(request.metadata())?.raft.clone();
        // A stream that breaks, or a message that cannot be read, ends the appends; the
        // leader begins anew with what the last answer said.
        let (leader, engine) = (Arc::clone(&self.inner.leader), raft.clone());
        let requests = request.into_inner().scan((), move |(), message| {
            let request = message
                .ok()
                .and_then(|message| wire::append_from(message).ok());
            if let Some(request) = &request {
                leader.hear(&engine, &request.vote);
            }
            std::future::ready(request)
        });
        let answers = raft
            .stream_append(requests)
            .map(|answer| answer.map(wire::append_result_message).or_unavailable());
        Ok(Response::new(answers.boxed()))
    }

    type HeartbeatsStream =
        Pin<Box<dyn Stream<Item = Result<proto::HeartbeatResponse, Status>> + Send>>;

    async fn heartbeats(
        &self,
        request: Request<Streaming<proto::HeartbeatRequest>>,
    ) -> Result<Response<Self::HeartbeatsStream>, Status> {
        let raft = self.engine(request.metadata())?.raft.clone();
        let leader = Arc::clone(&self.inner.leader);
        let answers = receive_heartbeats::answers(request.into_inner(), move |request| {
            leader.hear(&raft, &request.vote);
            let raft = raft.clone();
            async move { raft.append_entries(request).await.or_unavailable() }
        });
        Ok(Response::new(answers.boxed()))
    }

    type BarriersStream =
        Pin<Box<dyn Stream<Item = Result<proto::BarrierResponse, Status>> + Send>>;

    async fn barriers(
        &self,
        request: Request<Streaming<proto::BarrierRequest>>,
    ) -> Result<Response<Self::BarriersStream>, Status> {
        self.engine(request.metadata())?;
        let given = Arc::clone(&self.inner.given);
        let answers = request.into_inner().map(move |question| {
            let question = question?;
            let vote = wire::vote_from(question.vote)?;
            Ok(proto::BarrierResponse {
                id: question.id,
                held: given.is_for(&vote) || is_planted(PlantedBug::VoteHeldForGood),
            })
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn pre_vote(
        &self,
        request: Request<proto::VoteRequest>,
    ) -> Result<Response<proto::VoteResponse>, Status> {
        let raft = &self.engine(request.metadata())?.raft;
        let response = raft.pre_vote(vote_request(request.into_inner())?).await;
        Ok(Response::new(vote_response(&response.or_unavailable()?)))
    }

    async fn vote(
        &self,
        request: Request<proto::VoteRequest>,
    ) -> Result<Response<proto::VoteResponse>, Status> {
        let raft = &self.engine(request.metadata())?.raft;
        let request = vote_request(request.into_inner())?;
        if request.leadership_transfer {
            self.inner.leader.hear_handing_over();
        }
        let response = raft.vote(request).await;
        Ok(Response::new(vote_response(&response.or_unavailable()?)))
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
        self.inner.leader.hear_handing_over();
        let response = raft
            .handle_transfer_leader(request)
            .await
            .or_unavailable()?;
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
        let received = receive_snapshot::receive(
            running.raft.clone(),
            &running.store,
            &*running.threads,
            &running.receiving,
            self.inner.supports,
            request.into_inner(),
        );
        let response = received.await;
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

    type FetchSnapshotStream =
        Pin<Box<dyn Stream<Item = Result<proto::SnapshotPart, Status>> + Send>>;

    async fn fetch_snapshot(
        &self,
        request: Request<proto::FetchSnapshotRequest>,
    ) -> Result<Response<Self::FetchSnapshotStream>, Status> {
        let running = self.engine(request.metadata())?;
        let parts = snapshot_for(running, request.extensions().get())?;
        Ok(Response::new(parts.map(Ok).boxed()))
    }

    async fn row_sum(
        &self,
        request: Request<proto::RowSumRequest>,
    ) -> Result<Response<proto::RowSumResponse>, Status> {
        let running = self.engine(request.metadata())?;
        let index = request.into_inner().index;
        let answer = compare_sums::answer(&running.raft, &running.store, index).await?;
        Ok(Response::new(answer))
    }

    async fn clock(
        &self,
        request: Request<proto::ClockRequest>,
    ) -> Result<Response<proto::ClockResponse>, Status> {
        self.engine(request.metadata())?;
        let Time(time_ms) = self.inner.clock.now();
        Ok(Response::new(proto::ClockResponse { time_ms }))
    }
}

/// A state to be sent to a member that asks for it.
fn snapshot_for(
    running: &Running,
    peer: Option<&PeerName>,
) -> Result<impl Stream<Item = proto::SnapshotPart> + Send + 'static, Status> {
    let reader = running.store.snapshot().or_internal()?;
    let (last_log_id, last_membership) = position(reader.position()).or_internal()?;
    let is_member = |name: &str| {
        let mut members = last_membership.membership().nodes();
        members.any(|(_, member)| member.server.name == name)
    };
    if peer.is_some_and(|PeerName(name)| !is_member(name)) {
        return Err(Status::permission_denied(
            "only a member is given the directory",
        ));
    }
    let vote = running.raft.metrics().borrow_watched().vote;
    let meta = SnapshotMeta {
        last_log_id,
        last_membership,
    };
    let head = snapshot_head(&vote, &meta, &reader).or_internal()?;
    let progress = Arc::new(AtomicU64::new(0));
    let threads = Arc::clone(&running.threads);
    let parts = snapshot_parts(head, reader, threads, Arc::clone(&progress));
    Ok(parts.take_until(Box::pin(stalled(progress))))
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

/// Turns errors into what another server is answered.
pub(super) trait OrStatus<T> {
    /// The value, or the code for what should not happen.
    fn or_internal(self) -> Result<T, Status>;
    /// The value, or the code for an engine that has stopped.
    fn or_unavailable(self) -> Result<T, Status>;
}

impl<T, E: Display> OrStatus<T> for Result<T, E> {
    fn or_internal(self) -> Result<T, Status> {
        self.map_err(|error| Status::internal(error.to_string()))
    }

    fn or_unavailable(self) -> Result<T, Status> {
        self.map_err(|error| Status::unavailable(error.to_string()))
    }
}
