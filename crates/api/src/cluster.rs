//! The calls about the cluster and its servers.

use std::future;

use futures_util::{Stream, StreamExt, stream};
use tokio::time;
use uuid::Uuid;

use crate::{
    Client, Error,
    attempt::{Plan, Target, Trail},
    client::request_id,
    proto::{
        AddServerRequest, ChangeSettingsRequest, ClusterView, GetClusterRequest, GetServerRequest,
        GetSettingsRequest, MoveServerRequest, RaiseLevelRequest, RemoveServerRequest,
        ReplaceServerRequest, Server, ServerStatus, Setting, SettingChange,
        TransferLeadershipRequest,
    },
    rpc::Rpc,
};

impl Client {
    /// Who leads and who the members are, as the first server that answers sees it.
    pub async fn cluster(&self) -> Result<ClusterView, Error> {
        let plan = self.plan(Target::Any, false);
        let mut trail = Trail::default();
        let view = self.call(&plan, GetClusterRequest {}, &mut trail).await?;
        self.inner.caller.finder.accept(view.clone());
        Ok(view)
    }

    /// The newest view of the cluster, and again after every change of leader, term or
    /// members. Outlives the server it hears from; never ends, and is silent while no
    /// server is reached. Changes in quick succession may arrive as one. Must be polled in
    /// a tokio runtime.
    pub fn watch_cluster(&self) -> impl Stream<Item = ClusterView> + Send + use<> {
        let mut views = self.inner.caller.finder.views();
        views.mark_changed();
        let client = self.clone();
        stream::unfold((client, views), |(client, mut views)| async move {
            client.inner.watch();
            loop {
                // The sender lives as long as the client.
                views.changed().await.ok()?;
                let view = views.borrow_and_update().as_deref().cloned();
                if let Some(view) = view {
                    return Some((view, (client, views)));
                }
            }
        })
    }

    /// As [`watch_cluster`](Self::watch_cluster), but only views in which term or leader are
    /// not those of the view before.
    pub fn leader_changes(&self) -> impl Stream<Item = ClusterView> + Send + use<> {
        let mut last = None;
        self.watch_cluster().filter(move |view| {
            let now = Some((view.term, view.leader_id));
            let changed = last != now;
            last = now;
            future::ready(changed)
        })
    }

    /// How the server at this address is doing, once it has applied `min_revision`. With
    /// `digest` it also computes the digest of its whole directory. Fails at once if the
    /// server cannot be reached.
    pub async fn server_status(
        &self,
        address: &str,
        digest: bool,
        min_revision: u64,
    ) -> Result<ServerStatus, Error> {
        let server = self.inner.caller.finder.server_at(&address.parse()?);
        let request = GetServerRequest {
            digest,
            min_revision,
        };
        let plan = self.patient(Target::One(server), false);
        self.call(&plan, request, &mut Trail::default()).await
    }

    /// Adds a server, which must have been started with `--join`: as a learner and, unless it is
    /// to stay one, as a voter once it has caught up.
    pub async fn add_server(&self, request: AddServerRequest) -> Result<ClusterView, Error> {
        let (name, learner) = (request.server_name.clone(), request.learner);
        self.change(request, |view| {
            member(view, &name).is_some_and(|member| member.voter || learner)
        })
        .await
    }

    /// Removes a server for good.
    pub async fn remove_server(&self, name: &str) -> Result<ClusterView, Error> {
        let request = RemoveServerRequest {
            server_name: name.to_owned(),
        };
        self.change(request, |view| member(view, name).is_none())
            .await
    }

    /// Puts a new server in the place of a lost one. What is empty is as it was with the lost one.
    pub async fn replace_server(
        &self,
        request: ReplaceServerRequest,
    ) -> Result<ClusterView, Error> {
        let (name, new_name) = (request.server_name.clone(), request.new_server_name.clone());
        let renamed = !new_name.is_empty() && new_name != name;
        self.change(request, |view| {
            renamed && member(view, &name).is_none() && member(view, &new_name).is_some()
        })
        .await
    }

    /// Notes other addresses of a member, which has moved and answers there already. What is empty stays as it is.
    pub async fn move_server(&self, request: MoveServerRequest) -> Result<ClusterView, Error> {
        let asked = request.clone();
        let is = |asked: &str, address: &str| asked.is_empty() || asked == address;
        self.change(request, move |view| {
            member(view, &asked.server_name).is_some_and(|member| {
                is(&asked.client_address, &member.client_address)
                    && is(&asked.peer_address, &member.peer_address)
            })
        })
        .await
    }

    /// Makes this server the leader; None: the one that is most caught up.
    pub async fn transfer_leadership(&self, to: Option<&str>) -> Result<ClusterView, Error> {
        let before = self.cluster().await?;
        let request = TransferLeadershipRequest {
            server_name: to.unwrap_or_default().to_owned(),
        };
        let plan = Plan {
            repeatable: false, // The next leader would pass leadership on once more.
            ..self.patient(Target::Leader, true)
        };
        let mut trail = Trail::default();
        let answer = self.call(&plan, request, &mut trail).await;
        if let Ok(view) = &answer {
            self.inner.caller.finder.accept(view.clone());
        }
        if answer.is_ok() || !trail.outcome_unknown {
            return answer;
        }
        let mut views = self.inner.caller.finder.views();
        let done = views.wait_for(|view| {
            view.as_ref().is_some_and(|view| match to {
                Some(name) => member(view, name).is_some_and(|to| to.id == view.leader_id),
                None => view.leader_id != 0 && view.leader_id != before.leader_id,
            })
        });
        match time::timeout(self.inner.attempt_timeout, done).await {
            Ok(Ok(view)) => Ok(view.as_deref().cloned().expect("a view was waited for")),
            Ok(Err(_)) | Err(_) => answer,
        }
    }

    /// The settings of the directory.
    pub async fn settings(&self) -> Result<Vec<Setting>, Error> {
        let plan = self.plan(Target::Leader, false);
        let mut trail = Trail::default();
        let answer = self.call(&plan, GetSettingsRequest {}, &mut trail).await;
        Ok(answer?.settings)
    }

    /// Changes settings of the directory: all of these, or none. The answer has all settings as they
    /// are then.
    pub async fn change_settings(
        &self,
        changes: Vec<SettingChange>,
        request: Option<Uuid>,
    ) -> Result<Vec<Setting>, Error> {
        let request = ChangeSettingsRequest {
            changes,
            request_id: request_id(request),
        };
        Ok(self.write(request).await?.settings)
    }

    /// Raises the feature level of the directory, which all its servers have to support; None: to the highest
    /// one that they all do. Returns the level that it is at.
    pub async fn raise_level(&self, to: Option<u32>) -> Result<u32, Error> {
        let request = RaiseLevelRequest {
            level: to.unwrap_or_default(),
        };
        let plan = self.patient(Target::Leader, true);
        let answer = self.call(&plan, request, &mut Trail::default()).await?;
        Ok(answer.level)
    }

    /// A change of members. Where a try got no answer and the next one is refused, the
    /// refusal may be of what the first has done: then the view tells.
    async fn change<R: Rpc<Answer = ClusterView>>(
        &self,
        request: R,
        is_done: impl Fn(&ClusterView) -> bool,
    ) -> Result<ClusterView, Error> {
        let plan = self.patient(Target::Leader, true);
        let mut trail = Trail::default();
        let answer = self.call(&plan, request, &mut trail).await;
        match answer {
            Ok(view) => {
                self.inner.caller.finder.accept(view.clone());
                Ok(view)
            }
            Err(Error::Rejected(rejected)) if trail.outcome_unknown => match self.cluster().await {
                Ok(view) if is_done(&view) => Ok(view),
                Ok(_) | Err(_) => Err(rejected.into()),
            },
            Err(error) => Err(error),
        }
    }

    /// For what may take a server long: one try has all the time there is.
    fn patient(&self, target: Target, write: bool) -> Plan {
        Plan {
            attempt_timeout: self.deadline,
            ..self.plan(target, write)
        }
    }
}

fn member<'a>(view: &'a ClusterView, name: &str) -> Option<&'a Server> {
    view.servers.iter().find(|server| server.name == name)
}
