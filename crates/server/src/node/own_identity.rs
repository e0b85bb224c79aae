//! Who this server is: which cluster it belongs to, and under which id. Given once, kept on disk.

use std::sync::{Arc, Mutex, PoisonError};

use quorid_storage::{Disk, FORMAT_VERSION, Identity, KnownMember};
use tokio::sync::watch;
use tracing::info;

/// The identity of this server, in memory and on disk.
pub(super) struct OwnIdentity {
    name: String,
    disk: Arc<dyn Disk>,
    known: watch::Sender<Option<Identity>>,
    /// Held while it changes.
    changing: Mutex<()>,
}

impl OwnIdentity {
    /// `known` is what the disk says.
    pub(super) fn new(name: String, disk: Arc<dyn Disk>, known: Option<Identity>) -> Self {
        Self {
            name,
            disk,
            known: watch::Sender::new(known),
            changing: Mutex::new(()),
        }
    }

    /// None until it is enlisted.
    pub(super) fn known(&self) -> watch::Ref<'_, Option<Identity>> {
        self.known.borrow()
    }

    /// The identity, once there is one.
    pub(super) async fn enlisted(&self) -> Identity {
        let mut known = self.known.subscribe();
        loop {
            if let Some(identity) = known.borrow_and_update().clone() {
                return identity;
            }
            // The sender is `self`.
            if known.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Makes this server a member of a cluster for good, or says why not.
    pub(super) fn enlist(&self, cluster_id: &str, server_id: u64) -> Result<(), String> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.known.borrow().as_ref() {
            if known.cluster_id == cluster_id && known.server_id == server_id {
                return Ok(());
            }
            return Err(format!(
                "{} already belongs to cluster {} as server {}; \
                 try: give it an empty data directory",
                known.name, known.cluster_id, known.server_id
            ));
        }
        let identity = Identity {
            format_version: FORMAT_VERSION,
            cluster_id: cluster_id.to_owned(),
            server_id,
            name: self.name.clone(),
            formed: false,
            members: Vec::new(),
        };
        self.disk
            .save_identity(&identity)
            .map_err(|error| format!("cannot write the identity: {error}"))?;
        info!(
            event = "enlisted",
            cluster_id, server_id, "enlisted as server {server_id}"
        );
        self.known.send_replace(Some(identity));
        Ok(())
    }

    /// Notes that log and state were begun, and by whom.
    pub(super) fn note_members(&self, members: Vec<KnownMember>) -> std::io::Result<()> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut identity) = self.known.borrow().clone() else {
            return Ok(());
        };
        if identity.formed && identity.members == members {
            return Ok(());
        }
        identity.formed = true;
        identity.members = members;
        self.disk.save_identity(&identity)?;
        self.known.send_replace(Some(identity));
        Ok(())
    }
}
