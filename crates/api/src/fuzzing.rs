//! Doors for the fuzzer, and only for it: what servers answer, as the client library decodes it.
//! fuzz/README.md says what must hold.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use hyper::body::{Body, Frame};
use prost::{Message as _, bytes::Bytes};
use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    Endpoint, Error, FailedTry, Reason, Rejected,
    answer::readable,
    attempt::leader_told,
    failure::Failure,
    leader::LeaderFinder,
    proto::{ClusterView, GetClusterRequest, Server, cluster_client::ClusterClient},
    session::{Session, revision_in},
};

const SEEDS: [&str; 2] = ["s1:7400", "s2:7400"];

/// An answer as it comes over HTTP: headers, trailers and body, an empty line between. Whatever
/// it is, it gives a view of the cluster or an error.
pub fn answer(bytes: &[u8]) -> Result<ClusterView, Error> {
    let (headers, rest) = split(bytes);
    let (trailers, body) = split(rest);
    let mut response = Response::new(Frames(
        [
            Frame::data(Bytes::copy_from_slice(body)),
            Frame::trailers(self::headers(trailers)),
        ]
        .into(),
    ));
    *response.headers_mut() = self::headers(headers);
    let mut response = Some(response);
    let server = tower::service_fn(move |_| {
        let response = response.take().expect("asked once");
        std::future::ready(Ok::<_, Infallible>(readable(response)))
    });
    let answered = ClusterClient::new(server)
        .get_cluster(GetClusterRequest {})
        .now_or_never()
        .expect("all of it is there");
    let session = Session::default();
    match answered {
        Ok(answer) => {
            session.note(revision_in(answer.metadata()));
            Ok(answer.into_inner())
        }
        Err(status) => {
            session.note(revision_in(status.metadata()));
            assert_eq!(session.revision(), session.last());
            let failure = Failure::from(status);
            assert_ne!(failure.problem(), "");
            Err(match failure {
                Failure::Final(rejected) | Failure::Busy(rejected) => rejected.into(),
                Failure::NotLeader(rejected) => {
                    redirected(&rejected);
                    rejected.into()
                }
                Failure::Elsewhere(lost) => crate::Unavailable {
                    tried: SEEDS.map(str::to_owned).to_vec(),
                    waited: std::time::Duration::ZERO,
                    outcome_unknown: lost.arrived,
                    last_error: Some(FailedTry {
                        server: String::new(),
                        problem: lost.problem,
                    }),
                }
                .into(),
            })
        }
    }
}

fn redirected(refusal: &Rejected) {
    let finder = LeaderFinder::unconnected(&SEEDS);
    let (term, leader) = leader_told(refusal);
    let hint = leader.map(|endpoint| finder.server_at(&endpoint));
    let by = &finder.servers()[0];
    finder.refused(by, term, hint.as_ref());
    assert_consistent(&finder);
    assert_eq!(finder.leadership().borrow().term, term);
}

/// Views of the cluster, one after the other: the term never falls, and the servers that were
/// given stay known.
pub fn views(views: Vec<ClusterView>) {
    let finder = LeaderFinder::unconnected(&SEEDS);
    let mut term = 0;
    for view in views {
        finder.accept(view);
        assert_consistent(&finder);
        let known = finder.leadership().borrow().term;
        assert!(known >= term, "term {known} after {term}");
        term = known;
    }
}

fn assert_consistent(finder: &LeaderFinder) {
    let servers = finder.servers();
    for seed in SEEDS {
        assert!(
            servers
                .iter()
                .any(|server| server.endpoint.as_str() == seed)
        );
    }
    for (index, server) in servers.iter().enumerate() {
        assert!(!servers[..index].iter().any(|other| other.is(server)));
    }
    for address in finder.addresses() {
        assert_endpoint(&address);
    }
    let known = finder.leadership().borrow().clone();
    assert!(finder.for_leader(&known, &[]).is_some());
    assert!(finder.for_any(&[]).is_some());
    assert!(finder.for_watch(&servers).is_none());
}

/// An address has one spelling, made of its host and port.
pub fn assert_endpoint(text: &str) {
    let Ok(endpoint) = text.parse::<Endpoint>() else {
        return;
    };
    let (host, port) = (endpoint.host(), endpoint.port());
    let written = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    assert_eq!(written, text);
}

fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&bytes[..end], &bytes[end + 2..]),
        None => (bytes, &[]),
    }
}

/// Lines `name:value`; what cannot be a header is left out, as HTTP would refuse it.
fn headers(lines: &[u8]) -> HeaderMap {
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(&line[colon + 1..]).ok()?))
    };
    lines
        .split(|byte| *byte == b'\n')
        .filter_map(header)
        .collect()
}

/// A body whose frames are all there.
struct Frames(VecDeque<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// Answers for [`answer`]: a view, and errors in headers and in trailers.
pub fn answer_seeds() -> Vec<Vec<u8>> {
    let mut view = vec![0];
    let message = view_of(3, 1).encode_to_vec();
    view.extend(
        u32::try_from(message.len())
            .expect("a short one")
            .to_be_bytes(),
    );
    view.extend(message);
    let ok = b"content-type:application/grpc\nquorid-revision:7\n\ngrpc-status:0\n\n";
    let mut seeds = vec![[ok.as_slice(), &view].concat()];
    for (code, reason) in [
        (Code::Unavailable, Reason::NotLeader),
        (Code::ResourceExhausted, Reason::Busy),
        (Code::AlreadyExists, Reason::LoginNameTaken),
        (Code::Unavailable, Reason::NoQuorum),
    ] {
        let metadata = [("term", "4"), ("leader_address", "s2:7400")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let details = ErrorDetails::with_error_info(reason.as_str(), "quorid", metadata);
        let response =
            tonic::Status::with_error_details(code, "no\u{1b}[2J", details).into_http::<()>();
        let mut lines = Vec::new();
        for (name, value) in response.headers() {
            lines.extend([name.as_str().as_bytes(), b":", value.as_bytes(), b"\n"].concat());
        }
        seeds.push(lines.clone());
        seeds.push([b"content-type:application/grpc\n\n", lines.as_slice()].concat());
    }
    seeds
}

/// Server 1 leads, or another.
pub fn view_of(term: u64, leader_id: u64) -> ClusterView {
    let servers = (1..=3).map(|id| Server {
        id,
        name: format!("s{id}"),
        client_address: format!("s{id}:7400"),
        peer_address: format!("[::{id}]:7401"),
        voter: id < 3,
    });
    ClusterView {
        cluster_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        term,
        leader_id,
        servers: servers.collect(),
        answered_by: leader_id,
    }
}
