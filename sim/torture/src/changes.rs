//! Changes that clients make at once while leaders are killed, and followers of them: each of these is
//! given every change once, in order, over all failovers.

use std::{
    collections::BTreeMap,
    future,
    sync::{Arc, atomic::Ordering},
};

use anyhow::Context as _;
use quorid_api::{
    AccountName, AttributeEdit, Client, DeleteAccount, NewAccount, UpdateAccount,
    proto::change::Done,
};
use quorid_history::{Followed, report::Report, witness};
use quorid_lab::testbed::Testbed;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    campaign::{self, PATIENCE, Servers},
    under_load::{self, CLIENTS, Load, Progress},
};

/// Login name of the account that is made when nothing is to follow any more.
const LAST: &str = "the-last-one";

/// A change that was acknowledged.
#[derive(Debug)]
struct Acknowledged {
    revision: u64,
    done: Done,
    id: String,
    login_name: String,
}

/// Where a follower goes next; and it tells once it was given something from there.
type Move = (Client, oneshot::Sender<()>);

/// Makes so many changes on a new cluster, kills its leaders, and checks what followers were given.
pub(crate) async fn run(servers: &Servers, changes: u64, kills: u64) -> anyhow::Result<Report> {
    let mut cluster = under_load::cluster(servers, campaign::with_whole_log).await?;
    // Clients make accounts of the same names again.
    cluster.keep_nothing(PATIENCE).await?;
    let begun = Instant::now();
    let progress = Arc::new(Progress::default());
    let mut followers = JoinSet::new();
    followers.spawn(follow("from the beginning", cluster.operator()?));
    let (late, so_far) = (cluster.operator()?, Arc::clone(&progress));
    followers.spawn(async move {
        so_far.reaches(changes / 2).await?;
        follow("begun late", late).await
    });
    let (moves, next) = mpsc::channel(1);
    followers.spawn(follow_from_server_to_server(next));
    let leader = cluster.leader(PATIENCE).await?;
    go_to(&moves, &cluster, leader).await?;
    let mut clients = JoinSet::new();
    for number in 1..=CLIENTS {
        let client = cluster.operator()?.with_deadline(PATIENCE);
        clients.spawn(change(number, client, changes, Arc::clone(&progress)));
    }
    let mut report = Report::default();
    let load = Load {
        what: "changes",
        changes,
        kills,
    };
    let to_leader = async |cluster: &Testbed, leader: usize| go_to(&moves, cluster, leader).await;
    load.kill_leaders(&mut cluster, &progress, &mut report, to_leader)
        .await?;
    let mut acknowledged = Vec::new();
    while let Some(made) = clients.join_next().await {
        let (made, failed) = made.context("a client failed")?;
        acknowledged.extend(made);
        report.violations.extend(failed);
    }
    let client = cluster.operator()?.with_deadline(PATIENCE);
    client.create_account(new_account(LAST)).await?;
    let all = timeout(PATIENCE, followers.join_all()).await;
    let followed = all.context("the followers do not come to the last change")?;
    let followed = followed.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let applied = under_load::check_servers(&mut cluster, &mut report).await?;
    let listed = campaign::all_accounts(&client).await?;
    cluster.stop_all().await?;
    let committed = campaign::committed_log(&cluster, applied, &mut report)?;
    let checked = witness::check(&committed, &[], &followed, Some(&listed), None);
    report.violations.extend(checked.violations);
    for followed in &followed {
        let given = followed.changes().count() as u64;
        report.violations.extend(lacks(followed, &acknowledged));
        report.add("changes: given to followers", given);
        println!("changes: {given} given to the follower {}", followed.name);
    }
    report.add("changes: acknowledged", acknowledged.len() as u64);
    let count = acknowledged.len();
    println!("{:>8.1?}  {count} changes followed", begun.elapsed());
    under_load::keep_if_wrong(&mut cluster, &report);
    Ok(report)
}

/// Follows all changes up to the last one, over all failovers.
async fn follow(name: &str, client: Client) -> anyhow::Result<Followed> {
    let mut followed = Followed::since(name, 0);
    let until_the_last = followed.follow(&client, || u64::MAX, |batch| is_last(&batch.changes));
    until_the_last.await.context("following the changes")?;
    Ok(followed)
}

/// Follows all changes up to the last one; each time that it is sent elsewhere it goes on there from the revision
/// that it was given.
async fn follow_from_server_to_server(mut moves: mpsc::Receiver<Move>) -> anyhow::Result<Followed> {
    let mut followed = Followed::since("from server to server", 0);
    let mut here = moves.recv().await.context("no server to begin at")?;
    loop {
        let (client, arrived) = here;
        let mut arrived = Some(arrived);
        let until_the_last = followed.follow(
            &client,
            || u64::MAX,
            |batch| {
                arrived.take().map(|arrived| arrived.send(()));
                is_last(&batch.changes)
            },
        );
        let next = async {
            match moves.recv().await {
                Some(next) => next,
                None => future::pending().await,
            }
        };
        here = tokio::select! {
            ended = until_the_last => {
                ended.context("following the changes")?;
                return Ok(followed);
            }
            next = next => next,
        };
    }
}

/// Returns once the follower hears from the leader, which is to be killed.
async fn go_to(moves: &mpsc::Sender<Move>, cluster: &Testbed, leader: usize) -> anyhow::Result<()> {
    // Its first server is the leader. It learns of the others before that one ends.
    let mut config = cluster.operator_config()?;
    config.servers = vec![cluster.client_address(leader).to_owned()];
    let (tell, told) = oneshot::channel();
    moves.send((Client::new(config)?, tell)).await?;
    let heard = timeout(PATIENCE, told).await;
    heard.context("a follower is given nothing by the leader")??;
    Ok(())
}

fn is_last(changes: &[quorid_api::Change]) -> bool {
    changes.iter().any(|change| change.display_name == LAST)
}

/// Makes accounts, changes and deletes them, until all changes are begun. Those that were acknowledged, and what
/// went wrong.
async fn change(
    number: u64,
    client: Client,
    changes: u64,
    progress: Arc<Progress>,
) -> (Vec<Acknowledged>, Vec<String>) {
    let (mut made, mut failed) = (Vec::new(), Vec::new());
    // The account that there is, by id, and what was done to it so far.
    let (mut id, mut steps) = (String::new(), 0);
    while progress.begun.fetch_add(1, Ordering::Relaxed) < changes {
        match step(number, &client, &id, steps).await {
            Ok(done) => {
                progress.acknowledged.fetch_add(1, Ordering::Relaxed);
                id.clone_from(&done.id);
                steps = (steps + 1) % 4;
                made.push(done);
            }
            // It retries until the deadline, which is longer than any election.
            Err(error) => {
                failed.push(format!(
                    "client {number}, step {steps} with {id}: {error:#}"
                ));
                return (made, failed);
            }
        }
    }
    (made, failed)
}

/// The next of four changes of one account, from its creation to its end.
async fn step(number: u64, client: &Client, id: &str, steps: u64) -> anyhow::Result<Acknowledged> {
    let (first, second) = (format!("first-{number}"), format!("second-{number}"));
    if steps == 0 {
        let account = client.create_account(new_account(&first)).await?;
        return acknowledged(Done::Created, account);
    }
    if steps == 3 {
        let account = AccountName::Login(second.clone());
        // The revision of just this answer.
        let client = client.with_new_session();
        client.delete_account(DeleteAccount::of(account)).await?;
        return Ok(Acknowledged {
            revision: client.last_revision(),
            done: Done::Deleted,
            id: id.to_owned(),
            login_name: second,
        });
    }
    let mut change = UpdateAccount::of(AccountName::Login(first));
    match steps {
        1 => change.edits = vec![AttributeEdit::replace("title", ["Followed".to_owned()])],
        _ => change.login_name = Some(second),
    }
    acknowledged(Done::Changed, client.update_account(change).await?)
}

fn new_account(login_name: &str) -> NewAccount {
    NewAccount {
        login_name: login_name.to_owned(),
        real_name: "Followed".to_owned(),
        ..NewAccount::default()
    }
}

fn acknowledged(done: Done, account: quorid_api::Account) -> anyhow::Result<Acknowledged> {
    Ok(Acknowledged {
        revision: u64::from_str_radix(&account.etag, 16).context("an etag")?,
        done,
        id: account.id,
        login_name: account.login_name,
    })
}

/// What was acknowledged and not given to a follower as it was.
fn lacks(followed: &Followed, acknowledged: &[Acknowledged]) -> Vec<String> {
    let given = followed.changes().map(|change| (change.revision, change));
    let given: BTreeMap<_, _> = given.collect();
    let lacking = acknowledged.iter().filter(|it| {
        let found = given.get(&it.revision);
        !found.is_some_and(|found| {
            found.id == it.id && found.done() == it.done && found.display_name == it.login_name
        })
    });
    let name = &followed.name;
    lacking
        .map(|it| format!("acknowledged, but not given to the follower {name}: {it:?}"))
        .collect()
}
