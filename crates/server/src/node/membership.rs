//! Changes of the members: one at a time, by the leader, through the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;

use openraft::{
    ChangeMembers,
    async_runtime::watch::WatchReceiver as _,
    errors::{ChangeMembershipError, ClientWriteError, RaftError},
};
use quorid_directory::{Command, Level, Outcome};
use quorid_storage::Fault;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::{
    Node,
    bootstrap::{self, status_text},
    cluster::ClusterMember,
    types::{Enlisted, TypeConfig},
    unavailable::Unavailable,
    wire::proto::HelloResponse,
};
use crate::named_server::NamedServer;

/// A new server has caught up by then, or the caller is told to ask again. It goes on catching
/// up meanwhile. Together with what follows it stays below the longest deadline of a request.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(30);

/// A change of members is committed by then, or its outcome is unknown.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(20);

/// An address that takes no connection by then is taken for unreachable.
const TRY_TIMEOUT: Duration = Duration::from_secs(1);

/// Another server leads by then, or the transfer failed.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(3);

/// Why the members weren't changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MembershipError {
    /// Try again, here or elsewhere.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Another change is under way.
    #[error("another change of members is under way; try again when it is done")]
    InProgress,
    /// No member of that name.
    #[error("no server of the cluster is named {0}")]
    NotFound(String),
    /// There is a member of that name.
    #[error("the cluster has a server named {0} already")]
    Exists(String),
    /// The new server cannot be taken in.
    #[error("cannot take in {name}: {why}")]
    NotReady {
        /// The new server.
        name: String,
        /// What is in the way, and what helps.
        why: String,
    },
    /// A server would not know what commands ask for at that level.
    #[error("cannot raise the feature level: {name} {why}")]
    LevelNotSupported {
        /// The server that is in the way.
        name: String,
        /// Why, and what helps.
        why: String,
    },
}

impl From<Fault> for MembershipError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.into())
    }
}

impl Node {
    /// Adds a server that was started with `--join`: as a learner, and, once it has caught
    /// up, as a voter, unless it is to stay a learner.
    pub async fn add_server(
        &self,
        new: NamedServer,
        stays_learner: bool,
    ) -> Result<(), MembershipError> {
        let _one = self.changing()?;
        self.read_barrier().await?;
        let state = self.state();
        let known = state.named(&new.name);
        if known.is_some_and(|member| member.voter || stays_learner) {
            return Err(MembershipError::Exists(new.name));
        }
        // A learner of that name goes on where an earlier try stopped.
        let id = self.take_in(&new).await?;
        if !stays_learner {
            self.change(ChangeMembers::AddVoterIds(BTreeSet::from([id])))
                .await?;
        }
        Ok(())
    }

    /// Removes a server for good. A leader that is removed gives leadership away.
    pub async fn remove_server(&self, name: &str) -> Result<(), MembershipError> {
        let _one = self.changing()?;
        self.read_barrier().await?;
        let member = self.member(name)?;
        let voters = self
            .state()
            .servers
            .iter()
            .filter(|member| member.voter)
            .count();
        if member.voter && voters == 1 {
            return Err(MembershipError::NotReady {
                name: name.to_owned(),
                why: "it is the only voter; add another server first".to_owned(),
            });
        }
        self.forget(&member).await
    }

    /// Adds a server in the place of one that is lost.
    pub async fn replace_server(
        &self,
        name: &str,
        new: NamedServer,
    ) -> Result<(), MembershipError> {
        let _one = self.changing()?;
        self.read_barrier().await?;
        let old = self.member(name)?;
        if new.name != old.server.name && self.state().named(&new.name).is_some() {
            return Err(MembershipError::Exists(new.name));
        }
        let state = self.state();
        let replaced =
            |member: &ClusterMember| member.server.name == new.name && member.id != old.id;
        if state
            .servers
            .iter()
            .any(|member| member.voter && replaced(member))
            && !old.voter
        {
            // An earlier try got as far as this.
            return self
                .change(ChangeMembers::RemoveNodes(BTreeSet::from([old.id])))
                .await;
        }
        let id = self.take_in(&new).await?;
        if id == old.id {
            return Err(MembershipError::NotReady {
                name: new.name,
                why: "it is a member that has not lost its data; there is nothing to replace"
                    .to_owned(),
            });
        }
        if old.voter {
            let mut voters: BTreeSet<u64> = self
                .state()
                .servers
                .iter()
                .filter(|member| member.voter)
                .map(|member| member.id)
                .collect();
            voters.remove(&old.id);
            voters.insert(id);
            self.change(ChangeMembers::ReplaceAllVoters(voters)).await?;
        }
        self.change(ChangeMembers::RemoveNodes(BTreeSet::from([old.id])))
            .await
    }

    /// Notes other addresses of a member, which must be there under its id.
    pub async fn move_server(&self, moved: NamedServer) -> Result<(), MembershipError> {
        let _one = self.changing()?;
        self.read_barrier().await?;
        let member = self.member(&moved.name)?;
        let state = self.state();
        let taken = state.servers.iter().find(|other| {
            let (other, of) = (&other.server, other.id);
            of != member.id
                && (other.peer_address == moved.peer_address
                    || other.client_address == moved.client_address)
        });
        if let Some(other) = taken {
            return Err(MembershipError::NotReady {
                name: moved.name,
                why: format!("{} is reached at one of these addresses", other.server.name),
            });
        }
        if member.server == moved {
            return Ok(());
        }
        if member.id == state.this {
            let own = &self.config().own;
            compare(&moved, &own.client_address, &own.peer_address)?;
        } else {
            let hello = self.greet(&moved).await?;
            if hello.server_id != member.id || hello.cluster_id != state.cluster_id {
                return Err(MembershipError::NotReady {
                    name: moved.name,
                    why: format!(
                        "who answers at {} has not its data directory; if that is lost, try: quorid cluster \
                         replace {}",
                        moved.peer_address, member.server.name
                    ),
                });
            }
        }
        let metrics = self.raft().server_metrics();
        let members = Arc::clone(&metrics.borrow_watched().membership_config);
        let level = members.membership().get_node(&member.id).map(|it| it.level);
        let moved = Enlisted {
            server: moved,
            level: level.unwrap_or_default(),
        };
        self.change(ChangeMembers::SetNodes(BTreeMap::from([(
            member.id, moved,
        )])))
        .await
    }

    /// Makes another server the leader: the one of that name, or the most caught-up one.
    pub async fn transfer_leadership(&self, to: Option<&str>) -> Result<(), MembershipError> {
        let target = match to {
            Some(name) => self.member(name)?,
            None => self.successor().ok_or_else(|| MembershipError::NotReady {
                name: "another server".to_owned(),
                why: "no other voter follows this leader".to_owned(),
            })?,
        };
        if !target.voter {
            return Err(MembershipError::NotReady {
                name: target.server.name,
                why: "it is a learner, and learners do not lead".to_owned(),
            });
        }
        self.read_barrier().await?;
        if self.hand_over(&target).await {
            Ok(())
        } else {
            Err(MembershipError::NotReady {
                name: target.server.name,
                why: "it did not take over in time; see its log".to_owned(),
            })
        }
    }

    /// Raises the feature level that the directory is at, by the command that `command` makes. Every member has
    /// to say first that it supports the level. None: as far as all of them do. Returns the level.
    pub async fn raise_level(
        &self,
        to: Option<Level>,
        command: impl FnOnce(Level) -> Command,
    ) -> Result<(Level, Outcome), MembershipError> {
        let _one = self.changing()?;
        self.read_barrier().await?;
        let state = self.state();
        let asked = join_all(state.servers.iter().map(|member| self.supported_by(member)));
        let mut lowest = self.config().supports;
        for (member, supports) in state.servers.iter().zip(asked.await) {
            let why = match supports {
                Ok(supports) if to.is_none_or(|to| to <= supports) => {
                    lowest = lowest.min(supports);
                    continue;
                }
                Ok(supports) => format!(
                    "supports level {supports} at most; install a newer version of quorid there first"
                ),
                Err(why) => why,
            };
            let name = member.server.name.clone();
            return Err(MembershipError::LevelNotSupported { name, why });
        }
        let to = to.unwrap_or(lowest);
        let reply = self.propose(command(to)).await?;
        Ok((to, reply.outcome))
    }

    /// The highest feature level that a member supports, by its own word; or why that is not known.
    async fn supported_by(&self, member: &ClusterMember) -> Result<Level, String> {
        if member.id == self.state().this {
            return Ok(self.config().supports);
        }
        let server = &member.server;
        let hello = bootstrap::hello(self.config(), self.dialer(), server).await;
        let hello = hello.map_err(|status| {
            format!(
                "does not answer at {}: {}; start it, or remove it for good with: quorid cluster remove {}",
                server.peer_address,
                status_text(&status),
                server.name
            )
        })?;
        if hello.server_id != member.id || hello.cluster_id != self.state().cluster_id {
            return Err(format!(
                "is not the server that answers at {}; see: quorid cluster status",
                server.peer_address
            ));
        }
        Ok(bootstrap::level(hello.level))
    }

    /// Hands leadership to a server, telling it so until this one no longer leads.
    pub(super) async fn hand_over(&self, target: &ClusterMember) -> bool {
        info!(
            event = "handing_over",
            to = target.server.name,
            "handing leadership to {}",
            target.server.name
        );
        let mut cluster = self.cluster();
        let this = self.state().this;
        let gone = cluster.wait_for(|state| state.leader.is_some_and(|leader| leader != this));
        let said = async {
            // A disk that is busy for longer than a vote may take: the word comes to nothing, once.
            let again = Duration::from_millis(self.config().timing.election_min_ms);
            while self
                .raft()
                .trigger()
                .transfer_leader(target.id)
                .await
                .is_ok()
            {
                sleep(again).await;
            }
        };
        let handed_over = async {
            tokio::select! {
                gone = gone => gone.is_ok(),
                () = said => false,
            }
        };
        timeout(TRANSFER_TIMEOUT, handed_over).await == Ok(true)
    }

    /// What a server answers at these addresses, which must be those of its configuration: it is reached at no others.
    async fn greet(&self, server: &NamedServer) -> Result<HelloResponse, MembershipError> {
        let not_ready = |why: String| MembershipError::NotReady {
            name: server.name.clone(),
            why,
        };
        let hello = bootstrap::hello(self.config(), self.dialer(), server).await;
        let hello = hello.map_err(|status| {
            not_ready(format!(
                "it does not answer at {}: {}; start it there first, one that is new with --join",
                server.peer_address,
                status_text(&status)
            ))
        })?;
        let own = hello.own.clone().unwrap_or_default();
        compare(server, &own.client_address, &own.peer_address)?;
        let client_port = self.dialer().network().connect(&server.client_address);
        if !matches!(timeout(TRY_TIMEOUT, client_port).await, Ok(Ok(_))) {
            warn!(
                event = "address_unreachable",
                "this server cannot connect to {}, where clients are to reach {}; check that they do",
                server.client_address,
                server.name
            );
        }
        Ok(hello)
    }

    /// Enlists a server and makes it a learner that has caught up. Returns its id.
    async fn take_in(&self, new: &NamedServer) -> Result<u64, MembershipError> {
        let not_ready = |why: String| MembershipError::NotReady {
            name: new.name.clone(),
            why,
        };
        let hello = self.greet(new).await?;
        if !hello.initial_servers.is_empty() && hello.cluster_id.is_empty() {
            return Err(not_ready(
                "it was told to form a cluster of its own; start it with --join".to_owned(),
            ));
        }
        let supports = bootstrap::level(hello.level);
        let level = self.read()?.level()?;
        if supports < level {
            return Err(not_ready(format!(
                "it supports feature level {supports} at most, and the directory is at level {level}; \
                 install the version that the other servers run"
            )));
        }
        let highest = self.read()?.server_id_max()?;
        let cluster_id = self.state().cluster_id.clone();
        let begun = |id| {
            let learner = |member: &ClusterMember| !member.voter && member.server.name == new.name;
            id > highest || self.state().member(id).is_some_and(learner)
        };
        let id = if hello.cluster_id.is_empty() {
            highest + 1
        } else if hello.cluster_id == cluster_id && begun(hello.server_id) {
            // Enlisted by an earlier try that got no further.
            hello.server_id
        } else if hello.cluster_id == cluster_id && self.state().member(hello.server_id).is_some() {
            return Err(not_ready(format!(
                "it is a member already, server {}; see: quorid cluster status",
                hello.server_id
            )));
        } else {
            return Err(not_ready(format!(
                "it was server {} of cluster {} before; give it an empty data directory",
                hello.server_id, hello.cluster_id
            )));
        };
        bootstrap::enlist(self.dialer(), new, &cluster_id, id)
            .await
            .map_err(|status| not_ready(status_text(&status)))?;
        let member = self.enlisted(id).unwrap_or_else(|| Enlisted {
            server: new.clone(),
            level: supports,
        });
        let added = self.raft().add_learner(id, member, true);
        match timeout(CATCH_UP_TIMEOUT, added).await {
            Ok(result) => result.map(drop).map_err(|error| self.refused(error))?,
            Err(_) => {
                return Err(not_ready(
                    "it is a learner now and still catching up; run the same command again to \
                     go on"
                        .to_owned(),
                ));
            }
        }
        Ok(id)
    }

    /// A member as the log has it: it stays what it was when it was taken in.
    fn enlisted(&self, id: u64) -> Option<Enlisted> {
        let metrics = self.raft().server_metrics();
        let metrics = metrics.borrow_watched();
        metrics
            .membership_config
            .membership()
            .get_node(&id)
            .cloned()
    }

    /// A voter loses its vote first: a change of voters and of members at once is no step
    /// that two majorities agree on.
    async fn forget(&self, member: &ClusterMember) -> Result<(), MembershipError> {
        let ids = BTreeSet::from([member.id]);
        if member.voter {
            self.change(ChangeMembers::RemoveVoters(ids.clone()))
                .await?;
        }
        self.change(ChangeMembers::RemoveNodes(ids)).await
    }

    async fn change(&self, change: ChangeMembers<u64, Enlisted>) -> Result<(), MembershipError> {
        let change = self.raft().change_membership(change, true);
        let change = self.while_led(change, || Unavailable::OutcomeUnknown);
        match timeout(CHANGE_TIMEOUT, change).await {
            Ok(result) => result?.map(drop).map_err(|error| self.refused(error)),
            Err(_) => Err(Unavailable::OutcomeUnknown.into()),
        }
    }

    fn refused(
        &self,
        error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>,
    ) -> MembershipError {
        if let RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) = &error {
            return match error {
                ChangeMembershipError::InProgress(_)
                | ChangeMembershipError::UncommittedLeaderLog(_) => MembershipError::InProgress,
                ChangeMembershipError::EmptyMembership(_)
                | ChangeMembershipError::LearnerNotFound(_)
                | ChangeMembershipError::UnsupportedMembershipTransition(_)
                | ChangeMembershipError::NodeMetadataChanged(_) => MembershipError::NotReady {
                    name: "the cluster".to_owned(),
                    why: error.to_string(),
                },
            };
        }
        MembershipError::Unavailable(self.write_refused(error))
    }

    fn member(&self, name: &str) -> Result<ClusterMember, MembershipError> {
        let state = self.state();
        let member = state.named(name).cloned();
        member.ok_or_else(|| MembershipError::NotFound(name.to_owned()))
    }
}

/// Refuses addresses that are not those of the server's own configuration.
fn compare(
    asked: &NamedServer,
    client_address: &str,
    peer_address: &str,
) -> Result<(), MembershipError> {
    for (what, its, asked_for) in [
        ("clients reach it", client_address, &asked.client_address),
        ("other servers reach it", peer_address, &asked.peer_address),
    ] {
        if its != asked_for {
            return Err(MembershipError::NotReady {
                name: asked.name.clone(),
                why: format!(
                    "by its own configuration {what} at {its}, not at {asked_for}; use that address, or change \
                     its configuration and start it again"
                ),
            });
        }
    }
    Ok(())
}
