//! A retry with the same request id gets the first outcome, whatever that was.

use prost_types::FieldMask;
use quorid_api::proto::{
    Account, CreateAccountRequest, DeleteAccountRequest, UpdateAccountRequest,
};
use quorid_server::access::Access;
use tonic::Code;

use crate::support::{TestServer, accounts, by, metadata, refusal, request_id, revision};

fn create(login_name: &str, request_id: &str) -> CreateAccountRequest {
    CreateAccountRequest {
        account: Some(Account {
            login_name: login_name.to_owned(),
            real_name: "Somebody".to_owned(),
            ..Account::default()
        }),
        password: "first".to_owned(),
        request_id: request_id.to_owned(),
    }
}

fn set_password(login_name: &str, current: &str, new: &str) -> UpdateAccountRequest {
    UpdateAccountRequest {
        account: Some(Account {
            name: format!("accounts/login:{login_name}"),
            ..Account::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["password".to_owned()],
        }),
        current_password: current.to_owned(),
        new_password: new.to_owned(),
        request_id: request_id(),
        edits: Vec::new(),
    }
}

fn delete(login_name: &str, password: &str) -> DeleteAccountRequest {
    DeleteAccountRequest {
        name: format!("accounts/login:{login_name}"),
        current_password: password.to_owned(),
        request_id: request_id(),
        ..DeleteAccountRequest::default()
    }
}

fn wrong_password() -> (Code, String) {
    (Code::Unauthenticated, "WRONG_PASSWORD".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_get_the_first_outcome_and_strangers_do_not() {
    let server = TestServer::start(Access::Closed).await;
    let mut operator = accounts(&server.operator().await);
    let mut owner = accounts(&server.stranger().await);

    // Creation.
    let id = request_id();
    let first = operator
        .create_account(create("ana", &id))
        .await
        .expect("created");
    let again = operator
        .create_account(create("ana", &id))
        .await
        .expect("the same");
    assert_eq!(revision(first.metadata()), revision(again.metadata()));
    assert_eq!(first.get_ref(), again.get_ref());
    let taken = metadata(operator.create_account(create("ANA", &request_id())).await);
    assert_eq!(taken["account_id"], first.get_ref().id);
    let reused = refusal(operator.create_account(create("bob", &id)).await);
    assert_eq!(reused, (Code::InvalidArgument, "REQUEST_REUSED".to_owned()));

    // A new password: the retry brings the old one, which fits no more.
    let change = set_password("ana", "first", "second");
    let first = owner.update_account(change.clone()).await.expect("changed");
    let again = owner
        .update_account(change.clone())
        .await
        .expect("the same");
    assert_eq!(revision(first.metadata()), revision(again.metadata()));
    assert_eq!(first.get_ref(), again.get_ref());
    let guessed = UpdateAccountRequest {
        new_password: "third".to_owned(),
        ..change.clone()
    };
    assert_eq!(
        refusal(owner.update_account(guessed).await),
        wrong_password()
    );
    let fresh = UpdateAccountRequest {
        request_id: request_id(),
        ..change
    };
    assert_eq!(refusal(owner.update_account(fresh).await), wrong_password());

    // No password any more.
    let removal = set_password("ana", "second", "");
    let first = owner
        .update_account(removal.clone())
        .await
        .expect("removed");
    let again = owner.update_account(removal).await.expect("the same");
    assert_eq!(first.get_ref(), again.get_ref());
    operator
        .update_account(set_password("ana", "", "third"))
        .await
        .expect("set");

    // Deletion: the retry finds nothing, and yet.
    let deletion = delete("ana", "third");
    let first = owner
        .delete_account(deletion.clone())
        .await
        .expect("deleted");
    let again = owner
        .delete_account(deletion.clone())
        .await
        .expect("the same");
    assert_eq!(revision(first.metadata()), revision(again.metadata()));
    let guessed = DeleteAccountRequest {
        current_password: "x".to_owned(),
        ..deletion
    };
    assert_eq!(
        refusal(owner.delete_account(guessed).await),
        wrong_password()
    );
    let gone = refusal(operator.delete_account(delete("ana", "")).await);
    assert_eq!(gone, (Code::NotFound, "ACCOUNT_NOT_FOUND".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_has_the_revision_that_it_was_made_at_and_its_retry_the_same() {
    let server = TestServer::start(Access::Closed).await;
    let mut operator = accounts(&server.operator().await);
    let created = operator.create_account(create("ana", "")).await;
    let created = revision(created.expect("created").metadata());
    let taken = create("ana", &request_id());
    let first = operator.create_account(taken.clone()).await;
    let first = revision(first.expect_err("taken").metadata());
    assert!(first > created);
    let later = operator.create_account(create("bob", "")).await;
    assert!(revision(later.expect("created").metadata()) > first);
    let again = operator.create_account(taken).await;
    assert_eq!(revision(again.expect_err("taken").metadata()), first);
}

/// What a retry is told must hold for the earlier tries too, which may come to the log after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_found_no_account_never_acts() {
    let server = TestServer::start(Access::Open).await;
    let mut stranger = accounts(&server.stranger().await);
    let not_found = (Code::NotFound, "ACCOUNT_NOT_FOUND".to_owned());
    let (deletion, change) = (
        delete("ana", "first"),
        set_password("ana", "first", "second"),
    );
    let first = stranger.delete_account(deletion.clone()).await;
    let first = revision(first.expect_err("no such account").metadata());
    let unchanged = stranger.update_account(change.clone()).await;
    assert_eq!(refusal(unchanged), not_found);
    let created = stranger.create_account(create("ana", "")).await;
    let created = created.expect("created").into_inner();

    let again = stranger.delete_account(deletion).await;
    let again = again.expect_err("no such account");
    assert_eq!(revision(again.metadata()), first);
    assert_eq!(refusal::<()>(Err(again)), not_found);
    assert_eq!(refusal(stranger.update_account(change).await), not_found);
    let changed = stranger
        .update_account(set_password("ana", "first", "second"))
        .await;
    assert_eq!(changed.expect("still there").into_inner().id, created.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_found_no_account_never_acts_in_a_closed_directory_either() {
    let server = TestServer::start(Access::Closed).await;
    let mut operator = accounts(&server.operator().await);
    let mut reader = accounts(&server.stranger().await);
    for name in ["reader", "other"] {
        let created = operator.create_account(create(name, "")).await;
        created.expect("created");
    }
    let not_found = (Code::NotFound, "ACCOUNT_NOT_FOUND".to_owned());
    let deletion = delete("ana", "first");
    let by_reader = || by("reader:first", deletion.clone());
    assert_eq!(
        refusal(reader.delete_account(deletion.clone()).await),
        wrong_password()
    );
    let first = reader.delete_account(by_reader()).await;
    let first = revision(first.expect_err("no such account").metadata());
    let created = operator.create_account(create("ana", "")).await;
    created.expect("created");
    let again = reader.delete_account(by_reader()).await;
    let again = again.expect_err("no such account");
    assert_eq!(revision(again.metadata()), first);
    assert_eq!(refusal::<()>(Err(again)), not_found);
    let kept = reader.delete_account(delete("ana", "first")).await;
    kept.expect("still there until now");

    // Without an id there is nothing to settle, and nothing is written.
    let unnamed = |name| DeleteAccountRequest {
        request_id: String::new(),
        ..delete(name, "first")
    };
    let before = reader
        .delete_account(by("reader:first", unnamed("ana")))
        .await;
    let before = revision(before.expect_err("no such account").metadata());
    let after = reader
        .delete_account(by("reader:first", unnamed("ana")))
        .await;
    assert_eq!(
        revision(after.expect_err("no such account").metadata()),
        before
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_with_the_etag_of_an_older_version_is_refused() {
    let server = TestServer::start(Access::Closed).await;
    let mut operator = accounts(&server.operator().await);
    let created = operator
        .create_account(create("ana", ""))
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
