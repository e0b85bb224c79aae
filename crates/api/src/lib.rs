//! The Quorid API: protobuf definitions, generated types and the client library.

mod account;
mod client;
mod cluster;
mod config;
mod connect;
mod endpoint;
mod error;
pub mod tls;

pub use account::{
    AccountName, Credentials, DeleteAccount, NewAccount, Password, PasswordChange, Read,
    UpdateAccount,
};
pub use client::Client;
pub use cluster::{NewServer, Replacement};
pub use config::ClientConfig;
pub use connect::{BoxedIo, Connector, Io, TcpConnector};
pub use endpoint::Endpoint;
pub use error::{Error, InvalidServer, Rejected, Unavailable};
pub use proto::{Account, ClusterView, ListAccountsResponse, Server, ServerRole, ServerStatus};
pub use tls::{TlsError, TlsFiles, TlsSettings};

/// The generated messages and services of `proto/quorid/v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::wildcard_enum_match_arm,
    reason = "generated from proto/, where the documentation is"
)]
pub mod proto {
    tonic::include_proto!("quorid.v1");
}

/// The compiled protobuf descriptors of the API, as server reflection serves them.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
