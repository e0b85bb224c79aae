//! Attributes that a site adds to the schema.

use std::borrow::Cow;

use crate::level::Level;
use crate::object::Kind;
use crate::schema::{Attribute, AttributeNumber, ChangedBy, ReadBy};
use crate::syntax::Syntax;

/// An attribute that is to be added: all of a row but its number, which the state gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    row: Attribute,
}

/// What a site says of an attribute that it adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Properties {
    /// Its name: `[a-z][a-z0-9_]{0,62}`.
    pub name: String,
    /// Whether accounts may have it.
    pub accounts: bool,
    /// Whether groups may have it.
    pub groups: bool,
    /// The name of its syntax; [`Syntax::of_site`] lists them.
    pub syntax: String,
    /// The most values that one object has.
    pub values_max: usize,
    /// Whether no two objects may have the same value.
    pub unique: bool,
    /// Whether searches find its values without looking at all objects.
    pub indexed: bool,
    /// Who changes it.
    pub changed_by: ChangedBy,
    /// Who reads it.
    pub read_by: ReadBy,
}

impl Definition {
    /// The most values that an attribute of a site may have.
    pub const VALUES_MAX: usize = 256;
    const NAME_BYTES_MAX: usize = 63;
    /// The longest values that can be found by an index.
    const KEY_BYTES_MAX: usize = 512;

    /// The attribute with these properties, if a site may add it.
    pub fn new(asked: Properties) -> Result<Self, InvalidDefinition> {
        if !is_name(&asked.name) {
            let name = asked.name.chars().take(Self::NAME_BYTES_MAX).collect();
            return Err(InvalidDefinition::Name { name });
        }
        let syntax = Syntax::of_site().find(|syntax| syntax.name() == asked.syntax);
        let syntax = syntax.ok_or_else(|| InvalidDefinition::Syntax {
            syntax: asked.syntax.chars().take(Self::NAME_BYTES_MAX).collect(),
        })?;
        if !(1..=Self::VALUES_MAX).contains(&asked.values_max) {
            let values_max = asked.values_max;
            return Err(InvalidDefinition::ValuesMax { values_max });
        }
        if matches!(syntax, Syntax::Text { .. }) && asked.values_max > 1 {
            return Err(InvalidDefinition::ManyTexts);
        }
        if (asked.unique || asked.indexed) && syntax.bytes_max() > Self::KEY_BYTES_MAX {
            return Err(InvalidDefinition::TooLong {
                syntax: syntax.name(),
            });
        }
        let kinds = match (asked.accounts, asked.groups) {
            (true, true) => Kind::ALL,
            (true, false) => Kind::ACCOUNTS,
            (false, true) => Kind::GROUPS,
            (false, false) => return Err(InvalidDefinition::Kinds),
        };
        let row = Attribute {
            number: AttributeNumber(0),
            level: Level::SITE_ATTRIBUTES,
            name: Cow::Owned(asked.name),
            kinds,
            required: false,
            syntax,
            values_max: asked.values_max,
            unique: asked.unique,
            indexed: asked.indexed,
            counted: false,
            changed_by: asked.changed_by,
            read_by: asked.read_by,
        };
        Ok(Self { row })
    }

    /// The name of the attribute.
    pub fn name(&self) -> &str {
        &self.row.name
    }

    /// What was said of the attribute.
    pub fn properties(&self) -> Properties {
        Properties::of(&self.row)
    }

    /// The row, now that the attribute has a number.
    pub fn numbered(self, number: AttributeNumber) -> Attribute {
        Attribute { number, ..self.row }
    }
}

impl Properties {
    /// Those of an attribute.
    pub fn of(row: &Attribute) -> Self {
        Self {
            name: row.name.to_string(),
            accounts: row.kinds.contains(&Kind::Person),
            groups: row.kinds.contains(&Kind::Group),
            syntax: row.syntax.name().to_owned(),
            values_max: row.values_max,
            unique: row.unique,
            indexed: row.indexed,
            changed_by: row.changed_by,
            read_by: row.read_by,
        }
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= Definition::NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// No site can add an attribute like that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDefinition {
    /// Not a name of an attribute.
    #[error(
        "`{}` cannot be the name of an attribute; give up to 63 of the characters a-z, 0-9 and `_`, \
         with a letter first, such as badge_number",
        name.escape_debug()
    )]
    Name {
        /// As it was given, cut if it is long.
        name: String,
    },
    /// No syntax, or one of the built-in attributes only.
    #[error(
        "an attribute of a site cannot have the syntax `{}`; there are {}",
        syntax.escape_debug(),
        syntaxes()
    )]
    Syntax {
        /// As it was given, cut if it is long.
        syntax: String,
    },
    /// No number of values.
    #[error(
        "an attribute cannot have {values_max} values; give a number from 1 to {}",
        Definition::VALUES_MAX
    )]
    ValuesMax {
        /// As it was given.
        values_max: usize,
    },
    /// In files, several values are lines of one field.
    #[error(
        "an attribute of the syntax text has one value, because its values have lines; take line"
    )]
    ManyTexts,
    /// Values that no index takes.
    #[error(
        "values of the syntax {syntax} may be too long to be unique or indexed; leave that out, or \
         take a shorter syntax such as line"
    )]
    TooLong {
        /// The syntax.
        syntax: &'static str,
    },
    /// Nobody would have it.
    #[error("no kind of objects would have the attribute; give accounts, groups or both")]
    Kinds,
    /// No kind of objects.
    #[error("there is no kind of objects `{}`; give account, group or both", kind.escape_debug())]
    Kind {
        /// As it was given, cut if it is long.
        kind: String,
    },
    /// Not one of those who may change attributes.
    #[error("`{}` do not change attributes; give owner, manager or operator", text.escape_debug())]
    ChangedBy {
        /// As it was given, cut if it is long.
        text: String,
    },
    /// Not one of those who may read attributes.
    #[error("`{}` do not read attributes; give everyone or staff", text.escape_debug())]
    ReadBy {
        /// As it was given, cut if it is long.
        text: String,
    },
}

fn syntaxes() -> String {
    let names: Vec<_> = Syntax::of_site().map(Syntax::name).collect();
    names.join(", ")
}
