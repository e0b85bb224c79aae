//! How a leader asks the other voters whether it still leads: a question at a time, on a stream to each that is
//! opened when it is first needed.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tonic::Status;
use tracing::debug;

use super::{
    bootstrap::status_text,
    network::{LabelledClient, PeerNetwork},
    newest::newest,
    types::{StoredMembership, Vote},
    wire::{self, proto},
};
use crate::named_server::NamedServer;

/// Answers that wait for who asked. A voter whose answer finds no place waits with it.
const ANSWERS_MAX: usize = 64;

/// What a voter answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// Id of the voter.
    pub(super) from: u64,
    /// The question that it answers, or one before that.
    pub(super) question: u64,
    /// It holds the vote that was asked for.
    pub(super) held: bool,
}

/// The other voters.
pub(super) struct Voters {
    peers: PeerNetwork,
    /// A voter that owes an answer for this long, or twice that, is asked over another connection.
    patience: Duration,
    /// The first ones are asked first.
    voters: Vec<Voter>,
    /// Of whom they are the voters.
    members: Option<Arc<StoredMembership>>,
    conversations: JoinSet<()>,
    tell: mpsc::Sender<Answer>,
    answers: mpsc::Receiver<Answer>,
    /// The number of the last question.
    asked: u64,
}

struct Voter {
    id: u64,
    server: NamedServer,
    /// The conversation ends when this is dropped.
    question: watch::Sender<proto::BarrierRequest>,
}

impl Voters {
    pub(super) fn new(peers: PeerNetwork, patience: Duration) -> Self {
        let (tell, answers) = mpsc::channel(ANSWERS_MAX);
        Self {
            peers,
            patience,
            voters: Vec::new(),
            members: None,
            conversations: JoinSet::new(),
            tell,
            answers,
            asked: 0,
        }
    }

    /// Takes the voters of these members, without the server `this`. What there is with them already goes on.
    pub(super) fn follow(&mut self, members: &Arc<StoredMembership>, this: u64) {
        // Its panic is the asker's, and one that has ended has no voter any more.
        while let Some(ended) = self.conversations.try_join_next() {
            if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
                std::panic::resume_unwind(panic);
            }
        }
        let same = |known: &Arc<StoredMembership>| Arc::ptr_eq(known, members);
        if self.members.as_ref().is_some_and(same) {
            return;
        }
        self.members = Some(Arc::clone(members));
        let members = members.membership();
        let server_of = |id: u64| members.get_node(&id).map(|member| &member.server);
        let is_voter = |id: u64| id != this && members.voter_ids().any(|voter| voter == id);
        self.voters.retain(|voter| {
            is_voter(voter.id) && server_of(voter.id).is_some_and(|server| *server == voter.server)
        });
        for id in members.voter_ids().filter(|id| *id != this) {
            let known = self.voters.iter().any(|voter| voter.id == id);
            let Some(server) = server_of(id).filter(|_| !known) else {
                continue;
            };
            let (question, questions) = watch::channel(proto::BarrierRequest::default());
            let peers = self.peers.clone();
            let to = server.clone();
            let client = move || peers.client(id, &to);
            let (name, tell) = (server.name.clone(), self.tell.clone());
            let conversation = converse(id, name, client, questions, tell, self.patience);
            self.conversations.spawn(conversation);
            self.voters.push(Voter {
                id,
                server: server.clone(),
                question,
            });
        }
    }

    /// The ids, those first that are asked first.
    pub(super) fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.voters.iter().map(|voter| voter.id)
    }

    /// From now on these are asked before the others.
    pub(super) fn prefer(&mut self, ids: &[u64]) {
        self.voters.sort_by_key(|voter| !ids.contains(&voter.id));
    }

    /// Asks some of them whether they hold a vote. The number of the question.
    pub(super) fn ask(&mut self, vote: &Vote, whom: impl Fn(u64) -> bool) -> u64 {
        self.asked += 1;
        let question = proto::BarrierRequest {
            id: self.asked,
            vote: Some(wire::vote_message(vote)),
        };
        for voter in self.voters.iter().filter(|voter| whom(voter.id)) {
            voter.question.send_replace(question);
        }
        self.asked
    }

    /// The next answer.
    pub(super) async fn answer(&mut self) -> Answer {
        let answer = self.answers.recv().await;
        answer.expect("this end holds a sender")
    }
}

/// Asks one voter whatever there is to ask, on one stream after another, until nobody asks any more.
async fn converse(
    from: u64,
    name: String,
    client: impl Fn() -> LabelledClient,
    mut questions: watch::Receiver<proto::BarrierRequest>,
    tell: mpsc::Sender<Answer>,
    patience: Duration,
) {
    while questions.changed().await.is_ok() {
        // After a failure the next question opens a stream: who asks repeats what is not answered.
        let stream = on_one_stream(from, client(), &mut questions, &tell, patience);
        if let Err(status) = stream.await {
            let why = status_text(&status);
            debug!("no answer from {name} whether this server still leads: {why}");
        }
    }
}

async fn on_one_stream(
    from: u64,
    mut client: LabelledClient,
    questions: &mut watch::Receiver<proto::BarrierRequest>,
    tell: &mpsc::Sender<Answer>,
    patience: Duration,
) -> Result<(), Status> {
    let late = || Status::deadline_exceeded("it does not answer");
    let opened = timeout(patience, client.barriers(newest(questions.clone()))).await;
    let mut answers = opened.map_err(|_| late())??.into_inner();
    let mut answered = 0;
    let mut owed = false;
    loop {
        let answer = match timeout(patience, answers.next()).await {
            Ok(Some(answer)) => answer?,
            Ok(None) => return Ok(()),
            // It may have been asked a moment ago.
            Err(_) if !owed => {
                owed = questions.borrow().id != answered;
                continue;
            }
            Err(_) => return Err(late()),
        };
        (answered, owed) = (answer.id, false);
        // What has been asked on this stream opens no other one.
        questions.mark_unchanged();
        let answer = Answer {
            from,
            question: answer.id,
            held: answer.held,
        };
        if tell.send(answer).await.is_err() {
            return Ok(());
        }
    }
}
