//! The use cases about the cluster itself.

use std::sync::Arc;

use quorid_directory::{
    Action, Command, Level, Operation, Principal, RequestId, Revision, Setting, SettingChange,
};
use quorid_storage::Fault;
use tokio::sync::watch;
use tracing::info;

use super::{Answer, Caller, Consistency, Error, Service, who::Strangers};
use crate::{
    named_server::NamedServer,
    node::{ClusterState, MembershipError, ServerStatus},
    state::ReadView,
};

/// How a server is doing.
#[derive(Debug)]
pub struct StatusReport {
    /// The status as the node reports it.
    pub status: ServerStatus,
    /// What tells its state from others; where it was asked for.
    pub digest: Option<Digests>,
}

/// What tells a state from others, in hexadecimal.
#[derive(Debug)]
pub struct Digests {
    /// SHA-256 of all of it, at `revision`.
    pub digest: String,
    /// The revision of the digest.
    pub revision: Revision,
    /// Sum over its rows at the revision that was asked for, if the server still knows it.
    pub row_sum: Option<String>,
}

/// A new server in the place of a lost one.
#[derive(Debug)]
pub struct Replacement {
    /// Name of the server that is lost.
    pub lost: String,
    /// Name of the new one.
    pub name: Option<String>,
    /// `host:port` for clients.
    pub client_address: Option<String>,
    /// `host:port` for the other servers.
    pub peer_address: Option<String>,
}

impl Service {
    /// Who leads and who the members are, and every change of that.
    #[must_use]
    pub fn cluster(&self) -> watch::Receiver<Arc<ClusterState>> {
        self.node.cluster()
    }

    /// How this server is doing, without asking anybody.
    pub fn status(&self) -> Result<ServerStatus, Error> {
        Ok(self.node.status()?)
    }

    /// The revision that this server has got to. 0 if it cannot even tell that.
    #[must_use]
    pub fn revision(&self) -> Revision {
        let revision = self.node.read().and_then(|view| view.revision());
        revision.unwrap_or_default()
    }

    /// How this server is doing, once it has applied `min_revision`.
    pub async fn report(
        &self,
        caller: &Caller,
        digest: bool,
        min_revision: Revision,
    ) -> Result<StatusReport, Error> {
        if digest {
            // Followers are asked for it too.
            let what = "computing the digest of the directory";
            self.principal_by_own_state(caller, Strangers::MayNot, Action::Operate, what)
                .await?;
        }
        self.node.wait_applied(min_revision).await?;
        let digest = if digest {
            // First: it is known for a while only.
            let row_sum = self.node.row_sum(min_revision);
            let (digest, revision) = self.node.digest().await?;
            Some(Digests {
                digest,
                revision,
                row_sum,
            })
        } else {
            None
        };
        Ok(StatusReport {
            status: self.node.status()?,
            digest,
        })
    }

    /// Adds a server, as a voter unless it is to stay a learner; the answer is the cluster with it.
    pub async fn add_server(
        &self,
        caller: &Caller,
        server: NamedServer,
        stays_learner: bool,
    ) -> Result<Arc<ClusterState>, Error> {
        self.operate(caller).await?;
        self.node.add_server(server, stays_learner).await?;
        Ok(self.now())
    }

    /// Removes a server for good.
    pub async fn remove_server(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Arc<ClusterState>, Error> {
        self.operate(caller).await?;
        self.node.remove_server(name).await?;
        Ok(self.now())
    }

    /// Puts a new server in the place of a lost one. What is not said of the new one is as it was
    /// with the lost one. It has a vote if the lost one had.
    pub async fn replace_server(
        &self,
        caller: &Caller,
        replacement: Replacement,
    ) -> Result<Arc<ClusterState>, Error> {
        self.operate(caller).await?;
        let lost = &replacement.lost;
        let cluster = self.now();
        let member = cluster.named(lost);
        let member = member.ok_or_else(|| MembershipError::NotFound(lost.clone()))?;
        let old = member.server.clone();
        let new = NamedServer {
            name: replacement.name.unwrap_or(old.name),
            peer_address: replacement.peer_address.unwrap_or(old.peer_address),
            client_address: replacement.client_address.unwrap_or(old.client_address),
        };
        self.node.replace_server(lost, new).await?;
        Ok(self.now())
    }

    /// Notes other addresses of a member. What is not said stays as it is.
    pub async fn move_server(
        &self,
        caller: &Caller,
        name: &str,
        client_address: Option<String>,
        peer_address: Option<String>,
    ) -> Result<Arc<ClusterState>, Error> {
        self.operate(caller).await?;
        let cluster = self.now();
        let member = cluster.named(name);
        let member = member.ok_or_else(|| MembershipError::NotFound(name.to_owned()))?;
        let old = member.server.clone();
        let moved = NamedServer {
            name: old.name,
            client_address: client_address.unwrap_or(old.client_address),
            peer_address: peer_address.unwrap_or(old.peer_address),
        };
        self.node.move_server(moved).await?;
        Ok(self.now())
    }

    /// Makes another server the leader; None: the one that is most caught up.
    pub async fn transfer_leadership(
        &self,
        caller: &Caller,
        to: Option<&str>,
    ) -> Result<Arc<ClusterState>, Error> {
        self.operate(caller).await?;
        self.node.transfer_leadership(to).await?;
        Ok(self.now())
    }

    /// The settings of the directory and their values.
    pub async fn settings(&self, caller: &Caller) -> Result<Answer<Vec<(Setting, u64)>>, Error> {
        let (view, _) = self.reader(caller, Consistency::Linearizable).await?;
        settings_in(&view)
    }

    /// Changes settings of the directory.
    pub async fn change_settings(
        &self,
        caller: &Caller,
        changes: Vec<SettingChange>,
        request: Option<RequestId>,
    ) -> Result<Answer<Vec<(Setting, u64)>>, Error> {
        let what = "changing settings of the directory";
        let principal = self
            .principal(caller, Strangers::MayNot, Action::Operate, what)
            .await?;
        let by = principal.actor();
        let operation = Operation::Configure(changes.clone());
        self.propose_any(caller, principal, request, operation)
            .await?;
        for change in &changes {
            let (setting, value) = (change.setting(), change.value());
            info!(event = "setting", %setting, value, %by, "setting changed");
        }
        // What was proposed here has been applied here. To ask a majority now could fail, and would say
        // of a change that was made that it was not.
        settings_in(&self.node.read()?)
    }

    /// Raises the feature level, so that commands may ask for more; None: as far as every server supports.
    /// The answer is the level that the directory is at.
    pub async fn raise_level(
        &self,
        caller: &Caller,
        to: Option<Level>,
    ) -> Result<Answer<Level>, Error> {
        let principal = self.operate(caller).await?;
        let command = |to| Command {
            request: self.new_request_id(),
            time: self.clock.now(),
            client: caller.address.clone(),
            principal,
            operation: Operation::RaiseLevel { to },
        };
        let (value, outcome) = self.node.raise_level(to, command).await?;
        let revision = outcome.revision;
        match outcome.result {
            Ok(_) => Ok(Answer { value, revision }),
            Err(rejection) => Err(Error::rejected(rejection, revision)),
        }
    }

    async fn operate(&self, caller: &Caller) -> Result<Principal, Error> {
        let what = "changing the cluster";
        let principal = self.principal(caller, Strangers::MayNot, Action::Operate, what);
        let principal = principal.await?;
        self.node.leading()?;
        Ok(principal)
    }

    fn now(&self) -> Arc<ClusterState> {
        Arc::clone(&self.node.cluster().borrow())
    }
}

fn settings_in(view: &ReadView) -> Result<Answer<Vec<(Setting, u64)>>, Error> {
    let values = Setting::ALL.map(|setting| Ok((setting, view.setting(setting)?)));
    Ok(Answer {
        value: values.into_iter().collect::<Result<_, Fault>>()?,
        revision: view.revision()?,
    })
}
