//! Values that no two objects may have, each with the object that has it.

use quorid_directory::{AttributeNumber, ObjectId, UniqueKey};
use quorid_storage::{Batch, Digested, Fault, Rows, Shape, StoreView, Table};

use super::{field::object_id, object};

/// Number of the attribute (4 bytes, big-endian) and the value's key, to object id.
pub(super) const TABLE: Table = Table {
    number: 3,
    name: "unique",
    shape: Shape::BytesToId,
    digested: Digested::Rows,
    check_row,
    check_whole,
};

/// Objects come before their unique values.
fn check_row(batch: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    let holder = object::find(batch, &object_id(value)?)?;
    let has_it = holder.is_some_and(|holder| {
        let mut keys = holder.unique_keys();
        keys.any(|(unique, _)| row_key(&unique) == key)
    });
    if !has_it {
        return Err(Fault::new(
            "storing a received snapshot",
            "a unique value isn't that of its object",
        ));
    }
    Ok(())
}

/// Every object has its unique values, given that every unique value has its object.
fn check_whole(view: &StoreView) -> Result<(), Fault> {
    let mut values = 0;
    view.scan(&object::TABLE, None, |_, object| {
        values += object::decode(object)?.unique_keys().count() as u64;
        Ok(true)
    })?;
    let rows = view.count(&TABLE)?;
    if values != rows {
        return Err(Fault::new(
            "reading the state",
            format!("objects have {values} unique values, but {rows} are kept"),
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

fn row_key(key: &UniqueKey) -> Vec<u8> {
    [&key.attribute.0.to_be_bytes(), key.key.as_slice()].concat()
}
