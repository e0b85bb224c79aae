//! Many calls on one connection's stream of requests.

use std::time::Duration;

use futures_util::future::join_all;
use quorid_api::{AccountName, Error, NewAccount, Read};
use tonic::Code;

use crate::fake::{Fake, Next, refusal, within};

fn named(name: &str) -> AccountName {
    AccountName::Login(name.to_owned())
}

#[tokio::test(start_paused = true)]
async fn thousands_of_calls_at_once_get_their_own_answers_over_one_connection() {
    let fake = Fake::start();
    let client = fake.client([2]);
    let calls = (0..3000).map(|number| {
        let client = client.clone();
        async move {
            let name = named(&format!("ana{number}"));
            let account = client.get_account(&name, Read::Linearizable).await;
            assert_eq!(account.unwrap().name, name.to_string());
        }
    });
    within(join_all(calls)).await;
    assert_eq!(fake.calls().len(), 3000);
    assert_eq!(*fake.streams.borrow(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_is_cancelled_at_the_server_and_others_go_on() {
    let fake = Fake::start();
    let client = fake.client([2]);
    fake.next(2, [Next::Hang]);
    let ana = named("ana");
    let given_up = client.get_account(&ana, Read::Linearizable);
    let (given_up, ()) = tokio::join!(
        tokio::time::timeout(Duration::from_millis(100), given_up),
        fake.saw(1),
    );
    given_up.expect_err("it hangs");
    let mut cancelled = fake.cancelled.subscribe();
    within(cancelled.wait_for(|count| *count == 1))
        .await
        .unwrap();

    let account = client.get_account(&named("ben"), Read::Linearizable).await;
    account.unwrap();
    assert_eq!(*fake.streams.borrow(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_a_server_ends_the_stream_calls_go_on_elsewhere_with_the_same_request_id() {
    let fake = Fake::start();
    let client = fake.client(1..=3);
    fake.next(2, [Next::Hang]);
    let new = NewAccount {
        login_name: "ana".to_owned(),
        ..NewAccount::default()
    };
    let end = async {
        fake.saw(1).await;
        fake.elect(2, 3);
        let shutting_down = refusal(Code::Unavailable, "SHUTTING_DOWN", &[]);
        fake.end_streams(2, shutting_down);
    };
    let (made, ()) = within(async { tokio::join!(client.create_account(new), end) }).await;
    made.unwrap();
    let calls = fake.calls();
    assert_eq!((calls[0].server, calls.last().unwrap().server), (2, 3));
    assert_eq!(calls[0].request_id, calls.last().unwrap().request_id);
}

/// On the stream it would end everybody's requests.
#[tokio::test(start_paused = true)]
async fn a_request_that_is_too_large_is_a_call_of_its_own() {
    let fake = Fake::start();
    let client = fake.client([2]);
    fake.next(
        2,
        [Next::Fail(refusal(
            Code::InvalidArgument,
            "INVALID_MESSAGE",
            &[],
        ))],
    );
    let large = named(&"a".repeat(61 * 1024));
    let refused = client.get_account(&large, Read::Linearizable).await;
    let Err(Error::Rejected(refused)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(refused.reason.as_str(), "INVALID_MESSAGE");
    assert_eq!((fake.calls().len(), *fake.streams.borrow()), (1, 0));
}
