//! The gRPC front end: services `quorid.v1.Accounts`, `Groups`, `Requests`, `Changes`, `Deleted`, `Schema`
//! and `quorid.v1.Cluster`, the standard health service, and server reflection.

mod accounts;
mod call;
mod changes;
mod cluster;
mod convert;
mod deleted;
mod envelope;
pub mod errors;
#[cfg(fuzzing)]
pub mod fuzzing;
mod groups;
mod health;
mod requests;
mod schema;

use std::sync::Arc;

use axum::middleware;
use quorid_api::proto::{
    accounts_server::AccountsServer, changes_server::ChangesServer, cluster_server::ClusterServer,
    deleted_server::DeletedServer, groups_server::GroupsServer, requests_server::RequestsServer,
    schema_server::SchemaServer,
};
use quorid_directory::{ClientAddress, OperatorName, Revision, Schema};
use tonic::{
    Request, Response,
    metadata::{AsciiMetadataValue, MetadataMap},
    service::Routes,
};
use tonic_reflection::server as reflection;

use self::errors::Invalid;
use super::Frontend;
use crate::{
    access::Denied,
    methods::DESCRIPTORS,
    ports::Remote,
    service::{Caller, Consistency, Error, Fault, Service},
    tls::Holder,
};

/// Largest message that is taken from a client.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Carries the revision in every answer, of errors too.
const REVISION_HEADER: &str = "quorid-revision";

/// The gRPC services, with what goes around each of their calls.
pub(super) fn router(frontend: &Arc<Frontend>) -> axum::Router {
    let accounts = AccountsServer::new(accounts::AccountsApi(Arc::clone(frontend)))
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let groups = GroupsServer::new(groups::GroupsApi(Arc::clone(frontend)))
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let requests = RequestsServer::new(requests::RequestsApi(Arc::clone(frontend)))
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let schema = SchemaServer::new(schema::SchemaApi(Arc::clone(frontend)))
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let changes = ChangesServer::new(changes::ChangesApi(Arc::clone(frontend)))
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let deleted = DeletedServer::new(deleted::DeletedApi(Arc::clone(frontend)))
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let cluster = ClusterServer::new(cluster::ClusterApi(Arc::clone(frontend)))
        .max_decoding_message_size(MESSAGE_BYTES_MAX);
    let mut routes = Routes::default()
        .add_service(accounts)
        .add_service(groups)
        .add_service(requests)
        .add_service(schema)
        .add_service(changes)
        .add_service(deleted)
        .add_service(cluster)
        .add_service(health::service(frontend));
    let described = || {
        DESCRIPTORS.into_iter().fold(
            reflection::Builder::configure(),
            reflection::Builder::register_encoded_file_descriptor_set,
        )
    };
    routes = routes
        .add_service(
            described()
                .build_v1()
                .expect("the descriptors were made by the build"),
        )
        .add_service(
            described()
                .build_v1alpha()
                .expect("the descriptors were made by the build"),
        );
    routes
        .into_axum_router()
        .layer(middleware::from_fn_with_state(
            Arc::clone(frontend),
            envelope::wrap,
        ))
}

/// Who asks: by the connection's certificate and the request's `authorization`.
fn caller<T>(request: &Request<T>) -> Result<Caller, Error> {
    let remote = request
        .extensions()
        .get::<Remote>()
        .ok_or_else(|| Fault::new("reading a request", "it came without its connection"))?;
    let address = ClientAddress::parse(&remote.address.to_string())
        .map_err(|error| Fault::new("reading a connection's address", error))?;
    let operator = match &remote.holder {
        Holder::Operator(name) => Some(OperatorName::of_certificate(name)),
        Holder::Server(_) | Holder::Other => None,
    };
    let login = match request.metadata().get("authorization") {
        Some(header) => {
            let header = header.to_str().map_err(|_| Denied::MalformedLogin)?;
            Some(convert::login(header)?)
        }
        None => None,
    };
    Ok(Caller {
        address,
        operator,
        login,
    })
}

/// A schema that has these attributes: the one that this server has, or else one that is as new as a read
/// of this consistency sees. Whether it has them then, is for the caller to find out.
async fn schema_with<'a>(
    service: &Service,
    mut names: impl Iterator<Item = &'a str>,
    consistency: Consistency,
) -> Result<Schema, Error> {
    let schema = service.schema();
    match names.all(|name| schema.by_name(name).is_ok()) {
        true => Ok(schema),
        false => service.fresh_schema(consistency).await,
    }
}

/// An answer with the revision that it was made from.
fn answer<T>(value: T, revision: Revision) -> Response<T> {
    let mut response = Response::new(value);
    note_revision(response.metadata_mut(), revision);
    response
}

/// Says which revision an answer, or a rejection, was made from.
pub(super) fn note_revision(metadata: &mut MetadataMap, revision: Revision) {
    let header = AsciiMetadataValue::try_from(revision.to_string())
        .expect("a number is made of ASCII digits");
    metadata.insert(REVISION_HEADER, header);
}

/// The revision that was noted there.
fn revision_in(metadata: &MetadataMap) -> Option<Revision> {
    let text = metadata.get(REVISION_HEADER)?.to_str().ok()?;
    text.parse().ok().map(Revision)
}
