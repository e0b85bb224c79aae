//! What other servers send.

pub mod peer_messages;
pub mod snapshots;
