//! Accounts, by their ids. A UUID of version 7 begins with its time, so new accounts are added at
//! the end.

use prost::Message as _;
use quorid_directory::{Account, AccountId, Revision, Stamp, Time};
use quorid_storage::{Batch, Digested, Fault, OrFault as _, Rows, Shape, StoreView, Table};

use super::{
    field::{
        account_id, client_address, decode_verifier, login_name, missing, real_name, verifier_text,
    },
    proto,
};

/// Account id (16 bytes, UUID, big-endian) to `Account`.
pub(super) const TABLE: Table = Table {
    number: 2,
    name: "accounts",
    shape: Shape::IdToBytes,
    digested: Digested::Rows,
    check_row,
    check_whole: |_: &StoreView| Ok(()),
};

fn check_row(_: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    if decode(value)?.id.as_bytes().as_slice() != key {
        return Err(Fault::new(
            "storing a received snapshot",
            "an account isn't that of its id",
        ));
    }
    Ok(())
}

pub(super) fn find(rows: &impl Rows, id: &AccountId) -> Result<Option<Account>, Fault> {
    rows.get(&TABLE, id.as_bytes(), decode)
}

pub(super) fn put(batch: &mut Batch<'_>, account: &Account) -> Result<(), Fault> {
    batch.insert(&TABLE, account.id.as_bytes(), &encode(account))
}

pub(super) fn remove(batch: &mut Batch<'_>, id: &AccountId) -> Result<(), Fault> {
    batch.remove(&TABLE, id.as_bytes())
}

/// At most `limit` accounts in the order of their ids, from the first one after `after`.
pub(super) fn list(
    rows: &impl Rows,
    after: Option<AccountId>,
    limit: usize,
) -> Result<Vec<Account>, Fault> {
    let mut accounts = Vec::new();
    if limit == 0 {
        return Ok(accounts);
    }
    let after = after.as_ref().map(|id| id.as_bytes().as_slice());
    rows.scan(&TABLE, after, |_, value| {
        accounts.push(decode(value)?);
        Ok(accounts.len() < limit)
    })?;
    Ok(accounts)
}

pub(super) fn encode(account: &Account) -> Vec<u8> {
    to_message(account).encode_to_vec()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Account, Fault> {
    from_message(proto::Account::decode(bytes).or_fault("reading a stored account")?)
}

pub(super) fn to_message(account: &Account) -> proto::Account {
    proto::Account {
        id: account.id.as_bytes().to_vec(),
        login_name: account.login_name.as_str().to_owned(),
        real_name: account.real_name.as_str().to_owned(),
        created: Some(stamp_message(&account.created)),
        changed: Some(stamp_message(&account.changed)),
        version: account.version.0,
        verifier: verifier_text(account.verifier.as_ref()),
        verifier_version: account.verifier_version.0,
    }
}

pub(super) fn from_message(message: proto::Account) -> Result<Account, Fault> {
    Ok(Account {
        id: account_id(&message.id)?,
        login_name: login_name(&message.login_name)?,
        real_name: real_name(&message.real_name)?,
        created: stamp(message.created)?,
        changed: stamp(message.changed)?,
        version: Revision(message.version),
        verifier: decode_verifier(message.verifier)?,
        verifier_version: Revision(message.verifier_version),
    })
}

fn stamp_message(stamp: &Stamp) -> proto::Stamp {
    proto::Stamp {
        time_ms: stamp.time.0,
        client: stamp.client.as_str().to_owned(),
    }
}

fn stamp(message: Option<proto::Stamp>) -> Result<Stamp, Fault> {
    let message = message.ok_or_else(|| missing("stamp"))?;
    Ok(Stamp {
        time: Time(message.time_ms),
        client: client_address(&message.client)?,
    })
}
