//! The objects that have a value of an indexed attribute. It says nothing that the objects do not say, so the
//! rules know nothing of it: whoever stores or removes an object keeps it.

use std::collections::BTreeSet;

use quorid_directory::{IndexKey, Object, ObjectId, Schema};
use quorid_storage::{Batch, Digested, Fault, Rows, Shape, StoreView, Table};

use super::{field::object_id, object, schema};

/// Number of the attribute (4 bytes, big-endian), length of the value's key (2 bytes, big-endian), the key,
/// object id (16 bytes), to nothing.
pub(super) const TABLE: Table = Table {
    number: 5,
    name: "index",
    shape: Shape::BytesToBytes,
    digested: Digested::Rows,
    check_row,
    check_whole,
};

/// Objects come before their rows.
fn check_row(batch: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    let wrong = || {
        let why = "a row of the index is not that of its object";
        Fault::new("storing a received snapshot", why)
    };
    let (_, id) = key.split_last_chunk::<16>().ok_or_else(wrong)?;
    let object = object::find(batch, &ObjectId::from_bytes(*id))?.ok_or_else(wrong)?;
    let schema = schema::of(batch, &object)?;
    let keys = object.index_keys(&schema);
    let fits = keys.iter().any(|it| row_key(it, object.id) == key);
    (fits && value.is_empty()).then_some(()).ok_or_else(wrong)
}

/// Every object has its rows, given that every row has its object.
fn check_whole(view: &StoreView) -> Result<(), Fault> {
    let schema = schema::read(view)?;
    let mut expected = 0;
    view.scan(&object::TABLE, None, |_, object| {
        expected += object::decode(object)?.index_keys(&schema).len() as u64;
        Ok(true)
    })?;
    let rows = view.count(&TABLE)?;
    if rows != expected {
        let why = format!("objects have {expected} values in the index, but there are {rows}");
        return Err(Fault::new("reading the state", why));
    }
    Ok(())
}

/// Makes the rows of an object those that it has from now on.
pub(super) fn keep(
    batch: &mut Batch<'_>,
    schema: &Schema,
    id: &ObjectId,
    after: Option<&Object>,
) -> Result<(), Fault> {
    let keys = |object: Option<&Object>| -> BTreeSet<IndexKey> {
        object.map(|it| it.index_keys(schema)).unwrap_or_default()
    };
    let before = keys(object::find(batch, id)?.as_ref());
    let after = keys(after);
    for key in before.difference(&after) {
        batch.remove(&TABLE, &row_key(key, *id))?;
    }
    for key in after.difference(&before) {
        batch.insert(&TABLE, &row_key(key, *id), &[])?;
    }
    Ok(())
}

/// All objects that have a value, in the order of their ids.
pub(super) fn all(rows: &impl Rows, key: &IndexKey) -> Result<Vec<ObjectId>, Fault> {
    let mut ids = Vec::new();
    scan(rows, key, None, |id| {
        ids.push(id);
        Ok(true)
    })?;
    Ok(ids)
}

/// The objects that have a value, in the order of their ids: from the first one after `after`, for as long as
/// `holder` returns true.
pub(super) fn scan(
    rows: &impl Rows,
    key: &IndexKey,
    after: Option<ObjectId>,
    mut holder: impl FnMut(ObjectId) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    let prefix = prefix(key);
    let after = after.map_or_else(|| prefix.clone(), |id| row_key(key, id));
    rows.scan(&TABLE, Some(&after), |key, _| {
        match key.strip_prefix(prefix.as_slice()) {
            Some(id) => holder(object_id(id)?),
            None => Ok(false),
        }
    })
}

fn row_key(key: &IndexKey, id: ObjectId) -> Vec<u8> {
    [prefix(key).as_slice(), id.as_bytes()].concat()
}

/// The length keeps the rows of a value apart from those of values that begin like it.
fn prefix(key: &IndexKey) -> Vec<u8> {
    let length = u16::try_from(key.key.len()).expect("indexed values have 512 bytes at most");
    let attribute = key.attribute.0.to_be_bytes();
    [&attribute[..], &length.to_be_bytes(), &key.key].concat()
}
