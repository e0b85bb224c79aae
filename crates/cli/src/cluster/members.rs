//! `quorid cluster add`, `remove`, `replace`, `move` and `transfer`.

use clap::Args;
use quorid_api::{
    AddServerRequest, ClusterView, Endpoint, MoveServerRequest, ReplaceServerRequest,
};
use serde_json::{Value, json};

use crate::{
    context::Context,
    errors::{Failure, hints},
    table::Table,
    terminal::escape,
};

pub(crate) const ADD_EXAMPLES: &str = "\
Examples:
  quorid cluster add s4 --client-address 10.0.0.4:7400 --peer-address 10.0.0.4:7401
  quorid cluster add far --learner --client-address far:7400 --peer-address far:7401

Start the new server with `quorid serve --join` first. Needs an operator's certificate.";
pub(crate) const REMOVE_EXAMPLES: &str = "\
Examples:
  quorid cluster remove s3

The server's id is never used again. Needs an operator's certificate.";
pub(crate) const REPLACE_EXAMPLES: &str = "\
Examples:
  quorid cluster replace s3                  the same machine with an empty data directory
  quorid cluster replace s3 --name s4 --client-address 10.0.0.4:7400 --peer-address 10.0.0.4:7401

Needs an operator's certificate.";
pub(crate) const MOVE_EXAMPLES: &str = "\
Examples:
  quorid cluster move s3 --client-address 10.0.1.3:7400 --peer-address 10.0.1.3:7401

Start the server with its data directory and the new addresses in its configuration first. Needs an operator's
certificate.";
pub(crate) const TRANSFER_EXAMPLES: &str = "\
Examples:
  quorid cluster transfer s2
  quorid cluster transfer                    to the server that is most caught up

Needs an operator's certificate.";

/// The server to be added.
#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// The name in the new server's certificate
    name: String,
    /// Where clients reach it
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    client_address: String,
    /// Where the other servers reach it
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    peer_address: String,
    /// It gets every change and serves reads, but never votes
    #[arg(long)]
    learner: bool,
}

/// The server to be removed.
#[derive(Args, Debug)]
pub(crate) struct RemoveArgs {
    /// The server's name
    name: String,
}

/// The lost server, and what differs with the new one.
#[derive(Args, Debug)]
pub(crate) struct ReplaceArgs {
    /// The name of the server that is lost
    lost: String,
    /// The new server's name [default: the lost one's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where clients reach the new server [default: as the lost one]
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    client_address: Option<String>,
    /// Where the other servers reach the new server [default: as the lost one]
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    peer_address: Option<String>,
}

/// The server that has moved, and where to.
#[derive(Args, Debug)]
#[group(required = true, multiple = true, id = "addresses", args = ["client_address", "peer_address"])]
pub(crate) struct MoveArgs {
    /// The server's name
    name: String,
    /// Where clients reach it now [default: as before]
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    client_address: Option<String>,
    /// Where the other servers reach it now [default: as before]
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    peer_address: Option<String>,
}

/// Who is to lead.
#[derive(Args, Debug)]
pub(crate) struct TransferArgs {
    /// The server's name [default: the one that is most caught up]
    to: Option<String>,
}

pub(super) async fn add(args: AddArgs, context: &Context) -> Result<(), Failure> {
    let request = AddServerRequest {
        server_name: args.name,
        client_address: args.client_address,
        peer_address: args.peer_address,
        learner: args.learner,
    };
    show(&context.client.add_server(request).await?, context)
}

pub(super) async fn remove(args: RemoveArgs, context: &Context) -> Result<(), Failure> {
    show(&context.client.remove_server(&args.name).await?, context)
}

pub(super) async fn replace(args: ReplaceArgs, context: &Context) -> Result<(), Failure> {
    let request = ReplaceServerRequest {
        server_name: args.lost,
        new_server_name: args.name.unwrap_or_default(),
        client_address: args.client_address.unwrap_or_default(),
        peer_address: args.peer_address.unwrap_or_default(),
    };
    show(&context.client.replace_server(request).await?, context)
}

pub(super) async fn move_server(args: MoveArgs, context: &Context) -> Result<(), Failure> {
    let request = MoveServerRequest {
        server_name: args.name,
        client_address: args.client_address.unwrap_or_default(),
        peer_address: args.peer_address.unwrap_or_default(),
    };
    show(&context.client.move_server(request).await?, context)
}

pub(super) async fn transfer(args: TransferArgs, context: &Context) -> Result<(), Failure> {
    let view = context
        .client
        .transfer_leadership(args.to.as_deref())
        .await?;
    show(&view, context)
}

fn show(view: &ClusterView, context: &Context) -> Result<(), Failure> {
    if context.out.is_json() {
        context.out.json(&view_json(view))
    } else {
        context.out.line(view_table(view))
    }
}

pub(crate) fn view_json(view: &ClusterView) -> Value {
    let servers: Vec<_> = view
        .servers
        .iter()
        .map(|server| {
            json!({
                "id": server.id,
                "name": server.name,
                "client_address": server.client_address,
                "peer_address": server.peer_address,
                "voter": server.voter,
                "leader": server.id == view.leader_id,
            })
        })
        .collect();
    json!({"cluster_id": view.cluster_id, "term": view.term, "servers": servers})
}

pub(crate) fn view_table(view: &ClusterView) -> String {
    let mut table = Table::new(&["server", "id", "role", "clients", "peers"]);
    for server in &view.servers {
        let role = match (server.id == view.leader_id, server.voter) {
            (true, _) => "leader",
            (false, true) => "voter",
            (false, false) => "learner",
        };
        table.row(&[
            &escape(&server.name),
            &server.id.to_string(),
            role,
            &escape(&server.client_address),
            &escape(&server.peer_address),
        ]);
    }
    table.to_string()
}

fn address(text: &str) -> Result<String, String> {
    text.parse::<Endpoint>()
        .map(|_| text.to_owned())
        .map_err(|error| format!("{error}; try: {}", hints::ADDRESS))
}

#[cfg(test)]
mod tests {
    use quorid_api::Server;

    use super::*;

    #[test]
    fn members_are_shown_with_their_role() {
        let server = |id, name: &str, voter| Server {
            id,
            name: name.to_owned(),
            client_address: format!("{name}:7400"),
            peer_address: format!("{name}:7401"),
            voter,
        };
        let view = ClusterView {
            cluster_id: "c".to_owned(),
            term: 3,
            leader_id: 2,
            servers: vec![
                server(1, "s1", true),
                server(2, "s2", true),
                server(3, "s3", false),
            ],
            answered_by: 2,
        };
        assert_eq!(
            view_table(&view),
            "SERVER  ID  ROLE     CLIENTS  PEERS\n\
             s1      1   voter    s1:7400  s1:7401\n\
             s2      2   leader   s2:7400  s2:7401\n\
             s3      3   learner  s3:7400  s3:7401"
        );
        assert_eq!(view_json(&view)["servers"][1]["leader"], true);
    }
}
