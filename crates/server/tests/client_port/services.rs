//! The services around the accounts: cluster, health, reflection, HTTP, and the shutdown.

use quorid_api::proto::{
    Account, CreateAccountRequest, GetClusterRequest, GetServerRequest, ListAccountsRequest,
    RemoveServerRequest, WatchClusterRequest,
};
use quorid_server::access::Access;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::support::{TestServer, accounts, cluster, refusal, revision};

#[tokio::test(flavor = "multi_thread")]
async fn anyone_sees_the_cluster_and_operators_see_its_digest() {
    let server = TestServer::start(Access::Closed).await;
    let mut stranger = cluster(&server.stranger().await);
    let mut operator = cluster(&server.operator().await);
    let view = stranger
        .get_cluster(GetClusterRequest {})
        .await
        .expect("seen");
    revision(view.metadata());
    let view = view.into_inner();
    assert_eq!(view.leader_id, view.answered_by);
    assert_eq!(view.servers[0].name, "n1");
    assert_eq!(view.servers[0].client_address, server.address());

    let status = stranger
        .get_server(GetServerRequest::default())
        .await
        .expect("seen")
        .into_inner();
    assert_eq!(status.server.expect("itself").name, "n1");
    assert_eq!(status.digest, "");
    let ask = GetServerRequest {
        digest: true,
        min_revision: 1,
    };
    let refused = refusal(stranger.get_server(ask).await);
    assert_eq!(
        refused,
        (Code::PermissionDenied, "OPERATOR_NEEDED".to_owned())
    );
    let status = operator.get_server(ask).await.expect("digest").into_inner();
    assert_eq!(status.digest.len(), 64);

    let remove = RemoveServerRequest {
        server_name: "n9".to_owned(),
    };
    let refused = refusal(stranger.remove_server(remove.clone()).await);
    assert_eq!(
        refused,
        (Code::PermissionDenied, "OPERATOR_NEEDED".to_owned())
    );
    let refused = refusal(operator.remove_server(remove).await);
    assert_eq!(refused, (Code::NotFound, "SERVER_NOT_FOUND".to_owned()));
    let nameless = refusal(operator.remove_server(RemoveServerRequest::default()).await);
    assert_eq!(
        nameless,
        (Code::InvalidArgument, "INVALID_SERVER".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_listed_in_pages() {
    let server = TestServer::start(Access::Open).await;
    let mut client = accounts(&server.stranger().await);
    let mut created = Vec::new();
    for n in 0..5 {
        let account = Account {
            login_name: format!("user{n}"),
            real_name: "Somebody".to_owned(),
            ..Account::default()
        };
        let request = CreateAccountRequest {
            account: Some(account),
            ..Default::default()
        };
        created.push(
            client
                .create_account(request)
                .await
                .expect("created")
                .into_inner()
                .id,
        );
    }
    created.sort();
    let mut listed = Vec::new();
    let mut sizes = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListAccountsRequest {
            kinds: 0,
            page_size: 2,
            page_token,
            read: None,
            filter: String::new(),
        };
        let page = client
            .list_accounts(request)
            .await
            .expect("listed")
            .into_inner();
        sizes.push(page.accounts.len());
        listed.extend(page.accounts.into_iter().map(|account| account.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(listed, created);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_tools_find_the_standard_services() {
    let server = TestServer::start(Access::Closed).await;
    let channel = server.stranger().await;
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "quorid.v1.Accounts"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = health.check(request).await.expect("answered");
        assert_eq!(
            answer.into_inner().status().as_str_name(),
            "SERVING",
            "{service}"
        );
    }

    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(channel);
    let mut answers = reflection
        .server_reflection_info(tokio_stream::iter([request]))
        .await
        .expect("answered")
        .into_inner();
    let answer = answers
        .message()
        .await
        .expect("answered")
        .expect("an answer");
    let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let names: Vec<String> = services
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    for name in [
        "quorid.v1.Accounts",
        "quorid.v1.Cluster",
        "grpc.health.v1.Health",
    ] {
        assert!(
            names.iter().any(|known| known == name),
            "{name} in {names:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_tells_health_readiness_and_metrics() {
    let server = TestServer::start(Access::Closed).await;
    let mut stranger = accounts(&server.stranger().await);
    refusal(stranger.list_accounts(ListAccountsRequest::default()).await);
    let table = [
        ("/healthz", "200 OK", "alive"),
        ("/readyz", "200 OK", "ready"),
        ("/nothing", "404 Not Found", "/healthz"),
        ("/metrics", "200 OK", "quorid_is_leader 1"),
        (
            "/metrics",
            "200 OK",
            "{code=\"UNAUTHENTICATED\",method=\"quorid.v1.Accounts/ListAccounts\"} 1",
        ),
    ];
    for (path, status, body) in table {
        let answer = server.get(path).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{path}: {answer}"
        );
        assert!(answer.contains(body), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_watches_with_its_reason_and_soon() {
    let server = TestServer::start(Access::Closed).await;
    let channel = server.stranger().await;
    let watch = cluster(&channel)
        .watch_cluster(WatchClusterRequest {})
        .await
        .expect("watching");
    let mut views = watch.into_inner();
    let first = views.message().await.expect("a view").expect("a view");
    assert_eq!(first.servers.len(), 1);
    let began = std::time::Instant::now();
    let (stopped, end) = tokio::join!(server.server.stop(), async {
        loop {
            match views.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("ended without a reason"),
                Err(status) => break status,
            }
        }
    });
    stopped.expect("stopped");
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}
