//! Hearing of elections: one server reports every change of leader or members, and where
//! it is lost, another takes its place.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::time;
use tonic::Streaming;

use crate::{
    backoff::Backoff,
    leader::LeaderFinder,
    proto::{ClusterView, WatchClusterRequest, cluster_client::ClusterClient},
    server::KnownServer,
};

/// A watch that began on the leader moves to another server after this, or once the leader
/// lets a call wait. Not at once: a program that makes one call and ends shall need one
/// connection.
const LEAVE_LEADER_AFTER: Duration = Duration::from_secs(1);
/// The same where the move was tried and no other server was reached.
const LEAVE_LEADER_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Tells the finder what the servers say. Never ends.
pub(crate) async fn watch_elections(finder: Arc<LeaderFinder>, timeout: Duration) {
    let mut tried = Vec::new();
    let mut backoff = Backoff::default();
    let mut moving = false;
    loop {
        let Some(server) = finder.for_watch(&tried) else {
            tried.clear();
            time::sleep(backoff.next()).await;
            continue;
        };
        let opened = match time::timeout(timeout, open(&server)).await {
            Ok(opened) => opened,
            Err(_) => Err(format!("no view of the cluster within {timeout:?}")),
        };
        match opened {
            Err(error) => {
                tracing::debug!(%server.endpoint, error, "cannot watch the cluster");
                tried.push(server);
            }
            Ok((first, views)) => {
                if !finder.accept(first) {
                    tried.push(server);
                    continue;
                }
                tracing::debug!(%server.endpoint, "watching the cluster");
                backoff = Backoff::default();
                let patience = match moving && finder.leads_others(&server) {
                    true => LEAVE_LEADER_AGAIN_AFTER,
                    false => LEAVE_LEADER_AFTER,
                };
                let left = hear(&finder, &server, views, patience).await;
                moving = matches!(left, Left::Moving);
                if let Left::Lost(error) = left {
                    tracing::debug!(%server.endpoint, error, "watch of the cluster lost");
                }
                tried.clear();
                tried.push(server);
            }
        }
    }
}

enum Left {
    /// To hear of elections from another server than the leader.
    Moving,
    Lost(String),
}

async fn open(server: &Arc<KnownServer>) -> Result<(ClusterView, Streaming<ClusterView>), String> {
    let connection = server
        .connection()
        .await
        .map_err(|error| error.to_string())?;
    let mut views = ClusterClient::new(connection)
        .watch_cluster(WatchClusterRequest {})
        .await
        .map_err(|status| status.message().to_owned())?
        .into_inner();
    match views.message().await {
        Ok(Some(first)) => Ok((first, views)),
        Ok(None) => Err("it ended before the first view".to_owned()),
        Err(status) => Err(status.message().to_owned()),
    }
}

async fn hear(
    finder: &LeaderFinder,
    server: &KnownServer,
    mut views: Streaming<ClusterView>,
    patience: Duration,
) -> Left {
    let mut leaving = pin!(time::sleep(patience));
    loop {
        tokio::select! {
            heard = views.message() => match heard {
                Ok(Some(view)) => {
                    if !finder.accept(view) {
                        return Left::Lost("the server is of another cluster".to_owned());
                    }
                }
                Ok(None) => return Left::Lost("the server ended it".to_owned()),
                Err(status) => return Left::Lost(status.message().to_owned()),
            },
            // Not where the move was tried just now.
            () = finder.suspected(), if patience < LEAVE_LEADER_AGAIN_AFTER => {
                if finder.leads_others(server) {
                    return Left::Moving;
                }
            }
            () = &mut leaving => {
                if finder.leads_others(server) {
                    return Left::Moving;
                }
                leaving.as_mut().reset(time::Instant::now() + patience);
            }
        }
    }
}
