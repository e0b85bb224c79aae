//! A server of its own for a test, in this process, and raw clients for it.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper_util::rt::TokioIo;
use quorid_api::proto::{
    ExchangeRequest, ExchangeResponse, accounts_client::AccountsClient,
    cluster_client::ClusterClient, exchange_request::Request as Asked,
    exchange_response::Answer as Answered, requests_client::RequestsClient,
};
use quorid_directory::{RequestId, Revision};
use quorid_server::{
    access::Access,
    config::{Config, PasswordFlags, ServerSettings, TlsFlags},
    named_server::NamedServer,
    seams::{
        BoxFuture, BoxedIo, Listener, Network, Outside, SystemClock, SystemEntropy, SystemThreads,
        TcpNetwork,
    },
    serve::Server,
    tls::{ServerTls, TlsFiles},
};
use quorid_storage::DataDirectory;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    Code, Request, Status,
    metadata::MetadataMap,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

use crate::certificates::Ca;

/// The machine's network, with listeners that are open before their addresses are needed.
#[derive(Default)]
struct HeldPorts(Mutex<HashMap<String, Box<dyn Listener>>>);

impl HeldPorts {
    /// Opens a port that the system chooses, for the first who listens there.
    async fn hold(&self) -> String {
        let listener = TcpNetwork.bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let mut held = self.0.lock().expect("no panic");
        held.insert(address.clone(), listener);
        address
    }
}

impl Network for HeldPorts {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<BoxedIo>> {
        TcpNetwork.connect(address)
    }

    fn bind<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        let held = self.0.lock().expect("no panic").remove(address);
        Box::pin(async { held.ok_or_else(|| io::ErrorKind::AddrInUse.into()) })
    }
}

pub(crate) struct TestServer {
    pub(crate) ca: Ca,
    pub(crate) server: Server,
}

impl TestServer {
    pub(crate) async fn start(access: Access) -> Self {
        Self::start_with(access, false).await
    }

    /// A server whose accounts change their own login names, or not.
    pub(crate) async fn start_with(access: Access, self_rename: bool) -> Self {
        let ca = Ca::new();
        let tls = ca.server("n1");
        let network = Arc::new(HeldPorts::default());
        let client_address = network.hold().await;
        let peer_address = network.hold().await;
        let settings = ServerSettings {
            name: Some("n1".to_owned()),
            data_dir: Some(ca.dir.path().join("data")),
            client_listen: Some(client_address.clone()),
            peer_listen: Some(peer_address.clone()),
            initial_servers: Some(vec![NamedServer {
                name: "n1".to_owned(),
                peer_address,
                client_address,
            }]),
            form_alone: Some(true),
            tls: TlsFlags {
                ca: Some(tls.ca.clone()),
                cert: Some(tls.cert.clone()),
                key: Some(tls.key.clone()),
            },
            access: Some(access),
            self_rename: Some(self_rename),
            password: PasswordFlags {
                memory_kib: Some(8),
                iterations: Some(1),
                length_min: Some(1),
                ..PasswordFlags::default()
            },
            ..ServerSettings::default()
        };
        let config = Config::from_settings(settings).expect("configuration");
        let tls = ServerTls::load(&config.tls).expect("certificates");
        let outside = Outside {
            disk: Arc::new(DataDirectory::open(&config.data_dir).expect("directory")),
            network,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            threads: Arc::new(SystemThreads::start(1).expect("threads")),
        };
        let server = Server::start(config, &tls, outside, || {})
            .await
            .expect("started");
        let mut cluster = server.cluster();
        cluster
            .wait_for(|state| state.leading().is_some())
            .await
            .expect("a leader");
        Self { ca, server }
    }

    pub(crate) fn address(&self) -> &str {
        self.server.client_address()
    }

    /// A connection by somebody without a certificate.
    pub(crate) async fn stranger(&self) -> Channel {
        self.connect(None).await.expect("connected")
    }

    /// A connection by an operator.
    pub(crate) async fn operator(&self) -> Channel {
        let files = self.ca.operator("root");
        self.connect(Some(&files)).await.expect("connected")
    }

    pub(crate) async fn connect(&self, files: Option<&TlsFiles>) -> Result<Channel, String> {
        let config = client_config(&self.ca, files, b"h2");
        let address = self.address().to_owned();
        let connector = tower::service_fn(move |_: http::Uri| {
            let (config, address) = (Arc::clone(&config), address.clone());
            async move { tls(&address, config).await.map(TokioIo::new) }
        });
        Endpoint::from_static("http://localhost")
            .connect_with_connector(connector)
            .await
            .map_err(|error| format!("{error:?}"))
    }

    /// What HTTP/1.1 answers to a GET.
    pub(crate) async fn get(&self, path: &str) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let config = client_config(&self.ca, None, b"http/1.1");
        let mut stream = tls(self.address(), config).await.expect("connected");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("answered");
        String::from_utf8(answer).expect("text")
    }
}

async fn tls(address: &str, config: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(config).connect(name, stream).await
}

fn client_config(ca: &Ca, files: Option<&TlsFiles>, protocol: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_file(ca.dir.path().join("ca.crt")).expect("CA");
    roots.add(root).expect("CA");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = match files {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let certificate = CertificateDer::from_pem_file(&files.cert).expect("certificate");
            let key = PrivateKeyDer::from_pem_file(&files.key).expect("key");
            builder
                .with_client_auth_cert(vec![certificate], key)
                .expect("fits")
        }
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}

pub(crate) fn accounts(channel: &Channel) -> AccountsClient<Channel> {
    AccountsClient::new(channel.clone())
}

pub(crate) fn cluster(channel: &Channel) -> ClusterClient<Channel> {
    ClusterClient::new(channel.clone())
}

/// The request with a login.
pub(crate) fn by<T>(login: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Basic {}", STANDARD.encode(login))
        .parse()
        .expect("ASCII");
    request.metadata_mut().insert("authorization", value);
    request
}

/// Code and reason of an error, which must have a revision too.
#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("refused");
    revision(status.metadata());
    let info = status.get_details_error_info();
    let reason = info
        .unwrap_or_else(|| panic!("no reason in {status:?}"))
        .reason;
    (status.code(), reason)
}

#[track_caller]
pub(crate) fn metadata<T: std::fmt::Debug>(result: Result<T, Status>) -> HashMap<String, String> {
    let status = result.expect_err("refused");
    status.get_details_error_info().expect("a reason").metadata
}

#[track_caller]
pub(crate) fn revision(metadata: &MetadataMap) -> u64 {
    let header = metadata.get("quorid-revision").expect("a revision");
    header.to_str().expect("ASCII").parse().expect("a number")
}

pub(crate) fn request_id() -> String {
    let (_, random) = uuid::Uuid::now_v7().as_u64_pair();
    RequestId::new(Revision(0), random).to_string()
}

/// What a request on a stream of its own is answered.
pub(crate) async fn exchange(
    channel: &Channel,
    login: Option<&str>,
    asked: Asked,
) -> Result<Answered, Status> {
    let requests = tokio_stream::once(ExchangeRequest {
        id: 7,
        request: Some(asked),
        ..ExchangeRequest::default()
    });
    let requests = match login {
        Some(login) => by(login, requests),
        None => Request::new(requests),
    };
    let mut answers = RequestsClient::new(channel.clone())
        .exchange(requests)
        .await?
        .into_inner();
    let answer = answers.message().await?.expect("an answer");
    assert_eq!(answer.id, 7);
    assert!(answers.message().await?.is_none(), "one answer");
    outcome(answer)
}

/// An answer on a stream, as a call of its own gives it.
pub(crate) fn outcome(answer: ExchangeResponse) -> Result<Answered, Status> {
    match answer.answer.expect("an answer or an error") {
        Answered::Error(error) => {
            let mut metadata = MetadataMap::new();
            metadata.insert("quorid-revision", answer.revision.into());
            Err(Status::with_details_and_metadata(
                Code::from_i32(error.code),
                error.message,
                error.details.into(),
                metadata,
            ))
        }
        answered @ (Answered::Account(_) | Answered::Group(_) | Answered::Deleted(_)) => {
            Ok(answered)
        }
    }
}
