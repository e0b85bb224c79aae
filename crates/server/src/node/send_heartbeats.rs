//! How a leader asks a follower whether it still follows: by heartbeats on one long-lived stream.
//!
//! The engine asks one thing at a time of each follower. So there is no queue here, no task, and no table of
//! what is under way: a heartbeat takes the place of the one before it, even if that was not sent yet, and
//! answers to earlier ones are passed over. A caller who gives up leaves nothing behind.

use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use openraft::{
    errors::{NetworkError, RPCError, Unreachable},
    raft::StreamAppendError,
};
use tokio::sync::watch;
use tonic::{Status, Streaming};

use super::{
    network::{LabelledClient, RpcError, rpc_error},
    types::{AppendRequest, StreamAppendResult},
    wire::{self, proto},
};

/// Asks one follower, on a stream that is opened at the first use, and again after it broke.
pub(super) struct Heartbeats {
    client: LabelledClient,
    stream: Option<HeartbeatStream<Streaming<proto::HeartbeatResponse>>>,
}

impl Heartbeats {
    /// The connection must be used for nothing that takes long: heartbeats would wait behind it.
    pub(super) fn over(client: LabelledClient) -> Self {
        Self {
            client,
            stream: None,
        }
    }

    /// Asks, and waits for the answer. Where the stream breaks meanwhile, that is an error, and the next call opens
    /// another stream.
    pub(super) async fn ask(
        &mut self,
        request: &AppendRequest,
    ) -> Result<StreamAppendResult, RpcError> {
        if !request.entries.is_empty() {
            let what = "a heartbeat has no entries";
            return Err(RPCError::Network(NetworkError::from_string(what)));
        }
        if self.stream.as_mut().is_some_and(HeartbeatStream::has_ended) {
            self.stream = None;
        }
        let stream = match &mut self.stream {
            Some(stream) => {
                stream.send(request);
                stream
            }
            closed => closed.insert(open(&mut self.client, request).await?),
        };
        let outcome = stream.outcome(request).await;
        if outcome.is_err() {
            self.stream = None;
        }
        outcome
    }
}

/// Opens a stream, and sends its first request with it.
async fn open(
    client: &mut LabelledClient,
    first: &AppendRequest,
) -> Result<HeartbeatStream<Streaming<proto::HeartbeatResponse>>, RpcError> {
    let (newest, requests) = outgoing(first);
    let opened = client.heartbeats(requests).await;
    let answers = opened.map_err(|status| rpc_error(&status))?.into_inner();
    Ok(HeartbeatStream { newest, answers })
}

/// What is to be sent, `first` as its first; it ends when the sender is dropped.
fn outgoing(
    first: &AppendRequest,
) -> (
    watch::Sender<proto::HeartbeatRequest>,
    impl Stream<Item = proto::HeartbeatRequest> + Send + use<>,
) {
    let (newest, mut requests) = watch::channel(wire::heartbeat_message(1, first));
    requests.mark_changed();
    let requests = stream::unfold(requests, |mut requests| async move {
        requests.changed().await.ok()?;
        let request = *requests.borrow_and_update();
        Some((request, requests))
    });
    (newest, requests)
}

/// A stream to one follower.
struct HeartbeatStream<A> {
    /// What was asked last.
    newest: watch::Sender<proto::HeartbeatRequest>,
    answers: A,
}

impl<A> HeartbeatStream<A>
where
    A: Stream<Item = Result<proto::HeartbeatResponse, Status>> + Unpin,
{
    fn send(&self, request: &AppendRequest) {
        self.newest
            .send_modify(|newest| *newest = wire::heartbeat_message(newest.id + 1, request));
    }

    /// Whether the stream is of no use any more. Takes the answers that nobody waits for.
    fn has_ended(&mut self) -> bool {
        loop {
            match self.answers.next().now_or_never() {
                None => return false,
                Some(Some(Ok(_late))) => {}
                Some(Some(Err(_)) | None) => return true,
            }
        }
    }

    /// The answer to what was asked last, which is `request`.
    async fn outcome(&mut self, request: &AppendRequest) -> Result<StreamAppendResult, RpcError> {
        let asked = self.newest.borrow().id;
        loop {
            let answer = match self.answers.next().await {
                Some(Ok(answer)) => answer,
                Some(Err(status)) => {
                    return Err(RPCError::Unreachable(Unreachable::from_string(status)));
                }
                None => {
                    let what = "the server ended the stream of heartbeats";
                    return Err(RPCError::Unreachable(Unreachable::from_string(what)));
                }
            };
            if answer.id < asked {
                continue;
            }
            let outcome = wire::heartbeat_outcome_from(answer)?;
            let from_the_beginning = request.prev_log_id.is_none();
            let impossible = match &outcome {
                _ if answer.id > asked => Some("answered a heartbeat that was not sent"),
                Err(StreamAppendError::Conflict(_)) if from_the_beginning => {
                    Some("has a conflict with the beginning of the log")
                }
                Ok(_) | Err(_) => None,
            };
            return match impossible {
                Some(what) => {
                    let what = format!("the server {what}");
                    Err(RPCError::Network(NetworkError::from_string(what)))
                }
                None => Ok(outcome),
            };
        }
    }
}

#[cfg(test)]
mod tests;
