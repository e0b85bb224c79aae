//! The calls about the cluster and its servers.

use futures_util::{Stream, stream};

use crate::{
    Client, Error,
    proto::{ClusterView, ServerStatus},
};

/// A server to be added. It must have been started with `--join`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewServer {
    /// The name in its certificate.
    pub name: String,
    /// Where clients reach it, `host:port`.
    pub client_address: String,
    /// Where the other servers reach it, `host:port`.
    pub peer_address: String,
    /// It serves reads and never votes.
    pub learner: bool,
}

/// A server in the place of a lost one. What is None is as it was with the lost one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replacement {
    /// The name in its certificate.
    pub name: Option<String>,
    /// Where clients reach it, `host:port`.
    pub client_address: Option<String>,
    /// Where the other servers reach it, `host:port`.
    pub peer_address: Option<String>,
}

impl Client {
    /// Who leads and who the members are, as the first server that answers sees it.
    pub async fn cluster(&self) -> Result<ClusterView, Error> {
        todo!()
    }

    /// The newest view of the cluster, and again after every change of leader, term or
    /// members. Outlives the server it hears from; never ends, and is silent while no
    /// server is reached. Changes in quick succession may be told as one.
    pub fn watch_cluster(&self) -> impl Stream<Item = ClusterView> + Send + use<> {
        stream::empty()
    }

    /// As [`watch_cluster`](Self::watch_cluster), but only views in which term or leader are
    /// not those of the view before.
    pub fn leader_changes(&self) -> impl Stream<Item = ClusterView> + Send + use<> {
        stream::empty()
    }

    /// How the server at this address is doing, once it has applied `min_revision`. With
    /// `digest` it also computes the digest of its whole directory. Fails at once if the
    /// server can't be reached.
    pub async fn server_status(
        &self,
        _address: &str,
        _digest: bool,
        _min_revision: u64,
    ) -> Result<ServerStatus, Error> {
        todo!()
    }

    /// Adds a server: as a learner and, unless it is to stay one, as a voter once it has
    /// caught up.
    pub async fn add_server(&self, _server: NewServer) -> Result<ClusterView, Error> {
        todo!()
    }

    /// Removes a server for good.
    pub async fn remove_server(&self, _name: &str) -> Result<ClusterView, Error> {
        todo!()
    }

    /// Puts a new server in the place of a lost one.
    pub async fn replace_server(
        &self,
        _name: &str,
        _new: Replacement,
    ) -> Result<ClusterView, Error> {
        todo!()
    }

    /// Makes this server the leader; None: the one that is most caught up.
    pub async fn transfer_leadership(&self, _to: Option<&str>) -> Result<ClusterView, Error> {
        todo!()
    }
}
