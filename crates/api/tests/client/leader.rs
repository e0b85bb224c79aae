//! Finding the leader, and hearing of the next one.

use std::{pin::pin, time::Duration};

use futures_util::{StreamExt, future::try_join_all};
use quorid_api::{AccountName, NewAccount, Read};
use tokio::time::Instant;
use tonic::Code;
use uuid::Uuid;

use crate::fake::{Fake, Next, address, refusal, view, within};

fn ana() -> NewAccount {
    NewAccount {
        login_name: "ana".to_owned(),
        ..NewAccount::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_to_the_leader_is_followed_and_kept() {
    let fake = Fake::start();
    fake.mute();
    let client = fake.client([1]);

    client.create_account(ana()).await.unwrap();
    client.create_account(ana()).await.unwrap();

    assert_eq!(fake.asked(), [1, 2, 2]);
    let calls = fake.calls();
    assert_eq!(calls[0].request_id, calls[1].request_id);
    assert_ne!(calls[1].request_id, calls[2].request_id);
}

#[tokio::test(start_paused = true)]
async fn the_servers_are_learned_and_kept_up_to_date() {
    let fake = Fake::start();
    let client = fake.client([1]);
    assert_eq!(client.known_servers(), [address(1)]);

    client.cluster().await.unwrap();
    assert_eq!(client.known_servers(), [1, 2, 3].map(address));

    let mut views = pin!(client.watch_cluster());
    within(views.next()).await.unwrap();
    fake.view.send_replace(view(2, 4, [2, 4]));
    let newest = within(views.next()).await.unwrap();
    assert_eq!(newest.leader_id, 4);
    assert_eq!(client.known_servers(), [2, 4].map(address));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_leader_is_abandoned_when_a_new_one_is_announced() {
    let fake = Fake::start();
    let client = fake.client(1..=3);
    client.create_account(ana()).await.unwrap();
    let before = fake.calls().len();
    fake.next(2, [Next::Hang]);

    let start = Instant::now();
    let call = client.create_account(ana());
    let election = async {
        fake.saw(before + 1).await;
        fake.elect(2, 3);
    };
    let (created, ()) = tokio::join!(call, election);

    created.unwrap();
    assert!(
        start.elapsed() < Duration::from_millis(100),
        "no time-out was waited for"
    );
    let calls = fake.calls().split_off(before);
    assert_eq!([calls[0].server, calls[1].server], [2, 3]);
    assert_eq!(calls[0].request_id, calls[1].request_id);
}

/// The watch of a client that has just begun is still on the leader, and as silent.
#[tokio::test(start_paused = true)]
async fn a_new_client_hears_from_another_server_when_the_leader_is_cut_off() {
    let fake = Fake::start();
    let client = fake.client([2]);
    client.create_account(ana()).await.unwrap();
    let mut watched = fake.watched.subscribe();
    within(watched.wait_for(|id| *id == 2)).await.unwrap();
    fake.cut(2);
    fake.elect(2, 3);

    let start = Instant::now();
    client.create_account(ana()).await.unwrap();

    assert!(
        start.elapsed() < Duration::from_millis(500),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_cut_off_is_not_asked_again_when_the_next_one_is_not_ready() {
    let fake = Fake::start();
    let client = fake.client(1..=3);
    client.create_account(ana()).await.unwrap();
    let before = fake.calls().len();
    fake.next(2, [Next::Hang, Next::Hang]);
    let not_ready = refusal(Code::Unavailable, "NOT_LEADER", &[("term", "2")]);
    fake.next(3, [Next::Fail(not_ready)]);

    let start = Instant::now();
    let call = client.create_account(ana());
    let election = async {
        fake.saw(before + 1).await;
        // Not a wait for something: for so long the leader is silent.
        tokio::time::sleep(Duration::from_millis(300)).await;
        fake.elect(2, 3);
    };
    let (created, ()) = tokio::join!(call, election);

    created.unwrap();
    assert!(
        start.elapsed() < Duration::from_millis(700),
        "no time-out was waited for: {:?}",
        start.elapsed()
    );
    let calls = fake.calls().split_off(before);
    assert_eq!([calls[0].server, calls[1].server], [2, 3]);
    assert!(calls[1..].iter().all(|call| call.server != 2), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hanging_leader_is_left_when_the_time_for_one_try_is_over() {
    let fake = Fake::start();
    let client = fake.client([2, 3]);
    fake.next(2, [Next::Hang]);
    let start = Instant::now();

    client.create_account(ana()).await.unwrap();

    assert!(start.elapsed() >= Duration::from_secs(2));
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_a_leader_go_on_as_soon_as_there_is_one() {
    let fake = Fake::start();
    fake.elect(2, 0);
    let client = fake.client(1..=3);
    let calls = (0..20).map(|_| client.create_account(ana()));
    let election = async {
        fake.saw(20 * 3 * 8).await; // Eight rounds: the waits have grown.
        // Paused time goes on once all have nothing to do but wait.
        tokio::time::sleep(Duration::from_millis(1)).await;
        fake.elect(3, 1);
        (Instant::now(), fake.calls().len())
    };

    let (created, (announced, before)) = tokio::join!(try_join_all(calls), election);

    created.unwrap();
    assert!(announced.elapsed() < Duration::from_millis(5));
    assert_eq!(
        fake.asked()[before..],
        [1; 20],
        "straight to the new leader"
    );
}

#[tokio::test(start_paused = true)]
async fn the_next_call_goes_straight_to_the_elected_leader() {
    let fake = Fake::start();
    let client = fake.client(1..=3);
    client.create_account(ana()).await.unwrap();
    let before = fake.calls().len();
    let mut leaders = pin!(client.leader_changes());
    within(leaders.next()).await.unwrap();

    fake.elect(2, 3);
    assert_eq!(within(leaders.next()).await.unwrap().leader_id, 3);
    client.create_account(ana()).await.unwrap();

    assert_eq!(fake.asked()[before..], [3]);
}

#[tokio::test(start_paused = true)]
async fn leader_changes_outlive_the_server_they_are_heard_from() {
    let fake = Fake::start();
    let client = fake.client([1]);
    let mut leaders = pin!(client.leader_changes());
    assert_eq!(within(leaders.next()).await.unwrap().leader_id, 2);

    for (lost, term, leader) in [(1, 2, 3), (2, 3, 3)] {
        fake.kill(lost);
        fake.elect(term, leader);
        let heard = within(leaders.next()).await.unwrap();
        assert_eq!((heard.term, heard.leader_id), (term, leader));
    }
}

#[tokio::test(start_paused = true)]
async fn elections_are_heard_from_another_server_than_the_leader() {
    let fake = Fake::start();
    let client = fake.client([2]);
    client.create_account(ana()).await.unwrap();
    let mut leaders = pin!(client.leader_changes());
    within(leaders.next()).await.unwrap();
    let mut watched = fake.watched.subscribe();
    within(watched.wait_for(|id| *id != 2)).await.unwrap();

    fake.cut(2);
    let start = Instant::now();
    fake.elect(2, 1);

    assert_eq!(within(leaders.next()).await.unwrap().leader_id, 1);
    assert!(start.elapsed() < Duration::from_millis(100));
}

/// As behind a firewall: slow answers of the leader are no reason to leave it again and again.
#[tokio::test(start_paused = true)]
async fn a_client_that_reaches_the_leader_only_keeps_its_watch() {
    let fake = Fake::start();
    fake.kill(1);
    fake.kill(3);
    let client = fake.client([2]);
    let mut watched = fake.watched.subscribe();
    client.create_account(ana()).await.unwrap();
    for _ in ["at first", "after a look at the others"] {
        within(watched.changed()).await.unwrap();
        assert_eq!(*watched.borrow_and_update(), 2);
    }
    fake.next(2, [Next::Hang]);

    client.create_account(ana()).await.unwrap();

    assert!(!watched.has_changed().unwrap(), "the watch was left");
}

#[tokio::test(start_paused = true)]
async fn a_cut_leader_is_noticed_by_its_silence() {
    let fake = Fake::start();
    let client = fake.client([2]);
    client.create_account(ana()).await.unwrap();
    fake.cut(2);
    let start = Instant::now();

    let failed = client
        .server_status(&address(2), false, 0)
        .await
        .unwrap_err();

    assert!(failed.to_string().contains(&address(2)), "{failed}");
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn dead_servers_are_passed_over_at_once_and_silent_ones_after_a_second() {
    let fake = Fake::start();
    fake.kill(1);
    let start = Instant::now();
    fake.client(1..=3).create_account(ana()).await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(5));

    fake.cut(3);
    let start = Instant::now();
    fake.client([3, 2]).create_account(ana()).await.unwrap();
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_secs(1) && elapsed < Duration::from_millis(1_100));
}

#[tokio::test(start_paused = true)]
async fn the_watch_ends_with_the_last_clone() {
    let fake = Fake::start();
    let client = fake.client(1..=3);
    client.create_account(ana()).await.unwrap();
    let clone = client.clone();
    let mut views = Box::pin(client.watch_cluster());
    within(views.next()).await.unwrap();
    drop((client, views));
    clone.create_account(ana()).await.unwrap();
    assert_eq!(fake.view.receiver_count(), 1);

    drop(clone);
    within(fake.view.closed()).await;
}

#[tokio::test(start_paused = true)]
async fn reads_of_any_server_are_spread_and_go_around_the_dead() {
    let fake = Fake::start();
    let client = fake.client(1..=3);
    let name = AccountName::Id(Uuid::nil());
    for _ in 0..30 {
        client.get_account(&name, Read::Stale).await.unwrap();
    }
    let asked = fake.asked();
    for id in 1..=3 {
        let count = asked.iter().filter(|asked| **asked == id).count();
        assert!(count >= 5, "server {id} got {count} of 30");
    }

    fake.kill(3);
    for _ in 0..30 {
        client.get_account(&name, Read::Stale).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn leadership_is_passed_on_once_even_if_the_answer_is_lost() {
    let fake = Fake::start();
    let client = fake.client(1..=3);
    client.create_account(ana()).await.unwrap();
    let before = fake.calls().len();
    fake.next(2, [Next::Hang]);

    let transfer = client.transfer_leadership(None);
    let election = async {
        fake.saw(before + 1).await;
        fake.elect(2, 3);
        fake.kill(2);
    };
    let (view, ()) = tokio::join!(transfer, election);

    assert_eq!(view.unwrap().leader_id, 3);
    assert_eq!(fake.asked()[before..], [2]);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_members_that_was_made_by_the_lost_try_is_no_error() {
    let fake = Fake::start();
    let client = fake.client([2]);
    let lost = refusal(Code::Unavailable, "OUTCOME_UNKNOWN", &[]);
    let gone = refusal(Code::NotFound, "SERVER_NOT_FOUND", &[]);
    fake.next(2, [Next::Fail(lost), Next::Fail(gone.clone())]);
    fake.view.send_replace(view(1, 2, [1, 2]));

    let view = client.remove_server("server-3").await.unwrap();
    assert_eq!(view.servers.len(), 2);

    fake.next(2, [Next::Fail(gone)]);
    client.remove_server("server-3").await.unwrap_err();
}
