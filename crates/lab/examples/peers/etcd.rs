//! etcd's API, version 3: the two calls that accounts need, by gRPC.
//!
//! An account is under two keys, so that neither its id nor its login name is there twice: `name/<login name>` has the
//! record, and `id/<id>` the login name. A transaction creates both if neither is there.

use anyhow::Context as _;
use prost::Message;
use quorid_lab::{
    LabError,
    load::{ClientThreads, Failed, Session},
};
use tokio::runtime::Handle;
use tonic::{
    Request,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;
use uuid::Uuid;

use crate::{Options, record};

const NAMES: &str = "name/";
/// The key after all that begin with [`NAMES`].
const NAMES_END: &str = "name0";

/// A client.
#[derive(Clone)]
pub(crate) struct EtcdSession {
    channel: Channel,
}

/// As many clients, in turn on each of the connections, and these in turn to each of the servers; and the thread of each.
pub(crate) async fn sessions(
    options: &Options,
    threads: &ClientThreads,
) -> anyhow::Result<Vec<(EtcdSession, Handle)>> {
    let mut connections = Vec::new();
    for server in options
        .servers
        .iter()
        .cycle()
        .take(options.connections as usize)
    {
        let endpoint: Endpoint = format!("http://{server}").parse()?;
        let thread = threads.next();
        let connecting = async move { endpoint.tcp_nodelay(true).connect().await };
        let connected = thread.spawn(connecting).await?;
        let channel = connected.with_context(|| format!("cannot connect to {server}"))?;
        connections.push((EtcdSession { channel }, thread));
    }
    let sessions = connections.iter().cycle().take(options.clients as usize);
    Ok(sessions.cloned().collect())
}

/// Login names that are there.
pub(crate) async fn known_names(
    sessions: &[(EtcdSession, Handle)],
    names_max: usize,
) -> anyhow::Result<Vec<String>> {
    let (session, _) = sessions.first().context("no client")?;
    let request = RangeRequest {
        key: NAMES.into(),
        range_end: NAMES_END.into(),
        limit: i64::try_from(names_max)?,
        keys_only: true,
    };
    let found: RangeResponse = session.call("/etcdserverpb.KV/Range", request).await?;
    let names = found.kvs.into_iter().map(|pair| {
        let key = String::from_utf8(pair.key)?;
        Ok(key.trim_start_matches(NAMES).to_owned())
    });
    names.collect()
}

impl EtcdSession {
    async fn call<A, B>(&self, method: &'static str, request: A) -> Result<B, tonic::Status>
    where
        A: Message + Send + Sync + 'static,
        B: Message + Default + Send + Sync + 'static,
    {
        // As many bytes as all names take.
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(usize::MAX);
        let ready = grpc.ready().await;
        ready.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
        let codec: ProstCodec<A, B> = ProstCodec::default();
        let path = PathAndQuery::from_static(method);
        Ok(grpc
            .unary(Request::new(request), path, codec)
            .await?
            .into_inner())
    }
}

impl Session for EtcdSession {
    async fn create(&self, login_name: String, real_name: String) -> Result<(), Failed> {
        let id = Uuid::now_v7().to_string();
        let fields = record(&id, &login_name, &real_name);
        let value: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let name_key = format!("{NAMES}{login_name}");
        let id_key = format!("id/{id}");
        let request = TxnRequest {
            compare: vec![absent(&name_key), absent(&id_key)],
            success: vec![
                put(name_key, value.join("\n")),
                put(id_key, login_name.clone()),
            ],
        };
        let done: TxnResponse = self
            .call("/etcdserverpb.KV/Txn", request)
            .await
            .map_err(failed)?;
        match done.succeeded {
            true => Ok(()),
            false => Err(wrong(format!("{login_name} is there already"))),
        }
    }

    async fn lookup(&self, login_name: String) -> Result<(), Failed> {
        let request = RangeRequest {
            key: format!("{NAMES}{login_name}").into(),
            ..RangeRequest::default()
        };
        let found: RangeResponse = self
            .call("/etcdserverpb.KV/Range", request)
            .await
            .map_err(failed)?;
        match found.kvs.is_empty() {
            false => Ok(()),
            true => Err(wrong(format!("{login_name} is not there"))),
        }
    }
}

fn failed(status: tonic::Status) -> Failed {
    Failed {
        name: format!("{:?}", status.code()),
        error: Box::new(LabError::Fault(status.to_string())),
    }
}

fn wrong(what: String) -> Failed {
    Failed {
        name: "WRONG".to_owned(),
        error: Box::new(LabError::Fault(what)),
    }
}

/// Holds if there is no such key.
fn absent(key: &str) -> Compare {
    Compare {
        key: key.into(),
        version: Some(0),
    }
}

fn put(key: String, value: String) -> RequestOp {
    RequestOp {
        put: Some(PutRequest {
            key: key.into(),
            value: value.into(),
        }),
    }
}

// ---- parts of etcd's rpc.proto ------------------------------------------------------------------

#[derive(Clone, PartialEq, Message)]
struct RangeRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    range_end: Vec<u8>,
    #[prost(int64, tag = "3")]
    limit: i64,
    #[prost(bool, tag = "8")]
    keys_only: bool,
}

#[derive(Clone, PartialEq, Message)]
struct RangeResponse {
    #[prost(message, repeated, tag = "2")]
    kvs: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct TxnRequest {
    #[prost(message, repeated, tag = "1")]
    compare: Vec<Compare>,
    #[prost(message, repeated, tag = "2")]
    success: Vec<RequestOp>,
}

/// Its `result` is EQUAL and its `target` VERSION, which are 0.
#[derive(Clone, PartialEq, Message)]
struct Compare {
    #[prost(bytes = "vec", tag = "3")]
    key: Vec<u8>,
    #[prost(int64, optional, tag = "4")]
    version: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct RequestOp {
    #[prost(message, optional, tag = "2")]
    put: Option<PutRequest>,
}

#[derive(Clone, PartialEq, Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct TxnResponse {
    #[prost(bool, tag = "2")]
    succeeded: bool,
}
