//! `quorid cluster leader`: who leads, and every change of it.

use std::{pin::pin, time::SystemTime};

use clap::Args;
use futures_util::StreamExt as _;
use prost_types::Timestamp;
use quorid_api::{ClusterView, Server};
use serde::Serialize;

use crate::{
    context::Context,
    errors::{Cause, Failure},
    terminal::{Output, escape},
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid cluster leader
  quorid cluster leader --watch              one line per election, until Ctrl-C
  quorid cluster leader --output json | jq -r .address";

/// Once, or until Ctrl-C.
#[derive(Args, Debug)]
pub(crate) struct LeaderArgs {
    /// Go on and show every change as a server reports it
    #[arg(long)]
    watch: bool,
}

pub(super) async fn run(args: LeaderArgs, context: &Context) -> Result<(), Failure> {
    if args.watch {
        return watch(context).await;
    }
    let view = context.client.cluster().await?;
    let Some(leader) = leader_of(&view) else {
        return Err(Failure::unavailable(
            Cause::NoLeader,
            format!(
                "no leader in term {}, as far as server {} knows",
                view.term,
                escape(&server_name(&view, view.answered_by))
            ),
        )
        .hint("quorid cluster leader --watch shows when one is elected"));
    };
    if context.out.is_json() {
        context.out.json(&Told::new(&view, How::Asked, None))
    } else {
        context.out.line(format!(
            "{} {} (term {})",
            escape(&leader.name),
            escape(&leader.client_address),
            view.term
        ))
    }
}

async fn watch(context: &Context) -> Result<(), Failure> {
    let mut changes = pin!(context.client.leader_changes());
    let mut told_by = None;
    while let Some(view) = changes.next().await {
        let how = match told_by {
            None => How::Asked,
            Some(before) if before == view.answered_by => How::Pushed,
            Some(before) => How::AfterLossOf(server_name(&view, before)),
        };
        told_by = Some(view.answered_by);
        Told::new(&view, how, Some(now())).show(context.out)?;
    }
    Ok(())
}

/// To the millisecond: more would only look exact.
fn now() -> String {
    let mut now = Timestamp::from(SystemTime::now());
    now.nanos -= now.nanos % 1_000_000;
    now.to_string()
}

/// How a server came to report it.
#[derive(Debug)]
enum How {
    /// The first answer.
    Asked,
    /// The server that was asked before told of the change by itself.
    Pushed,
    /// Another server was asked, because this one could no longer be heard.
    AfterLossOf(String),
}

/// One line of the watch.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    term: u64,
    /// None while nobody leads.
    leader: Option<String>,
    address: Option<String>,
    told_by: String,
    how: String,
}

impl Told {
    fn new(view: &ClusterView, how: How, time: Option<String>) -> Self {
        let leader = leader_of(view);
        Self {
            time,
            term: view.term,
            leader: leader.map(|server| server.name.clone()),
            address: leader.map(|server| server.client_address.clone()),
            told_by: server_name(view, view.answered_by),
            how: match how {
                How::Asked => "asked".to_owned(),
                How::Pushed => "pushed".to_owned(),
                How::AfterLossOf(name) => format!("asked after {name} fell silent"),
            },
        }
    }

    fn show(&self, out: Output) -> Result<(), Failure> {
        if out.is_json() {
            out.json(self)
        } else {
            out.line(self.to_text())
        }
    }

    fn to_text(&self) -> String {
        let time = self.time.as_deref().unwrap_or_default();
        let leader = match (&self.leader, &self.address) {
            (Some(name), Some(address)) => {
                format!("leader {} ({})", escape(name), escape(address))
            }
            _ => "no leader".to_owned(),
        };
        format!(
            "{time}  term {}  {leader}  told by {} ({})",
            self.term,
            escape(&self.told_by),
            escape(&self.how)
        )
    }
}

fn leader_of(view: &ClusterView) -> Option<&Server> {
    let known = |server: &&Server| view.leader_id != 0 && server.id == view.leader_id;
    view.servers.iter().find(known)
}

fn server_name(view: &ClusterView, id: u64) -> String {
    view.servers
        .iter()
        .find(|server| server.id == id)
        .map_or_else(|| format!("#{id}"), |server| server.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(leader_id: u64, answered_by: u64) -> ClusterView {
        ClusterView {
            cluster_id: "c".to_owned(),
            term: 4,
            leader_id,
            servers: vec![Server {
                id: 1,
                name: "s1".to_owned(),
                client_address: "one:7400".to_owned(),
                peer_address: "one:7401".to_owned(),
                voter: true,
            }],
            answered_by,
        }
    }

    #[test]
    fn line_tells_time_term_leader_and_how_it_was_told() {
        let time = || Some("2026-11-22T11:00:00Z".to_owned());
        let told = Told::new(&view(1, 1), How::Pushed, time());
        assert_eq!(
            told.to_text(),
            "2026-11-22T11:00:00Z  term 4  leader s1 (one:7400)  told by s1 (pushed)"
        );
        let told = Told::new(&view(0, 9), How::AfterLossOf("s1".to_owned()), time());
        assert_eq!(
            told.to_text(),
            "2026-11-22T11:00:00Z  term 4  no leader  told by #9 (asked after s1 fell silent)"
        );
    }
}
