//! How heartbeats of a leader are answered: all of a stream in the one task that polls its answers.

use std::future::Future;

use futures_util::{FutureExt as _, Stream, StreamExt as _, future::BoxFuture, stream};
use openraft::raft::{AppendEntriesResponse, StreamAppendError};
use tonic::Status;

use super::{
    types::{AppendRequest, LogId, StreamAppendResult, TypeConfig},
    wire::{self, proto},
};

/// An append under way.
struct Appending {
    id: u64,
    prev_log_id: Option<LogId>,
    outcome: BoxFuture<'static, Result<AppendEntriesResponse<TypeConfig>, Status>>,
}

/// The answers to heartbeats. `append` is called with each of them as it comes: the engine counts on the leader
/// from then on, and may answer much later, when its disk has synced what came before. The answer to one before
/// which another came is not waited for: its leader has given up waiting too.
pub(super) fn answers<F>(
    requests: impl Stream<Item = Result<proto::HeartbeatRequest, Status>> + Send + Unpin + 'static,
    append: impl FnMut(AppendRequest) -> F + Send + 'static,
) -> impl Stream<Item = Result<proto::HeartbeatResponse, Status>> + Send + 'static
where
    F: Future<Output = Result<AppendEntriesResponse<TypeConfig>, Status>> + Send + 'static,
{
    let heard = Heard {
        requests,
        append,
        under_way: None,
    };
    stream::unfold(Some(heard), |heard| async move {
        let mut heard = heard?;
        match heard.answer().await {
            Ok(answer) => Some((Ok(answer?), Some(heard))),
            Err(status) => Some((Err(status), None)),
        }
    })
}

struct Heard<R, A> {
    requests: R,
    append: A,
    under_way: Option<Appending>,
}

impl<R, A, F> Heard<R, A>
where
    R: Stream<Item = Result<proto::HeartbeatRequest, Status>> + Unpin,
    A: FnMut(AppendRequest) -> F,
    F: Future<Output = Result<AppendEntriesResponse<TypeConfig>, Status>> + Send + 'static,
{
    /// The next answer; none when the leader has ended the stream.
    async fn answer(&mut self) -> Result<Option<proto::HeartbeatResponse>, Status> {
        loop {
            // An append is polled before the next request is looked at: the engine has it before another one
            // takes its place.
            tokio::select! {
                biased;
                outcome = outcome_of(&mut self.under_way) => {
                    let (id, outcome) = outcome?;
                    return Ok(Some(wire::heartbeat_outcome_message(id, outcome)));
                }
                request = self.requests.next() => match request {
                    Some(request) => self.begin(&request?)?,
                    None => return Ok(None),
                },
            }
        }
    }

    fn begin(&mut self, message: &proto::HeartbeatRequest) -> Result<(), Status> {
        let request = wire::heartbeat_from(message)?;
        self.under_way = Some(Appending {
            id: message.id,
            prev_log_id: request.prev_log_id,
            outcome: (self.append)(request).boxed(),
        });
        Ok(())
    }
}

/// What comes of the append under way; never, if there is none.
async fn outcome_of(
    under_way: &mut Option<Appending>,
) -> Result<(u64, StreamAppendResult), Status> {
    let Some(appending) = under_way else {
        return std::future::pending().await;
    };
    let answered = appending.outcome.as_mut().await;
    let (id, previous) = (appending.id, appending.prev_log_id);
    *under_way = None;
    let outcome = match answered? {
        AppendEntriesResponse::Success => Ok(previous),
        AppendEntriesResponse::PartialSuccess(last) => Ok(last),
        AppendEntriesResponse::Conflict => Err(StreamAppendError::Conflict(
            // The engine has no conflict with an append from the beginning of the log.
            previous.ok_or_else(|| Status::internal("a conflict with the beginning of the log"))?,
        )),
        AppendEntriesResponse::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote)),
    };
    Ok((id, outcome))
}

#[cfg(test)]
mod tests;
