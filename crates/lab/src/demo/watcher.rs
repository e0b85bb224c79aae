//! A client that only listens: what the servers tell it of who leads.

use std::{pin::pin, time::Duration};

use futures_util::StreamExt as _;
use quorid_api::{Client, ClusterView};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::error::LabError;

/// A view of the cluster, and when it came.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) at: Instant,
    view: ClusterView,
}

impl Heard {
    /// Who leads, in which term, and who said so.
    pub(super) fn sentence(&self) -> String {
        let view = &self.view;
        let leader = self.leader();
        let teller = name(view, view.answered_by);
        format!(
            "hears from {teller} that {leader} leads in term {}",
            view.term
        )
    }

    pub(super) fn leader(&self) -> String {
        name(&self.view, self.view.leader_id)
    }

    pub(super) fn teller(&self) -> String {
        name(&self.view, self.view.answered_by)
    }
}

fn name(view: &ClusterView, id: u64) -> String {
    let server = view.servers.iter().find(|server| server.id == id);
    server.map_or_else(|| format!("server {id}"), |server| server.name.clone())
}

/// Listens until it is dropped.
pub(super) struct Watcher {
    heard: watch::Receiver<Vec<Heard>>,
    _task: JoinSet<()>,
}

impl Watcher {
    pub(super) fn start(client: Client) -> Self {
        let (sender, heard) = watch::channel(Vec::new());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut views = pin!(client.leader_changes());
            while let Some(view) = views.next().await {
                let at = Instant::now();
                sender.send_modify(|heard| heard.push(Heard { at, view }));
            }
        });
        Self { heard, _task: task }
    }

    /// The first that it heard of a leader since a moment.
    pub(super) async fn leader_since(
        &mut self,
        since: Instant,
        patience: Duration,
    ) -> Result<Heard, LabError> {
        self.told(since, patience, |_| true).await
    }

    /// The first that it heard of another leader since a moment.
    pub(super) async fn other_leader_since(
        &mut self,
        since: Instant,
        old: &str,
        patience: Duration,
    ) -> Result<Heard, LabError> {
        self.told(since, patience, |heard| heard.leader() != old)
            .await
    }

    async fn told(
        &mut self,
        since: Instant,
        patience: Duration,
        wanted: impl Fn(&Heard) -> bool,
    ) -> Result<Heard, LabError> {
        let told = |heard: &Heard| heard.at >= since && heard.view.leader_id != 0 && wanted(heard);
        let told_of_one = self.heard.wait_for(|heard| heard.iter().any(told));
        let heard = match timeout(patience, told_of_one).await {
            Ok(Ok(heard)) => heard.iter().find(|heard| told(heard)).cloned(),
            Ok(Err(_)) | Err(_) => None,
        };
        heard.ok_or(LabError::NotTold(patience))
    }
}
