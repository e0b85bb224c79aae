//! What can be sent wrongly: each gets a clear error, and the server goes on.

use quorid_api::proto::{
    Account, AddServerRequest, CreateAccountRequest, GetAccountRequest, GetClusterRequest,
    ListAccountsRequest, ReadOptions, ReplaceServerRequest, UpdateAccountRequest,
};
use quorid_server::access::Access;
use tonic::{Code, Request};

use crate::{
    certificates::Ca,
    support::{TestServer, accounts, cluster, refusal},
};

/// `CreateAccountRequest` with bytes where text belongs.
#[derive(Clone, PartialEq, prost::Message)]
struct RawCreate {
    #[prost(message, optional, tag = "1")]
    account: Option<RawAccount>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawAccount {
    #[prost(bytes = "vec", tag = "3")]
    login_name: Vec<u8>,
}

fn invalid(reason: &str) -> (Code, String) {
    (Code::InvalidArgument, reason.to_owned())
}

fn create(login_name: &str, real_name: &str) -> CreateAccountRequest {
    CreateAccountRequest {
        account: Some(Account {
            login_name: login_name.to_owned(),
            real_name: real_name.to_owned(),
            ..Account::default()
        }),
        ..CreateAccountRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_accounts_are_refused_and_the_server_goes_on() {
    let server = TestServer::start(Access::Open).await;
    let mut client = accounts(&server.stranger().await);
    let long = "x".repeat(5000);
    for name in ["", " ", "a/b", "bell\u{7}", long.as_str()] {
        let refused = refusal(client.create_account(create(name, "Ana")).await);
        assert_eq!(refused, invalid("INVALID_LOGIN_NAME"), "{name:?}");
    }
    for name in ["", "bell\u{7}", long.as_str()] {
        let refused = refusal(client.create_account(create("ana", name)).await);
        assert_eq!(refused, invalid("INVALID_REAL_NAME"), "{name:?}");
    }
    let mut bad = create("ana", "Ana");
    bad.password = "bell\u{7}".to_owned();
    assert_eq!(
        refusal(client.create_account(bad).await),
        invalid("INVALID_PASSWORD")
    );
    let mut bad = create("ana", "Ana");
    bad.request_id = "1".to_owned();
    assert_eq!(
        refusal(client.create_account(bad).await),
        invalid("INVALID_REQUEST_ID")
    );
    let refused = client.create_account(CreateAccountRequest::default()).await;
    assert_eq!(refusal(refused), invalid("INVALID_LOGIN_NAME"));
    let created = client.create_account(create("ana", "Ana")).await;
    created.expect("the server goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_account_names_and_read_options_are_refused() {
    let server = TestServer::start(Access::Open).await;
    let mut client = accounts(&server.stranger().await);
    for name in ["", "ana", "accounts/ana", "accounts/1234"] {
        let get = GetAccountRequest {
            name: name.to_owned(),
            read: None,
            with_groups: false,
        };
        assert_eq!(
            refusal(client.get_account(get).await),
            invalid("INVALID_ACCOUNT_NAME")
        );
    }
    let read = Some(ReadOptions {
        consistency: 9,
        min_revision: 0,
    });
    let get = GetAccountRequest {
        name: "accounts/login:ana".to_owned(),
        read,
        with_groups: false,
    };
    assert_eq!(
        refusal(client.get_account(get).await),
        invalid("INVALID_READ_OPTIONS")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_pages_are_refused() {
    let server = TestServer::start(Access::Open).await;
    let mut client = accounts(&server.stranger().await);
    let list = |page_size, page_token: &str| ListAccountsRequest {
        kinds: 0,
        page_size,
        page_token: page_token.to_owned(),
        read: None,
        filter: String::new(),
    };
    let refused = refusal(client.list_accounts(list(0, "AQIDBA")).await);
    assert_eq!(refused, invalid("INVALID_PAGE_TOKEN"));
    let refused = refusal(client.list_accounts(list(-1, "")).await);
    assert_eq!(refused, invalid("INVALID_PAGE_SIZE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_changes_are_refused() {
    let server = TestServer::start(Access::Open).await;
    let mut client = accounts(&server.stranger().await);
    let update = |etag: &str, mask: Option<&str>| UpdateAccountRequest {
        account: Some(Account {
            name: "accounts/login:ana".to_owned(),
            etag: etag.to_owned(),
            login_name: "anna".to_owned(),
            ..Account::default()
        }),
        update_mask: mask.map(|path| prost_types::FieldMask {
            paths: vec![path.to_owned()],
        }),
        ..UpdateAccountRequest::default()
    };
    let refused = refusal(client.update_account(update("zz", None)).await);
    assert_eq!(refused, invalid("INVALID_ETAG"));
    let refused = refusal(client.update_account(update("", Some("*"))).await);
    assert_eq!(refused, invalid("INVALID_FIELD_MASK"));
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_could_not_be_members_are_refused() {
    let server = TestServer::start(Access::Open).await;
    let mut client = cluster(&server.operator().await);
    let good = ("n2", "10.0.0.2:7400", "10.0.0.2:7401");
    for (name, client_address, peer_address) in [
        ("N2", good.1, good.2),
        ("n2.lan", good.1, good.2),
        ("-n2", good.1, good.2),
        (good.0, "10.0.0.2", good.2),
        (good.0, "10.0.0.2:0", good.2),
        (good.0, "0.0.0.0:7400", good.2),
        (good.0, "[n2]:7400", good.2),
        (good.0, good.1, "::1:7401"),
        (good.0, good.1, "[fe80::1%2]:7401"),
        (good.0, good.1, "[::]:7401"),
        (good.0, good.1, "n 2:7401"),
    ] {
        let add = AddServerRequest {
            server_name: name.to_owned(),
            client_address: client_address.to_owned(),
            peer_address: peer_address.to_owned(),
            learner: false,
        };
        let replace = ReplaceServerRequest {
            server_name: "n1".to_owned(),
            new_server_name: name.to_owned(),
            client_address: client_address.to_owned(),
            peer_address: peer_address.to_owned(),
        };
        let refused = refusal(client.add_server(add).await);
        assert_eq!(refused, invalid("INVALID_SERVER"), "{name} {peer_address}");
        let refused = refusal(client.replace_server(replace).await);
        assert_eq!(refused, invalid("INVALID_SERVER"), "{name} {peer_address}");
    }
    for (name, client_address, peer_address) in [
        ("", good.1, good.2),
        (good.0, "", good.2),
        (good.0, good.1, ""),
    ] {
        let add = AddServerRequest {
            server_name: name.to_owned(),
            client_address: client_address.to_owned(),
            peer_address: peer_address.to_owned(),
            learner: false,
        };
        let refused = refusal(client.add_server(add).await);
        assert_eq!(refused, invalid("INVALID_SERVER"), "{name} {peer_address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_cannot_be_taken_are_the_callers_error() {
    let server = TestServer::start(Access::Open).await;
    let channel = server.stranger().await;

    let mut raw = tonic::client::Grpc::new(channel.clone());
    raw.ready().await.expect("ready");
    let message = RawCreate {
        account: Some(RawAccount {
            login_name: vec![0xff, 0xfe],
        }),
    };
    let path = http::uri::PathAndQuery::from_static("/quorid.v1.Accounts/CreateAccount");
    let codec = tonic_prost::ProstCodec::<RawCreate, Account>::default();
    let answer = raw.unary(Request::new(message), path, codec).await;
    let status = answer.expect_err("not UTF-8");
    assert!(status.message().contains("UTF-8"), "{status:?}");
    assert_eq!(refusal::<()>(Err(status)), invalid("INVALID_MESSAGE"));

    let large = create("ana", &"x".repeat(70_000));
    let answer = accounts(&channel).create_account(large).await;
    let status = answer.expect_err("too large");
    assert!(status.message().contains("65536"), "{status:?}");
    assert_eq!(refusal::<()>(Err(status)), invalid("INVALID_MESSAGE"));

    let mut raw = tonic::client::Grpc::new(channel.clone());
    raw.ready().await.expect("ready");
    let path = http::uri::PathAndQuery::from_static("/quorid.v1.Nothing/Nothing");
    let codec = tonic_prost::ProstCodec::<RawCreate, Account>::default();
    let unknown = raw
        .unary(Request::new(RawCreate::default()), path, codec)
        .await;
    assert_eq!(unknown.expect_err("unknown").code(), Code::Unimplemented);

    accounts(&channel)
        .create_account(create("ana", "Ana"))
        .await
        .expect("the server goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_and_foreign_certificates_are_refused() {
    let server = TestServer::start(Access::Closed).await;
    let foreign_ca = Ca::new();
    let foreign = foreign_ca.operator("root");
    let expired = server.ca.expired_operator("old");
    for files in [foreign, expired] {
        // TLS 1.3 tells the client with its first answer.
        let refused = match server.connect(Some(&files)).await {
            Err(_) => true,
            Ok(channel) => cluster(&channel)
                .get_cluster(GetClusterRequest {})
                .await
                .is_err(),
        };
        assert!(refused, "{}", files.cert.display());
    }
    let channel = server.stranger().await;
    cluster(&channel)
        .get_cluster(GetClusterRequest {})
        .await
        .expect("the server goes on");
}
