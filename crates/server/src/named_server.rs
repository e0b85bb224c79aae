//! What can be a server's name, and what its address. Settings and changes of the members are judged
//! by these rules alike.

use quorid_api::{Endpoint, InvalidServer};

use crate::tls::is_host_label;

/// Why a server cannot have this name or this address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadServer {
    #[error(
        "`{0}` cannot name a server; use 1 to 63 lower-case letters, digits and hyphens, no hyphen \
         first or last"
    )]
    Name(String),
    #[error("{0}; write host:port, such as 10.0.0.1:7400 or [::1]:7400")]
    Address(#[from] InvalidServer),
    #[error("nobody can connect to `{0}`; write the address that others use")]
    Unspecified(Endpoint),
}

/// Refuses what its certificate and its peers could not have as its name.
pub(crate) fn check_name(name: &str) -> Result<(), BadServer> {
    if is_host_label(name) {
        return Ok(());
    }
    Err(BadServer::Name(name.to_owned()))
}

/// Refuses what clients could not read as an address. A server may listen there.
pub(crate) fn check_address(address: &str) -> Result<Endpoint, BadServer> {
    Ok(address.parse()?)
}

/// Refuses an address that clients and other servers cannot connect to.
pub(crate) fn check_reachable(address: &str) -> Result<(), BadServer> {
    let address = check_address(address)?;
    if address.is_unspecified() {
        return Err(BadServer::Unspecified(address));
    }
    Ok(())
}
