//! What a TLS port does with connections that are none.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::Router;
use prometheus::IntCounter;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{Semaphore, watch},
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Phase, Port, Protocol, http::OPENING_TIMEOUT, line_limit::LineLimit, serve, tls_port::Shared,
};
use crate::seams::{Accepted, BoxedIo, InPlace, Network as _, TcpNetwork};

fn tls() -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("key");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![key.cert.der().clone()],
            rustls_pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der())
                .expect("key"),
        )
        .expect("certificate");
    Arc::new(config)
}

/// Where nobody stops the server.
static PHASE: LazyLock<watch::Sender<Phase>> = LazyLock::new(|| watch::Sender::new(Phase::Serving));

fn port() -> Arc<Shared> {
    port_of(Protocol::http(Router::new()))
}

fn port_of(protocol: Protocol) -> Arc<Shared> {
    Arc::new(Shared {
        name: "client",
        acceptor: TlsAcceptor::from(tls()),
        handshake_timeout: Duration::from_millis(50),
        protocol,
        connections: None,
        refused: Some(IntCounter::new("refused", "refused").expect("valid")),
        lines: LineLimit::default(),
        phase: PHASE.subscribe(),
    })
}

fn accepted(io: tokio::io::DuplexStream) -> Accepted {
    Box::new(move || Ok(Box::new(io) as BoxedIo))
}

/// Sends `bytes`, and gives what comes back.
async fn say(port: &Arc<Shared>, bytes: &[u8]) -> String {
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let place = Arc::new(Semaphore::new(1))
        .try_acquire_owned()
        .expect("free");
    let address = "192.0.2.1:5".parse().expect("address");
    let served = tokio::spawn(Arc::clone(port).connection(accepted(server), address, place));
    client.write_all(bytes).await.expect("sent");
    client.shutdown().await.expect("closed");
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.expect("heard");
    served.await.expect("served");
    String::from_utf8_lossy(&heard).into_owned()
}

fn refused(port: &Shared) -> u64 {
    port.refused.as_ref().expect("counted").get()
}

#[tokio::test]
async fn plain_http_is_told_that_the_port_speaks_tls() {
    let port = port();
    let answer = say(&port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    assert!(
        body.contains("this port speaks TLS; try https://"),
        "{answer}"
    );
    assert!(
        answer.contains(&format!("Content-Length: {}\r\n", body.len())),
        "{answer}"
    );
    assert_eq!(refused(&port), 1);
}

#[tokio::test]
async fn a_malformed_handshake_is_refused() {
    let port = port();
    say(&port, b"\x16\x03\x01\x00\x05hello").await;
    assert_eq!(refused(&port), 1);
}

#[tokio::test]
async fn a_probe_that_says_nothing_is_not_a_refused_connection() {
    let port = port();
    assert_eq!(say(&port, b"").await, "");
    assert_eq!(refused(&port), 0);
}

#[tokio::test]
async fn a_handshake_that_stalls_is_given_up() {
    let port = port();
    let (mut client, server) = tokio::io::duplex(64);
    let place = Arc::new(Semaphore::new(1))
        .try_acquire_owned()
        .expect("free");
    let address = "192.0.2.1:5".parse().expect("address");
    client.write_all(b"\x16").await.expect("sent");
    let began = Instant::now();
    Arc::clone(&port)
        .connection(accepted(server), address, place)
        .await;
    assert!(began.elapsed() >= port.handshake_timeout);
    assert_eq!(refused(&port), 1);
}

/// The client's end of a connection that is served, after the handshake.
async fn shaken(
    port: &Arc<Shared>,
) -> (
    tokio_rustls::client::TlsStream<tokio::io::DuplexStream>,
    tokio::task::JoinHandle<()>,
) {
    let (client, server) = tokio::io::duplex(1 << 16);
    let place = Arc::new(Semaphore::new(1))
        .try_acquire_owned()
        .expect("free");
    let address = "192.0.2.1:5".parse().expect("address");
    let served = tokio::spawn(Arc::clone(port).connection(accepted(server), address, place));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer))
        .with_no_client_auth();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect("localhost".try_into().expect("a name"), client)
        .await
        .expect("a handshake");
    (stream, served)
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_begin_after_its_handshake_is_given_up() {
    let port = port();
    for said in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let (mut client, served) = shaken(&port).await;
        let began = Instant::now();
        client.write_all(said).await.expect("sent");
        client.flush().await.expect("sent");
        timeout(OPENING_TIMEOUT * 2, served)
            .await
            .expect("given up")
            .expect("ended");
        assert!(began.elapsed() >= OPENING_TIMEOUT, "after {said:?}");
    }
}

#[tokio::test]
async fn a_request_that_comes_byte_by_byte_is_answered() {
    let port = port();
    let (mut client, served) = shaken(&port).await;
    let request = b"POST /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for byte in request {
        client.write_all(&[*byte]).await.expect("sent");
        client.flush().await.expect("sent");
    }
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    served.await.expect("ended");
}

#[tokio::test]
async fn a_port_speaks_what_its_handler_speaks() {
    let port = port_of(Protocol {
        handler: Box::new(|mut stream, remote, mut phase| {
            Box::pin(async move {
                let hello = format!("{} on {:?}", remote.address, *phase.borrow_and_update());
                stream.write_all(hello.as_bytes()).await.expect("sent");
                stream.shutdown().await.expect("closed");
            })
        }),
        plain_answer: b"plainly not",
    });
    let (mut client, served) = shaken(&port).await;
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.expect("heard");
    assert_eq!(heard, "192.0.2.1:5 on Serving");
    served.await.expect("ended");
    assert_eq!(say(&port, b"hello").await, "plainly not");
}

#[tokio::test]
async fn a_port_takes_connections_until_its_last_phase() {
    let (phase, phases) = watch::channel(Phase::Draining);
    let listener = TcpNetwork.bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("address");
    let port = Port {
        name: "peer",
        listener,
        tls: tls(),
        protocol: Protocol::http(Router::new()),
        threads: Arc::new(InPlace),
        until: Phase::Closing,
        connections: None,
        refused: None,
    };
    let served = tokio::spawn(serve(port, phases));
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("connected");
    stream
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .expect("sent");
    stream.shutdown().await.expect("closed");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.contains("this port speaks TLS"), "{answer}");
    phase.send_replace(Phase::Closing);
    served.await.expect("ended");
    tokio::net::TcpStream::connect(address)
        .await
        .expect_err("closed");
}

/// Believes every server: what is tested comes after the handshake.
#[derive(Debug)]
struct AnyServer;

impl rustls::client::danger::ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &rustls_pki_types::CertificateDer<'_>,
        _intermediates: &[rustls_pki_types::CertificateDer<'_>],
        _server_name: &rustls_pki_types::ServerName<'_>,
        _ocsp_response: &[u8],
        _now: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &rustls_pki_types::CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &rustls_pki_types::CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
