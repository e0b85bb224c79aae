//! Values that no two objects may have, each with the object that has it.

use quorid_directory::{AttributeNumber, LOGIN_NAME, ObjectId, Schema, UniqueKey, Value};
use quorid_storage::{Batch, Digested, Fault, Rows, Shape, StoreView, Table};

use super::{due, field::object_id, object, schema, tombstone};

/// Number of the attribute (4 bytes, big-endian) and the value's key, to object id.
pub(super) const TABLE: Table = Table {
    number: 4,
    name: "unique",
    shape: Shape::BytesToId,
    digested: Digested::Rows,
    check_row,
    check_whole,
};

/// Objects come before their unique values. A kept value may be one that its object had. What is of a deleted
/// object, or reserved, is counted once these are there.
fn check_row(batch: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    let id = object_id(value)?;
    let is_kept = |key: UniqueKey| key.is_kept(Schema::builtin()) && number_of(&key).is_some();
    let kept = unique_key(key).is_some_and(is_kept);
    let has_it = match object::find(batch, &id)? {
        Some(holder) => {
            let schema = schema::of(batch, &holder)?;
            let mut keys = holder.unique_keys(&schema);
            keys.any(|(unique, _)| row_key(&unique) == key)
        }
        None => false,
    };
    if !has_it && !kept && !may_be_held(batch, key, &id)? {
        return Err(Fault::new(
            "storing a received snapshot",
            "a unique value is not that of its object",
        ));
    }
    Ok(())
}

/// Whether a value may be that of a deleted object, or a reserved login name.
fn may_be_held(batch: &Batch<'_>, key: &[u8], id: &ObjectId) -> Result<bool, Fault> {
    let of = unique_key(key).map(|key| key.attribute);
    Ok(of == Some(LOGIN_NAME) || object::find(batch, id)?.is_none())
}

/// Every object has its unique values. Every other one is kept, or that of a deleted object, or reserved.
fn check_whole(view: &StoreView) -> Result<(), Fault> {
    let wrong = |why: String| Err(Fault::new("reading the state", why));
    let schema = &schema::read(view)?;
    let (mut values, mut kept) = (0, 0);
    let mut missing = None;
    view.scan(&object::TABLE, None, |_, object| {
        let object = object::decode(object)?;
        for (key, _) in object.unique_keys(schema) {
            values += u64::from(!key.is_kept(schema));
            if find(view, &key)? != Some(object.id) {
                missing = Some(object.id);
            }
        }
        Ok(missing.is_none())
    })?;
    if let Some(id) = missing {
        return wrong(format!("{id} has a value that is another object's"));
    }
    for row in schema.rows().iter().filter(|row| row.counted) {
        scan(view, row.number, None, |_| {
            kept += 1;
            Ok(true)
        })?;
    }
    let deleted = tombstone::count_unique(view, schema)?;
    let reserved = view.count(&due::RESERVED)?;
    let rows = view.count(&TABLE)?;
    if values + kept + deleted + reserved != rows {
        return wrong(format!(
            "objects have {values} unique values, deleted ones {deleted}, {reserved} are reserved and {kept} \
             kept, but there are {rows}"
        ));
    }
    Ok(())
}

pub(super) fn find(rows: &impl Rows, key: &UniqueKey) -> Result<Option<ObjectId>, Fault> {
    rows.get(&TABLE, &row_key(key), object_id)
}

/// The holders of an attribute's values, in the order of the values' keys: from the first key after
/// `after`, for as long as `holder` returns true.
pub(super) fn scan(
    rows: &impl Rows,
    attribute: AttributeNumber,
    after: Option<&UniqueKey>,
    mut holder: impl FnMut(ObjectId) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    let prefix = attribute.0.to_be_bytes();
    let after = after.map_or_else(|| prefix.to_vec(), row_key);
    rows.scan(&TABLE, Some(&after), |key, id| {
        Ok(key.starts_with(&prefix) && holder(object_id(id)?)?)
    })
}

pub(super) fn put(batch: &mut Batch<'_>, key: &UniqueKey, holder: ObjectId) -> Result<(), Fault> {
    batch.insert(&TABLE, &row_key(key), holder.as_bytes())
}

pub(super) fn remove(batch: &mut Batch<'_>, key: &UniqueKey) -> Result<(), Fault> {
    batch.remove(&TABLE, &row_key(key))
}

/// The number that a kept value's key is of.
fn number_of(key: &UniqueKey) -> Option<u64> {
    let number = u64::from_be_bytes(key.key.as_slice().try_into().ok()?);
    let syntax = Schema::builtin().by_number(key.attribute)?.syntax;
    syntax.takes(&Value::Number(number)).then_some(number)
}

/// What [`row_key`] was made of.
pub(super) fn unique_key(row_key: &[u8]) -> Option<UniqueKey> {
    let (attribute, key) = row_key.split_first_chunk::<4>()?;
    Some(UniqueKey {
        attribute: AttributeNumber(u32::from_be_bytes(*attribute)),
        key: key.to_vec(),
    })
}

pub(super) fn row_key(key: &UniqueKey) -> Vec<u8> {
    [&key.attribute.0.to_be_bytes(), key.key.as_slice()].concat()
}
