//! The attributes that objects have: one row says everything of one of them.
//!
//! To add an attribute is to add a row here. Storage, the API, the command line, import and export
//! know attributes by this table alone.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, LazyLock};

use crate::level::Level;
use crate::object::Kind;
use crate::rights::Role;
use crate::syntax::Syntax;

/// Which attribute. Numbers are stored: one that was used keeps its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeNumber(pub u32);

impl AttributeNumber {
    /// The first number of the attributes that sites add.
    pub const OF_SITE_FROM: Self = Self(1000);

    /// Whether it is of an attribute that a site has added.
    pub fn is_of_site(self) -> bool {
        self >= Self::OF_SITE_FROM
    }
}

/// An attribute in an answer: its number, and the name that it has for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeName {
    /// Its number.
    pub number: AttributeNumber,
    /// Its name, such as `login_name`.
    pub name: Cow<'static, str>,
}

/// The name in sentences, such as `login name`.
impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name.replace('_', " "))
    }
}

/// The name of a built-in attribute.
impl From<AttributeNumber> for AttributeName {
    fn from(number: AttributeNumber) -> Self {
        Schema::builtin().name(number)
    }
}

/// All attributes that a state has. A copy costs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// In the order of their numbers.
    rows: Arc<[Attribute]>,
}

impl Schema {
    /// The attributes of every state.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Schema> = LazyLock::new(|| Schema {
            rows: builtin_rows().into(),
        });
        &BUILTIN
    }

    /// All attributes, in the order of their numbers.
    pub fn rows(&self) -> &[Attribute] {
        &self.rows
    }

    /// The attribute of a number.
    pub fn by_number(&self, number: AttributeNumber) -> Option<&Attribute> {
        let row = self.rows.binary_search_by_key(&number, |row| row.number);
        row.ok().map(|row| &self.rows[row])
    }

    /// The attribute of a name, such as `mail`.
    pub fn by_name(&self, name: &str) -> Result<&Attribute, UnknownAttribute> {
        let found = self.rows.iter().find(|row| row.name == name);
        found.ok_or_else(|| UnknownAttribute {
            name: name.chars().take(UnknownAttribute::SHOWN_CHARS).collect(),
            of_site: self.of_site().len(),
        })
    }

    /// The attributes that the site has added, in the order of their numbers.
    pub fn of_site(&self) -> &[Attribute] {
        let builtin = self.rows.partition_point(|row| !row.number.is_of_site());
        &self.rows[builtin..]
    }

    /// The same with one more attribute of the site, whose number is higher than those of all others.
    ///
    /// # Panics
    /// If it is not.
    #[must_use]
    pub fn with(&self, row: Attribute) -> Self {
        assert!(row.number.is_of_site());
        assert!(self.rows.iter().all(|there| there.number < row.number));
        Self {
            rows: self.rows.iter().cloned().chain([row]).collect(),
        }
    }

    /// The number of the next attribute that the site adds: one that was never used.
    pub(crate) fn next_of_site(&self) -> AttributeNumber {
        let last = self.of_site().last();
        last.map_or(AttributeNumber::OF_SITE_FROM, |last| {
            AttributeNumber(last.number.0 + 1)
        })
    }

    /// What to call an attribute, known or not.
    pub fn name(&self, number: AttributeNumber) -> AttributeName {
        let name = match self.by_number(number) {
            Some(row) => row.name.clone(),
            None => Cow::Owned(format!("attribute_{}", number.0)),
        };
        AttributeName { number, name }
    }
}

/// Without the attributes of a site.
impl Default for Schema {
    fn default() -> Self {
        Self::builtin().clone()
    }
}

/// The properties of one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its number in the state and in the log.
    pub number: AttributeNumber,
    /// The lowest level of a directory whose objects may have it.
    pub level: Level,
    /// Its name in the API, in options, in files and in JSON.
    pub name: Cow<'static, str>,
    /// The kinds of objects that may have it.
    pub kinds: &'static [Kind],
    /// Whether every object of these kinds has it.
    pub required: bool,
    /// What its values look like.
    pub syntax: Syntax,
    /// The most values that one object has.
    pub values_max: usize,
    /// Whether no two objects may have the same value. Values that [`Syntax::key`] gives the same
    /// key are the same.
    pub unique: bool,
    /// Whether the objects that have a value can be found without looking at all others.
    pub indexed: bool,
    /// Whether values that no object has any more are remembered, so that the directory's counter
    /// gives none of them again.
    pub counted: bool,
    /// Who changes it.
    pub changed_by: ChangedBy,
    /// Who reads it, of those who read the directory.
    pub read_by: ReadBy,
}

impl Attribute {
    /// Whether the index has rows of it. Unique values are found without them.
    pub(crate) fn has_index_rows(&self) -> bool {
        self.indexed && !self.unique
    }
}

/// Who may change an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangedBy {
    /// The account itself, user managers and operators.
    Owner,
    /// User managers and operators.
    Manager,
    /// Operators only.
    Operator,
}

impl ChangedBy {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Manager, Self::Operator];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Manager => "manager",
            Self::Operator => "operator",
        }
    }

    /// What a word stands for.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

impl ReadBy {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Everyone, Self::Staff];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everyone => "everyone",
            Self::Staff => "staff",
        }
    }

    /// What a word stands for.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// Who may read an attribute in a closed directory. In an open one, everybody reads everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadBy {
    /// Who may read the directory.
    Everyone,
    /// The account itself, everybody who has a role, and operators.
    Staff,
}

/// The name by which an account is found.
pub const LOGIN_NAME: AttributeNumber = AttributeNumber(1);
/// The name of a person, as it is to be shown.
pub const REAL_NAME: AttributeNumber = AttributeNumber(2);
/// The name by which a group is found.
pub const GROUP_NAME: AttributeNumber = AttributeNumber(14);

/// The number of an account or a group on POSIX systems: of accounts, the user's and the group's.
pub const POSIX_NUMBER: AttributeNumber = AttributeNumber(15);

/// What a group gives to its members.
pub(crate) const ROLE: AttributeNumber = AttributeNumber(22);
/// Whether an account is kept out.
pub(crate) const DISABLED: AttributeNumber = AttributeNumber(19);
/// When an account is let in.
pub(crate) const VALID_FROM: AttributeNumber = AttributeNumber(20);
/// When it is let in no longer.
pub(crate) const EXPIRES: AttributeNumber = AttributeNumber(21);

/// The built-in attributes, in the order of their numbers.
fn builtin_rows() -> Vec<Attribute> {
    vec![
        Attribute {
            kinds: Kind::ACCOUNTS,
            required: true,
            unique: true,
            ..owners(1, "login_name", Syntax::LoginName)
        },
        Attribute {
            required: true,
            ..owners(2, "real_name", Syntax::RealName)
        },
        managers(3, "given_name", Syntax::Line { bytes_max: 128 }),
        Attribute {
            indexed: true,
            ..managers(4, "family_name", Syntax::Line { bytes_max: 128 })
        },
        Attribute {
            kinds: Kind::ACCOUNTS,
            values_max: 16,
            unique: true,
            ..managers(5, "mail", Syntax::Mail)
        },
        Attribute {
            values_max: 16,
            ..owners(6, "phone", Syntax::Phone)
        },
        Attribute {
            indexed: true,
            ..managers(7, "title", Syntax::Line { bytes_max: 256 })
        },
        Attribute {
            indexed: true,
            ..managers(8, "department", Syntax::Line { bytes_max: 256 })
        },
        Attribute {
            unique: true,
            read_by: ReadBy::Staff,
            ..managers(9, "employee_number", Syntax::Line { bytes_max: 64 })
        },
        owners(10, "locale", Syntax::Language),
        owners(11, "zone", Syntax::Zone),
        Attribute {
            kinds: Kind::ACCOUNTS,
            values_max: 64,
            ..owners(12, "ssh_public_key", Syntax::SshKey)
        },
        Attribute {
            kinds: Kind::ALL,
            ..managers(13, "description", Syntax::Text { bytes_max: 4096 })
        },
        Attribute {
            kinds: Kind::GROUPS,
            required: true,
            unique: true,
            ..managers(14, "group_name", Syntax::GroupName)
        },
        Attribute {
            kinds: Kind::ALL,
            unique: true,
            counted: true,
            ..operators(15, "posix_number", Syntax::PosixNumber)
        },
        of_accounts(managers(16, "home", Syntax::Path)),
        of_accounts(managers(17, "shell", Syntax::Path)),
        of_accounts(managers(18, "gecos", Syntax::Gecos)),
        of_accounts(managers(19, "disabled", Syntax::Flag)),
        of_accounts(managers(20, "valid_from", Syntax::Time)),
        of_accounts(managers(21, "expires", Syntax::Time)),
        Attribute {
            kinds: Kind::GROUPS,
            values_max: Role::ALL.len(),
            indexed: true,
            ..operators(22, "role", Syntax::Role)
        },
        Attribute {
            indexed: true,
            level: Level::REFERENCES,
            ..of_accounts(managers(23, "manager", Syntax::Reference))
        },
        Attribute {
            kinds: Kind::ALL,
            values_max: 16,
            unique: true,
            level: Level::SERVICES,
            ..managers(24, "external_id", Syntax::Line { bytes_max: 256 })
        },
    ]
}

/// A single value that its owner may change.
fn owners(number: u32, name: &'static str, syntax: Syntax) -> Attribute {
    Attribute {
        number: AttributeNumber(number),
        level: Level::BASE,
        name: Cow::Borrowed(name),
        kinds: Kind::PERSONS,
        required: false,
        syntax,
        values_max: 1,
        unique: false,
        indexed: false,
        counted: false,
        changed_by: ChangedBy::Owner,
        read_by: ReadBy::Everyone,
    }
}

/// A single value that managers of users change.
fn managers(number: u32, name: &'static str, syntax: Syntax) -> Attribute {
    Attribute {
        changed_by: ChangedBy::Manager,
        ..owners(number, name, syntax)
    }
}

/// The same, of all accounts.
fn of_accounts(row: Attribute) -> Attribute {
    Attribute {
        kinds: Kind::ACCOUNTS,
        ..row
    }
}

/// A single value that operators change.
fn operators(number: u32, name: &'static str, syntax: Syntax) -> Attribute {
    Attribute {
        changed_by: ChangedBy::Operator,
        ..owners(number, name, syntax)
    }
}

/// No attribute has the name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no attribute `{}`; there are {}", name.escape_debug(), names(*of_site))]
pub struct UnknownAttribute {
    /// The name that was asked for, cut if it is long.
    pub name: String,
    /// How many attributes the site has added: there may be too many to name them all.
    pub of_site: usize,
}

impl UnknownAttribute {
    const SHOWN_CHARS: usize = 64;
}

fn names(of_site: usize) -> String {
    let rows = Schema::builtin().rows().iter();
    let names: Vec<&str> = rows.map(|row| &*row.name).collect();
    let names = names.join(", ");
    match of_site {
        0 => names,
        _ => format!("{names}, and {of_site} that this site has added"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rows_are_found_by_number_and_by_name() {
        let schema = Schema::builtin();
        for row in schema.rows() {
            assert_eq!(schema.by_number(row.number), Some(row));
            assert_eq!(schema.by_name(&row.name), Ok(row));
        }
        let names: BTreeSet<_> = schema.rows().iter().map(|row| &row.name).collect();
        assert_eq!(names.len(), schema.rows().len());
    }

    #[test]
    fn the_reference_lists_every_attribute_as_it_is() {
        let page = include_str!("../../../docs/reference/attributes.md");
        let listed: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with("| `") && line.matches('|').count() == 7)
            .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
            .map(|cells| [1, 2, 3, 5, 6].map(|cell| cells[cell].to_owned()))
            .collect();
        let expected: Vec<_> = Schema::builtin()
            .rows()
            .iter()
            .map(|row| {
                let values = match (row.values_max, row.required) {
                    (1, true) => "1, required".to_owned(),
                    (1, false) => "1".to_owned(),
                    (most, _) => format!("up to {most}"),
                };
                let changed_by = row.changed_by.as_str();
                let unique = if row.unique { "yes" } else { "" };
                let name = format!("`{}`", row.name);
                let accounts = match (
                    row.kinds.contains(&Kind::Person),
                    row.kinds.contains(&Kind::Service),
                ) {
                    (true, true) => Some("accounts"),
                    (true, false) => Some("persons"),
                    (false, _) => None,
                };
                let groups = row.kinds.contains(&Kind::Group).then_some("groups");
                let kinds: Vec<_> = accounts.into_iter().chain(groups).collect();
                let of = kinds.join(", ");
                [name, of, values, unique.to_owned(), changed_by.to_owned()]
            })
            .collect();
        assert_eq!(listed, expected);
    }

    #[test]
    fn unknown_name_is_an_error_that_lists_the_known_ones() {
        let error = Schema::builtin()
            .by_name("e-mail\n")
            .expect_err("unknown")
            .to_string();
        assert!(
            error.contains("`e-mail\\n`") && error.contains("employee_number"),
            "{error}"
        );
    }

    #[test]
    fn unique_attributes_have_values_that_can_be_keys() {
        for row in Schema::builtin().rows().iter().filter(|row| row.unique) {
            assert!(row.syntax.bytes_max() <= 512, "{}", row.name);
        }
    }
}
