//! What other voters are asked before a linearizable read, and what a leader makes of who doesn't answer.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use quorid_storage::LogVote;
use tokio::time::timeout;
use tonic::{Code, Status};

use super::harness::{Cluster, create, propose, write};
use crate::node::wire::{self, proto};

const PATIENCE: Duration = Duration::from_secs(10);

/// What the first server of a cluster answers to questions on one stream.
async fn answers(
    cluster: &Cluster,
    questions: Vec<proto::BarrierRequest>,
) -> Vec<Result<proto::BarrierResponse, Status>> {
    let (_, leader) = cluster.leader().await;
    let network = cluster.peer_network(&leader.state().cluster_id, PATIENCE);
    let mut client = network.client(1, &cluster.servers[0]);
    let opened = client.barriers(stream::iter(questions)).await;
    opened.expect("a stream").into_inner().collect().await
}

fn question(id: u64, term: u64, candidate: u64) -> proto::BarrierRequest {
    let vote = wire::vote(LogVote {
        term,
        candidate,
        committed: true,
    });
    proto::BarrierRequest {
        id,
        vote: Some(wire::vote_message(&vote)),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_says_of_each_vote_whether_it_is_the_last_that_it_gave() {
    let mut cluster = Cluster::new(1).await;
    cluster.start(&[0]).await;
    let (_, leader) = cluster.leader().await;
    let term = leader.state().term;
    let cases = [
        (question(1, term, 1), true),
        (question(2, term - 1, 1), false),
        (question(4, term, 2), false),
        (question(5, term + 1, 1), false),
        (question(6, term, 1), true),
    ];
    let answers = answers(
        &cluster,
        cases.iter().map(|(question, _)| *question).collect(),
    )
    .await;
    let answers: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.expect("an answer"))
        .map(|answer| (answer.id, answer.held))
        .collect();
    assert_eq!(answers, cases.map(|(question, held)| (question.id, held)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_question_without_a_vote_ends_the_stream_with_the_reason() {
    let mut cluster = Cluster::new(1).await;
    cluster.start(&[0]).await;
    let nothing = proto::BarrierRequest { id: 1, vote: None };
    let answers = answers(&cluster, vec![nothing, question(2, 1, 1)]).await;
    let error = answers[0].as_ref().expect_err("nothing to answer");
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    assert_eq!(answers.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_leader_serves_reads_for_as_long_as_a_majority_answers_whoever_that_is() {
    // Either of the others may be the one that is asked first.
    for mute in [0, 1] {
        let mut cluster = Cluster::new(3).await;
        cluster.start(&[0, 1, 2]).await;
        let (first, leader) = cluster.leader().await;
        leader.read_barrier().await.expect("all answer");
        let others: Vec<_> = (0..3).filter(|number| *number != first).collect();
        cluster.networks[&cluster.servers[others[mute]].name].fall_mute();
        for _ in 0..20 {
            leader.read_barrier().await.expect("one other answers");
        }
        cluster.kill(others[1 - mute]);
        let alone = leader.inner.barrier.pass().await;
        assert!(alone.is_err(), "nobody answers");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_saw_a_change_on_a_follower_sees_it_on_the_leader() {
    let mut cluster = Cluster::new(3).await;
    cluster.start(&[0, 1, 2]).await;
    let (first, leader) = cluster.leader().await;
    let follower = cluster.running[&((first + 1) % 3)].node.clone();
    let before = write(&leader, 0..1).await;
    cluster.all_at(before).await;
    // As a checkpoint does, this keeps the leader from applying what it has committed.
    let turn = leader.inner.store.turn().await;
    let writer = leader.clone();
    let write = tokio::spawn(async move { propose(&writer, create(1)).await });
    follower.wait_beyond(before).await.expect("it follows");
    let reader = leader.clone();
    let mut read = tokio::spawn(async move { reader.read_barrier().await });
    let early = timeout(Duration::from_millis(100), &mut read).await;
    assert!(early.is_err(), "the change is not to be seen here yet");
    drop(turn);
    read.await.expect("no panic").expect("a barrier");
    let seen = leader.read().expect("a view").revision().expect("one");
    assert!(seen > before);
    write.await.expect("no panic");
}
