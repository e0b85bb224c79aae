//! What a leader makes of what comes back on a stream, and what it sends.

use futures_util::{FutureExt as _, StreamExt as _};
use quorid_storage::{LogPos, LogVote};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::*;

type Answer = Result<proto::HeartbeatResponse, Status>;

/// A stream whose other end is the test, which has sent its first request.
struct Opened {
    stream: HeartbeatStream<ReceiverStream<Answer>>,
    answers: mpsc::Sender<Answer>,
}

impl Opened {
    fn new(first: &AppendRequest) -> (Self, impl Stream<Item = proto::HeartbeatRequest> + use<>) {
        let (newest, requests) = outgoing(first);
        let (answers, answered) = mpsc::channel(8);
        let answered = ReceiverStream::new(answered);
        let stream = HeartbeatStream {
            newest,
            answers: answered,
            answered: 0,
        };
        (Self { stream, answers }, requests)
    }

    fn answer(&self, answer: Answer) {
        self.answers.try_send(answer).expect("it is listened to");
    }
}

fn heartbeat(prev: Option<u64>, committed: u64) -> AppendRequest {
    let at = |index| wire::log_id(LogPos { term: 1, index });
    AppendRequest {
        vote: wire::vote(LogVote {
            term: 1,
            candidate: 1,
            committed: true,
        }),
        prev_log_id: prev.map(at),
        entries: Vec::new(),
        leader_commit: Some(at(committed)),
    }
}

/// The follower has everything up to `prev`.
fn has(id: u64, prev: u64) -> Answer {
    let prev = wire::log_id(LogPos {
        term: 1,
        index: prev,
    });
    Ok(wire::heartbeat_outcome_message(id, Ok(Some(prev))))
}

fn conflicts(id: u64) -> Answer {
    let at = wire::log_id(LogPos { term: 1, index: 5 });
    let outcome = Err(StreamAppendError::Conflict(at));
    Ok(wire::heartbeat_outcome_message(id, outcome))
}

#[tokio::test]
async fn an_answer_is_matched_with_its_request_and_late_ones_are_passed_over() {
    let (first, second) = (heartbeat(Some(5), 5), heartbeat(Some(6), 6));
    let (mut opened, requests) = Opened::new(&first);
    let mut requests = std::pin::pin!(requests);
    let sent = requests.next().await.expect("the first request");
    assert_eq!(sent, wire::heartbeat_message(1, &first));
    let waited = opened.stream.outcome(&first).now_or_never();
    assert!(waited.is_none(), "the caller gives up after that");

    assert!(!opened.stream.has_ended());
    opened.stream.send(&second);
    let sent = requests.next().await.expect("the second request");
    assert_eq!(sent, wire::heartbeat_message(2, &second));
    opened.answer(conflicts(1));
    opened.answer(has(2, 6));
    let outcome = opened.stream.outcome(&second).await;
    assert_eq!(outcome.expect("an answer"), Ok(second.prev_log_id));
}

#[tokio::test]
async fn a_late_answer_that_nobody_waits_for_is_taken_before_the_next_request() {
    let first = heartbeat(Some(5), 5);
    let (mut opened, _requests) = Opened::new(&first);
    opened.answer(has(1, 5));
    assert!(!opened.stream.has_ended());
    assert!(opened.stream.answers.next().now_or_never().is_none());
}

#[tokio::test]
async fn a_heartbeat_takes_the_place_of_one_that_was_not_sent_yet() {
    let (opened, requests) = Opened::new(&heartbeat(Some(5), 5));
    let mut requests = std::pin::pin!(requests);
    for committed in 6..100 {
        opened.stream.send(&heartbeat(Some(5), committed));
    }
    let sent = requests.next().await.expect("a request");
    assert_eq!(sent, wire::heartbeat_message(95, &heartbeat(Some(5), 99)));
    assert!(requests.next().now_or_never().is_none(), "it was the only");
}

#[tokio::test]
async fn a_follower_that_answers_nothing_is_asked_nothing_more_until_it_does() {
    let (mut opened, requests) = Opened::new(&heartbeat(Some(5), 5));
    let mut requests = std::pin::pin!(requests);
    requests.next().await.expect("the first request");
    for committed in 6..10 {
        let asked = heartbeat(Some(5), committed);
        let waited = opened.stream.ask(&asked).now_or_never();
        assert!(waited.is_none(), "the caller gives up");
    }
    let sent = requests.next().await.expect("a request");
    assert_eq!(sent, wire::heartbeat_message(2, &heartbeat(Some(5), 6)));
    assert!(requests.next().now_or_never().is_none(), "there are two");

    opened.answer(has(1, 5));
    let asked = heartbeat(Some(5), 10);
    let answers = opened.answers.clone();
    let mut outcome = Box::pin(opened.stream.ask(&asked));
    assert!(futures_util::poll!(outcome.as_mut()).is_pending());
    let sent = requests.next().await.expect("a request");
    assert_eq!(sent, wire::heartbeat_message(3, &asked));
    let answer = has(3, 5);
    answers.try_send(answer).expect("it is listened to");
    assert_eq!(outcome.await.expect("an answer"), Ok(asked.prev_log_id));
}

#[tokio::test]
async fn a_stream_ends_when_the_leader_drops_it() {
    let (opened, requests) = Opened::new(&heartbeat(None, 0));
    let mut requests = std::pin::pin!(requests);
    requests.next().await.expect("the first request");
    drop(opened);
    assert_eq!(requests.next().await, None);
}

#[tokio::test]
async fn a_broken_stream_is_an_unreachable_server_at_once() {
    let request = heartbeat(Some(5), 5);
    let (mut opened, _requests) = Opened::new(&request);
    opened.answer(Err(Status::unknown("connection reset")));
    let outcome = opened.stream.outcome(&request).await;
    assert!(matches!(outcome, Err(RPCError::Unreachable(_))));

    let (mut opened, _requests) = Opened::new(&request);
    drop(opened.answers);
    let outcome = opened.stream.outcome(&request).await;
    assert!(matches!(outcome, Err(RPCError::Unreachable(_))));
    assert!(opened.stream.has_ended());
}

#[tokio::test]
async fn a_stream_that_broke_while_nobody_asked_has_ended() {
    let (mut opened, _requests) = Opened::new(&heartbeat(Some(5), 5));
    opened.answer(has(1, 5));
    opened.answer(Err(Status::unavailable("the server stops")));
    assert!(opened.stream.has_ended());
}

#[tokio::test]
async fn answers_that_cannot_be_are_errors() {
    let no_outcome = proto::HeartbeatResponse {
        id: 1,
        outcome: None,
    };
    let empty_outcome = proto::HeartbeatResponse {
        id: 1,
        outcome: Some(proto::AppendResponse { result: None }),
    };
    let cases = [
        (Ok(no_outcome), "malformed heartbeat response"),
        (Ok(empty_outcome), "malformed append response"),
        (has(2, 5), "a heartbeat that was not sent"),
        (conflicts(1), "the beginning of the log"),
    ];
    for (answer, why) in cases {
        let request = heartbeat(None, 0);
        let (mut opened, _requests) = Opened::new(&request);
        opened.answer(answer);
        let outcome = opened.stream.outcome(&request).await;
        let error = outcome.expect_err(why);
        assert!(matches!(error, RPCError::Network(_)), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
}
