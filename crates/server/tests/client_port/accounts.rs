//! What an account looks like on the wire.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quorid_api::proto::{
    Account, Attribute, CheckPasswordRequest, CreateAccountRequest, GetAccountRequest,
    ListAccountsRequest, UpdateAccountRequest,
};
use quorid_server::access::Access;
use tonic::Code;

use crate::support::{TestServer, accounts, metadata, refusal, revision};

fn create(login_name: &str) -> CreateAccountRequest {
    CreateAccountRequest {
        account: Some(Account {
            login_name: login_name.to_owned(),
            real_name: "Somebody".to_owned(),
            ..Account::default()
        }),
        password: "secret".to_owned(),
        request_id: String::new(),
        assign_posix_number: false,
        password_hash: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_answered_as_it_was_created() {
    let server = TestServer::start(Access::Closed).await;
    let mut operator = accounts(&server.operator().await);
    let created = operator.create_account(create("ana")).await;
    let created = created.expect("created");
    let at = revision(created.metadata());
    let ana = created.into_inner();
    assert!(ana.has_password);
    assert_eq!(ana.etag, format!("{at:x}"));

    let get = GetAccountRequest {
        name: "accounts/login:ANA".to_owned(),
        read: None,
        with_groups: false,
    };
    let read = operator.get_account(get).await.expect("read");
    assert_eq!(read.into_inner(), ana);
    let check = CheckPasswordRequest {
        name: ana.name,
        password: "secret".to_owned(),
        read: None,
    };
    let checked = operator.check_password(check).await.expect("right");
    assert_eq!(checked.into_inner().id, ana.id);
    let taken = metadata(operator.create_account(create("ANA")).await);
    assert_eq!(taken["account_id"], ana.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_with_the_etag_of_an_older_version_is_refused() {
    let server = TestServer::start(Access::Closed).await;
    let mut operator = accounts(&server.operator().await);
    let created = operator
        .create_account(create("ana"))
        .await
        .expect("created")
        .into_inner();
    let rename = |etag: &str, to: &str| UpdateAccountRequest {
        account: Some(Account {
            name: created.name.clone(),
            login_name: to.to_owned(),
            etag: etag.to_owned(),
            ..Account::default()
        }),
        ..UpdateAccountRequest::default()
    };
    let quoted = format!("\"{}\"", created.etag);
    let renamed = operator
        .update_account(rename(&quoted, "anna"))
        .await
        .expect("renamed");
    assert_ne!(renamed.get_ref().etag, created.etag);
    assert_eq!(renamed.get_ref().id, created.id);
    let stale = refusal(operator.update_account(rename(&created.etag, "eve")).await);
    assert_eq!(stale, (Code::Aborted, "ETAG_MISMATCH".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_with_long_attributes_come_in_pages_that_a_client_takes() {
    let server = TestServer::start(Access::Closed).await;
    let mut operator = accounts(&server.operator().await);
    let keys: Vec<_> = (0..7).map(ssh_key).collect();
    for number in 0..80 {
        let mut request = create(&format!("name{number}"));
        request.password.clear();
        let account = request.account.as_mut().expect("given");
        account.attributes.push(Attribute {
            name: "ssh_public_key".to_owned(),
            values: keys.clone(),
        });
        operator.create_account(request).await.expect("created");
    }
    let (mut listed, mut pages, mut token) = (0, 0, String::new());
    loop {
        let request = ListAccountsRequest {
            page_token: token,
            ..ListAccountsRequest::default()
        };
        let page = operator.list_accounts(request).await.expect("a page");
        let page = page.into_inner();
        listed += page.accounts.len();
        pages += 1;
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert!(pages > 1, "all of it is more than a message may be");
    assert_eq!(listed, 80);
}

/// As long as one may be.
fn ssh_key(number: u8) -> String {
    let name = "ssh-test";
    let mut blob = vec![0, 0, 0, 8];
    blob.extend(name.bytes());
    blob.resize(6000, number);
    format!("{name} {}", STANDARD.encode(blob))
}
