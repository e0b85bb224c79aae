//! Rows of the tables, read the same way from a batch and from a view.

use prost::Message as _;
use quorid_directory::{Account, AccountId, LoginName, Outcome, RequestId};
use redb::ReadableTable;

use super::{
    Fault,
    codec::{account_id, damaged, decode_account, decode_outcome},
    log::LogPos,
    proto,
    tables::{META_APPLIED, META_MEMBERSHIP},
};

/// What a checkpoint or an opened state holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durable {
    /// The last entry whose effect is in it.
    pub applied: Option<LogPos>,
    /// The last membership in it, encoded.
    pub membership: Vec<u8>,
}

pub(super) fn find_account(
    table: &impl ReadableTable<[u8; 16], &'static [u8]>,
    id: &AccountId,
) -> Result<Option<Account>, Fault> {
    match table
        .get(id.as_bytes())
        .map_err(failed("reading an account"))?
    {
        Some(row) => decode_account(row.value()).map(Some),
        None => Ok(None),
    }
}

pub(super) fn find_account_id(
    table: &impl ReadableTable<&'static str, [u8; 16]>,
    name: &LoginName,
) -> Result<Option<AccountId>, Fault> {
    match table
        .get(name.as_str())
        .map_err(failed("reading a login name"))?
    {
        Some(row) => account_id(&row.value()).map(Some),
        None => Ok(None),
    }
}

pub(super) fn find_outcome(
    table: &impl ReadableTable<[u8; 16], &'static [u8]>,
    request: &RequestId,
) -> Result<Option<Outcome>, Fault> {
    match table
        .get(request.as_bytes())
        .map_err(failed("reading an outcome"))?
    {
        Some(row) => decode_outcome(row.value()).map(Some),
        None => Ok(None),
    }
}

pub(super) fn read_durable(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Durable, Fault> {
    let membership = meta
        .get(META_MEMBERSHIP)
        .map_err(failed("reading the membership"))?;
    Ok(Durable {
        applied: read_applied(meta)?,
        membership: membership.map_or_else(Vec::new, |row| row.value().to_vec()),
    })
}

pub(super) fn read_applied(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Option<LogPos>, Fault> {
    match meta
        .get(META_APPLIED)
        .map_err(failed("reading the state's position"))?
    {
        Some(row) => {
            let at = proto::LogId::decode(row.value()).map_err(damaged("position"))?;
            Ok(Some(LogPos {
                term: at.term,
                index: at.index,
            }))
        }
        None => Ok(None),
    }
}

pub(super) fn read_u64(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &'static str,
) -> Result<u64, Fault> {
    match meta.get(key).map_err(failed("reading the state"))? {
        Some(row) => row
            .value()
            .try_into()
            .map(u64::from_be_bytes)
            .map_err(damaged("number")),
        None => Ok(0),
    }
}

pub(super) fn failed<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> Fault {
    move |error| Fault::new(what, error)
}
