//! The Quorid API: protobuf definitions, generated types and the client library.
//!
//! A [`Client`] knows some servers of a cluster and learns the others. It finds the leader,
//! hears of elections while it is connected, and retries until a call is decided or its
//! deadline is over. A change is made once, however often it is retried: all tries carry
//! the same request id.
//!
//! ```no_run
//! use std::path::PathBuf;
//!
//! use quorid_api::{AccountName, Client, ClientConfig, Error, NewAccount, Read, Reason, ClientTlsFiles, tls};
//!
//! # async fn example() -> Result<(), Error> {
//! let tls = tls::load(&ClientTlsFiles {
//!     ca: PathBuf::from("ca.pem"),
//!     cert: Some(PathBuf::from("operator.pem")),
//!     key: Some(PathBuf::from("operator.key")),
//! })?;
//! let client = Client::new(ClientConfig::new(["127.0.0.1:7401", "127.0.0.1:7402"]).with_tls(tls))?;
//!
//! let new = NewAccount {
//!     login_name: "ana".to_owned(),
//!     real_name: "Ana Horvat".to_owned(),
//!     ..NewAccount::default()
//! };
//! match client.create_account(new).await {
//!     Ok(account) => println!("{}", account.id),
//!     Err(Error::Rejected(no)) if no.reason == Reason::LoginNameTaken => {
//!         println!("{} has it already", no.metadata["account_id"]);
//!     }
//!     Err(error) => return Err(error),
//! }
//!
//! // Any server answers, and none that hasn't seen the account.
//! let ana = AccountName::Login("ana".to_owned());
//! println!("{}", client.get_account(&ana, Read::Session).await?.real_name);
//! # Ok(())
//! # }
//! ```

mod account;
mod answer;
mod attempt;
mod backoff;
mod changes;
mod client;
mod cluster;
mod config;
mod connect;
mod connection;
mod deleted;
mod endpoint;
mod error;
mod exchange;
mod failure;
#[cfg(fuzzing)]
pub mod fuzzing;
mod group;
mod leader;
pub mod pem;
mod reason;
mod rpc;
mod schema;
mod server;
mod session;
pub mod tls;
mod watch;

pub use account::{
    AccountName, Credentials, DeleteAccount, NewAccount, Password, PasswordChange, Read,
    UpdateAccount,
};
pub use changes::{ChangesBatch, HistoryOf, Since};
pub use client::Client;
pub use config::ClientConfig;
pub use connect::{BoxedIo, Connector, Io, TcpConnector};
pub use endpoint::Endpoint;
pub use error::{Error, FailedTry, InvalidServer, Rejected, Unavailable};
pub use group::{ChangeMembers, DeleteGroup, GroupName, MemberName, NewGroup, UpdateGroup};
pub use proto::{
    Account, AccountKinds, AddServerRequest, Attribute, AttributeChange, AttributeDefinition,
    AttributeEdit, Change, ClusterView, DeletedObject, Group, ListAccountsResponse,
    ListGroupsResponse, ListMembersResponse, Member, MoveServerRequest, ReplaceServerRequest,
    ReservedName, Server, ServerRole, ServerStatus, Setting, SettingChange,
};
pub use reason::Reason;
pub use schema::NewAttribute;
pub use tls::{ClientTls, ClientTlsFiles, TlsError};
pub use tonic::Code;

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
