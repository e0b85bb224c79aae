//! Requests on a stream: many calls at once on one connection, answered in any order.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_util::Stream;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::Instant,
};
use tonic::{Code, Status, Streaming};

use crate::{
    connection::Connection,
    failure::{Failure, Lost},
    proto::{
        ExchangeRequest, ExchangeResponse, exchange_request::Request as Asked,
        exchange_response::Answer as Answered, requests_client::RequestsClient,
    },
};

/// Requests of a stream that have no answer yet; more wait for their turn. Servers take as many.
const UNDER_WAY_MAX: usize = 1024;

/// A stream of requests to one server. Dropping it ends the stream.
pub(crate) struct Exchange {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
}

struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    last_id: u64,
    /// What is to be sent, in order.
    queue: VecDeque<Queued>,
    /// Requests without an answer. In order, so that they hear in the same order of the stream's end.
    under_way: BTreeMap<u64, UnderWay>,
    /// Of the one who sends.
    sender: Option<Waker>,
    /// Nobody asks any more, nor waits.
    closed: bool,
    ended: Option<Status>,
}

/// What is to be sent. A cancellation keeps the place of the request until then: a server that takes in nothing
/// cannot make the queue grow.
struct Queued {
    request: ExchangeRequest,
    _place: Option<OwnedSemaphorePermit>,
}

struct UnderWay {
    sent: bool,
    tell: oneshot::Sender<Result<ExchangeResponse, Failure>>,
    place: OwnedSemaphorePermit,
}

/// An answer that came on a stream.
pub(crate) struct Heard {
    /// Of the directory that the answer was made from.
    pub(crate) revision: u64,
    /// None: of a kind that is not known here.
    pub(crate) answer: Result<Option<Answered>, Status>,
}

impl Exchange {
    /// Opens a stream on a connection. What goes wrong with it, those hear who ask.
    pub(crate) fn open(via: Connection) -> Self {
        let shared = Arc::new(Shared(Mutex::default()));
        let outgoing = Outgoing(Arc::clone(&shared));
        let hearing = Arc::clone(&shared);
        tokio::spawn(async move {
            // The client has a clone of the connection, which would keep it open: it ends here.
            let opened = RequestsClient::new(via).exchange(outgoing).await;
            let ended = match opened {
                Ok(answers) => hearing.hear(answers.into_inner()).await,
                Err(status) => status,
            };
            hearing.end(&ended);
        });
        Self {
            shared,
            places: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
        }
    }

    /// Whether the next request would get no answer for sure.
    pub(crate) fn has_ended(&self) -> bool {
        self.shared.lock().ended.is_some()
    }

    /// Asks, and waits for the answer. The server is told how long is left until `until`, and whether
    /// nobody waits any more.
    pub(crate) async fn ask(&self, asked: Asked, until: Instant) -> Result<Heard, Failure> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("places are not closed");
        let (waiting, told) = self.shared.ask(asked, until, place)?;
        let told = told.await;
        waiting.answered();
        let response = told.unwrap_or_else(|_| Err(Failure::Elsewhere(Lost::timed_out(true))))?;
        let answer = match response.answer {
            Some(Answered::Error(error)) => Err(Status::with_details(
                Code::from_i32(error.code),
                error.message,
                error.details.into(),
            )),
            other => Ok(other),
        };
        Ok(Heard {
            revision: response.revision,
            answer,
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.wake_sender();
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Exchange")
            .field("under_way", &state.under_way.len())
            .field("ended", &state.ended)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(
        self: &Arc<Self>,
        asked: Asked,
        until: Instant,
        place: OwnedSemaphorePermit,
    ) -> Result<
        (
            Waiting,
            oneshot::Receiver<Result<ExchangeResponse, Failure>>,
        ),
        Failure,
    > {
        let (tell, told) = oneshot::channel();
        let left = until.saturating_duration_since(Instant::now()).as_millis();
        let mut state = self.lock();
        if let Some(ended) = &state.ended {
            return Err(failure(ended, false));
        }
        state.last_id += 1;
        let id = state.last_id;
        let under_way = UnderWay {
            sent: false,
            tell,
            place,
        };
        state.under_way.insert(id, under_way);
        let request = ExchangeRequest {
            id,
            // 0 would mean as long as the server likes.
            timeout_ms: u32::try_from(left).unwrap_or(u32::MAX).max(1),
            cancel: false,
            request: Some(asked),
        };
        state.queue.push_back(Queued {
            request,
            _place: None,
        });
        state.wake_sender();
        let shared = Some(Arc::clone(self));
        Ok((Waiting { id, shared }, told))
    }

    /// Tells those who wait, until the stream ends. Why it did.
    async fn hear(&self, mut answers: Streaming<ExchangeResponse>) -> Status {
        loop {
            match answers.message().await {
                Ok(Some(answer)) => {
                    let waiting = self.lock().under_way.remove(&answer.id);
                    if let Some(waiting) = waiting {
                        // Nobody may wait any more.
                        let _ = waiting.tell.send(Ok(answer));
                    }
                }
                Ok(None) => return Status::unavailable("the server ended the stream of requests"),
                Err(status) => return status,
            }
        }
    }

    fn end(&self, status: &Status) {
        let under_way = {
            let mut state = self.lock();
            state.ended = Some(status.clone());
            state.queue.clear();
            std::mem::take(&mut state.under_way)
        };
        for waiting in under_way.into_values() {
            let _ = waiting.tell.send(Err(failure(status, waiting.sent)));
        }
    }
}

impl State {
    fn wake_sender(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.wake();
        }
    }
}

/// What the end of a stream means for a request.
fn failure(status: &Status, sent: bool) -> Failure {
    let mut failure = Failure::from(status.clone());
    if let Failure::Elsewhere(lost) = &mut failure {
        lost.arrived &= sent;
    }
    failure
}

/// Somebody who waits for an answer, and says so when they don't any more.
struct Waiting {
    id: u64,
    /// None once there is an answer.
    shared: Option<Arc<Shared>>,
}

impl Waiting {
    fn answered(mut self) {
        self.shared = None;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(shared) = &self.shared else { return };
        let mut state = shared.lock();
        let Some(gone) = state.under_way.remove(&self.id) else {
            return;
        };
        if gone.sent {
            let request = ExchangeRequest {
                id: self.id,
                cancel: true,
                ..ExchangeRequest::default()
            };
            state.queue.push_back(Queued {
                request,
                _place: Some(gone.place),
            });
            state.wake_sender();
        } else {
            state.queue.retain(|queued| queued.request.id != self.id);
        }
    }
}

/// The requests, as the stream takes them: as many at once as are there.
struct Outgoing(Arc<Shared>);

impl Stream for Outgoing {
    type Item = ExchangeRequest;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ExchangeRequest>> {
        let mut state = self.0.lock();
        if let Some(Queued { request, .. }) = state.queue.pop_front() {
            if let Some(under_way) = state.under_way.get_mut(&request.id) {
                under_way.sent = true;
            }
            return Poll::Ready(Some(request));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.sender = Some(context.waker().clone());
        Poll::Pending
    }
}
