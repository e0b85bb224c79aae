//! An object and its parts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::edit::{Edit, EditAction};
use crate::id::ObjectId;
use crate::model::{Revision, Stamp, Time};
use crate::schema::{
    Attribute, AttributeNumber, DISABLED, EXPIRES, GROUP_NAME, LOGIN_NAME, POSIX_NUMBER, Schema,
    VALID_FROM,
};
use crate::syntax::{Syntax, referenced};
use crate::value::Value;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Somebody who logs in.
    Person,
    /// Accounts and other groups under one name.
    Group,
    /// A program that logs in.
    Service,
}

impl Kind {
    /// All kinds.
    pub const ALL: &[Self] = &[Self::Person, Self::Group, Self::Service];
    /// The kinds of accounts.
    pub const ACCOUNTS: &[Self] = &[Self::Person, Self::Service];
    /// The kind of persons.
    pub const PERSONS: &[Self] = &[Self::Person];
    /// The kind of groups.
    pub const GROUPS: &[Self] = &[Self::Group];

    /// Whether objects of this kind log in: all of them have names of one space.
    pub fn is_account(self) -> bool {
        Self::ACCOUNTS.contains(&self)
    }

    /// Its byte in keys and in what is hashed. A byte once used keeps its meaning.
    pub fn byte(self) -> u8 {
        match self {
            Self::Person => 1,
            Self::Group => 2,
            Self::Service => 3,
        }
    }

    /// The kind of a byte.
    pub fn of_byte(byte: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.byte() == byte)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Person => "account",
            Self::Group => "group",
            Self::Service => "service account",
        })
    }
}

/// An object as it is at one revision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Object {
    /// Never changes.
    pub id: ObjectId,
    /// Never changes.
    pub kind: Kind,
    /// Its creation.
    pub created: Stamp,
    /// Its last change, or its creation.
    pub changed: Stamp,
    /// The revision of its last change.
    pub version: Revision,
    /// The revision that gave it its password; none: it has no password.
    pub password_version: Option<Revision>,
    /// The values of each attribute that it has, in the order in which they were added. Attributes
    /// that this program does not know are kept as they are.
    pub attributes: BTreeMap<AttributeNumber, Vec<Value>>,
}

/// A value that no two objects may have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueKey {
    /// The attribute that has the value.
    pub attribute: AttributeNumber,
    /// What [`Syntax::key`](crate::Syntax::key) gives.
    pub key: Vec<u8>,
}

impl UniqueKey {
    /// The key of a login name.
    pub fn login_name(name: &crate::LoginName) -> Self {
        Self {
            attribute: LOGIN_NAME,
            key: name.as_str().as_bytes().to_vec(),
        }
    }

    /// Whether it stays its last holder's when no object has the value any more.
    pub fn is_kept(&self, schema: &Schema) -> bool {
        let attribute = schema.by_number(self.attribute);
        attribute.is_some_and(|attribute| attribute.counted)
    }

    /// The key of a group's name.
    pub fn group_name(name: &crate::GroupName) -> Self {
        Self {
            attribute: GROUP_NAME,
            key: Syntax::GroupName.key(&Value::Text(name.as_str().to_owned())),
        }
    }
}

/// A value that searches find objects by. Many may have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexKey {
    /// The attribute that has the value.
    pub attribute: AttributeNumber,
    /// Its text, with ASCII letters in lower case: as searches compare it, as far as all servers agree
    /// on that whatever their Unicode tables.
    pub key: Vec<u8>,
}

impl IndexKey {
    pub(crate) fn of(attribute: AttributeNumber, value: &Value) -> Self {
        let key = value.to_string().to_ascii_lowercase().into_bytes();
        Self { attribute, key }
    }
}

/// Why an edit does not fit an object: by the schema, whatever else is in the directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A newer program's attribute.
    #[error("this server does not know it; update the servers first")]
    Unknown,
    /// Not an attribute of this kind of objects.
    #[error("objects of this kind do not have it")]
    Kind,
    /// Every object of the kind has a value.
    #[error("it must have a value")]
    Required,
    /// Too many values.
    #[error("it may have {values_max} values at most")]
    TooMany {
        /// The most.
        values_max: usize,
    },
    /// A value of another type, or too long.
    #[error("a value has the wrong type or length")]
    Value,
    /// POSIX systems would not take the name.
    #[error(
        "who has a POSIX number needs a name of up to 32 of the characters a-z, 0-9, `_` and `-` \
         that begins with a letter or `_`"
    )]
    PosixName,
}

impl Object {
    /// The values of an attribute; none if the object does not have it.
    pub fn values(&self, attribute: AttributeNumber) -> &[Value] {
        self.attributes.get(&attribute).map_or(&[], Vec::as_slice)
    }

    /// The text of an attribute that has one value; empty if the object does not have it.
    pub fn text(&self, attribute: AttributeNumber) -> &str {
        let value = self.values(attribute).first();
        value.and_then(Value::as_text).unwrap_or_default()
    }

    /// Its login name.
    pub fn login_name(&self) -> &str {
        self.text(LOGIN_NAME)
    }

    /// Its name, if it is a group.
    pub fn group_name(&self) -> &str {
        self.text(GROUP_NAME)
    }

    /// Whether it may prove who it is at this time: it is not disabled, and it is within its time. A time
    /// that cannot be read lets nobody in.
    pub fn may_log_in(&self, now: Time) -> bool {
        let time = |attribute, none| match self.text(attribute) {
            "" => Some(none),
            text => unix_ms(text),
        };
        let from = time(VALID_FROM, 0).is_some_and(|from| from <= now.0);
        let until = time(EXPIRES, u64::MAX).is_some_and(|until| now.0 < until);
        self.text(DISABLED) != "true" && from && until
    }

    /// What it has that no other object may have.
    pub fn unique_keys<'a>(
        &'a self,
        schema: &'a Schema,
    ) -> impl Iterator<Item = (UniqueKey, &'a Value)> {
        let known = self.attributes.iter().filter_map(|(number, values)| {
            let attribute = schema.by_number(*number).filter(|row| row.unique)?;
            Some((attribute, values))
        });
        known.flat_map(|(attribute, values)| {
            values.iter().map(|value| {
                let key = UniqueKey {
                    attribute: attribute.number,
                    key: attribute.syntax.key(value),
                };
                (key, value)
            })
        })
    }

    /// The values that searches find it by, other than unique ones.
    pub fn index_keys(&self, schema: &Schema) -> BTreeSet<IndexKey> {
        let indexed = self.attributes.iter().filter(|(number, _)| {
            let row = schema.by_number(**number);
            row.is_some_and(Attribute::has_index_rows)
        });
        let keys = indexed.flat_map(|(number, values)| {
            let key = |value| IndexKey::of(*number, value);
            values.iter().map(key)
        });
        keys.collect()
    }

    /// The accounts that it refers to. They need not be there any more.
    pub fn references<'a>(
        &'a self,
        schema: &'a Schema,
    ) -> impl Iterator<Item = (AttributeNumber, ObjectId)> {
        let values = self.attributes.iter().filter(|(number, _)| {
            let row = schema.by_number(**number);
            row.is_some_and(|row| row.syntax == Syntax::Reference)
        });
        values.flat_map(|(number, values)| {
            let ids = values.iter().filter_map(referenced);
            ids.map(|id| (*number, id))
        })
    }

    /// About the bytes that its attributes take. All servers count the same.
    pub(crate) fn attribute_bytes(&self) -> usize {
        let bytes = |value: &Value| match value {
            Value::Text(text) => text.len(),
            Value::Number(_) => 8,
        };
        let values = self.attributes.values().flatten();
        values.map(|value| bytes(value) + 8).sum()
    }

    /// What the schema forbids of it. Nothing, for an object that edits made.
    pub fn violation(&self, schema: &Schema) -> Option<(AttributeNumber, Violation)> {
        let of = |(number, values): (&AttributeNumber, &Vec<Value>)| {
            let violation = match schema.by_number(*number) {
                None => values.is_empty().then_some(Violation::Value),
                Some(attribute) => self.violates(attribute, values),
            };
            violation.map(|violation| (*number, violation))
        };
        let broken = self.attributes.iter().find_map(of);
        broken.or_else(|| self.whole(schema))
    }

    fn violates(&self, attribute: &Attribute, values: &[Value]) -> Option<Violation> {
        let values_max = attribute.values_max;
        if !attribute.kinds.contains(&self.kind) {
            return Some(Violation::Kind);
        }
        if values.len() > values_max {
            return Some(Violation::TooMany { values_max });
        }
        let fits = |value| attribute.syntax.keeps(value);
        (values.is_empty() || !values.iter().all(fits)).then_some(Violation::Value)
    }

    /// What is wrong with it as a whole.
    fn whole(&self, schema: &Schema) -> Option<(AttributeNumber, Violation)> {
        self.lacks(schema).or_else(|| self.has_no_posix_name())
    }

    fn has_no_posix_name(&self) -> Option<(AttributeNumber, Violation)> {
        let attribute = match self.kind {
            Kind::Person | Kind::Service => LOGIN_NAME,
            Kind::Group => GROUP_NAME,
        };
        let fits = self.values(POSIX_NUMBER).is_empty() || is_posix_name(self.text(attribute));
        (!fits).then_some((attribute, Violation::PosixName))
    }

    /// What it must have and does not.
    fn lacks(&self, schema: &Schema) -> Option<(AttributeNumber, Violation)> {
        let lacks = |row: &&Attribute| {
            row.required
                && row.kinds.contains(&self.kind)
                && !self.attributes.contains_key(&row.number)
        };
        let row = schema.rows().iter().find(lacks)?;
        Some((row.number, Violation::Required))
    }

    /// Makes the edits, in their order: all of them. The first that assigns a number to an attribute
    /// without a value gives it `next`, if there is one. After an error it is of no use.
    pub(crate) fn edit(
        &mut self,
        schema: &Schema,
        edits: &[Edit],
        next: Option<&Value>,
    ) -> Result<(), (AttributeNumber, Violation)> {
        for edit in edits {
            let attribute = self
                .editable(schema, edit)
                .map_err(|why| (edit.attribute, why))?;
            let mut values = self.attributes.remove(&edit.attribute).unwrap_or_default();
            apply(attribute, &mut values, &edit.action, next);
            if values.len() > attribute.values_max {
                let values_max = attribute.values_max;
                return Err((edit.attribute, Violation::TooMany { values_max }));
            }
            if !values.is_empty() {
                self.attributes.insert(edit.attribute, values);
            }
        }
        self.whole(schema).map_or(Ok(()), Err)
    }

    fn editable<'s>(&self, schema: &'s Schema, edit: &Edit) -> Result<&'s Attribute, Violation> {
        let attribute = schema.by_number(edit.attribute);
        let attribute = attribute.ok_or(Violation::Unknown)?;
        if !attribute.kinds.contains(&self.kind) {
            return Err(Violation::Kind);
        }
        if edit.action == EditAction::Assign && !attribute.counted {
            return Err(Violation::Value);
        }
        let fits = |value| attribute.syntax.takes(value);
        match edit.action.values().iter().all(fits) {
            true => Ok(attribute),
            false => Err(Violation::Value),
        }
    }
}

/// Values are a set with an order: one that is there already is not added, one that is not there
/// need not be removed.
fn apply(
    attribute: &Attribute,
    values: &mut Vec<Value>,
    action: &EditAction,
    next: Option<&Value>,
) {
    let same = |a: &Value, b: &Value| attribute.syntax.key(a) == attribute.syntax.key(b);
    let add = |values: &mut Vec<Value>, added: &[Value]| {
        for value in added {
            if !values.iter().any(|there| same(there, value)) {
                values.push(value.clone());
            }
        }
    };
    match action {
        EditAction::Add(added) => add(values, added),
        EditAction::Remove(removed) => {
            values.retain(|there| !removed.iter().any(|value| same(there, value)));
        }
        EditAction::Replace(replacing) => {
            values.clear();
            add(values, replacing);
        }
        EditAction::Clear => values.clear(),
        EditAction::Assign => {
            if values.is_empty() {
                values.extend(next.cloned());
            }
        }
    }
}

fn unix_ms(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

fn is_posix_name(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters.next();
    first.is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c))
        && name.len() <= 32
}
