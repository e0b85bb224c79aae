//! Attributes of the schema between the wire and the directory's types.

use quorid_api::proto::AttributeDefinition;
use quorid_directory::{
    Attribute, ChangedBy, Definition, InvalidDefinition, Kind, Properties, ReadBy,
};

use super::{Invalid, shown};

/// The words for those that have an attribute.
const ACCOUNT: &str = "account";
const GROUP: &str = "group";

/// The attribute that is to be added.
pub(crate) fn definition(asked: AttributeDefinition) -> Result<Definition, Invalid> {
    let has = |word: &str| asked.kinds.iter().any(|kind| kind == word);
    let other = |kind: &&String| ![ACCOUNT, GROUP].contains(&kind.as_str());
    if let Some(kind) = asked.kinds.iter().find(other) {
        let kind = shown(kind);
        return Err(InvalidDefinition::Kind { kind }.into());
    }
    let changed_by = match asked.changed_by.as_str() {
        "" => Some(ChangedBy::Manager),
        text => ChangedBy::parse(text),
    };
    let read_by = match asked.read_by.as_str() {
        "" => Some(ReadBy::Everyone),
        text => ReadBy::parse(text),
    };
    Ok(Definition::new(Properties {
        accounts: has(ACCOUNT),
        groups: has(GROUP),
        name: asked.name,
        syntax: asked.syntax,
        values_max: usize::try_from(asked.values_max.max(1)).unwrap_or(usize::MAX),
        unique: asked.unique,
        indexed: asked.indexed,
        changed_by: changed_by.ok_or_else(|| InvalidDefinition::ChangedBy {
            text: shown(&asked.changed_by),
        })?,
        read_by: read_by.ok_or_else(|| InvalidDefinition::ReadBy {
            text: shown(&asked.read_by),
        })?,
    })?)
}

/// An attribute as clients see it.
pub(crate) fn attribute_row(row: &Attribute) -> AttributeDefinition {
    let accounts = row.kinds.contains(&Kind::Person).then_some(ACCOUNT);
    let groups = row.kinds.contains(&Kind::Group).then_some(GROUP);
    let kinds = accounts.into_iter().chain(groups);
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    AttributeDefinition {
        name: row.name.to_string(),
        number: row.number.0,
        kinds: kinds.map(str::to_owned).collect(),
        syntax: row.syntax.name().to_owned(),
        bytes_max: small(row.syntax.bytes_max()),
        values_max: small(row.values_max),
        required: row.required,
        unique: row.unique,
        indexed: row.indexed,
        changed_by: row.changed_by.as_str().to_owned(),
        read_by: row.read_by.as_str().to_owned(),
    }
}
