//! What the service manager (systemd with `Type=notify`) is told, where there is one: when the
//! server is up, who leads, when it stops.

use std::sync::Arc;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tracing::warn;

use crate::node::ClusterState;

/// The ports are open. Not that there is a leader: where servers are started one after the
/// other, the first would wait for the second for ever.
pub(super) fn listening() {
    tell(&[
        NotifyState::Ready,
        NotifyState::Status("listening; looking for the cluster"),
    ]);
}

/// The server is on its way down.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Who leads, as its status, for as long as the server runs.
pub(super) async fn follow(mut cluster: watch::Receiver<Arc<ClusterState>>) {
    loop {
        let status = status(&cluster.borrow_and_update());
        tell(&[NotifyState::Status(&status)]);
        if cluster.changed().await.is_err() {
            return;
        }
    }
}

fn status(cluster: &ClusterState) -> String {
    let term = cluster.term;
    match cluster.leading() {
        Some(_) if cluster.leads() => format!("leads in term {term}"),
        Some(leader) => format!("follows {} in term {term}", leader.server.name),
        None => format!("knows no leader in term {term}"),
    }
}

fn tell(states: &[NotifyState<'_>]) {
    // Without a service manager there is nobody to tell, and no error.
    if let Err(error) = sd_notify::notify(states) {
        warn!(
            event = "service_manager",
            %error,
            "the service manager cannot be told how it is going"
        );
    }
}
