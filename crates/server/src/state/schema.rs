//! The attributes that the site has added to the schema. Rows are only ever added, so their number says
//! whether a schema that was read before is still the right one.

use prost::Message as _;
use quorid_directory::{
    Attribute, AttributeNumber, ChangedBy, Definition, InvalidDefinition, Limit, Object,
    Properties, ReadBy, Schema,
};
use quorid_storage::{Batch, Digested, Fault, OrFault as _, Rows, Shape, StoreView, Table};

use super::{field::missing, proto};

/// Number of the attribute (4 bytes, big-endian) to `AttributeRow`.
pub(super) const TABLE: Table = Table {
    number: 2,
    name: "schema",
    shape: Shape::BytesToBytes,
    digested: Digested::Rows,
    check_row,
    check_whole: |view: &StoreView| read(view).map(drop),
};

const READING: &str = "reading a stored attribute of the site";

fn check_row(_: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    decode(key, value).map(drop)
}

/// The built-in attributes and those of the site.
pub(super) fn read(rows: &impl Rows) -> Result<Schema, Fault> {
    let mut schema = Schema::default();
    let mut wrong = None;
    rows.scan(&TABLE, None, |key, value| {
        let row = decode(key, value)?;
        if schema.by_name(&row.name).is_ok() {
            wrong = Some("two attributes have one name");
        } else if schema.of_site().len() == Limit::SiteAttributes.most() {
            wrong = Some("there are too many attributes");
        } else {
            schema = schema.with(row);
        }
        Ok(wrong.is_none())
    })?;
    match wrong {
        Some(why) => Err(Fault::new(READING, why)),
        None => Ok(schema),
    }
}

/// The schema of these rows, given the one of some other rows of the same directory.
pub(super) fn as_of(rows: &impl Rows, known: Schema) -> Result<Schema, Fault> {
    match rows.count(&TABLE)? == known.of_site().len() as u64 {
        true => Ok(known),
        false => read(rows),
    }
}

/// As much of the schema as an object needs: without attributes of the site, nothing is read.
pub(super) fn of(rows: &impl Rows, object: &Object) -> Result<Schema, Fault> {
    let mut schema = Schema::default();
    for number in object.attributes.keys().filter(|it| it.is_of_site()) {
        let key = number.0.to_be_bytes();
        let row = rows.get(&TABLE, &key, |value| decode(&key, value))?;
        if let Some(row) = row {
            schema = schema.with(row);
        }
    }
    Ok(schema)
}

pub(super) fn put(batch: &mut Batch<'_>, row: &Attribute) -> Result<(), Fault> {
    let message = row_message(&Properties::of(row));
    batch.insert(
        &TABLE,
        &row.number.0.to_be_bytes(),
        &message.encode_to_vec(),
    )
}

fn decode(key: &[u8], value: &[u8]) -> Result<Attribute, Fault> {
    let number = key.try_into().or_fault(READING)?;
    let number = AttributeNumber(u32::from_be_bytes(number));
    if !number.is_of_site() {
        return Err(Fault::new(
            READING,
            format!("{} is no number of one", number.0),
        ));
    }
    let message = proto::AttributeRow::decode(value).or_fault(READING)?;
    Ok(definition(message)?.numbered(number))
}

pub(super) fn row_message(properties: &Properties) -> proto::AttributeRow {
    proto::AttributeRow {
        name: properties.name.clone(),
        accounts: properties.accounts,
        groups: properties.groups,
        syntax: properties.syntax.clone(),
        values_max: u32::try_from(properties.values_max).unwrap_or(u32::MAX),
        unique: properties.unique,
        indexed: properties.indexed,
        changed_by: properties.changed_by.as_str().to_owned(),
        read_by: properties.read_by.as_str().to_owned(),
    }
}

pub(super) fn definition(message: proto::AttributeRow) -> Result<Definition, Fault> {
    let changed_by = ChangedBy::parse(&message.changed_by);
    let read_by = ReadBy::parse(&message.read_by);
    let properties = Properties {
        name: message.name,
        accounts: message.accounts,
        groups: message.groups,
        syntax: message.syntax,
        values_max: usize::try_from(message.values_max).unwrap_or(usize::MAX),
        unique: message.unique,
        indexed: message.indexed,
        changed_by: changed_by.ok_or_else(|| missing("changed_by"))?,
        read_by: read_by.ok_or_else(|| missing("read_by"))?,
    };
    Definition::new(properties).map_err(|why: InvalidDefinition| Fault::new(READING, why))
}
