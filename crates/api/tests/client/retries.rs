//! What is retried where, for how long, and what is not.

use std::time::Duration;

use quorid_api::{
    AccountName, Client, ClientConfig, DeleteAccount, Error, NewAccount, Password, PasswordChange,
    Read, UpdateAccount,
};
use tokio::time::Instant;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::fake::{Fake, Next, address, refusal};

fn ana() -> NewAccount {
    NewAccount {
        login_name: "ana".to_owned(),
        ..NewAccount::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_request_id_is_kept_over_retries() {
    let fake = Fake::start();
    let client = fake.client([2]);
    fake.next(
        2,
        [
            Next::Fail(refusal(Code::Unavailable, "OUTCOME_UNKNOWN", &[])),
            Next::Hang,
            Next::Fail(refusal(Code::Unavailable, "NO_QUORUM", &[])),
            Next::Fail(refusal(Code::ResourceExhausted, "BUSY", &[])),
            Next::Fail(Status::unavailable("a proxy on the way")),
            Next::Fail(Status::cancelled("Timeout expired")),
        ],
    );

    client.create_account(ana()).await.unwrap();

    let mut ids: Vec<_> = fake
        .calls()
        .into_iter()
        .map(|seen| seen.request_id)
        .collect();
    assert!(ids.len() >= 7, "{ids:?}");
    ids.dedup();
    let [id] = &ids[..] else { panic!("{ids:?}") };
    assert_eq!(id.parse::<Uuid>().unwrap().get_version_num(), 8);
}

#[tokio::test(start_paused = true)]
async fn an_error_with_unreadable_details_counts_without_them() {
    let fake = Fake::start();
    let client = fake.client([2]);
    let mut headers = http::HeaderMap::new();
    let details = http::HeaderValue::from_static("no base64!");
    headers.insert("grpc-status-details-bin", details);
    let metadata = tonic::metadata::MetadataMap::from_headers(headers);
    let refusal = Status::with_metadata(Code::AlreadyExists, "taken", metadata);
    fake.next(2, [Next::Fail(refusal)]);

    // A call of its own: on the stream, details are bytes.
    let refused = client.list_accounts(0, "", Read::Linearizable).await;
    let Error::Rejected(rejected) = refused.unwrap_err() else {
        panic!("the server refused");
    };

    assert_eq!(
        (rejected.code, rejected.reason.as_str()),
        (Code::AlreadyExists, "")
    );
    assert_eq!(rejected.message, "taken");
}

#[tokio::test(start_paused = true)]
async fn a_given_request_id_is_used() {
    let fake = Fake::start();
    let client = fake.client([2]);
    let id = client.new_request_id();
    let name = AccountName::Login("ana".to_owned());

    let mut new = ana();
    new.request_id = Some(id);
    client.create_account(new).await.unwrap();
    let mut change = UpdateAccount::of(name.clone());
    change.request_id = Some(id);
    change.password = PasswordChange::Remove;
    change.real_name = Some("Ana Horvat".to_owned());
    let changed = client.update_account(change).await.unwrap();
    let mut removal = DeleteAccount::of(name);
    removal.request_id = Some(id);
    client.delete_account(removal).await.unwrap();

    assert_eq!(changed.name, "accounts/login:ana");
    assert_eq!(changed.etag, "real_name,password");
    for seen in fake.calls() {
        assert_eq!(seen.request_id, id.to_string(), "{seen:?}");
    }
}

/// The revision that a request id begins with.
fn seen_in(request_id: &str) -> u64 {
    let (first, _) = request_id.parse::<Uuid>().unwrap().as_u64_pair();
    ((first >> 16) << 12) | (first & 0xfff)
}

#[tokio::test(start_paused = true)]
async fn a_request_of_a_session_that_saw_nothing_for_long_is_made_anew() {
    let fake = Fake::start();
    let client = fake.client([2]);
    fake.revision.send_replace(5_000_000);
    let expired = || refusal(Code::FailedPrecondition, "REQUEST_EXPIRED", &[]);
    fake.next(2, [Next::Fail(expired())]);

    client.create_account(ana()).await.unwrap();

    let calls = fake.calls();
    let seen: Vec<_> = calls.iter().map(|it| seen_in(&it.request_id)).collect();
    assert_eq!(seen, [0, 5_000_000]);
    assert_eq!(seen_in(&client.new_request_id().to_string()), 5_000_000);

    // The directory was restored, and is no longer where this session saw it.
    let metadata = [("revision", "1000")];
    let restored = refusal(Code::FailedPrecondition, "REQUEST_FROM_FUTURE", &metadata);
    fake.next(2, [Next::Fail(restored)]);
    client.create_account(ana()).await.unwrap();
    let last = fake.calls().pop().unwrap();
    assert_eq!(seen_in(&last.request_id), 999);

    // Once only: a server that refuses everything is no reason to ask for ever.
    fake.next(2, [Next::Fail(expired()), Next::Fail(expired())]);
    let refused = client.create_account(ana()).await;
    assert!(matches!(refused, Err(Error::Rejected(no)) if no.reason.as_str() == "REQUEST_EXPIRED"));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_may_have_acted_is_not_made_anew() {
    let fake = Fake::start();
    let client = fake.client([2]);
    let expired = || Next::Fail(refusal(Code::FailedPrecondition, "REQUEST_EXPIRED", &[]));
    let unknown = Next::Fail(refusal(Code::Unavailable, "OUTCOME_UNKNOWN", &[]));
    fake.next(2, [unknown, expired()]);
    let refused = client.create_account(ana()).await;
    assert!(matches!(refused, Err(Error::Rejected(no)) if no.reason.as_str() == "REQUEST_EXPIRED"));
    assert_eq!(fake.calls().len(), 2);

    // Neither one whose id the caller gave: it may have been sent before.
    fake.next(2, [expired()]);
    let mut given = ana();
    given.request_id = Some(client.new_request_id());
    let refused = client.create_account(given).await;
    assert!(matches!(refused, Err(Error::Rejected(no)) if no.reason.as_str() == "REQUEST_EXPIRED"));
    assert_eq!(fake.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_asked_again_after_a_wait() {
    let fake = Fake::start();
    let busy = || Next::Fail(refusal(Code::ResourceExhausted, "BUSY", &[]));
    fake.next(2, (0..4).map(|_| busy()));
    let start = Instant::now();

    fake.client([2, 1, 3]).create_account(ana()).await.unwrap();

    assert_eq!(fake.asked(), [2; 5]);
    assert!(start.elapsed() > Duration::from_millis(1));
    assert!(start.elapsed() < Duration::from_millis(200));
}

#[tokio::test(start_paused = true)]
async fn a_decision_is_final_and_told_whole() {
    let fake = Fake::start();
    let client = fake.client([2, 1, 3]);
    for (code, reason) in [
        (Code::AlreadyExists, "LOGIN_NAME_TAKEN"),
        (Code::NotFound, "ACCOUNT_NOT_FOUND"),
        (Code::Aborted, "ETAG_MISMATCH"),
        (Code::Unauthenticated, "WRONG_PASSWORD"),
        (Code::PermissionDenied, "OPERATOR_NEEDED"),
        (Code::InvalidArgument, "INVALID_LOGIN_NAME"),
        (Code::Aborted, "CHANGE_IN_PROGRESS"),
        (Code::Internal, "FAULT"),
    ] {
        let before = fake.calls().len();
        fake.next(
            2,
            [Next::Fail(refusal(code, reason, &[("login_name", "ana")]))],
        );
        let Err(Error::Rejected(rejected)) = client.create_account(ana()).await else {
            panic!("{reason} is no rejection");
        };
        assert_eq!(fake.calls().len(), before + 1, "{reason} was retried");
        assert_eq!((rejected.code, rejected.reason.as_str()), (code, reason));
        assert_eq!(rejected.to_string(), format!("refused: {reason}"));
        assert_eq!(rejected.metadata["login_name"], "ana");
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_kept_and_what_was_tried_is_told() {
    for (write, unknown) in [(true, true), (false, false)] {
        let fake = Fake::start();
        for id in 1..=3 {
            fake.next(id, (0..100).map(|_| Next::Hang));
        }
        let client = fake.client(1..=3).with_deadline(Duration::from_secs(7));
        let start = Instant::now();

        let failed = match write {
            true => client.create_account(ana()).await,
            false => {
                let name = AccountName::Login("ana".to_owned());
                client.get_account(&name, Read::Linearizable).await
            }
        };

        assert_eq!(start.elapsed().as_secs(), 7);
        let Err(Error::Unavailable(failed)) = failed else {
            panic!("{failed:?}");
        };
        assert_eq!(failed.outcome_unknown, unknown);
        assert_eq!(failed.tried.len(), 3);
        let text = failed.to_string();
        for part in [
            &*address(1),
            &*address(2),
            &*address(3),
            "7.0 s",
            "no answer in time",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let header = &fake.calls()[0].headers["grpc-timeout"];
        assert!(
            header.starts_with("1999") || header.starts_with("2000"),
            "{header}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_reached_no_server_was_not_made() {
    let fake = Fake::start();
    (1..=3).for_each(|id| fake.kill(id));
    let client = fake.client(1..=3).with_deadline(Duration::from_secs(3));
    let Err(Error::Unavailable(failed)) = client.create_account(ana()).await else {
        panic!("nobody is there");
    };
    assert!(!failed.outcome_unknown);
    assert!(failed.to_string().contains("cannot connect"), "{failed}");

    // Refusals to lead are no uncertainty either.
    let fake = Fake::start();
    fake.elect(2, 0);
    let client = fake.client(1..=3).with_deadline(Duration::from_secs(3));
    let Err(Error::Unavailable(failed)) = client.create_account(ana()).await else {
        panic!("nobody leads");
    };
    assert!(!failed.outcome_unknown);
}

#[tokio::test(start_paused = true)]
async fn a_server_killed_during_a_write_leaves_its_outcome_unknown() {
    let fake = Fake::start();
    fake.next(2, [Next::Hang]);
    let client = fake.client([2]).with_deadline(Duration::from_secs(3));
    let killing = async {
        fake.saw(1).await;
        (1..=3).for_each(|id| fake.kill(id));
    };
    let (failed, ()) = tokio::join!(client.create_account(ana()), killing);
    let Err(Error::Unavailable(failed)) = failed else {
        panic!("all are dead");
    };
    assert!(failed.outcome_unknown);
}

#[test]
fn what_is_no_server_is_refused() {
    for servers in [vec![], vec!["127.0.0.1"], vec!["127.0.0.1:7400", "x:"]] {
        let refused = Client::new(ClientConfig::new(servers)).unwrap_err();
        assert!(matches!(refused, Error::InvalidServer(_)));
        assert!(
            refused.to_string().contains("is no server address"),
            "{refused}"
        );
    }
}

#[test]
fn passwords_show_nowhere() {
    let mut config = ClientConfig::new(["127.0.0.1:7400"]);
    config.credentials = Some(quorid_api::Credentials {
        login_name: "ana".to_owned(),
        password: Password::from("correct horse"),
    });
    let new = NewAccount {
        password: Some("correct horse".into()),
        ..ana()
    };
    let shown = format!(
        "{config:?} {new:?} {:?}",
        Client::new(config.clone()).unwrap()
    );
    assert!(!shown.contains("horse"), "{shown}");
}
