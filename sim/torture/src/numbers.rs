//! Accounts that clients make at once, each with the directory's next POSIX number, while leaders
//! are killed: no number is given twice, and each one that was acknowledged is there.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use quorid_api::{Account, Client, NewAccount, Read};
use quorid_history::report::Report;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    campaign::{PATIENCE, Servers},
    under_load::{self, CLIENTS, Load, Progress},
};

/// An account and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Numbered {
    login_name: String,
    id: String,
    number: String,
}

/// Makes so many accounts on a new cluster, kills its leaders, and reads all numbers.
pub(crate) async fn run(servers: &Servers, accounts: u64, kills: u64) -> anyhow::Result<Report> {
    let mut cluster = under_load::cluster(servers, |builder| builder).await?;
    let begun = Instant::now();
    let progress = Arc::new(Progress::default());
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = cluster.operator()?.with_deadline(PATIENCE);
        clients.spawn(make(client, accounts, Arc::clone(&progress)));
    }
    let mut report = Report::default();
    let load = Load {
        what: "numbers",
        changes: accounts,
        kills,
    };
    load.kill_leaders(&mut cluster, &progress, &mut report, async |_, _| Ok(()))
        .await?;
    let mut acknowledged = Vec::new();
    while let Some(made) = clients.join_next().await {
        let (made, failed) = made.context("a client failed")?;
        acknowledged.extend(made);
        report.violations.extend(failed);
    }
    under_load::check_servers(&mut cluster, &mut report).await?;
    let listed = list(&cluster.operator()?).await?;
    report.violations.extend(check(&acknowledged, &listed));
    let count = acknowledged.len() as u64;
    report.add("numbers: accounts acknowledged", count);
    println!("{:>8.1?}  {count} accounts with numbers", begun.elapsed());
    under_load::keep_if_wrong(&mut cluster, &report);
    cluster.stop_all().await?;
    Ok(report)
}

/// Makes accounts until all are begun. Those that were acknowledged, and what went wrong.
async fn make(
    client: Client,
    accounts: u64,
    progress: Arc<Progress>,
) -> (Vec<Numbered>, Vec<String>) {
    let (mut made, mut failed) = (Vec::new(), Vec::new());
    loop {
        let account = progress.begun.fetch_add(1, Ordering::Relaxed);
        if account >= accounts {
            return (made, failed);
        }
        let login_name = format!("numbered-{account}");
        let new = NewAccount {
            login_name: login_name.clone(),
            real_name: "Numbered".to_owned(),
            assign_posix_number: true,
            ..NewAccount::default()
        };
        match client.create_account(new).await {
            Ok(account) => {
                made.push(numbered(account));
                progress.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            // It retries until the deadline, which is longer than any election.
            Err(error) => failed.push(format!("creating {login_name}: {error}")),
        }
    }
}

async fn list(client: &Client) -> anyhow::Result<Vec<Numbered>> {
    let mut listed = Box::pin(client.accounts(Read::Linearizable));
    let mut accounts = Vec::new();
    while let Some(account) = listed.next().await {
        accounts.push(numbered(account.context("listing all accounts")?));
    }
    Ok(accounts)
}

/// Several numbers are shown as one that nobody has.
fn numbered(account: Account) -> Numbered {
    let numbers = account
        .attributes
        .into_iter()
        .filter(|attribute| attribute.name == "posix_number")
        .flat_map(|attribute| attribute.values);
    Numbered {
        login_name: account.login_name,
        id: account.id,
        number: numbers.collect::<Vec<_>>().join(" and "),
    }
}

/// No number is there twice, or missing; what was acknowledged is there as it was.
fn check(acknowledged: &[Numbered], listed: &[Numbered]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut by_number: BTreeMap<&str, &Numbered> = BTreeMap::new();
    let mut by_name: BTreeMap<&str, &Numbered> = BTreeMap::new();
    for account in listed {
        if account.number.parse::<u32>().is_err() {
            violations.push(format!("not one number: {account:?}"));
        }
        if let Some(other) = by_number.insert(&account.number, account) {
            violations.push(format!("a number twice: {other:?} and {account:?}"));
        }
        if let Some(other) = by_name.insert(&account.login_name, account) {
            violations.push(format!("a login name twice: {other:?} and {account:?}"));
        }
    }
    for account in acknowledged {
        match by_name.get(account.login_name.as_str()) {
            Some(found) if *found == account => {}
            Some(found) => {
                violations.push(format!("acknowledged as {account:?}, but it is {found:?}"));
            }
            None => violations.push(format!("acknowledged and not there: {account:?}")),
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(login_name: &str, number: &str) -> Numbered {
        Numbered {
            login_name: login_name.to_owned(),
            id: format!("id of {login_name}"),
            number: number.to_owned(),
        }
    }

    #[test]
    fn numbers_given_twice_missing_or_changed_are_found() {
        let (one, two) = (account("one", "70000"), account("two", "70001"));
        let both = [one.clone(), two.clone()];
        for (acknowledged, listed, found) in [
            (&both[..], &both[..], None),
            // Not acknowledged, but made.
            (&both[..1], &both[..], None),
            (&both[..], &both[..1], Some("acknowledged and not there")),
            (
                &[][..],
                &[one.clone(), account("two", "70000")][..],
                Some("a number twice"),
            ),
            (
                &both[..1],
                &[account("one", "70002")][..],
                Some("acknowledged as"),
            ),
            (&[][..], &[account("one", "")][..], Some("not one number")),
            (
                &[][..],
                &[account("one", "70000 and 70001")][..],
                Some("not one number"),
            ),
        ] {
            let violations = check(acknowledged, listed);
            match found {
                None => assert_eq!(violations, Vec::<String>::new()),
                Some(found) => assert!(
                    matches!(&violations[..], [one] if one.starts_with(found)),
                    "{violations:?} instead of {found}"
                ),
            }
        }
    }
}
