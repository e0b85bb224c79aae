//! Who may do what, in both modes.

use quorid_api::proto::{
    Account, CheckPasswordRequest, CreateAccountRequest, DeleteAccountRequest, GetAccountRequest,
    ListAccountsRequest, UpdateAccountRequest,
};
use quorid_server::access::Access;
use tonic::Code;

use crate::support::{TestServer, accounts, by, refusal, revision};

fn create(login_name: &str, password: &str) -> CreateAccountRequest {
    CreateAccountRequest {
        account: Some(Account {
            login_name: login_name.to_owned(),
            real_name: "Somebody".to_owned(),
            ..Account::default()
        }),
        password: password.to_owned(),
        request_id: String::new(),
    }
}

fn get(login_name: &str) -> GetAccountRequest {
    GetAccountRequest {
        name: format!("accounts/login:{login_name}"),
        read: None,
    }
}

fn rename(from: &str, to: &str, password: &str) -> UpdateAccountRequest {
    UpdateAccountRequest {
        account: Some(Account {
            name: format!("accounts/login:{from}"),
            login_name: to.to_owned(),
            ..Account::default()
        }),
        current_password: password.to_owned(),
        ..UpdateAccountRequest::default()
    }
}

fn delete(login_name: &str, password: &str) -> DeleteAccountRequest {
    DeleteAccountRequest {
        name: format!("accounts/login:{login_name}"),
        current_password: password.to_owned(),
        ..DeleteAccountRequest::default()
    }
}

fn check(login_name: &str, password: &str) -> CheckPasswordRequest {
    CheckPasswordRequest {
        name: format!("accounts/login:{login_name}"),
        password: password.to_owned(),
        read: None,
    }
}

fn unauthenticated(reason: &str) -> (Code, String) {
    (Code::Unauthenticated, reason.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_directory_is_read_by_accounts_and_changed_by_operators() {
    let server = TestServer::start(Access::Closed).await;
    let mut operator = accounts(&server.operator().await);
    let mut stranger = accounts(&server.stranger().await);

    let denied = refusal(stranger.create_account(create("ana", "secret")).await);
    assert_eq!(
        denied,
        (Code::PermissionDenied, "OPERATOR_NEEDED".to_owned())
    );
    let created = operator
        .create_account(create("ana", "secret"))
        .await
        .expect("created");
    let at = revision(created.metadata());
    let ana = created.into_inner();
    assert!(ana.has_password);
    assert_eq!(ana.etag, format!("{at:x}"));
    operator
        .create_account(create("plain", ""))
        .await
        .expect("created");

    // Reading.
    assert_eq!(
        refusal(stranger.get_account(get("ana")).await),
        unauthenticated("LOGIN_NEEDED")
    );
    let listing = stranger.list_accounts(ListAccountsRequest::default()).await;
    assert_eq!(refusal(listing), unauthenticated("LOGIN_NEEDED"));
    for login in ["ana:wrong", "nobody:secret", "plain:secret"] {
        let denied = refusal(stranger.get_account(by(login, get("ana"))).await);
        assert_eq!(denied, unauthenticated("WRONG_PASSWORD"), "{login}");
    }
    for _ in 0..2 {
        let read = stranger
            .get_account(by("ana:secret", get("ana")))
            .await
            .expect("read");
        assert_eq!(read.into_inner(), ana);
    }
    operator.get_account(get("ana")).await.expect("read");

    // Names can't be probed by those who can't read.
    for login_name in ["ana", "nobody", "plain"] {
        let denied = refusal(stranger.check_password(check(login_name, "wrong")).await);
        assert_eq!(denied, unauthenticated("WRONG_PASSWORD"), "{login_name}");
        let denied = refusal(stranger.delete_account(delete(login_name, "wrong")).await);
        assert_eq!(denied, unauthenticated("WRONG_PASSWORD"), "{login_name}");
        let denied = refusal(stranger.delete_account(delete(login_name, "")).await);
        assert_eq!(denied, unauthenticated("PASSWORD_NEEDED"), "{login_name}");
        for login in ["who:ever", "ana:wrong", "plain:wrong"] {
            let removal = by(login, delete(login_name, ""));
            let denied = refusal(stranger.delete_account(removal).await);
            assert_eq!(
                denied,
                unauthenticated("WRONG_PASSWORD"),
                "{login_name} by {login}"
            );
            let renaming = by(login, rename(login_name, "eve", ""));
            let denied = refusal(stranger.update_account(renaming).await);
            assert_eq!(
                denied,
                unauthenticated("WRONG_PASSWORD"),
                "{login_name} by {login}"
            );
        }
    }
    let missing = refusal(operator.check_password(check("nobody", "wrong")).await);
    assert_eq!(missing, (Code::NotFound, "ACCOUNT_NOT_FOUND".to_owned()));
    let fits = stranger
        .check_password(check("ana", "secret"))
        .await
        .expect("fits");
    assert_eq!(fits.into_inner().id, ana.id);

    // Changing: by the account's own password, also as a login; not by another account.
    operator
        .create_account(create("bob", "other"))
        .await
        .expect("created");
    let denied = refusal(
        stranger
            .update_account(by("bob:other", rename("ana", "eve", "")))
            .await,
    );
    assert_eq!(denied, unauthenticated("PASSWORD_NEEDED"));
    let denied = refusal(
        stranger
            .update_account(by("bob:other", rename("plain", "p", "")))
            .await,
    );
    assert_eq!(
        denied,
        (Code::PermissionDenied, "OPERATOR_NEEDED".to_owned())
    );
    let renamed = stranger
        .update_account(rename("ana", "anna", "secret"))
        .await
        .expect("renamed");
    assert_eq!(renamed.into_inner().login_name, "anna");
    stranger
        .update_account(by("anna:secret", rename("anna", "ana", "")))
        .await
        .expect("renamed");
    operator
        .update_account(rename("plain", "plainer", ""))
        .await
        .expect("renamed");
    stranger
        .delete_account(delete("ana", "secret"))
        .await
        .expect("deleted");
    operator
        .delete_account(delete("bob", ""))
        .await
        .expect("deleted");
    let gone = refusal(stranger.get_account(by("ana:secret", get("ana"))).await);
    assert_eq!(gone, unauthenticated("WRONG_PASSWORD"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_directory_is_everybodys_and_passwords_guard_their_accounts() {
    let server = TestServer::start(Access::Open).await;
    let mut stranger = accounts(&server.stranger().await);
    stranger
        .create_account(create("ana", "secret"))
        .await
        .expect("created");
    stranger
        .create_account(create("plain", ""))
        .await
        .expect("created");
    stranger.get_account(get("ana")).await.expect("read");

    let needed = refusal(stranger.delete_account(delete("ana", "")).await);
    assert_eq!(needed, unauthenticated("PASSWORD_NEEDED"));
    let wrong = refusal(stranger.delete_account(delete("ana", "wrong")).await);
    assert_eq!(wrong, unauthenticated("WRONG_PASSWORD"));
    let missing = refusal(stranger.delete_account(delete("nobody", "")).await);
    assert_eq!(missing, (Code::NotFound, "ACCOUNT_NOT_FOUND".to_owned()));
    let missing = refusal(stranger.check_password(check("nobody", "x")).await);
    assert_eq!(missing, (Code::NotFound, "ACCOUNT_NOT_FOUND".to_owned()));

    stranger
        .update_account(rename("plain", "plainer", ""))
        .await
        .expect("renamed");
    stranger
        .update_account(rename("plainer", "plain", "ignored"))
        .await
        .expect("renamed");
    stranger
        .delete_account(delete("plain", ""))
        .await
        .expect("deleted");
    stranger
        .delete_account(delete("ana", "secret"))
        .await
        .expect("deleted");
}
