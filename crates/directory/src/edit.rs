//! Changes of attributes, as requests ask for them and as the log keeps them.

use crate::name::{GroupName, LoginName, RealName};
use crate::schema::{AttributeNumber, GROUP_NAME, LOGIN_NAME, POSIX_NUMBER, REAL_NAME};
use crate::value::Value;

/// A change of one attribute.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Edit {
    /// The attribute that is edited.
    pub attribute: AttributeNumber,
    /// The change of its values.
    pub action: EditAction,
}

/// A change of the values of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EditAction {
    /// It has these as well.
    Add(Vec<Value>),
    /// It has none of these.
    Remove(Vec<Value>),
    /// It has these and no others.
    Replace(Vec<Value>),
    /// It has no value.
    Clear,
    /// It has the directory's next number, unless it has a value.
    Assign,
}

impl Edit {
    /// The object has this login name.
    pub fn login_name(name: &LoginName) -> Self {
        Self::set(LOGIN_NAME, Value::Text(name.as_str().to_owned()))
    }

    /// The object has this real name.
    pub fn real_name(name: &RealName) -> Self {
        Self::set(REAL_NAME, Value::Text(name.as_str().to_owned()))
    }

    /// The group has this name.
    pub fn group_name(name: &GroupName) -> Self {
        Self::set(GROUP_NAME, Value::Text(name.as_str().to_owned()))
    }

    /// The object has a POSIX number: the directory's next one, unless it has one.
    pub fn assign_posix_number() -> Self {
        Self {
            attribute: POSIX_NUMBER,
            action: EditAction::Assign,
        }
    }

    /// The attribute has this value and no other.
    pub fn set(attribute: AttributeNumber, value: Value) -> Self {
        Self {
            attribute,
            action: EditAction::Replace(vec![value]),
        }
    }
}

impl EditAction {
    /// The values that are named.
    pub fn values(&self) -> &[Value] {
        match self {
            Self::Add(values) | Self::Remove(values) | Self::Replace(values) => values,
            Self::Clear | Self::Assign => &[],
        }
    }
}
