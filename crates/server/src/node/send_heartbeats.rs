//! How a leader asks a follower whether it still follows: by heartbeats on one long-lived stream.
//!
//! The engine asks one thing at a time of each follower. So there is no queue here, no task, and no table of
//! what is under way: a heartbeat takes the place of the one before it, even if that was not sent yet, and
//! answers to earlier ones are passed over. A caller who gives up leaves nothing behind.
//!
//! A follower that answers nothing is soon asked nothing more. Perhaps it hears this server, and isn't heard: it
//! must not count on a leader that can't count on it.

use futures_util::{FutureExt as _, Stream, StreamExt as _};
use openraft::{
    errors::{NetworkError, RPCError, Unreachable},
    raft::StreamAppendError,
};
use tokio::sync::watch;
use tonic::{Status, Streaming};

use super::{
    network::{LabelledClient, RpcError, rpc_error},
    newest::newest,
    types::{AppendRequest, StreamAppendResult},
    wire::{self, proto},
};

/// Heartbeats that a follower is sent while it has answered none of them.
const UNANSWERED_MAX: u64 = 2;

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

    /// Asks, and waits for the answer; where [`UNANSWERED_MAX`] answers are missing, it first waits for one
    /// of them. Where the stream breaks meanwhile, that is an error, and the next call opens another stream.
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
        let outcome = match &mut self.stream {
            Some(stream) => stream.ask(request).await,
            closed => {
                let stream = closed.insert(open(&mut self.client, request).await?);
                stream.outcome(request).await
            }
        };
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
    Ok(HeartbeatStream {
        newest,
        answers,
        answered: 0,
    })
}

/// What is to be sent, `first` as its first; it ends when the sender is dropped.
fn outgoing(
    first: &AppendRequest,
) -> (
    watch::Sender<proto::HeartbeatRequest>,
    impl Stream<Item = proto::HeartbeatRequest> + Send + use<>,
) {
    let (sender, requests) = watch::channel(wire::heartbeat_message(1, first));
    (sender, newest(requests))
}

/// A stream to one follower.
struct HeartbeatStream<A> {
    /// What was asked last.
    newest: watch::Sender<proto::HeartbeatRequest>,
    answers: A,
    /// The id of the newest heartbeat that was answered; they begin with 1.
    answered: u64,
}

impl<A> HeartbeatStream<A>
where
    A: Stream<Item = Result<proto::HeartbeatResponse, Status>> + Unpin,
{
    /// Asks once an answer may be hoped for, and waits for it.
    async fn ask(&mut self, request: &AppendRequest) -> Result<StreamAppendResult, RpcError> {
        while self.unanswered() >= UNANSWERED_MAX {
            self.next_answer().await?;
        }
        self.send(request);
        self.outcome(request).await
    }

    fn unanswered(&self) -> u64 {
        self.newest.borrow().id.saturating_sub(self.answered)
    }

    fn send(&self, request: &AppendRequest) {
        self.newest
            .send_modify(|newest| *newest = wire::heartbeat_message(newest.id + 1, request));
    }

    /// Whether the stream is of no use any more. Takes the answers that nobody waits for.
    fn has_ended(&mut self) -> bool {
        loop {
            match self.answers.next().now_or_never() {
                None => return false,
                Some(Some(Ok(late))) => self.answered = late.id,
                Some(Some(Err(_)) | None) => return true,
            }
        }
    }

    async fn next_answer(&mut self) -> Result<proto::HeartbeatResponse, RpcError> {
        match self.answers.next().await {
            Some(Ok(answer)) => {
                self.answered = answer.id;
                Ok(answer)
            }
            Some(Err(status)) => Err(RPCError::Unreachable(Unreachable::from_string(status))),
            None => {
                let what = "the server ended the stream of heartbeats";
                Err(RPCError::Unreachable(Unreachable::from_string(what)))
            }
        }
    }

    /// The answer to what was asked last, which is `request`.
    async fn outcome(&mut self, request: &AppendRequest) -> Result<StreamAppendResult, RpcError> {
        let asked = self.newest.borrow().id;
        loop {
            let answer = self.next_answer().await?;
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
