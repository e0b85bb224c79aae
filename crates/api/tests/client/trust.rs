//! TLS: what is trusted, and how it is explained where it isn't.

use std::{io, path::Path, sync::Arc, time::Duration};

use futures_util::stream;
use quorid_api::{
    Client, ClientConfig, ClientTlsFiles, Error, TlsError,
    proto::{
        self, ClusterView, ServerStatus,
        cluster_server::{Cluster, ClusterServer},
    },
    tls,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{io::copy_bidirectional, net::TcpListener};
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status};

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca() -> Ca {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "a CA");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn leaf(ca: &Ca, name: &str, expired: bool) -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    if expired {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, ca).unwrap(), key)
}

/// A client of one server that trusts `ca` and shows `own`.
fn client(
    dir: &Path,
    address: &str,
    ca: &Ca,
    own: Option<&(rcgen::Certificate, KeyPair)>,
) -> Client {
    let write = |name: &str, pem: String| {
        let path = dir.join(name);
        std::fs::write(&path, pem).unwrap();
        path
    };
    let settings = tls::load(&ClientTlsFiles {
        ca: write("ca.pem", ca.pem()),
        cert: own.map(|(cert, _)| write("own.pem", cert.pem())),
        key: own.map(|(_, key)| write("own.key", key.serialize_pem())),
    });
    Client::new(ClientConfig::new([address]).with_tls(settings.unwrap())).unwrap()
}

/// A server on a port of its own; its address.
async fn serve(
    (cert, key): (rcgen::Certificate, KeyPair),
    clients: Arc<dyn ClientCertVerifier>,
) -> String {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let streams = stream::unfold((listener, acceptor), |(listener, acceptor)| async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                // tonic serves streams of types that it knows.
                let (mut near, far) = tokio::io::duplex(1 << 16);
                tokio::spawn(async move { copy_bidirectional(&mut stream, &mut near).await });
                return Some((Ok::<_, io::Error>(far), (listener, acceptor)));
            }
        }
    });
    let serving = tonic::transport::Server::builder()
        .add_service(ClusterServer::new(Alone))
        .serve_with_incoming(streams);
    tokio::spawn(serving);
    address
}

fn asks_for(ca: &Ca) -> Arc<dyn ClientCertVerifier> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap()
}

/// The problem and the remedy, which come at once and not at the deadline.
async fn refused(client: &Client) -> String {
    let told = tokio::time::timeout(Duration::from_secs(10), client.cluster()).await;
    match told.expect("nothing is gained by waiting") {
        Err(Error::Tls(error @ TlsError::Handshake { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn servers_and_operators_of_the_same_ca_trust_each_other() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), ca());
    let address = serve(leaf(&ca, "127.0.0.1", false), asks_for(&ca)).await;
    let own = leaf(&ca, "operator", false);

    let view = client(dir.path(), &address, &ca, Some(&own))
        .cluster()
        .await
        .unwrap();
    assert_eq!(view.cluster_id, "alone");
}

#[tokio::test]
async fn what_a_server_lacks_is_told() {
    let (dir, ours, theirs) = (tempfile::tempdir().unwrap(), ca(), ca());
    for (leaf, problem) in [
        (
            leaf(&theirs, "127.0.0.1", false),
            "not from the CA that is trusted",
        ),
        (leaf(&ours, "127.0.0.1", true), "has expired"),
        (
            leaf(&ours, "127.0.0.2", false),
            "not made out to `127.0.0.1`",
        ),
    ] {
        let address = serve(leaf, Arc::new(NoClientAuth)).await;
        let told = refused(&client(dir.path(), &address, &ours, None)).await;
        for part in [problem, &*address] {
            assert!(told.contains(part), "{told}");
        }
    }
}

#[tokio::test]
async fn what_a_client_lacks_is_told() {
    let (dir, ours, theirs) = (tempfile::tempdir().unwrap(), ca(), ca());
    let address = serve(leaf(&ours, "127.0.0.1", false), asks_for(&ours)).await;

    let told = refused(&client(dir.path(), &address, &ours, None)).await;
    assert!(told.contains("asks for a client certificate"), "{told}");

    let own = leaf(&theirs, "operator", false);
    let told = refused(&client(dir.path(), &address, &ours, Some(&own))).await;
    assert!(told.contains("refuses this client's certificate"), "{told}");
}

#[tokio::test]
async fn a_server_in_plain_text_is_told() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), ca());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let hello = b"220 mail.example ESMTP ready\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, hello)
                .await
                .unwrap();
            tokio::spawn(async move { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await });
        }
    });
    let told = refused(&client(dir.path(), &address, &ca, None)).await;
    assert!(told.contains("does not speak TLS"), "{told}");
}

#[test]
fn files_that_are_of_no_use_are_told() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), ca());
    let good = dir.path().join("ca.pem");
    std::fs::write(&good, ca.pem()).unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let missing = dir.path().join("missing.pem");
    let files = |ca: &Path, cert: Option<&Path>, key: Option<&Path>| ClientTlsFiles {
        ca: ca.to_owned(),
        cert: cert.map(Into::into),
        key: key.map(Into::into),
    };
    for (files, parts) in [
        (
            files(&missing, None, None),
            ["missing.pem", "CA certificate"],
        ),
        (
            files(&empty, None, None),
            ["empty.pem", "no PEM certificate"],
        ),
        (
            files(&good, Some(&good), Some(&empty)),
            ["empty.pem", "private key"],
        ),
        (
            files(&good, Some(&good), None),
            ["needs its private key", "only the certificate"],
        ),
    ] {
        let told = tls::load(&files).unwrap_err().to_string();
        for part in parts {
            assert!(told.contains(part), "{told}");
        }
    }
}

/// A cluster of one, which only tells its view.
struct Alone;

fn alone() -> ClusterView {
    ClusterView {
        cluster_id: "alone".to_owned(),
        ..ClusterView::default()
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Cluster for Alone {
    async fn get_cluster(&self, _: Request<proto::GetClusterRequest>) -> Answer<ClusterView> {
        Ok(Response::new(alone()))
    }

    type WatchClusterStream = stream::Iter<std::iter::Once<Result<ClusterView, Status>>>;

    async fn watch_cluster(
        &self,
        _: Request<proto::WatchClusterRequest>,
    ) -> Answer<Self::WatchClusterStream> {
        Ok(Response::new(stream::iter(std::iter::once(Ok(alone())))))
    }

    async fn get_server(&self, _: Request<proto::GetServerRequest>) -> Answer<ServerStatus> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn add_server(&self, _: Request<proto::AddServerRequest>) -> Answer<ClusterView> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn remove_server(&self, _: Request<proto::RemoveServerRequest>) -> Answer<ClusterView> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn replace_server(&self, _: Request<proto::ReplaceServerRequest>) -> Answer<ClusterView> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn move_server(&self, _: Request<proto::MoveServerRequest>) -> Answer<ClusterView> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn transfer_leadership(
        &self,
        _: Request<proto::TransferLeadershipRequest>,
    ) -> Answer<ClusterView> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn get_settings(&self, _: Request<proto::GetSettingsRequest>) -> Answer<proto::Settings> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn change_settings(
        &self,
        _: Request<proto::ChangeSettingsRequest>,
    ) -> Answer<proto::Settings> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn raise_level(
        &self,
        _: Request<proto::RaiseLevelRequest>,
    ) -> Answer<proto::RaiseLevelResponse> {
        Err(Status::unimplemented("not asked for"))
    }
}
