//! Ports that nobody uses.
//!
//! Not those that the system hands out for port 0: they are also handed out to connections,
//! so a server that is down could lose its port to a client that tries to reach it. These
//! come from below that range.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
};

const LOWEST: u16 = 10_000;
/// Where the system's own range begins, unless it says otherwise.
const USUAL_END: u16 = 32_768;
const TRIES: usize = 1_000;

/// Distinct ports of the loopback address, held until this is dropped.
pub(super) struct Ports {
    held: Vec<TcpListener>,
}

impl Ports {
    pub(super) fn reserve(count: usize) -> io::Result<Self> {
        let range = range(fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok());
        let mut held = Vec::with_capacity(count);
        let mut last = None;
        for _ in 0..TRIES {
            if held.len() == count {
                return Ok(Self { held });
            }
            let port = rand::random_range(range.clone());
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                Ok(listener) => held.push(listener),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::other("no free port was found")))
    }

    pub(super) fn numbers(&self) -> io::Result<Vec<u16>> {
        let port = |listener: &TcpListener| Ok(listener.local_addr()?.port());
        self.held.iter().map(port).collect()
    }
}

fn range(system: Option<String>) -> Range<u16> {
    let begin = |text: String| text.split_whitespace().next()?.parse().ok();
    let end = system.and_then(begin).unwrap_or(USUAL_END);
    if end > LOWEST + 1_000 {
        LOWEST..end
    } else {
        LOWEST..USUAL_END
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_are_distinct_and_taken() {
        let ports = Ports::reserve(6).expect("free ports");
        let mut numbers = ports.numbers().expect("bound");
        for number in &numbers {
            assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, *number)).is_err());
        }
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 6);
    }

    #[test]
    fn ports_of_connections_are_left_alone() {
        assert_eq!(range(Some("20000\t60999\n".to_owned())), 10_000..20_000);
        assert_eq!(range(Some("1024 65535".to_owned())), 10_000..32_768);
        assert_eq!(range(None), 10_000..32_768);
    }
}
