//! `quorid.v1.Cluster`: what the servers know of each other, and changes of the cluster.

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, stream};
use quorid_api::proto::{
    self, AddServerRequest, ChangeSettingsRequest, ClusterView, GetClusterRequest,
    GetServerRequest, GetSettingsRequest, MoveServerRequest, RaiseLevelRequest, RaiseLevelResponse,
    RemoveServerRequest, ReplaceServerRequest, Server, ServerRole, ServerStatus, Settings,
    TransferLeadershipRequest, WatchClusterRequest, cluster_server::Cluster,
};
use quorid_directory::{Level, Revision, Setting, SettingChange, Unit};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::{Invalid, answer, caller, convert, errors};
use crate::{
    frontend::Frontend,
    named_server::{BadServer, NamedServer, check_name, check_reachable},
    ports::Phase,
    service::{self, ClusterMember, ClusterState, Digests, Replacement, StatusReport},
};

pub(super) struct ClusterApi(pub(super) Arc<Frontend>);

impl ClusterApi {
    /// The answer to a change, with the revision that this server has by now.
    fn changed(&self, cluster: &ClusterState) -> Response<ClusterView> {
        answer(view(cluster), self.0.service.revision())
    }
}

#[tonic::async_trait]
impl Cluster for ClusterApi {
    async fn get_cluster(
        &self,
        _request: Request<GetClusterRequest>,
    ) -> Result<Response<ClusterView>, Status> {
        let cluster = Arc::clone(&self.0.service.cluster().borrow());
        Ok(Response::new(view(&cluster)))
    }

    type WatchClusterStream = Pin<Box<dyn Stream<Item = Result<ClusterView, Status>> + Send>>;

    async fn watch_cluster(
        &self,
        _request: Request<WatchClusterRequest>,
    ) -> Result<Response<Self::WatchClusterStream>, Status> {
        let watch = Watch {
            cluster: self.0.service.cluster(),
            phase: self.0.phase.clone(),
            told: None,
        };
        Ok(Response::new(Box::pin(stream::unfold(
            Some(watch),
            next_view,
        ))))
    }

    async fn get_server(
        &self,
        request: Request<GetServerRequest>,
    ) -> Result<Response<ServerStatus>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let min_revision = Revision(request.min_revision);
        let report = self
            .0
            .service
            .report(&caller, request.digest, min_revision)
            .await?;
        let status = self.status(report);
        let revision = Revision(status.applied_index);
        Ok(answer(status, revision))
    }

    async fn add_server(
        &self,
        request: Request<AddServerRequest>,
    ) -> Result<Response<ClusterView>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let server = NamedServer {
            name: judged("server_name", request.server_name, check_name)?,
            client_address: judged("client_address", request.client_address, check_reachable)?,
            peer_address: judged("peer_address", request.peer_address, check_reachable)?,
        };
        let added = self.0.service.add_server(&caller, server, request.learner);
        Ok(self.changed(&*added.await?))
    }

    async fn remove_server(
        &self,
        request: Request<RemoveServerRequest>,
    ) -> Result<Response<ClusterView>, Status> {
        let caller = caller(&request)?;
        let name = needed("server_name", request.into_inner().server_name)?;
        Ok(self.changed(&*self.0.service.remove_server(&caller, &name).await?))
    }

    async fn replace_server(
        &self,
        request: Request<ReplaceServerRequest>,
    ) -> Result<Response<ClusterView>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let replacement = Replacement {
            lost: needed("server_name", request.server_name)?,
            name: given("new_server_name", request.new_server_name, check_name)?,
            client_address: given("client_address", request.client_address, check_reachable)?,
            peer_address: given("peer_address", request.peer_address, check_reachable)?,
        };
        Ok(self.changed(&*self.0.service.replace_server(&caller, replacement).await?))
    }

    async fn move_server(
        &self,
        request: Request<MoveServerRequest>,
    ) -> Result<Response<ClusterView>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let name = needed("server_name", request.server_name)?;
        let client = given("client_address", request.client_address, check_reachable)?;
        let peers = given("peer_address", request.peer_address, check_reachable)?;
        let moved = self.0.service.move_server(&caller, &name, client, peers);
        Ok(self.changed(&*moved.await?))
    }

    async fn transfer_leadership(
        &self,
        request: Request<TransferLeadershipRequest>,
    ) -> Result<Response<ClusterView>, Status> {
        let caller = caller(&request)?;
        let name = request.into_inner().server_name;
        let to = (!name.is_empty()).then_some(name.as_str());
        Ok(self.changed(&*self.0.service.transfer_leadership(&caller, to).await?))
    }

    async fn get_settings(
        &self,
        request: Request<GetSettingsRequest>,
    ) -> Result<Response<Settings>, Status> {
        let caller = caller(&request)?;
        let found = self.0.service.settings(&caller).await?;
        Ok(answer(settings(&found.value), found.revision))
    }

    async fn change_settings(
        &self,
        request: Request<ChangeSettingsRequest>,
    ) -> Result<Response<Settings>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let changes = setting_changes(&request.changes)?;
        let id = convert::request_id(&request.request_id)?;
        let changed = self.0.service.change_settings(&caller, changes, id);
        let changed = changed.await?;
        Ok(answer(settings(&changed.value), changed.revision))
    }

    async fn raise_level(
        &self,
        request: Request<RaiseLevelRequest>,
    ) -> Result<Response<RaiseLevelResponse>, Status> {
        let caller = caller(&request)?;
        let level = request.into_inner().level;
        let to = (level != 0).then_some(Level(level));
        let raised = self.0.service.raise_level(&caller, to).await?;
        let level = raised.value.0;
        Ok(answer(RaiseLevelResponse { level }, raised.revision))
    }
}

impl ClusterApi {
    fn status(&self, report: StatusReport) -> ServerStatus {
        let status = report.status;
        let cluster = Arc::clone(&self.0.service.cluster().borrow());
        let own = cluster
            .servers
            .iter()
            .find(|server| server.id == cluster.this);
        // A server that waits to be added isn't a member yet, but has a name.
        let server = own.map_or_else(
            || Server {
                id: cluster.this,
                name: self.0.name.clone(),
                ..Server::default()
            },
            server,
        );
        let (digest, row_sum, applied_index) = match report.digest {
            // The digest's own revision, as more may have been applied since.
            Some(Digests {
                digest,
                row_sum,
                revision,
            }) => (digest, row_sum.unwrap_or_default(), revision.0),
            None => (String::new(), String::new(), status.applied),
        };
        ServerStatus {
            server: Some(server),
            role: role(status.role).into(),
            term: status.term,
            leader_id: status.leader.unwrap_or(0),
            last_log_index: status.last_log,
            committed_index: status.committed,
            applied_index,
            checkpoint_index: status.checkpoint,
            purged_index: status.purged,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            accounts: status.accounts,
            groups: status.groups,
            digest,
            disk_bytes: status.disk_bytes,
            uptime_seconds: self.0.started.elapsed().as_secs(),
            level: status.level.0,
            supported_level: status.supports.0,
            row_sum,
            clock_ahead_ms: status.clock_ahead_ms,
            clock_is_wrong: status.clock_is_wrong,
        }
    }
}

/// One client's watch.
struct Watch {
    cluster: watch::Receiver<Arc<ClusterState>>,
    phase: watch::Receiver<Phase>,
    /// The view that the client got last.
    told: Option<ClusterView>,
}

/// The next view that differs from the last one sent; at the server's end, an error that
/// sends the client to another server.
async fn next_view(watch: Option<Watch>) -> Option<(Result<ClusterView, Status>, Option<Watch>)> {
    let mut watch = watch?;
    loop {
        let now = view(&watch.cluster.borrow_and_update());
        if watch.told.as_ref() != Some(&now) {
            watch.told = Some(now.clone());
            return Some((Ok(now), Some(watch)));
        }
        let ended = tokio::select! {
            changed = watch.cluster.changed() => changed.is_err(),
            () = Phase::Closing.reached(&mut watch.phase) => true,
        };
        if ended {
            return Some((Err(errors::shutting_down()), None));
        }
    }
}

fn view(cluster: &ClusterState) -> ClusterView {
    ClusterView {
        cluster_id: cluster.cluster_id.clone(),
        term: cluster.term,
        leader_id: cluster.leader.unwrap_or(0),
        servers: cluster.servers.iter().map(server).collect(),
        answered_by: cluster.this,
    }
}

fn server(member: &ClusterMember) -> Server {
    Server {
        id: member.id,
        name: member.server.name.clone(),
        client_address: member.server.client_address.clone(),
        peer_address: member.server.peer_address.clone(),
        voter: member.voter,
    }
}

fn role(role: service::Role) -> ServerRole {
    match role {
        service::Role::Leader => ServerRole::Leader,
        service::Role::Follower => ServerRole::Follower,
        service::Role::Candidate => ServerRole::Candidate,
        service::Role::Learner => ServerRole::Learner,
    }
}

fn settings(values: &[(Setting, u64)]) -> Settings {
    let shown = |(setting, value): &(Setting, u64)| proto::Setting {
        name: setting.as_str().to_owned(),
        value: *value,
        unit: match setting.unit() {
            Unit::Milliseconds => "ms",
            Unit::Bytes => "bytes",
        }
        .to_owned(),
        default_value: setting.default_value(),
        description: setting.description().to_owned(),
    };
    Settings {
        settings: values.iter().map(shown).collect(),
    }
}

fn setting_changes(changes: &[proto::SettingChange]) -> Result<Vec<SettingChange>, Invalid> {
    if changes.is_empty() {
        let why = "changes is empty; name a setting and its value".to_owned();
        return Err(Invalid::Edit(why));
    }
    let change = |it: &proto::SettingChange| {
        let setting = Setting::parse(&it.name)?;
        Ok(SettingChange::new(setting, it.value)?)
    };
    changes.iter().map(change).collect()
}

fn needed(field: &str, value: String) -> Result<String, Invalid> {
    if value.is_empty() {
        return Err(Invalid::ServerName(format!("{field} is missing")));
    }
    Ok(value)
}

type Rule = fn(&str) -> Result<(), BadServer>;

/// What must be given, and keep to a rule.
fn judged(field: &str, value: String, rule: Rule) -> Result<String, Invalid> {
    let value = needed(field, value)?;
    match rule(&value) {
        Ok(()) => Ok(value),
        Err(bad) => Err(Invalid::ServerName(format!("{field}: {bad}"))),
    }
}

/// What may be left out, or must keep to a rule.
fn given(field: &str, value: String, rule: Rule) -> Result<Option<String>, Invalid> {
    if value.is_empty() {
        return Ok(None);
    }
    judged(field, value, rule).map(Some)
}
