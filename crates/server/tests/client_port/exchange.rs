//! Many requests on one stream.

use std::collections::BTreeSet;

use quorid_api::proto::{
    Account, Consistency, CreateAccountRequest, ExchangeRequest, ExchangeResponse,
    GetAccountRequest, GetGroupRequest, ReadOptions, exchange_request::Request as Asked,
    exchange_response::Answer as Answered, requests_client::RequestsClient,
};
use quorid_server::access::Access;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status, Streaming, transport::Channel};

use crate::support::{TestServer, exchange, outcome, refusal};

/// The most that may be without an answer, as requests.proto says.
const UNDER_WAY_MAX: u64 = 1024;

/// Both ends of a stream.
struct Stream {
    requests: Option<mpsc::UnboundedSender<ExchangeRequest>>,
    answers: Streaming<ExchangeResponse>,
}

impl Stream {
    async fn open(channel: &Channel) -> Self {
        let (requests, sent) = mpsc::unbounded_channel();
        let sent = UnboundedReceiverStream::new(sent);
        let answers = RequestsClient::new(channel.clone()).exchange(sent).await;
        Self {
            requests: Some(requests),
            answers: answers.expect("opened").into_inner(),
        }
    }

    fn send(&self, request: ExchangeRequest) {
        let requests = self.requests.as_ref().expect("open");
        requests.send(request).expect("the stream is open");
    }

    fn ask(&self, id: u64, asked: Asked) {
        self.send(ExchangeRequest {
            id,
            request: Some(asked),
            ..ExchangeRequest::default()
        });
    }

    fn cancel(&self, id: u64) {
        self.send(ExchangeRequest {
            id,
            cancel: true,
            ..ExchangeRequest::default()
        });
    }

    async fn next(&mut self) -> Result<Option<ExchangeResponse>, Status> {
        self.answers.message().await
    }

    async fn answer(&mut self) -> (u64, Result<Answered, Status>) {
        let answer = self.next().await.expect("open").expect("an answer");
        (answer.id, outcome(answer))
    }

    /// Asks no more, and gives what is still answered.
    async fn finish(mut self) -> Result<Vec<u64>, Status> {
        self.requests = None;
        let mut ids = Vec::new();
        while let Some(answer) = self.next().await? {
            ids.push(answer.id);
        }
        Ok(ids)
    }
}

fn create(name: &str) -> Asked {
    Asked::CreateAccount(CreateAccountRequest {
        account: Some(Account {
            login_name: name.to_owned(),
            real_name: "Somebody".to_owned(),
            ..Account::default()
        }),
        ..CreateAccountRequest::default()
    })
}

fn get(name: &str) -> Asked {
    Asked::GetAccount(GetAccountRequest {
        name: format!("accounts/login:{name}"),
        ..GetAccountRequest::default()
    })
}

/// Waits for a revision that will not be there.
fn wait() -> Asked {
    Asked::GetGroup(GetGroupRequest {
        name: "groups/name:none".to_owned(),
        read: Some(ReadOptions {
            consistency: Consistency::AtLeastRevision.into(),
            min_revision: 1 << 40,
        }),
        with_groups: false,
    })
}

fn login_name(answer: Result<Answered, Status>) -> String {
    match answer {
        Ok(Answered::Account(account)) => account.login_name,
        other => panic!("no account: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_requests_at_once_gets_its_own_answer() {
    let server = TestServer::start(Access::Open).await;
    let mut stream = Stream::open(&server.stranger().await).await;
    for id in 1..=900 {
        stream.ask(id, create(&format!("user{id}")));
    }
    let mut open: BTreeSet<u64> = (1..=900).collect();
    let mut revisions = BTreeSet::new();
    while !open.is_empty() {
        let answer = stream.next().await.expect("open").expect("an answer");
        assert!(open.remove(&answer.id), "{} twice", answer.id);
        revisions.insert(answer.revision);
        let id = answer.id;
        assert_eq!(login_name(outcome(answer)), format!("user{id}"));
    }
    assert_eq!(revisions.len(), 900);

    stream.ask(901, get("user17"));
    let (id, answer) = stream.answer().await;
    assert_eq!((id, login_name(answer)), (901, "user17".to_owned()));
    stream.ask(902, create("user17"));
    let (id, answer) = stream.answer().await;
    assert_eq!(id, 902);
    let (code, reason) = refusal(answer);
    assert_eq!(
        (code, reason.as_str()),
        (Code::AlreadyExists, "LOGIN_NAME_TAKEN")
    );
    assert_eq!(
        stream.finish().await.expect("a good end"),
        Vec::<u64>::new()
    );

    // Counted as what they are.
    let metrics = server.get("/metrics").await;
    for line in [
        r#"quorid_requests_total{code="OK",method="quorid.v1.Accounts/CreateAccount"} 900"#,
        r#"quorid_requests_total{code="ALREADY_EXISTS",method="quorid.v1.Accounts/CreateAccount"} 1"#,
        r#"quorid_requests_total{code="OK",method="quorid.v1.Accounts/GetAccount"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_ends_at_its_deadline_or_when_it_is_cancelled() {
    let server = TestServer::start(Access::Open).await;
    let mut stream = Stream::open(&server.stranger().await).await;
    stream.ask(1, wait());
    stream.send(ExchangeRequest {
        id: 2,
        timeout_ms: 30,
        request: Some(wait()),
        ..ExchangeRequest::default()
    });
    let (id, answer) = stream.answer().await;
    assert_eq!(id, 2);
    let (code, reason) = refusal(answer);
    assert_eq!(
        (code, reason.as_str()),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED")
    );
    stream.cancel(1);
    stream.cancel(99); // Was answered long ago, for all the server knows.
    stream.ask(3, create("ana"));
    assert_eq!(stream.answer().await.0, 3);
    assert_eq!(
        stream.finish().await.expect("a good end"),
        Vec::<u64>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_limit_are_refused_and_cancelling_makes_room() {
    let server = TestServer::start(Access::Open).await;
    let mut stream = Stream::open(&server.stranger().await).await;
    for id in 1..=UNDER_WAY_MAX {
        stream.ask(id, wait());
    }
    stream.ask(5000, create("ana"));
    let (id, answer) = stream.answer().await;
    assert_eq!(id, 5000);
    let (code, reason) = refusal(answer);
    assert_eq!((code, reason.as_str()), (Code::ResourceExhausted, "BUSY"));
    stream.cancel(1);
    stream.ask(5001, create("ana"));
    assert_eq!(stream.answer().await.0, 5001);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_understood_ends_the_stream_once_the_rest_is_answered() {
    let server = TestServer::start(Access::Open).await;
    let channel = server.stranger().await;
    let nothing = ExchangeRequest {
        id: 2,
        ..ExchangeRequest::default()
    };
    let again = ExchangeRequest {
        id: 1,
        request: Some(get("ana")),
        ..ExchangeRequest::default()
    };
    let large = ExchangeRequest {
        id: 2,
        request: Some(get(&"a".repeat(65 * 1024))),
        ..ExchangeRequest::default()
    };
    for (bad, said) in [
        (nothing, "request 2 on the stream asks for nothing"),
        (again, "request 1 on the stream is still under way"),
        (large, "message length too large"),
    ] {
        let mut stream = Stream::open(&channel).await;
        stream.send(ExchangeRequest {
            id: 1,
            timeout_ms: 50,
            request: Some(wait()),
            ..ExchangeRequest::default()
        });
        stream.send(bad);
        let (id, answer) = stream.answer().await;
        assert_eq!((id, refusal(answer).0), (1, Code::DeadlineExceeded));
        let status = stream.next().await.expect_err("the end");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(said), "{status:?}");
    }
    // A stream by somebody whose login makes no sense.
    let refused = exchange(&channel, Some("no colon"), get("ana")).await;
    assert_eq!(refused.expect_err("refused").code(), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_sends_elsewhere_who_asks_on_a_stream() {
    let server = TestServer::start(Access::Open).await;
    let mut stream = Stream::open(&server.stranger().await).await;
    stream.ask(1, create("ana"));
    assert_eq!(stream.answer().await.0, 1);
    server.server.stop().await.expect("stopped");
    let status = stream.next().await.expect_err("the end");
    let (code, reason) = (status.code(), status.message().to_owned());
    assert_eq!(code, Code::Unavailable, "{reason}");
}

/// However slowly a client takes its answers, it gets all of them, and what it sends meanwhile is bounded by
/// what the connection holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_loses_nothing() {
    let server = TestServer::start(Access::Open).await;
    let channel = server.stranger().await;
    let mut other = Stream::open(&channel).await;
    let mut slow = Stream::open(&channel).await;
    slow.ask(0, create("ana"));
    assert_eq!(slow.answer().await.0, 0);
    // Far more than fits into the windows, and none of it is read.
    for id in 1..=20_000 {
        slow.ask(id, get("ana"));
    }
    // Others on the same connection are not held up.
    other.ask(1, get("ana"));
    assert_eq!(other.answer().await.0, 1);
    let ids: BTreeSet<u64> = slow
        .finish()
        .await
        .expect("a good end")
        .into_iter()
        .collect();
    assert_eq!(ids.len(), 20_000);
}
