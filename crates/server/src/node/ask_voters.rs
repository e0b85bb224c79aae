//! How a leader asks the other voters whether it still leads: a question at a time, on a stream to each that is
//! opened when it is first needed.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
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
    /// From a voter that could not be asked to the next try.
    pause: Duration,
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
    /// After a voter could not be asked, `pause` passes before it is asked again.
    pub(super) fn new(peers: PeerNetwork, patience: Duration, pause: Duration) -> Self {
        let (tell, answers) = mpsc::channel(ANSWERS_MAX);
        Self {
            peers,
            patience,
            pause,
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
        // Its panic is the asker's, in the next round. One that has ended has no voter any more.
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
            let conversation = Conversation {
                from: id,
                name: server.name.clone(),
                questions,
                tell: self.tell.clone(),
                patience: self.patience,
                pause: self.pause,
            };
            self.conversations.spawn(conversation.hold(client));
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

/// With one voter.
struct Conversation {
    from: u64,
    name: String,
    questions: watch::Receiver<proto::BarrierRequest>,
    tell: mpsc::Sender<Answer>,
    patience: Duration,
    pause: Duration,
}

/// Why a stream is asked on no more.
enum Ended {
    Broken(Status),
    /// It may stay open for long without an answer: over a link that was cut, for example.
    Silent,
}

impl Conversation {
    /// Asks whatever there is to ask, on one stream after another, until nobody asks any more.
    async fn hold(mut self, connect: impl Fn() -> LabelledClient) {
        let mut client = connect();
        while self.questions.changed().await.is_ok() {
            // The next question opens a stream anew: who asks repeats what is not answered.
            let why = match self.on_one_stream(&mut client).await {
                Ok(()) => continue,
                Err(Ended::Broken(status)) => status_text(&status),
                Err(Ended::Silent) => {
                    client = connect();
                    "it does not answer".to_owned()
                }
            };
            let name = &self.name;
            debug!("no answer from {name} whether this server still leads: {why}");
            sleep(self.pause).await;
        }
    }

    async fn on_one_stream(&mut self, client: &mut LabelledClient) -> Result<(), Ended> {
        let opened = client.barriers(newest(self.questions.clone())).await;
        let mut answers = opened.map_err(Ended::Broken)?.into_inner();
        let mut answered = 0;
        let mut owed = false;
        loop {
            let answer = match timeout(self.patience, answers.next()).await {
                Ok(Some(answer)) => answer.map_err(Ended::Broken)?,
                Ok(None) => return Ok(()),
                // It may have been asked a moment ago.
                Err(_) if !owed => {
                    owed = self.questions.borrow().id != answered;
                    continue;
                }
                Err(_) => return Err(Ended::Silent),
            };
            (answered, owed) = (answer.id, false);
            // What has been asked on this stream opens no other one.
            self.questions.mark_unchanged();
            let answer = Answer {
                from: self.from,
                question: answer.id,
                held: answer.held,
            };
            if self.tell.send(answer).await.is_err() {
                return Ok(());
            }
        }
    }
}
