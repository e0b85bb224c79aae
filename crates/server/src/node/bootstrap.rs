//! How a server with an empty data directory becomes a member of a cluster, once.
//!
//! The initial servers say hello to each other. When all are there, fresh, and were given the
//! same list, the first of the list makes up the cluster's id and enlists the others: each
//! writes cluster id and server id to its disk before it answers. Only then does the first
//! one begin the log. A crash anywhere in between is taken up again from what is on the disks.

use std::{collections::BTreeMap, time::Duration};

use quorid_directory::Level;
use quorid_storage::{FORMAT_VERSION, Identity};
use tokio::time::{Instant, sleep, timeout};
use tonic::{Status, transport::Channel};
use tracing::{info, warn};

use super::{
    NodeConfig,
    dialer::PeerDialer,
    own_identity::OwnIdentity,
    refused::Refused,
    types::Enlisted,
    wire::{
        self,
        proto::{self, peer_client::PeerClient},
    },
};
use crate::{named_server::NamedServer, seams::Entropy};

/// Pause between two rounds of hellos.
const ROUND: Duration = Duration::from_millis(100);

/// A server that doesn't answer a hello by then is asked again in the next round.
const HELLO_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a waiting server says what it waits for.
const REPORT: Duration = Duration::from_secs(5);

/// Who this server is, and whether it is to begin the log.
pub(super) struct Start {
    pub(super) identity: Identity,
    /// The members to begin the log with, if it is this server's to begin.
    pub(super) form: Option<BTreeMap<u64, Enlisted>>,
}

/// Finds out who this server is. Waits for as long as the other servers need.
pub(super) async fn find_cluster(
    own: &OwnIdentity,
    config: &NodeConfig,
    dialer: &PeerDialer,
    entropy: &dyn Entropy,
    log_is_empty: bool,
) -> Result<Start, Refused> {
    let known = own.known().clone();
    if let Some(identity) = known {
        if identity.name != config.own.name {
            return Err(Refused::OtherName {
                name: config.own.name.clone(),
                found: identity.name,
            });
        }
        let begins = !identity.formed && log_is_empty && !config.join && config.is_first();
        if !begins {
            return Ok(Start {
                identity,
                form: None,
            });
        }
        // The first server died between making up the cluster and beginning its log.
        return form(own, config, dialer, identity).await;
    }
    if config.join {
        info!(
            "waiting to be taken in; run: quorid cluster add {} --client-address {} \
             --peer-address {} (or: quorid cluster replace)",
            config.own.name, config.own.client_address, config.own.peer_address
        );
        return Ok(Start {
            identity: own.enlisted().await,
            form: None,
        });
    }
    if !config
        .initial_servers
        .iter()
        .any(|server| server.name == config.own.name)
    {
        return Err(Refused::NotListed {
            name: config.own.name.clone(),
            list: describe(&config.initial_servers),
        });
    }
    if config.others().next().is_none() && !config.form_alone {
        let name = config.own.name.clone();
        return Err(Refused::Alone { name });
    }
    tokio::select! {
        // In this order: once the first server has enlisted this one, what the others say of
        // a cluster that knows it is no surprise.
        biased;
        identity = own.enlisted() => Ok(Start { identity, form: None }),
        agreed = agree(config, dialer) => {
            agreed?;
            if !config.is_first() {
                return Ok(Start { identity: own.enlisted().await, form: None });
            }
            let mut random = [0; 16];
            entropy.fill(&mut random);
            let cluster_id = uuid::Builder::from_random_bytes(random).into_uuid().to_string();
            own.enlist(&cluster_id, 1).map_err(Refused::Identity)?;
            let identity = own.enlisted().await;
            form(own, config, dialer, identity).await
        }
    }
}

/// Says hello to all the others until all are there, fresh and of one mind.
async fn agree(config: &NodeConfig, dialer: &PeerDialer) -> Result<(), Refused> {
    let mut reported = Instant::now();
    let mut first = true;
    loop {
        let mut missing = Vec::new();
        for other in config.others() {
            match hello(config, dialer, other).await {
                Ok(answer) => {
                    if let Some(why) = check(config, other, &answer)? {
                        missing.push(format!("{} ({why})", other.name));
                    }
                }
                Err(status) => missing.push(format!(
                    "{} at {} ({})",
                    other.name,
                    other.peer_address,
                    status_text(&status)
                )),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        if first || reported.elapsed() >= REPORT {
            info!("waiting for {}", missing.join(", "));
            (first, reported) = (false, Instant::now());
        }
        sleep(ROUND).await;
    }
}

/// Whether the other one is ready to form a cluster with this one; if not yet, why.
pub(super) fn check(
    config: &NodeConfig,
    other: &NamedServer,
    answer: &proto::HelloResponse,
) -> Result<Option<&'static str>, Refused> {
    let other = other.name.clone();
    let cluster_id = answer.cluster_id.clone();
    if answer.format_version != FORMAT_VERSION {
        return Err(Refused::Format {
            other,
            theirs: answer.format_version,
            ours: FORMAT_VERSION,
        });
    }
    if answer.formed {
        if answer.asker_id != 0 {
            let (name, server_id) = (config.own.name.clone(), answer.asker_id);
            return Err(Refused::Emptied {
                cluster_id,
                name,
                server_id,
            });
        }
        // A member that has just started knows only what its own log says.
        if answer.leader_id == 0 {
            return Ok(Some(
                "it is a member of a cluster, and looks for the others",
            ));
        }
        return Err(Refused::Foreign { other, cluster_id });
    }
    if answer.initial_servers != config.initial_messages() {
        let theirs = if answer.initial_servers.is_empty() {
            "none: it was started with --join".to_owned()
        } else {
            describe_messages(&answer.initial_servers)
        };
        let ours = describe(&config.initial_servers);
        return Err(Refused::ListsDiffer {
            other,
            ours,
            theirs,
        });
    }
    if cluster_id.is_empty() {
        return Ok(None);
    }
    if config.is_first() {
        return Err(Refused::HalfFormed { other, cluster_id });
    }
    Ok(Some("the first server is about to form the cluster"))
}

/// Enlists every other initial server.
async fn form(
    own: &OwnIdentity,
    config: &NodeConfig,
    dialer: &PeerDialer,
    identity: Identity,
) -> Result<Start, Refused> {
    debug_assert!(own.known().is_some(), "the first server is enlisted itself");
    let mut members = BTreeMap::new();
    for (id, other) in (1_u64..).zip(&config.initial_servers) {
        let mut reported = None::<Instant>;
        let level = loop {
            if other.name == config.own.name {
                break config.supports;
            }
            let status = match enlist(dialer, other, &identity.cluster_id, id).await {
                Ok(level) => break level,
                Err(status) => status,
            };
            if status.code() == tonic::Code::FailedPrecondition {
                let (other, cluster_id) = (other.name.clone(), identity.cluster_id.clone());
                let why = status.message().to_owned();
                return Err(Refused::NotEnlisted {
                    other,
                    cluster_id,
                    why,
                });
            }
            if reported.is_none_or(|at| at.elapsed() >= REPORT) {
                warn!(
                    "cannot enlist {}: {}; trying again",
                    other.name,
                    status_text(&status)
                );
                reported = Some(Instant::now());
            }
            sleep(ROUND).await;
        };
        let server = other.clone();
        members.insert(id, Enlisted { server, level });
    }
    Ok(Start {
        identity,
        form: Some(members),
    })
}

/// Tells a fresh server which cluster it belongs to, and under which id. Returns the highest feature
/// level that it supports.
pub(super) async fn enlist(
    dialer: &PeerDialer,
    fresh: &NamedServer,
    cluster_id: &str,
    server_id: u64,
) -> Result<Level, Status> {
    let mut client = PeerClient::new(dialer.channel(fresh));
    let order = proto::EnlistRequest {
        cluster_id: cluster_id.to_owned(),
        server_id,
        name: fresh.name.clone(),
    };
    match timeout(HELLO_TIMEOUT, client.enlist(order)).await {
        Ok(answer) => Ok(level(answer?.into_inner().level)),
        Err(_) => Err(Status::deadline_exceeded("no answer")),
    }
}

/// Asks a server who it is and what it knows of this one.
pub(super) async fn hello(
    config: &NodeConfig,
    dialer: &PeerDialer,
    other: &NamedServer,
) -> Result<proto::HelloResponse, Status> {
    match timeout(
        HELLO_TIMEOUT,
        hello_over(dialer.channel(other), config, other),
    )
    .await
    {
        Ok(answer) => answer,
        Err(_) => Err(Status::deadline_exceeded("no answer")),
    }
}

/// The same over a connection that there is. The caller sets the deadline.
pub(super) async fn hello_over(
    channel: Channel,
    config: &NodeConfig,
    other: &NamedServer,
) -> Result<proto::HelloResponse, Status> {
    let request = proto::HelloRequest {
        name: config.own.name.clone(),
        cluster_id: String::new(),
        server_id: 0,
        format_version: FORMAT_VERSION,
        initial_servers: config.initial_messages(),
        to: other.name.clone(),
    };
    let answer = PeerClient::new(channel).hello(request).await;
    answer.map(tonic::Response::into_inner)
}

/// The level that a server says that it supports. One that says nothing is older than levels are.
pub(super) fn level(said: u32) -> Level {
    Level(said).max(Level::BASE)
}

/// What a status says, with what lies beneath it: a TLS error, most of the time.
pub(super) fn status_text(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}

fn describe(servers: &[NamedServer]) -> String {
    let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
    servers.join(" ")
}

fn describe_messages(servers: &[proto::InitialServer]) -> String {
    let servers: Vec<_> = servers.iter().map(wire::initial_server_from).collect();
    describe(&servers)
}
