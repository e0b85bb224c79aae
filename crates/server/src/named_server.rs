//! What a server is called and where it is reached, and what can be its name and its addresses.
//! Settings and changes of the members are judged by these rules alike.

use std::{fmt, str::FromStr};

use quorid_api::{Endpoint, InvalidServer};
use serde::{
    Deserialize,
    de::{self, MapAccess, Visitor},
};

use crate::tls::is_host_label;

/// What a server is called, and where it is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct NamedServer {
    /// Unique in its cluster, the name in its certificate.
    pub name: String,
    /// `host:port` for the other servers.
    pub peer_address: String,
    /// `host:port` for clients.
    pub client_address: String,
}

impl NamedServer {
    /// Refuses what could not be a member.
    pub(crate) fn check(&self) -> Result<(), BadServer> {
        check_name(&self.name)?;
        check_reachable(&self.peer_address)?;
        check_reachable(&self.client_address)
    }
}

/// As an initial server is written: `name=peer_address,client_address`.
impl fmt::Display for NamedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}={},{}",
            self.name, self.peer_address, self.client_address
        )
    }
}

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

impl FromStr for NamedServer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(name, addresses)| {
            let (peer_address, client_address) = addresses.split_once(',')?;
            Some((name, peer_address, client_address))
        });
        let Some((name, peer_address, client_address)) = parts else {
            return Err(format!(
                "`{text}` is not of the form name=peer_address,client_address, such as \
                 n1=10.0.0.1:7401,10.0.0.1:7400"
            ));
        };
        Ok(Self {
            name: name.trim().to_owned(),
            peer_address: peer_address.trim().to_owned(),
            client_address: client_address.trim().to_owned(),
        })
    }
}

impl<'de> Deserialize<'de> for NamedServer {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamedServerVisitor)
    }
}

/// Takes both forms: the one of the command line, and a table.
struct NamedServerVisitor;

impl<'de> Visitor<'de> for NamedServerVisitor {
    type Value = NamedServer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "\"name=peer_address,client_address\" or { name, peer_address, client_address }",
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<NamedServer, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<NamedServer, A::Error> {
        Self::Value::deserialize(de::value::MapAccessDeserializer::new(map))
    }
}
