//! Reading what one has seen, on any server; and who asks.

use futures_util::TryStreamExt;
use quorid_api::{AccountName, Credentials, Error, NewAccount, Read, Reason, proto::Consistency};
use tonic::Code;
use uuid::Uuid;

use crate::fake::{Fake, Next, refusal};

#[tokio::test(start_paused = true)]
async fn the_session_has_the_highest_revision_of_answers_and_errors() {
    let fake = Fake::start();
    let client = fake.client([2]);
    assert_eq!(client.session_revision(), 0);

    fake.revision.send_replace(7);
    client.create_account(NewAccount::default()).await.unwrap();
    assert_eq!(client.session_revision(), 7);

    fake.revision.send_replace(5);
    client.create_account(NewAccount::default()).await.unwrap();
    assert_eq!(client.session_revision(), 7, "it never goes back");

    fake.revision.send_replace(9);
    fake.next(
        2,
        [Next::Fail(refusal(
            Code::NotFound,
            "ACCOUNT_NOT_FOUND",
            &[],
        ))],
    );
    client
        .create_account(NewAccount::default())
        .await
        .unwrap_err();
    assert_eq!(client.clone().session_revision(), 9);

    client.raise_session_revision(11);
    client.raise_session_revision(10);
    assert_eq!(client.session_revision(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_new_session_has_seen_nothing_and_knows_its_last_answer() {
    let fake = Fake::start();
    let client = fake.client([2]);
    fake.revision.send_replace(7);
    client.create_account(NewAccount::default()).await.unwrap();

    let new = client.with_new_session();
    assert_eq!((new.session_revision(), new.last_revision()), (0, 0));
    fake.revision.send_replace(9);
    new.create_account(NewAccount::default()).await.unwrap();
    fake.revision.send_replace(5);
    new.create_account(NewAccount::default()).await.unwrap();
    assert_eq!((new.session_revision(), new.last_revision()), (9, 5));
    assert_eq!((client.session_revision(), client.last_revision()), (7, 7));
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_read_asks_for_what_it_says() {
    let fake = Fake::start();
    let client = fake.client([2]);
    client.raise_session_revision(7);
    let name = AccountName::Id(Uuid::nil());
    for (read, consistency, min_revision) in [
        (Read::Linearizable, Consistency::Linearizable, 0),
        (Read::AtLeast(3), Consistency::AtLeastRevision, 3),
        (Read::Session, Consistency::AtLeastRevision, 7),
        (Read::Stale, Consistency::Stale, 0),
    ] {
        let account = client.get_account(&name, read).await.unwrap();
        assert_eq!(account.name, format!("accounts/{}", Uuid::nil()));
        let asked = fake.calls().last().unwrap().read.unwrap();
        assert_eq!(
            (asked.consistency(), asked.min_revision),
            (consistency, min_revision)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_behind_is_left_for_another() {
    let fake = Fake::start();
    let behind = || Next::Fail(refusal(Code::Unavailable, "BEHIND", &[]));
    fake.next(1, [behind()]);
    fake.next(2, [behind()]);
    let client = fake.client(1..=3);

    let name = AccountName::Id(Uuid::nil());
    for _ in 0..3 {
        client.get_account(&name, Read::AtLeast(5)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn all_accounts_are_read_page_by_page() {
    let fake = Fake::start();
    let client = fake.client([1]);

    let accounts: Vec<_> = client.accounts(Read::Session).try_collect().await.unwrap();
    let names: Vec<_> = accounts
        .iter()
        .map(|account| &*account.login_name)
        .collect();
    assert_eq!(
        names,
        ["ana-0", "ana-1", "ana-2", "ana-3", "ana-4", "ana-5"]
    );

    fake.next(
        2,
        [Next::Fail(refusal(
            Code::Unauthenticated,
            "LOGIN_NEEDED",
            &[],
        ))],
    );
    let refused = client
        .accounts(Read::Linearizable)
        .try_collect::<Vec<_>>()
        .await;
    let Err(Error::Rejected(refused)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(refused.reason, Reason::LoginNeeded);
}

#[tokio::test(start_paused = true)]
async fn credentials_go_with_every_call() {
    let fake = Fake::start();
    let mut config = fake.config([2]);
    config.credentials = Some(Credentials {
        login_name: "ana".to_owned(),
        password: "correct horse".into(),
    });
    let client = quorid_api::Client::new(config).unwrap();

    let name = AccountName::Login("ana".to_owned());
    client
        .check_password(&name, &"x".into(), Read::Stale)
        .await
        .unwrap();

    let seen = fake.calls().remove(0);
    assert_eq!(
        seen.headers["authorization"],
        "Basic YW5hOmNvcnJlY3QgaG9yc2U="
    );
}
