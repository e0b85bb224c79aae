//! Values of attributes, valid and normalised for the attribute they belong to.

use std::fmt;

/// One value of an attribute. The attribute's [`Syntax`](crate::Syntax) says which type it has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Text in the normal form of its syntax.
    Text(String),
    /// A whole number.
    Number(u64),
}

impl Value {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) => None,
        }
    }
}

/// The value as people and programs read and write it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}
