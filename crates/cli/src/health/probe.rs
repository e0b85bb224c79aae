//! Whether the server of a configuration is ready, asked over its own client port: for health
//! checks of containers and service managers, which have nothing but this program.

use std::{io, net::SocketAddr, time::Duration};

use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use quorid_server::{
    config::Config,
    tls::{ServerTls, TlsSetupError, peer_server_name},
};
use rustls_pki_types::ServerName;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Time for the whole answer.
const PATIENCE: Duration = Duration::from_secs(4);
/// More than the reasons that a server gives.
const ANSWER_MAX: usize = 4096;

/// Why a server doesn't count as ready.
#[derive(Debug, thiserror::Error)]
pub(super) enum HealthError {
    /// It answers, and says why not.
    #[error("{0}")]
    NotReady(String),
    /// It doesn't answer.
    #[error("{name} does not answer at {address}: {reason}")]
    NoAnswer {
        /// The server.
        name: String,
        /// Where it was asked.
        address: String,
        /// What happened instead.
        reason: String,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
}

/// Returns if the server that runs with this configuration on this machine knows a leader and
/// serves clients, as `/readyz` has it.
pub(super) async fn check(config: &Config) -> Result<(), HealthError> {
    let tls = ServerTls::load(&config.tls)?;
    let tls = TlsConnector::from(tls.client_config_own()?);
    let no_answer = |reason: String| HealthError::NoAnswer {
        name: config.own.name.clone(),
        address: config.client_listen.clone(),
        reason,
    };
    let asked = timeout(PATIENCE, ask(config, &tls)).await;
    let (status, said) = asked
        .map_err(|_| no_answer(format!("not within {PATIENCE:?}")))?
        .map_err(|error| no_answer(format!("{error:#}")))?;
    match status {
        StatusCode::OK => Ok(()),
        _ => Err(HealthError::NotReady(said)),
    }
}

async fn ask(config: &Config, tls: &TlsConnector) -> anyhow::Result<(StatusCode, String)> {
    let address = lookup_host(&config.client_listen)
        .await?
        .next()
        .ok_or_else(|| io::Error::other("its address has no host"))?;
    let stream = TcpStream::connect(reachable(address)).await?;
    // Every server's certificate has this name besides those of its hosts.
    let name = peer_server_name(&config.own.name);
    let stream = tls
        .connect(ServerName::try_from(name.clone())?, stream)
        .await?;
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get("/readyz")
        .header(HOST, name)
        .body(Empty::<bytes::Bytes>::new())?;
    let answer = async {
        let answer = requests.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
        let said = String::from_utf8_lossy(&body).trim().to_owned();
        Ok((status, said))
    };
    tokio::select! {
        answer = answer => answer,
        ended = connection => {
            ended?;
            anyhow::bail!("it closed the connection")
        }
    }
}

/// Where a server that listens on all addresses is reached from its own machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_addresses_is_asked_on_loopback() {
        for (listens, asked) in [
            ("0.0.0.0:7400", "127.0.0.1:7400"),
            ("[::]:7400", "[::1]:7400"),
            ("10.0.0.1:7400", "10.0.0.1:7400"),
        ] {
            let listens: SocketAddr = listens.parse().expect("an address");
            assert_eq!(reachable(listens).to_string(), asked);
        }
    }
}
