//! What the cluster acknowledged, and whether every server has it.

use std::collections::{BTreeMap, BTreeSet};

use quorid_api::Account;
use serde_json::json;

use super::{PATIENCE, Tour};
use crate::{demo::writers::Written, error::LabError};

/// The accounts that must be there, by id.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    login_names: BTreeMap<String, String>,
    /// Login names of creates with an unknown outcome: they may be there.
    possible: BTreeSet<String>,
}

/// How what a server has differs from what it must have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    missing: usize,
    unexpected: usize,
    renamed: usize,
}

impl Ledger {
    /// Begins with what is there.
    pub(super) fn begin(accounts: Vec<Account>) -> Self {
        let entry = |account: Account| (account.id, account.login_name);
        Self {
            login_names: accounts.into_iter().map(entry).collect(),
            possible: BTreeSet::new(),
        }
    }

    pub(super) fn add(&mut self, written: &Written) {
        for created in &written.acknowledged {
            self.login_names
                .insert(created.id.clone(), created.login_name.clone());
        }
        let failed = written.failed.iter().map(|(name, _)| name.clone());
        self.possible.extend(failed);
    }

    pub(super) fn rename(&mut self, id: &str, login_name: &str) {
        self.login_names
            .insert(id.to_owned(), login_name.to_owned());
    }

    pub(super) fn len(&self) -> usize {
        self.login_names.len()
    }

    fn compare(&self, held: &[Account]) -> Difference {
        let mut difference = Difference::default();
        let mut found = 0;
        for account in held {
            match self.login_names.get(&account.id) {
                Some(name) => {
                    found += 1;
                    difference.renamed += usize::from(*name != account.login_name);
                }
                None => {
                    let possible = self.possible.contains(&account.login_name);
                    difference.unexpected += usize::from(!possible);
                }
            }
        }
        difference.missing = self.login_names.len() - found;
        difference
    }
}

/// Checks that every running server has exactly what was acknowledged, and that their states
/// are the same.
pub(super) async fn verify(tour: &mut Tour<'_>) -> Result<(), LabError> {
    let leader = tour.cluster.leader(PATIENCE).await?;
    // Of the leader, so it includes whatever was acknowledged before.
    let revision = tour.cluster.status(leader).await?.applied_index;
    let servers: Vec<_> = tour.cluster.reachable().collect();
    let mut figures = Vec::new();
    let mut missing = 0;
    let mut all_there = true;
    for server in servers {
        let held = tour.cluster.accounts_of(server, revision).await?;
        let difference = tour.ledger.compare(&held);
        missing = missing.max(difference.missing);
        all_there &= difference == Difference::default();
        let mut figure = format!("{} has {}", tour.name(server), held.len());
        if difference != Difference::default() {
            figure.push_str(&format!(" ({difference:?})"));
        }
        figures.push(figure);
    }
    tour.narrator.figures(json!({
        "accounts": tour.ledger.len(),
        "lost": missing,
        "servers_compared": figures.len(),
    }));
    tour.narrator.check(
        all_there,
        "every running server has every acknowledged account, once",
        format!("of {}: {}", tour.ledger.len(), figures.join(", ")),
    )?;
    let digests = tour.cluster.digests(PATIENCE).await?;
    tour.narrator
        .figures(json!({"states_equal": digests.equal()}));
    let digest = digests.of.first().map_or("", |(_, digest)| digest.as_str());
    tour.narrator.check(
        digests.equal(),
        format!("the states of {} are the same", tour.running()),
        format!(
            "SHA-256 {}.. at revision {}",
            digest.get(..12).unwrap_or(digest),
            digests.revision
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: &str, login_name: &str) -> Account {
        Account {
            id: id.to_owned(),
            login_name: login_name.to_owned(),
            ..Account::default()
        }
    }

    #[test]
    fn lost_doubled_and_renamed_accounts_are_told_apart() {
        let mut ledger = Ledger::begin(vec![account("1", "a"), account("2", "b")]);
        ledger.add(&Written {
            acknowledged: Vec::new(),
            failed: vec![("maybe".to_owned(), "no answer".to_owned())],
        });
        ledger.rename("1", "z");
        let difference = |held: &[Account]| {
            let Difference {
                missing,
                unexpected,
                renamed,
            } = ledger.compare(held);
            (missing, unexpected, renamed)
        };
        assert_eq!(
            difference(&[account("1", "z"), account("2", "b")]),
            (0, 0, 0)
        );
        assert_eq!(difference(&[account("1", "a")]), (1, 0, 1));
        let more = [account("1", "z"), account("2", "b"), account("3", "b")];
        assert_eq!(difference(&more), (0, 1, 0));
        let possible = [account("1", "z"), account("2", "b"), account("3", "maybe")];
        assert_eq!(difference(&possible), (0, 0, 0));
    }
}
