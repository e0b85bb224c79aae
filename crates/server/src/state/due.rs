//! Names that stay reserved, and when these and tombstones end.

use quorid_directory::{Due, Ends, ObjectId, Reserved, Time, UniqueKey};
use quorid_storage::{Batch, Digested, Fault, OrFault as _, Rows, Shape, StoreView, Table};

use super::{
    field::{missing, object_id},
    object, tombstone, unique,
};

/// Id of the last owner (16 bytes) and, as a key of a unique value, the value, to the time until which it is
/// reserved (8 bytes, big-endian, Unix ms).
pub(super) const RESERVED: Table = Table {
    number: 11,
    name: "reserved",
    shape: Shape::BytesToBytes,
    digested: Digested::Rows,
    check_row: check_reserved,
    check_whole: |_: &StoreView| Ok(()),
};

/// Time (8 bytes, big-endian, Unix ms) and 1 with the id of a deleted object, or 2 with a key of `reserved`, to
/// nothing: what ends first is first.
pub(super) const TABLE: Table = Table {
    number: 12,
    name: "due",
    shape: Shape::BytesToBytes,
    digested: Digested::Rows,
    check_row,
    check_whole,
};

const STORING: &str = "storing a received snapshot";
const TOMBSTONE: u8 = 1;
const RESERVATION: u8 = 2;

/// Objects, unique values and tombstones come before: nobody has what is reserved, and it leads to its last
/// owner.
fn check_reserved(batch: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    time(value)?;
    let reserved = reserved_of_key(key)?;
    let owner = &reserved.owner;
    let holds = unique::find(batch, &reserved.key)? == Some(*owner);
    let there = object::find(batch, owner)?;
    let gone = tombstone::find(batch, owner)?.map(|tombstone| tombstone.object);
    let has = there.or(gone).is_some_and(|it| {
        let mut keys = it.unique_keys(quorid_directory::Schema::builtin());
        keys.any(|(key, _)| key == reserved.key)
    });
    if !holds || has {
        let why = "a value is reserved that is not its last owner's, or that somebody has";
        return Err(Fault::new(STORING, why));
    }
    Ok(())
}

/// Tombstones and reservations come before.
fn check_row(batch: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    let due = due_of(key)?;
    let ends = match &due.ends {
        Ends::Tombstone(id) => tombstone::find(batch, id)?.map(|it| it.until),
        Ends::Reservation(reserved) => reserved_until(batch, reserved)?,
    };
    if ends != Some(due.time) || !value.is_empty() {
        return Err(Fault::new(STORING, "what is due does not end then"));
    }
    Ok(())
}

/// Everything ends that has a time, given that all that ends has it.
fn check_whole(view: &StoreView) -> Result<(), Fault> {
    let ending = view.count(&tombstone::TABLE)? + view.count(&RESERVED)?;
    let due = view.count(&TABLE)?;
    if ending != due {
        return Err(Fault::new(
            "reading the state",
            format!(
                "{ending} tombstones and reservations are to end, but there are {due} rows of these"
            ),
        ));
    }
    Ok(())
}

pub(super) fn reserved_until(rows: &impl Rows, reserved: &Reserved) -> Result<Option<Time>, Fault> {
    rows.get(&RESERVED, &reserved_key(reserved), time)
}

/// What is reserved for an object, and until when, in the order of the keys.
pub(super) fn reserved_of(
    rows: &impl Rows,
    owner: &ObjectId,
) -> Result<Vec<(UniqueKey, Time)>, Fault> {
    let mut reserved = Vec::new();
    rows.scan(&RESERVED, Some(owner.as_bytes()), |key, until| {
        let of = reserved_of_key(key)?;
        let more = of.owner == *owner;
        if more {
            reserved.push((of.key, time(until)?));
        }
        Ok(more)
    })?;
    Ok(reserved)
}

/// All that is reserved, from the first one after `after`, for as long as `row` returns true.
pub(super) fn scan_reserved(
    rows: &impl Rows,
    after: Option<&Reserved>,
    mut row: impl FnMut(Reserved, Time) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    let after = after.map(reserved_key);
    rows.scan(&RESERVED, after.as_deref(), |key, until| {
        row(reserved_of_key(key)?, time(until)?)
    })
}

pub(super) fn reserve(
    batch: &mut Batch<'_>,
    reserved: &Reserved,
    until: Time,
) -> Result<(), Fault> {
    batch.insert(&RESERVED, &reserved_key(reserved), &until.0.to_be_bytes())?;
    put(batch, until, &Ends::Reservation(reserved.clone()))
}

pub(super) fn end_reservation(batch: &mut Batch<'_>, reserved: &Reserved) -> Result<(), Fault> {
    let until = reserved_until(batch, reserved)?.ok_or_else(|| missing("reservation"))?;
    batch.remove(&RESERVED, &reserved_key(reserved))?;
    remove(batch, until, &Ends::Reservation(reserved.clone()))
}

pub(super) fn put(batch: &mut Batch<'_>, time: Time, ends: &Ends) -> Result<(), Fault> {
    batch.insert(&TABLE, &due_key(time, ends), &[])
}

pub(super) fn remove(batch: &mut Batch<'_>, time: Time, ends: &Ends) -> Result<(), Fault> {
    batch.remove(&TABLE, &due_key(time, ends))
}

/// What ends first, at most `limit`.
pub(super) fn first(rows: &impl Rows, limit: usize) -> Result<Vec<Due>, Fault> {
    let mut first = Vec::new();
    if limit == 0 {
        return Ok(first);
    }
    rows.scan(&TABLE, None, |key, _| {
        first.push(due_of(key)?);
        Ok(first.len() < limit)
    })?;
    Ok(first)
}

fn reserved_key(reserved: &Reserved) -> Vec<u8> {
    let owner = reserved.owner.as_bytes().as_slice();
    [owner, &unique::row_key(&reserved.key)].concat()
}

fn reserved_of_key(key: &[u8]) -> Result<Reserved, Fault> {
    let (owner, key) = key.split_at_checked(16).unwrap_or_default();
    Ok(Reserved {
        owner: object_id(owner)?,
        key: unique::unique_key(key).ok_or_else(|| missing("reserved value"))?,
    })
}

fn due_key(time: Time, ends: &Ends) -> Vec<u8> {
    let (tag, rest) = match ends {
        Ends::Tombstone(id) => (TOMBSTONE, id.as_bytes().to_vec()),
        Ends::Reservation(reserved) => (RESERVATION, reserved_key(reserved)),
    };
    [time.0.to_be_bytes().as_slice(), &[tag], &rest].concat()
}

fn due_of(key: &[u8]) -> Result<Due, Fault> {
    let (at, rest) = key.split_at_checked(8).unwrap_or_default();
    let ends = match rest.split_first() {
        Some((&TOMBSTONE, id)) => Ends::Tombstone(object_id(id)?),
        Some((&RESERVATION, key)) => Ends::Reservation(reserved_of_key(key)?),
        Some(_) | None => return Err(missing("what ends")),
    };
    let time = time(at)?;
    Ok(Due { time, ends })
}

fn time(bytes: &[u8]) -> Result<Time, Fault> {
    let bytes = bytes.try_into().map(u64::from_be_bytes);
    bytes.map(Time).or_fault("reading a stored time")
}
