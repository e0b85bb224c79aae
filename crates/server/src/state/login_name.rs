//! Login names, each with the account that has it.

use quorid_directory::{AccountId, LoginName};
use quorid_storage::{Batch, Digested, Fault, Rows, Shape, StoreView, Table};

use super::{account, field::account_id};

/// Login name (UTF-8, as normalised) to account id.
pub(super) const TABLE: Table = Table {
    number: 3,
    name: "login_names",
    shape: Shape::TextToId,
    digested: Digested::Rows,
    check_row,
    check_whole,
};

/// Accounts come before login names.
fn check_row(batch: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    let holder = account::find(batch, &account_id(value)?)?;
    if holder.is_none_or(|holder| holder.login_name.as_str().as_bytes() != key) {
        return Err(Fault::new(
            "storing a received snapshot",
            "a login name isn't its account's",
        ));
    }
    Ok(())
}

/// Every account has its login name, given that every login name has its account.
fn check_whole(view: &StoreView) -> Result<(), Fault> {
    let (accounts, names) = (view.count(&account::TABLE)?, view.count(&TABLE)?);
    if accounts != names {
        return Err(Fault::new(
            "reading the state",
            format!("{accounts} accounts, but {names} login names"),
        ));
    }
    Ok(())
}

pub(super) fn find(rows: &impl Rows, name: &LoginName) -> Result<Option<AccountId>, Fault> {
    rows.get(&TABLE, name.as_str().as_bytes(), account_id)
}

pub(super) fn put(batch: &mut Batch<'_>, name: &LoginName, id: AccountId) -> Result<(), Fault> {
    batch.insert(&TABLE, name.as_str().as_bytes(), id.as_bytes())
}

pub(super) fn remove(batch: &mut Batch<'_>, name: &LoginName) -> Result<(), Fault> {
    batch.remove(&TABLE, name.as_str().as_bytes())
}
