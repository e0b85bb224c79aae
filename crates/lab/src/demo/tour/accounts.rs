//! Accounts come in, are looked up both ways, renamed and deleted.

use std::{fs, path::PathBuf};

use futures_util::TryStreamExt as _;
use quorid_api::{Account, AccountName, Read};
use serde_json::json;

use super::{Tour, ledger::Ledger};
use crate::error::{LabError, OrFail as _};

/// So that the program can show it wherever it is.
const SAMPLES: &str = include_str!("../../../../../samples/accounts.csv");
/// Exit code of a command that found no such account.
const NOT_FOUND: i32 = 3;
/// Preferred for the lookups, where it is there.
const PREFERRED: &str = "joão.brandão";

pub(super) async fn tell(tour: &mut Tour<'_>, samples: Option<PathBuf>) -> Result<(), LabError> {
    tour.narrator
        .chapter("accounts", "Accounts come in, and are looked up")?;
    tour.narrator.say(
        "A client needs to know one server; that one tells it of the others and of the leader. \
         The leader puts each change into its log and sends it to the others; it acknowledges \
         a change once a majority, here two of three, has it on disk. Some of the sample accounts \
         have a password; hashing it costs much on purpose, so those take most of the time.",
    )?;
    import(tour, samples).await?;
    let account = pick(tour).await?;
    lookup(tour, &account).await?;
    rename_and_delete(tour, &account).await
}

async fn import(tour: &mut Tour<'_>, samples: Option<PathBuf>) -> Result<(), LabError> {
    let file = match samples {
        Some(file) => file,
        None => {
            let file = tour.cluster.directory().join("accounts.csv");
            fs::write(&file, SAMPLES).or_fail(format_args!("cannot write {}", file.display()))?;
            file
        }
    };
    let said = match tour.cluster.command() {
        None => tour.show(&["import", &file.to_string_lossy()]).await?,
        // Where the command runs, the file is not.
        Some(_) => tour.show_on(&["import", "-"], &file).await?,
    };
    let client = tour.cluster.operator()?;
    let accounts: Vec<Account> = client.accounts(Read::Linearizable).try_collect().await?;
    let last = said.text.lines().last().unwrap_or_default().to_owned();
    let created = format!("{} created", accounts.len());
    tour.narrator.figures(json!({"imported": accounts.len()}));
    tour.narrator.check(
        said.exit == Some(0) && last.contains(&created) && !accounts.is_empty(),
        "the sample accounts are imported",
        last,
    )?;
    tour.ledger = Ledger::begin(accounts);
    Ok(())
}

/// An account that may be shown.
async fn pick(tour: &Tour<'_>) -> Result<Account, LabError> {
    let client = tour.cluster.operator()?;
    let preferred = AccountName::Login(PREFERRED.to_owned());
    if let Ok(account) = client.get_account(&preferred, Read::Linearizable).await {
        return Ok(account);
    }
    let page = client.list_accounts(1, "", Read::Linearizable).await?;
    page.accounts.into_iter().next().ok_or(LabError::NoSample)
}

async fn lookup(tour: &mut Tour<'_>, account: &Account) -> Result<(), LabError> {
    tour.narrator
        .say("An account is found by its login name and by its UUID, which never changes.")?;
    let by_name = tour.show(&["lookup", &account.login_name]).await?;
    let by_id = tour.show(&["reverse-lookup", &account.id]).await?;
    let same = by_name.exit == Some(0) && by_name.text == by_id.text;
    tour.narrator.check(
        same && by_name.text.contains(&account.id),
        "both lookups show the same account",
        account.id.clone(),
    )
}

async fn rename_and_delete(tour: &mut Tour<'_>, account: &Account) -> Result<(), LabError> {
    let new_name = format!("{}.renamed", account.login_name);
    let client = tour.cluster.operator()?;
    let id = account.id.parse().map_err(|_| {
        LabError::fault(format!("a server gave the malformed UUID `{}`", account.id))
    })?;
    tour.show(&["modify", &account.login_name, &new_name])
        .await?;
    let found = client
        .get_account(&AccountName::Id(id), Read::Linearizable)
        .await?;
    let old = tour.show(&["lookup", &account.login_name]).await?;
    tour.ledger.rename(&account.id, &new_name);
    tour.narrator.check(
        found.login_name == new_name && old.exit == Some(NOT_FOUND),
        "a renamed account keeps its UUID, and its old name leads to nobody",
        format!("{} is now {new_name}", account.login_name),
    )?;
    tour.show(&["delete", &new_name]).await?;
    let gone = tour.show(&["reverse-lookup", &account.id]).await?;
    tour.narrator.check(
        gone.exit == Some(NOT_FOUND),
        "a deleted account is found no more",
        format!("{new_name} is kept for 30 days"),
    )?;
    tour.show(&["restore", &new_name]).await?;
    let back = client
        .get_account(&AccountName::Id(id), Read::Linearizable)
        .await?;
    tour.narrator.check(
        back.login_name == new_name && back.create_time == found.create_time,
        "a restored account is the one that was deleted",
        format!("{} accounts are there", tour.ledger.len()),
    )
}
