//! Why a server cannot do now what it is asked.

use quorid_directory::Revision;
use quorid_storage::Fault;

use super::cluster::ClusterMember;

/// Try again, here or at another server. Of a write, the outcome may be unknown: a retry
/// with the same request id gets it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unavailable {
    /// Another server leads, or none.
    #[error("this server does not lead{}", match leader {
        Some(leader) => format!("; {} at {} does, in term {term}", leader.server.name, leader.server.client_address),
        None => "; the servers are electing a leader".to_owned(),
    })]
    NotLeader {
        /// Who leads, where it is known.
        leader: Option<ClusterMember>,
        /// The term that the server is in.
        term: u64,
    },
    /// The leader cannot reach a majority.
    #[error("no majority of the servers answers this one")]
    NoQuorum,
    /// The write was taken in, and what became of it isn't known yet.
    #[error("the outcome is not known yet; try again with the same request id to learn it")]
    OutcomeUnknown,
    /// The server hasn't applied as much as the caller has seen.
    #[error("this server is at revision {applied}, and revision {wanted} was asked for")]
    Behind {
        /// What the caller wants to see.
        wanted: Revision,
        /// What the server has.
        applied: Revision,
    },
    /// The server is being stopped.
    #[error("this server is shutting down")]
    ShuttingDown,
    /// The server's disk failed, or the server met a bug; it is about to stop.
    #[error("this server failed: {0}")]
    Fault(#[from] Fault),
}
