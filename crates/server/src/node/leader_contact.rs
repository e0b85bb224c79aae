//! What is heard of leaders: when one spoke last, and that it gives leadership away.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use openraft::async_runtime::watch::WatchReceiver as _;
use tokio::time::Instant;

use super::types::{Raft, Vote};

/// What this server has heard of leaders.
pub(super) struct LeaderContact {
    /// When a leader was heard last; at first, when this server began to listen.
    heard: Mutex<Instant>,
    /// The leader is giving leadership away.
    handing_over: AtomicBool,
}

impl LeaderContact {
    pub(super) fn new() -> Self {
        Self {
            heard: Mutex::new(Instant::now()),
            handing_over: AtomicBool::new(false),
        }
    }

    /// For how long no leader was heard.
    pub(super) fn silence(&self) -> Duration {
        let heard = self.heard.lock();
        heard.unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Notes that a leader was heard, unless it is one of an earlier term.
    pub(super) fn hear(&self, raft: &Raft, leader: &Vote) {
        let term = raft.server_metrics().borrow_watched().vote.leader_id.term;
        if leader.leader_id.term < term {
            return;
        }
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Notes that the leader gives leadership away.
    pub(super) fn hear_handing_over(&self) {
        self.handing_over.store(true, Ordering::Relaxed);
    }

    /// Whether the leader was heard giving leadership away since this was last asked.
    pub(super) fn handed_over(&self) -> bool {
        self.handing_over.swap(false, Ordering::Relaxed)
    }
}
