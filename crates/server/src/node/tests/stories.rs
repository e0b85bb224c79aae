//! Runs of a cluster as data: stories/*.txt, one step a line. `Story::step` says which steps there are.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use quorid_directory::{Command, Outcome, Revision};
use tokio::time::timeout;

use super::harness::{Cluster, DEADLINE, create, propose, wait, write};
use crate::node::{Node, Unavailable};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_servers_elect_replicate_and_survive_the_loss_of_the_leader() {
    tell(include_str!("stories/leader_lost.txt")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_follower_that_was_away_for_longer_than_the_log_comes_back_by_snapshot() {
    tell(include_str!("stories/follower_away.txt")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_whose_data_directory_was_emptied_is_refused() {
    tell(include_str!("stories/disk_emptied.txt")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_follower_says_who_leads() {
    tell(include_str!("stories/follower_asked.txt")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shutdown_hands_leadership_over() {
    tell(include_str!("stories/leader_shut_down.txt")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clusters_of_one_and_five_and_seven_form() {
    for size in ["one", "five", "seven"] {
        let (_, story) = include_str!("stories/sizes.txt")
            .split_once(&format!("# {size}\n"))
            .expect("a story of this size");
        tell(story.split("\n\n").next().expect("its steps")).await;
    }
}

/// Runs a story, and says which step failed.
async fn tell(story: &str) {
    let lines = story.lines().map(str::trim).enumerate();
    let mut steps = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let (_, first) = steps.next().expect("a story has steps");
    let size = first.strip_prefix("servers ").and_then(|n| n.parse().ok());
    let size = size.expect("a story begins with `servers N`");
    let mut story = Story {
        cluster: Cluster::new(size).await,
        roles: (0..size).map(|n| (format!("s{}", n + 1), n)).collect(),
        revision: Revision(0),
        remembered: None,
    };
    for (number, line) in steps {
        // The panic of a step that fails has been printed with its place; this says which step.
        let told = AssertUnwindSafe(story.step(line)).catch_unwind().await;
        assert!(told.is_ok(), "line {} failed: {line}", number + 1);
    }
}

struct Story {
    cluster: Cluster,
    /// Servers by the names that the story gave them, and s1, s2 and so on.
    roles: BTreeMap<String, usize>,
    /// Revision of the last write.
    revision: Revision,
    remembered: Option<(Command, Outcome)>,
}

impl Story {
    async fn step(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let known = self.about_servers(line, &words).await
            || self.about_the_state(&words).await
            || self.about_answers(&words).await;
        assert!(known, "there is no such step");
    }

    /// Servers come, go and get names. False: the step is none of these.
    async fn about_servers(&mut self, line: &str, words: &[&str]) -> bool {
        match words[..] {
            // So many log entries are kept behind a checkpoint.
            ["keep", entries] => self.cluster.keep = entries.parse().expect("a number"),
            ["start", "all"] => {
                let all: Vec<usize> = (0..self.cluster.servers.len()).collect();
                self.cluster.start(&all).await;
            }
            ["start", name] => self.cluster.start(&[self.of(name)]).await,
            ["kill", name] => self.cluster.kill(self.of(name)),
            ["shut", "down", name] => {
                let node = self.node(name);
                node.shutdown().await.expect("shut down");
                self.cluster.kill(self.of(name));
            }
            // Whom all running servers follow gets a name; a server that follows gets one.
            [name, "leads"] => {
                let (number, _) = self.cluster.leader().await;
                self.roles.insert(name.to_owned(), number);
            }
            [name, "follows"] => {
                let (leader, _) = self.cluster.leader().await;
                let followers = self.cluster.running.keys().find(|n| **n != leader);
                let follower = *followers.expect("somebody follows");
                self.roles.insert(name.to_owned(), follower);
            }
            [one, "is", "not", other] => assert_ne!(self.of(one), self.of(other)),
            ["empty", "the", "disk", "of", name] => {
                let name = &self.cluster.servers[self.of(name)].name;
                std::fs::remove_dir_all(self.cluster.folder.path().join(name)).expect("removed");
            }
            // The hint of its error has this text; NAME in it is the server's.
            ["start", "of", name, "is", "refused", "with", ..] => {
                let number = self.of(name);
                let (_, text) = line.split_once(" with ").expect("a text");
                let wanted = text.replace("NAME", &self.cluster.servers[number].name);
                let (_runtime, start) = self.cluster.starting(self.cluster.config(number)).await;
                let started = timeout(DEADLINE, start).await.expect("in time");
                let error = started.expect("no panic").err().expect("refused");
                let hint = error.hint().expect("a hint");
                assert!(hint.contains(&wanted), "{error}; {hint}");
            }
            _ => return false,
        }
        true
    }

    /// What is written, and what is kept of it. False: the step is none of these.
    async fn about_the_state(&mut self, words: &[&str]) -> bool {
        match words[..] {
            // Accounts with these numbers, all at once.
            ["write", numbers] => {
                let (first, last) = numbers.split_once("..").expect("A..B");
                let number = |text: &str| text.parse().expect("a number");
                let (_, leader) = self.cluster.leader().await;
                self.revision = write(&leader, number(first)..number(last)).await;
            }
            ["all", "catch", "up"] => self.cluster.all_at(self.revision).await,
            ["states", "are", "equal"] => {
                let digests = self.cluster.digests();
                assert!(digests.len() > 1);
                assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
            }
            [name, "has", count, "accounts"] => {
                let view = self.node(name).read().expect("a view");
                assert_eq!(view.count_accounts().expect("a count").to_string(), count);
            }
            ["remember", "create", number] => {
                let command = create(number.parse().expect("a number"));
                let (_, leader) = self.cluster.leader().await;
                let outcome = propose(&leader, command.clone()).await;
                self.remembered = Some((command, outcome));
            }
            // The same request again, of whoever leads now.
            ["repeat", "gives", "the", "same", "outcome"] => {
                let (command, outcome) = self.remembered.clone().expect("one was remembered");
                let (_, leader) = self.cluster.leader().await;
                assert_eq!(propose(&leader, command).await, outcome);
            }
            ["log", "of", name, "is", "cut", "behind", index] => {
                let index: u64 = index.parse().expect("a number");
                let node = self.node(name);
                let cut = || node.status().ok().filter(|status| status.purged > index);
                wait("the log to be cut", cut).await;
            }
            _ => return false,
        }
        true
    }

    /// What servers say of themselves and of each other. False: the step is none of these.
    async fn about_answers(&mut self, words: &[&str]) -> bool {
        match words[..] {
            [name, "hears", "of", "the", "leader"] => {
                let mut known = self.node(name).cluster();
                let heard = known.wait_for(|state| state.leading().is_some());
                let heard = timeout(Duration::from_secs(30), heard).await;
                drop(heard.expect("in time").expect("it runs"));
            }
            [name, "sends", "writers", "to", leader] => {
                let leader = &self.cluster.servers[self.of(leader)].name;
                match self.node(name).propose(create(1)).await {
                    Err(Unavailable::NotLeader {
                        leader: Some(told), ..
                    }) => assert_eq!(told.server.name, *leader),
                    other => panic!("{other:?}"),
                }
            }
            [name, "serves", "no", "reads"] => {
                let read = self.node(name).read_barrier().await;
                assert!(matches!(read, Err(Unavailable::NotLeader { .. })));
            }
            [name, "serves", "reads"] => {
                let read = self.node(name).read_barrier().await;
                read.expect("the leader may answer");
            }
            _ => return false,
        }
        true
    }

    fn of(&self, name: &str) -> usize {
        *self.roles.get(name).expect("the story named this server")
    }

    fn node(&self, name: &str) -> Node {
        self.cluster.running[&self.of(name)].node.clone()
    }
}
