//! Linearizable reads: one round of the majority for all who wait.

use std::{future::Future, time::Duration};

use openraft::{
    ReadPolicy,
    errors::{ForwardToLeader, LinearizableReadError, RaftError},
};
use quorid_directory::Revision;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    types::{Raft, TypeConfig},
    unavailable::Unavailable,
};

/// Readers that wait for the next round. One more waits for a place, within its deadline.
const WAITING_MAX: usize = 16_384;

type Waiting = oneshot::Sender<Result<Revision, BarrierError>>;

/// Why a round gave no barrier. Cloned to all who waited for it.
#[derive(Clone)]
pub(crate) enum BarrierError {
    NotLeader(ForwardToLeader<TypeConfig>),
    NoQuorum,
    Stopped,
}

/// Asks the majority whether this server still leads, for many readers at a time.
#[derive(Clone)]
pub(crate) struct ReadBarrier {
    waiting: mpsc::Sender<Waiting>,
}

impl ReadBarrier {
    /// A barrier, and the work behind it, which ends when the last clone is gone. `patience`
    /// bounds a round.
    pub(crate) fn new(
        raft: Raft,
        patience: Duration,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (waiting, queue) = mpsc::channel(WAITING_MAX);
        (Self { waiting }, rounds(raft, queue, patience))
    }

    /// Returns once whatever is read then contains every change that was acknowledged before
    /// this call.
    pub(crate) async fn pass(&self) -> Result<Revision, BarrierError> {
        let (tell, told) = oneshot::channel();
        self.waiting
            .send(tell)
            .await
            .map_err(|_| BarrierError::Stopped)?;
        told.await.map_err(|_| BarrierError::Stopped)?
    }
}

async fn rounds(raft: Raft, mut queue: mpsc::Receiver<Waiting>, patience: Duration) {
    let mut round = Vec::new();
    while queue.recv_many(&mut round, WAITING_MAX).await > 0 {
        // Whoever comes while the round is under way waits for the next one: this one's
        // majority may have been asked before the reader came.
        let result = timeout(patience, barrier(&raft))
            .await
            .unwrap_or(Err(BarrierError::NoQuorum));
        for waiting in round.drain(..) {
            // A reader that gave up doesn't mind.
            drop(waiting.send(result.clone()));
        }
    }
}

async fn barrier(raft: &Raft) -> Result<Revision, BarrierError> {
    match raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
        Ok(read) => Ok(Revision(read.index())),
        Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
            Err(BarrierError::NotLeader(forward))
        }
        Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
            Err(BarrierError::NoQuorum)
        }
        Err(RaftError::Fatal(_)) => Err(BarrierError::Stopped),
    }
}

impl BarrierError {
    /// What the caller is answered, given the member list that finds the leader's address.
    pub(crate) fn unavailable(
        self,
        leader: impl FnOnce(Option<u64>) -> Unavailable,
    ) -> Unavailable {
        match self {
            Self::NotLeader(forward) => leader(forward.leader_id),
            Self::NoQuorum => Unavailable::NoQuorum,
            Self::Stopped => Unavailable::ShuttingDown,
        }
    }
}
