//! Addresses of servers, as people write them.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use crate::error::InvalidServer;

/// Where a server is reached: `host:port`, `192.0.2.1:7400` or `[2001:db8::1]:7400`.
///
/// The host is also the name that the server's certificate must carry.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    text: Arc<str>,
    host_end: usize,
    port: u16,
}

impl Endpoint {
    /// Name or IP address, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        let host = &self.text[..self.host_end];
        host.strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'))
            .unwrap_or(host)
    }

    /// TCP port, never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether this is `0.0.0.0` or `[::]`: a server can listen there, and nobody can connect to it.
    pub fn is_unspecified(&self) -> bool {
        let ip = self.host().parse::<IpAddr>();
        ip.is_ok_and(|ip| ip.is_unspecified())
    }

    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Endpoint {
    type Err = InvalidServer;

    fn from_str(text: &str) -> Result<Self, InvalidServer> {
        let invalid = |reason| InvalidServer {
            address: text.to_owned(),
            reason,
        };
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| invalid("the port is missing"))?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || host == "[]" {
            return Err(invalid("the host is missing"));
        }
        if host.contains(':') && !bracketed {
            return Err(invalid(
                "an IPv6 address needs brackets, as in `[::1]:7400`",
            ));
        }
        // One spelling only: not `+80`, not `080`.
        let port = match port.parse::<u16>() {
            Ok(number) if number > 0 && number.to_string() == port => number,
            _ => return Err(invalid("the port must be a number from 1 to 65535")),
        };
        let endpoint = Self {
            text: text.into(),
            host_end: host.len(),
            port,
        };
        if bracketed && endpoint.host().contains('%') {
            return Err(invalid(
                "a zone, such as `%2`, means something on one machine only; leave it out, or listen \
                 on `[::]`",
            ));
        }
        if bracketed && endpoint.host().parse::<Ipv6Addr>().is_err() {
            return Err(invalid("what stands in brackets is no IPv6 address"));
        }
        let in_host_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if !bracketed && !host.bytes().all(in_host_names) {
            return Err(invalid("the host has characters that no host name has"));
        }
        Ok(endpoint)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_told_apart() {
        for (text, host, port) in [
            ("127.0.0.1:7401", "127.0.0.1", 7401),
            ("one.example:1", "one.example", 1),
            ("[2001:db8::1]:65535", "2001:db8::1", 65535),
        ] {
            let endpoint: Endpoint = text.parse().expect("valid");
            assert_eq!((endpoint.host(), endpoint.port()), (host, port));
            assert_eq!(endpoint.to_string(), text);
        }
    }

    #[test]
    fn nobody_can_connect_to_the_unspecified_address() {
        for (text, unspecified) in [
            ("0.0.0.0:7400", true),
            ("[::]:7400", true),
            ("[0:0::0]:7400", true),
            ("0.0.0.1:7400", false),
            ("[::1]:7400", false),
            ("one:7400", false),
        ] {
            let endpoint: Endpoint = text.parse().expect("valid");
            assert_eq!(endpoint.is_unspecified(), unspecified, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_reason() {
        for (text, reason) in [
            ("one", "port is missing"),
            (":7400", "host is missing"),
            ("one:", "1 to 65535"),
            ("one:0", "1 to 65535"),
            ("one:65536", "1 to 65535"),
            ("one:+80", "1 to 65535"),
            ("one:080", "1 to 65535"),
            ("::1:7400", "brackets"),
            ("[one]:7400", "no IPv6"),
            ("[127.0.0.1]:7400", "no IPv6"),
            ("[::1:7400", "brackets"),
            ("[fe80::1%2]:7400", "a zone"),
            ("[fe80::1%eth0]:7400", "a zone"),
            ("fe80::1%2:7400", "brackets"),
            ("o ne:7400", "characters"),
            ("ana@one:7400", "characters"),
            ("one,two:7400", "characters"),
            ("a=b:7400", "characters"),
            ("é:7400", "characters"),
        ] {
            let error = text.parse::<Endpoint>().expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(error.contains(text), "{text}: {error}");
        }
    }
}
