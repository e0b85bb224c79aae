//! The state is put on the disk, never further than the log is there.

use std::sync::Arc;

use quorid_storage::{Fault, Position};
use tokio::sync::watch;

use crate::{seams::Threads, state::State};

/// How far the log is on this server's disk. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flushed(watch::Sender<Reached>);

#[derive(Debug, Clone, Copy, Default)]
struct Reached {
    /// The last entry that is there.
    index: Option<u64>,
    /// A write failed: there will be no other.
    failed: bool,
}

impl Flushed {
    /// Everything up to here is.
    pub(super) fn note(&self, index: Option<u64>) {
        self.0.send_if_modified(|known| {
            let further = index > known.index;
            if further {
                known.index = index;
            }
            further
        });
    }

    /// Nothing more will be.
    pub(super) fn fail(&self) {
        self.0.send_modify(|known| known.failed = true);
    }

    /// Nothing behind this is any longer.
    pub(super) fn cut(&self, index: Option<u64>) {
        self.0
            .send_modify(|known| known.index = index.min(known.index));
    }

    /// Returns once everything up to here is, or fails if it never will be.
    async fn reaches(&self, index: u64) -> Result<(), Fault> {
        let mut known = self.0.subscribe();
        let told = known.wait_for(|known| known.failed || known.index >= Some(index));
        match told.await {
            Ok(known) if known.index >= Some(index) => Ok(()),
            // The sender is `self`.
            Ok(_) | Err(_) => Err(Fault::new(
                "making a checkpoint",
                "the log could not be written",
            )),
        }
    }
}

/// Makes checkpoints. Clones make them of the same state.
#[derive(Clone)]
pub(crate) struct Checkpoints {
    store: Arc<State>,
    threads: Arc<dyn Threads>,
    flushed: Flushed,
}

impl Checkpoints {
    pub(super) fn new(store: Arc<State>, threads: Arc<dyn Threads>, flushed: Flushed) -> Self {
        Self {
            store,
            threads,
            flushed,
        }
    }

    /// Returns once the log is on the disk as far as the state goes.
    async fn log_is_there(&self) -> Result<(), Fault> {
        let received = self.store.durable().received.map(|at| at.index);
        match self.store.last_sum() {
            Some((applied, _)) if Some(applied) > received => self.flushed.reaches(applied).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Puts every change made so far on the disk, where that holds up nobody.
    ///
    /// A server may apply what the others have on their disks before it has it on its own. A checkpoint
    /// waits for its own log, so that a log that ends before it can only be one that lost something.
    pub(super) async fn write(&self) -> Result<Position, Fault> {
        // Most of it while changes go on, the rest while nothing is applied.
        self.log_is_there().await?;
        let turn = self.store.turn().await;
        self.log_is_there().await?;
        let store = Arc::clone(&self.store);
        let write = move || {
            let _turn = turn;
            store.checkpoint()
        };
        self.threads.elsewhere(write).await?
    }
}
