//! What is left of deleted objects, by their ids, and the memberships that ended with them.

use prost::Message as _;
use quorid_directory::{Membership, ObjectId, Revision, Schema, Time, Tombstone};
use quorid_storage::{Batch, Digested, Fault, OrFault as _, Rows, Shape, StoreView, Table};

use super::{
    field::{decode_verifier, missing, object_id, verifier_text},
    member, object, proto, schema, unique,
};

/// Id of a deleted object (16 bytes) to `Tombstone`.
pub(super) const TABLE: Table = Table {
    number: 9,
    name: "tombstones",
    shape: Shape::IdToBytes,
    digested: Digested::Rows,
    check_row,
    check_whole: |_: &StoreView| Ok(()),
};

/// Id of a deleted object (16 bytes) and, as a key of a membership, a membership of it or of one of its
/// members, to nothing.
pub(super) const FORMER: Table = Table {
    number: 10,
    name: "former",
    shape: Shape::BytesToBytes,
    digested: Digested::Rows,
    check_row: check_former,
    check_whole: |_: &StoreView| Ok(()),
};

const STORING: &str = "storing a received snapshot";

/// Objects and their unique values come before: what is deleted is not there, and keeps what was unique of it.
fn check_row(batch: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    let tombstone = decode(value)?;
    let object = &tombstone.object;
    let wrong = |why: &str| Err(Fault::new(STORING, format!("{} {why}", object.id)));
    if object.id.as_bytes().as_slice() != key {
        return wrong("is not the deleted object of its id");
    }
    if object::find(batch, &object.id)?.is_some() {
        return wrong("is there, and deleted");
    }
    if object.password_version.is_some() != tombstone.verifier.is_some() {
        return wrong("is deleted, and has a password or a verifier but not both");
    }
    let schema = schema::of(batch, object)?;
    if let Some((attribute, violation)) = object.violation(&schema) {
        return wrong(&format!(
            "is deleted: {}: {violation}",
            schema.name(attribute)
        ));
    }
    for (key, _) in object.unique_keys(&schema) {
        if unique::find(batch, &key)? != Some(object.id) {
            return wrong("is deleted, and does not keep what was unique of it");
        }
    }
    Ok(())
}

/// Tombstones come before.
fn check_former(batch: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    let (gone, membership) = former_of(key)?;
    let is_of_it = [membership.group, membership.member].contains(&gone);
    if !is_of_it || find(batch, &gone)?.is_none() || !value.is_empty() {
        let why = "a membership that ended is not of a deleted object";
        return Err(Fault::new(STORING, why));
    }
    Ok(())
}

pub(super) fn find(rows: &impl Rows, id: &ObjectId) -> Result<Option<Tombstone>, Fault> {
    rows.get(&TABLE, id.as_bytes(), decode)
}

pub(super) fn put(batch: &mut Batch<'_>, tombstone: &Tombstone) -> Result<(), Fault> {
    batch.insert(&TABLE, tombstone.object.id.as_bytes(), &encode(tombstone))
}

pub(super) fn remove(batch: &mut Batch<'_>, id: &ObjectId) -> Result<Tombstone, Fault> {
    let tombstone = find(batch, id)?.ok_or_else(|| missing("tombstone"))?;
    batch.remove(&TABLE, id.as_bytes())?;
    Ok(tombstone)
}

/// How many unique values deleted objects keep, other than those that are kept for ever.
pub(super) fn count_unique(view: &StoreView, schema: &Schema) -> Result<u64, Fault> {
    let mut count = 0;
    view.scan(&TABLE, None, |_, value| {
        let tombstone = decode(value)?;
        let keys = tombstone.object.unique_keys(schema);
        count += keys.filter(|(key, _)| !key.is_kept(schema)).count() as u64;
        Ok(true)
    })?;
    Ok(count)
}

/// Deleted objects in the order of their ids, from the first one after `after`, for as long as `row` returns
/// true: with the bytes that they take.
pub(super) fn scan(
    rows: &impl Rows,
    after: Option<&ObjectId>,
    mut row: impl FnMut(Tombstone, usize) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    let after = after.map(|id| id.as_bytes().as_slice());
    rows.scan(&TABLE, after, |_, value| row(decode(value)?, value.len()))
}

/// The memberships that ended with an object, in the order of their keys.
pub(super) fn former(rows: &impl Rows, gone: &ObjectId) -> Result<Vec<Membership>, Fault> {
    let mut memberships = Vec::new();
    rows.scan(&FORMER, Some(gone.as_bytes()), |key, _| {
        let (of, membership) = former_of(key)?;
        if of == *gone {
            memberships.push(membership);
        }
        Ok(of == *gone)
    })?;
    Ok(memberships)
}

pub(super) fn put_former(
    batch: &mut Batch<'_>,
    gone: &ObjectId,
    membership: &Membership,
) -> Result<(), Fault> {
    batch.insert(&FORMER, &former_key(gone, membership), &[])
}

pub(super) fn remove_former(
    batch: &mut Batch<'_>,
    gone: &ObjectId,
    membership: &Membership,
) -> Result<(), Fault> {
    batch.remove(&FORMER, &former_key(gone, membership))
}

fn former_key(gone: &ObjectId, membership: &Membership) -> Vec<u8> {
    [gone.as_bytes().as_slice(), &member::row_key(membership)].concat()
}

fn former_of(key: &[u8]) -> Result<(ObjectId, Membership), Fault> {
    let (gone, membership) = key.split_at_checked(16).unwrap_or_default();
    Ok((object_id(gone)?, member::membership(membership)?))
}

pub(super) fn encode(tombstone: &Tombstone) -> Vec<u8> {
    proto::Tombstone {
        object: Some(object::to_message(&tombstone.object)),
        verifier: verifier_text(tombstone.verifier.as_ref()),
        deleted: Some(object::stamp_message(&tombstone.deleted)),
        revision: tombstone.revision.0,
        until_ms: tombstone.until.0,
    }
    .encode_to_vec()
}

fn decode(bytes: &[u8]) -> Result<Tombstone, Fault> {
    let message = proto::Tombstone::decode(bytes).or_fault("reading a stored tombstone")?;
    let object = message.object.ok_or_else(|| missing("tombstone.object"))?;
    Ok(Tombstone {
        object: object::from_message(object)?,
        verifier: decode_verifier(message.verifier)?,
        deleted: object::stamp(message.deleted)?,
        revision: Revision(message.revision),
        until: Time(message.until_ms),
    })
}
