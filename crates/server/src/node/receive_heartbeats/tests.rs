//! Heartbeats come on a stream, and an engine of the test's own answers them, when it is told to.

use std::{collections::VecDeque, pin::Pin};

use quorid_storage::{LogPos, LogVote};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::*;

type Appended = Result<AppendEntriesResponse<TypeConfig>, Status>;
type Answer = Result<proto::HeartbeatResponse, Status>;

/// A follower, and the leader's end of a stream to it.
struct Follower {
    requests: mpsc::Sender<Result<proto::HeartbeatRequest, Status>>,
    answers: Pin<Box<dyn Stream<Item = Answer>>>,
    appends: mpsc::Receiver<(AppendRequest, oneshot::Sender<Appended>)>,
    /// Appends that the engine has, without an answer.
    under_way: VecDeque<oneshot::Sender<Appended>>,
}

impl Follower {
    fn new() -> Self {
        let (requests, sent) = mpsc::channel(8);
        let (ask, appends) = mpsc::channel(8);
        let answers = answers(ReceiverStream::new(sent), move |request| {
            let ask = ask.clone();
            async move {
                let (tell, told) = oneshot::channel();
                ask.send((request, tell)).await.expect("the engine runs");
                told.await.expect("the engine answers")
            }
        });
        Self {
            requests,
            answers: answers.boxed(),
            appends,
            under_way: VecDeque::new(),
        }
    }

    /// The leader sends a heartbeat.
    fn send(&self, id: u64) {
        let message = wire::heartbeat_message(id, &heartbeat(id));
        self.requests.try_send(Ok(message)).expect("room");
    }

    /// What has come out of the stream by now.
    fn answer(&mut self) -> Option<Option<Answer>> {
        let answer = self.answers.next().now_or_never();
        while let Ok((request, tell)) = self.appends.try_recv() {
            let id = request.leader_commit.expect("something").index;
            let (came, sent) = (&request, &heartbeat(id));
            assert_eq!(
                wire::heartbeat_message(id, came),
                wire::heartbeat_message(id, sent)
            );
            self.under_way.push_back(tell);
        }
        answer
    }

    /// The engine answers the oldest append that it has.
    fn engine_answers(&mut self, appended: Appended) {
        let tell = self.under_way.pop_front().expect("it was asked");
        // Nobody may wait for it any more.
        drop(tell.send(appended));
    }
}

fn log_id(index: u64) -> LogId {
    wire::log_id(LogPos { term: 1, index })
}

/// A heartbeat that is told from others by what it says is committed.
fn heartbeat(committed: u64) -> AppendRequest {
    AppendRequest {
        vote: wire::vote(LogVote {
            term: 1,
            candidate: 1,
            committed: true,
        }),
        prev_log_id: Some(log_id(5)),
        entries: Vec::new(),
        leader_commit: Some(log_id(committed)),
    }
}

#[test]
fn each_outcome_is_answered_with_the_id_of_its_request() {
    let higher = wire::vote(LogVote {
        term: 2,
        candidate: 3,
        committed: false,
    });
    let cases = [
        (AppendEntriesResponse::Success, Ok(Some(log_id(5)))),
        (
            AppendEntriesResponse::Conflict,
            Err(StreamAppendError::Conflict(log_id(5))),
        ),
        (
            AppendEntriesResponse::HigherVote(higher),
            Err(StreamAppendError::HigherVote(higher)),
        ),
        // After a refusal the stream goes on.
        (AppendEntriesResponse::Success, Ok(Some(log_id(5)))),
    ];
    let mut follower = Follower::new();
    for (id, (appended, outcome)) in (1..).zip(cases) {
        follower.send(id);
        assert!(follower.answer().is_none(), "the engine was asked only");
        follower.engine_answers(Ok(appended));
        let answer = follower.answer().expect("an answer").expect("no end");
        let expected = wire::heartbeat_outcome_message(id, outcome);
        assert_eq!(answer.expect("no error"), expected);
    }
}

// A disk that takes seconds must not keep the engine from hearing its leader.
#[test]
fn a_heartbeat_that_waits_for_the_disk_holds_up_no_other() {
    let mut follower = Follower::new();
    for id in 1..=100 {
        follower.send(id);
        assert!(follower.answer().is_none());
    }
    assert_eq!(follower.under_way.len(), 100, "the engine heard of each");
    for _ in 1..=100 {
        follower.engine_answers(Ok(AppendEntriesResponse::Success));
    }
    let answer = follower.answer().expect("an answer").expect("no end");
    assert_eq!(answer.expect("no error").id, 100, "of the one waited for");
    assert!(follower.answer().is_none(), "and of no other");
}

#[test]
fn a_malformed_heartbeat_ends_the_stream_with_the_reason() {
    let mut follower = Follower::new();
    let message = proto::HeartbeatRequest {
        vote: None,
        ..wire::heartbeat_message(1, &heartbeat(1))
    };
    follower.requests.try_send(Ok(message)).expect("room");
    let status = follower.answer().expect("an end").expect("a last word");
    let status = status.expect_err("an error");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "malformed vote");
    assert!(matches!(follower.answer(), Some(None)));
    assert!(follower.under_way.is_empty(), "the engine heard nothing");
}

#[test]
fn a_stream_ends_with_its_leader_and_with_the_engine() {
    let mut follower = Follower::new();
    follower.requests = mpsc::channel(1).0;
    assert!(matches!(follower.answer(), Some(None)));

    let mut follower = Follower::new();
    let broken = Err(Status::unknown("connection reset"));
    follower.requests.try_send(broken).expect("room");
    assert!(matches!(follower.answer(), Some(Some(Err(_)))));
    assert!(matches!(follower.answer(), Some(None)));

    let mut follower = Follower::new();
    follower.send(1);
    assert!(follower.answer().is_none());
    follower.engine_answers(Err(Status::unavailable("it has stopped")));
    let status = follower.answer().expect("an end").expect("a last word");
    assert_eq!(status.expect_err("an error").code(), Code::Unavailable);
    assert!(matches!(follower.answer(), Some(None)));
}
