//! What passwords are checked against, by the ids of their accounts: apart from the objects, so
//! that who reads objects never reads them.

use quorid_directory::{ObjectId, Verifier};
use quorid_storage::{Batch, Digested, Fault, OrFault as _, Rows, Shape, StoreView, Table};

use super::{field::object_id, object};

/// Account id (16 bytes) to a password hash with its scheme (ASCII), such as a PHC string.
pub(super) const TABLE: Table = Table {
    number: 6,
    name: "verifiers",
    shape: Shape::IdToBytes,
    digested: Digested::Rows,
    check_row,
    check_whole,
};

/// Objects come before their verifiers.
fn check_row(batch: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    decode(value)?;
    let account = object::find(batch, &object_id(key)?)?;
    if account.is_none_or(|account| account.password_version.is_none()) {
        return Err(Fault::new(
            "storing a received snapshot",
            "a verifier of an account without a password",
        ));
    }
    Ok(())
}

/// Every account with a password has its verifier, given that every verifier has its account.
fn check_whole(view: &StoreView) -> Result<(), Fault> {
    let mut passwords = 0;
    view.scan(&object::TABLE, None, |_, object| {
        passwords += u64::from(object::decode(object)?.password_version.is_some());
        Ok(true)
    })?;
    let rows = view.count(&TABLE)?;
    if passwords != rows {
        return Err(Fault::new(
            "reading the state",
            format!("{passwords} accounts have a password, but there are {rows} verifiers"),
        ));
    }
    Ok(())
}

pub(super) fn find(rows: &impl Rows, id: &ObjectId) -> Result<Option<Verifier>, Fault> {
    rows.get(&TABLE, id.as_bytes(), decode)
}

pub(super) fn put(batch: &mut Batch<'_>, id: &ObjectId, verifier: &Verifier) -> Result<(), Fault> {
    batch.insert(&TABLE, id.as_bytes(), verifier.as_str().as_bytes())
}

pub(super) fn remove(batch: &mut Batch<'_>, id: &ObjectId) -> Result<(), Fault> {
    batch.remove(&TABLE, id.as_bytes())
}

fn decode(bytes: &[u8]) -> Result<Verifier, Fault> {
    let text = str::from_utf8(bytes).or_fault("reading a stored verifier")?;
    Verifier::parse(text).or_fault("reading a stored verifier")
}
