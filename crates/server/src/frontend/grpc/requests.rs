//! `quorid.v1.Requests`: many calls on one stream.
//!
//! The answers of a stream are polled by the HTTP library whenever the client has room for more. Polling
//! them also takes requests, so that a client that reads slowly is listened to slowly; and all that is
//! ready at once leaves in one write.

use std::{
    collections::HashMap,
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt as _, Stream, future::BoxFuture};
use quorid_api::proto::{
    ExchangeError, ExchangeRequest, ExchangeResponse, exchange_request::Request as Asked,
    exchange_response::Answer as Answered, requests_server::Requests,
};
use tokio::{
    task::{AbortHandle, JoinSet},
    time::{Duration, Instant, timeout},
};
use tonic::{Code, Request, Response, Status, Streaming};

use super::{
    Invalid,
    call::Call,
    caller,
    envelope::{self, DEADLINE_MAX},
    errors, revision_in,
};
use crate::{
    frontend::Frontend,
    ports::Phase,
    service::{Answer, Caller},
};

/// Requests under way on one stream. Those beyond are refused.
const UNDER_WAY_MAX: usize = 1024;

pub(super) struct RequestsApi(pub(super) Arc<Frontend>);

#[tonic::async_trait]
impl Requests for RequestsApi {
    type ExchangeStream = Exchange;

    async fn exchange(
        &self,
        request: Request<Streaming<ExchangeRequest>>,
    ) -> Result<Response<Exchange>, Status> {
        let caller = caller(&request)?;
        let mut phase = self.0.phase.clone();
        Ok(Response::new(Exchange {
            asking: Arc::new(Asking {
                frontend: Arc::clone(&self.0),
                caller,
            }),
            requests: Some(request.into_inner()),
            closing: async move { Phase::Closing.reached(&mut phase).await }.boxed(),
            under_way: HashMap::new(),
            calls: JoinSet::new(),
            last_word: None,
        }))
    }
}

/// Who asks whom on a stream.
struct Asking {
    frontend: Arc<Frontend>,
    caller: Caller,
}

/// The answers on one stream. Dropping it gives up what is under way.
pub(super) struct Exchange {
    asking: Arc<Asking>,
    /// None once no more are taken.
    requests: Option<Streaming<ExchangeRequest>>,
    closing: BoxFuture<'static, ()>,
    under_way: HashMap<u64, AbortHandle>,
    calls: JoinSet<ExchangeResponse>,
    /// What the stream ends with, once all is answered. None: well.
    last_word: Option<Status>,
}

impl Stream for Exchange {
    type Item = Result<ExchangeResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.take_requests(context);
        loop {
            let answered = match ready!(self.calls.poll_join_next(context)) {
                Some(Ok(response)) => response,
                Some(Err(lost)) => match lost.try_into_panic() {
                    // As it would end a call of its own.
                    Ok(panic) => resume_unwind(panic),
                    Err(_cancelled) => continue,
                },
                None if self.requests.is_some() => return Poll::Pending,
                None => return Poll::Ready(self.last_word.take().map(Err)),
            };
            // None: cancelled as it ended.
            if self.under_way.remove(&answered.id).is_some() {
                // There is room for a request again.
                self.take_requests(context);
                return Poll::Ready(Some(Ok(answered)));
            }
        }
    }
}

impl Exchange {
    /// Begins what was asked meanwhile.
    fn take_requests(&mut self, context: &mut Context<'_>) {
        while let Some(requests) = &mut self.requests {
            if self.closing.poll_unpin(context).is_ready() {
                return self.take_no_more(Some(errors::shutting_down()));
            }
            if self.calls.len() >= 2 * UNDER_WAY_MAX {
                return; // Half of them are refusals that wait to be sent.
            }
            match Pin::new(requests).poll_next(context) {
                Poll::Ready(Some(Ok(request))) => {
                    if let Err(invalid) = self.begin(request) {
                        self.take_no_more(Some(invalid.into()));
                    }
                }
                // The client asks no more.
                Poll::Ready(None) => self.take_no_more(None),
                Poll::Ready(Some(Err(status))) => {
                    let told = errors::malformed_message(&status).unwrap_or(status);
                    self.take_no_more(Some(told));
                }
                Poll::Pending => return,
            }
        }
    }

    fn take_no_more(&mut self, last_word: Option<Status>) {
        self.requests = None;
        self.last_word = last_word;
    }

    fn begin(&mut self, request: ExchangeRequest) -> Result<(), Invalid> {
        let id = request.id;
        if request.cancel {
            if let Some(call) = self.under_way.remove(&id) {
                call.abort();
            }
            return Ok(());
        }
        let Some(asked) = request.request else {
            let what = format!("request {id} on the stream asks for nothing that is known here");
            return Err(Invalid::Message(what));
        };
        if self.under_way.contains_key(&id) {
            let what =
                format!("request {id} on the stream is still under way; give each its own id");
            return Err(Invalid::Message(what));
        }
        let asking = Arc::clone(&self.asking);
        if self.under_way.len() >= UNDER_WAY_MAX {
            let message = format!("{UNDER_WAY_MAX} requests of the stream have no answer yet");
            let refused = async move { response(id, Err(errors::busy(message)), &asking.frontend) };
            let refused = self.calls.spawn(refused);
            self.under_way.insert(id, refused);
            return Ok(());
        }
        let deadline = match request.timeout_ms {
            0 => DEADLINE_MAX,
            asked => DEADLINE_MAX.min(Duration::from_millis(asked.into())),
        };
        let (path, call) = begun(asked, Arc::clone(&self.asking));
        let call = self.calls.spawn(async move {
            let started = Instant::now();
            let answered = timeout(deadline, call).await;
            let answered = answered.unwrap_or_else(|_| Err(errors::deadline_exceeded(deadline)));
            let code = answered.as_ref().err().map_or(Code::Ok, Status::code);
            let frontend = &asking.frontend;
            let method = frontend.metrics.method(path);
            envelope::count(
                frontend,
                method,
                Some(&asking.caller.address),
                code,
                started,
            );
            response(id, answered, frontend)
        });
        self.under_way.insert(id, call);
        Ok(())
    }
}

type Begun = BoxFuture<'static, Result<Answer<Answered>, Status>>;

/// Begins a call. Its path, were it a call of its own, and what will be answered.
fn begun(asked: Asked, asking: Arc<Asking>) -> (&'static str, Begun) {
    fn begin<C: Call + Send + 'static>(
        request: C,
        asking: Arc<Asking>,
        say: impl FnOnce(C::Answer) -> Answered + Send + 'static,
    ) -> Begun {
        Box::pin(async move {
            let answered = request.answer(&asking.frontend, &asking.caller).await?;
            Ok(answered.map(say))
        })
    }
    macro_rules! calls {
        ($($request:ident => $answer:ident, $method:literal;)*) => {
            match asked {
                $(Asked::$request(request) => (
                    concat!("/quorid.v1.", $method),
                    begin(request, asking, Answered::$answer),
                ),)*
            }
        };
    }
    calls! {
        GetAccount => Account, "Accounts/GetAccount";
        CreateAccount => Account, "Accounts/CreateAccount";
        UpdateAccount => Account, "Accounts/UpdateAccount";
        DeleteAccount => Deleted, "Accounts/DeleteAccount";
        CheckPassword => Account, "Accounts/CheckPassword";
        GetGroup => Group, "Groups/GetGroup";
        CreateGroup => Group, "Groups/CreateGroup";
        UpdateGroup => Group, "Groups/UpdateGroup";
        DeleteGroup => Deleted, "Groups/DeleteGroup";
        ChangeMembers => Group, "Groups/ChangeMembers";
    }
}

fn response(
    id: u64,
    answered: Result<Answer<Answered>, Status>,
    frontend: &Frontend,
) -> ExchangeResponse {
    let (revision, answer) = match answered {
        Ok(Answer { value, revision }) => (revision.0, value),
        Err(status) => {
            let revision = revision_in(status.metadata());
            let error = ExchangeError {
                code: status.code().into(),
                message: status.message().to_owned(),
                details: status.details().to_vec(),
            };
            let revision = revision.unwrap_or_else(|| frontend.service.revision());
            (revision.0, Answered::Error(error))
        }
    };
    ExchangeResponse {
        id,
        revision,
        answer: Some(answer),
    }
}
