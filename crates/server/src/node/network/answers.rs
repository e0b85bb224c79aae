//! The answers to a stream of appends, and how long one is waited for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use openraft::{
    errors::{RPCError, Timeout as RpcTimeout, Unreachable},
    network::RPCTypes,
};
use tokio::time::timeout;

use super::{RpcError, rpc_error};
use crate::node::{
    types::StreamAppendResult,
    wire::{self, proto},
};

/// The answers to a stream of appends, with a bound on how long one is waited for.
pub(super) struct Answers {
    pub(super) responses: tonic::Streaming<proto::AppendResponse>,
    pub(super) sent: Arc<Sent>,
    pub(super) received: u64,
    pub(super) patience: Duration,
}

/// What the other side has to answer.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) requests: AtomicU64,
    /// No more will come.
    pub(super) all: AtomicBool,
}

impl Answers {
    pub(super) async fn next(
        &mut self,
        this: u64,
        target: u64,
    ) -> Option<Result<StreamAppendResult, RpcError>> {
        loop {
            let waiting = self.sent.requests.load(Ordering::Relaxed) > self.received;
            match timeout(self.patience, self.responses.message()).await {
                Ok(Ok(Some(response))) => {
                    self.received += 1;
                    return Some(wire::append_result_from(response).map_err(RpcError::from));
                }
                Ok(Ok(None)) => {
                    let answered = self.sent.requests.load(Ordering::Relaxed) == self.received;
                    if answered && self.sent.all.load(Ordering::Relaxed) {
                        return None;
                    }
                    // Only an error makes the engine wait before it begins anew, and lets it
                    // cut the log that a server which is away would need.
                    let what = "the server ended the stream of appends";
                    return Some(Err(RPCError::Unreachable(Unreachable::from_string(what))));
                }
                Ok(Err(status)) => return Some(Err(rpc_error(&status))),
                // With nothing outstanding at the start of the wait, silence is no failure.
                Err(_) if !waiting => {}
                Err(_) => {
                    return Some(Err(RPCError::Timeout(RpcTimeout {
                        action: RPCTypes::AppendEntries,
                        id: this,
                        target,
                        timeout: self.patience,
                    })));
                }
            }
        }
    }
}
