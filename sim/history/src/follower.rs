//! Clients that follow the changes, and go on after whatever ends a stream.

use std::pin::pin;

use futures_util::StreamExt as _;
use quorid_api::{Change, ChangesBatch, Client, Error, Reason, Since};

/// What a follower was given.
#[derive(Debug)]
pub struct Followed {
    /// Its name, for people.
    pub name: String,
    /// One after the other. Where changes were gone it began anew, with all that were kept.
    pub stretches: Vec<Stretch>,
}

/// Changes that must follow each other without a gap, from however many servers.
#[derive(Debug, Default)]
pub struct Stretch {
    /// Only changes after this revision were asked for; 0: all that are kept.
    pub since: u64,
    /// As they came.
    pub batches: Vec<Given>,
    /// The stretch ended because changes were gone; the last index that anybody took for committed then.
    pub gone: Option<u64>,
}

/// What came with one message.
#[derive(Debug)]
pub struct Given {
    /// The changes, and up to where they are complete.
    pub batch: ChangesBatch,
    /// Last index that anybody took for committed when it came.
    pub committed: u64,
}

impl Stretch {
    /// Where to go on.
    fn revision(&self) -> u64 {
        let last = self.batches.last();
        last.map_or(self.since, |given| given.batch.revision)
    }
}

impl Followed {
    /// A follower that has been given nothing yet, of the changes after this revision; 0: all that are kept.
    pub fn since(name: &str, since: u64) -> Self {
        Self {
            name: name.to_owned(),
            stretches: vec![Stretch {
                since,
                ..Stretch::default()
            }],
        }
    }

    /// All changes that it was given.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        let batches = self.stretches.iter().flat_map(|stretch| &stretch.batches);
        batches.flat_map(|given| &given.batch.changes)
    }

    /// Goes on by this client from where it is, until a message is enough. May be dropped at any time. An error
    /// is one that no follower should get.
    pub async fn follow(
        &mut self,
        client: &Client,
        committed: impl Fn() -> u64,
        mut enough: impl FnMut(&ChangesBatch) -> bool,
    ) -> Result<(), Error> {
        loop {
            let now = self.stretches.last_mut().expect("there is always one");
            let mut batches = pin!(client.watch_changes(Since::Revision(now.revision())));
            while let Some(batch) = batches.next().await {
                match batch {
                    Ok(batch) => {
                        let is_enough = enough(&batch);
                        let committed = committed();
                        now.batches.push(Given { batch, committed });
                        if is_enough {
                            return Ok(());
                        }
                    }
                    Err(Error::Rejected(no)) if no.reason == Reason::ChangesGone => {
                        now.gone = Some(committed());
                        self.stretches.push(Stretch::default());
                        break;
                    }
                    // No server was there for as long as the client has patience.
                    Err(Error::Unavailable(_)) => break,
                    Err(error) => return Err(error),
                }
            }
        }
    }
}
