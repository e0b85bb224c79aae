//! Which objects a search is for.

use crate::object::{IndexKey, Object, UniqueKey};
use crate::reference::account;
use crate::schema::{Attribute, AttributeNumber, Schema, UnknownAttribute};
use crate::syntax::{InvalidValue, Syntax};
use crate::value::Value;
use crate::view::Objects;

/// A condition that an object fulfils or not. A front end parses its own language into it. Values are
/// compared without regard to case: to find more than was meant is better than to miss one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of these.
    And(Vec<Filter>),
    /// At least one of these.
    Or(Vec<Filter>),
    /// The opposite.
    Not(Box<Filter>),
    /// The attribute has this value, and maybe others.
    Equal {
        /// The attribute.
        attribute: AttributeNumber,
        /// The value.
        value: Value,
        /// Its text, in lower case.
        folded: String,
    },
    /// A value of the attribute begins like this.
    Begins {
        /// The attribute.
        attribute: AttributeNumber,
        /// The beginning, in lower case.
        folded: String,
    },
    /// The attribute has a value.
    Present {
        /// The attribute.
        attribute: AttributeNumber,
    },
}

impl Filter {
    /// The most bytes that a filter's text has.
    pub const BYTES_MAX: usize = 4096;
    /// The most conditions of attributes in it.
    pub const TERMS_MAX: usize = 32;
    /// How deep parentheses and `not` may be nested.
    pub const DEPTH_MAX: usize = 16;

    /// Reads a condition such as `department=Sales and not (title=Head* or phone=*)`.
    ///
    /// `attribute=value` holds where the attribute has the value, `attribute=begin*` where a value
    /// begins like that, `attribute=*` where it has any. Values with spaces or parentheses, or with a
    /// `*` that is meant as such, stand in double quotes, in which `\"` and `\\` are `"` and `\`.
    /// `not` binds more tightly than `and`, and `and` more than `or`.
    pub fn parse(schema: &Schema, text: &str) -> Result<Self, InvalidFilter> {
        if text.len() > Self::BYTES_MAX {
            return Err(InvalidFilter::TooLong { bytes: text.len() });
        }
        let mut reader = Reader {
            schema,
            text,
            at: 0,
            terms: 0,
        };
        let filter = reader.either(0)?;
        match reader.peek() {
            None => Ok(filter),
            Some(_) => Err(reader.unexpected("`and`, `or` or the end")),
        }
    }

    /// Whether an object fulfils it.
    pub fn fits(&self, object: &Object) -> bool {
        let any = |attribute: &AttributeNumber, fits: &dyn Fn(&str) -> bool| {
            object.values(*attribute).iter().any(|value| match value {
                Value::Text(text) => fits(text),
                Value::Number(number) => fits(&number.to_string()),
            })
        };
        match self {
            Self::And(filters) => filters.iter().all(|filter| filter.fits(object)),
            Self::Or(filters) => filters.iter().any(|filter| filter.fits(object)),
            Self::Not(filter) => !filter.fits(object),
            Self::Equal {
                attribute, folded, ..
            } => any(attribute, &|text| lower(text).eq(folded.chars())),
            Self::Begins { attribute, folded } => any(attribute, &|text| {
                let mut text = lower(text);
                folded.chars().all(|c| text.next() == Some(c))
            }),
            Self::Present { attribute } => !object.values(*attribute).is_empty(),
        }
    }

    /// The same for accounts that conditions name by their login names, by the ids that they have now.
    pub fn resolved<O: Objects>(self, objects: &O) -> Result<Self, O::Error> {
        let all = |filters: Vec<Self>| {
            let filters = filters.into_iter().map(|filter| filter.resolved(objects));
            filters.collect::<Result<Vec<_>, _>>()
        };
        Ok(match self {
            Self::And(filters) => Self::And(all(filters)?),
            Self::Or(filters) => Self::Or(all(filters)?),
            Self::Not(filter) => Self::Not(Box::new(filter.resolved(objects)?)),
            Self::Equal {
                attribute,
                value,
                folded,
            } => {
                let row = objects.schema().by_number(attribute);
                let refers = row.is_some_and(|row| row.syntax == Syntax::Reference);
                let id = match refers {
                    true => account(objects, &value)?,
                    false => None,
                };
                match id {
                    Some(id) => Self::equal(attribute, id),
                    None => Self::Equal {
                        attribute,
                        value,
                        folded,
                    },
                }
            }
            Self::Begins { .. } | Self::Present { .. } => self,
        })
    }

    fn equal(attribute: AttributeNumber, value: Value) -> Self {
        Self::Equal {
            attribute,
            folded: lower(&value.to_string()).collect(),
            value,
        }
    }

    /// A unique value that whoever fulfils it must have: then there is one such object at most.
    pub fn unique_key(&self, schema: &Schema) -> Option<UniqueKey> {
        match self {
            Self::Equal {
                attribute, value, ..
            } => {
                let row = schema.by_number(*attribute).filter(|row| row.unique)?;
                Some(UniqueKey {
                    attribute: *attribute,
                    key: row.syntax.key(value),
                })
            }
            Self::And(filters) => filters.iter().find_map(|filter| filter.unique_key(schema)),
            Self::Or(_) | Self::Not(_) | Self::Begins { .. } | Self::Present { .. } => None,
        }
    }

    /// A value that whoever fulfils it must have, and that an index finds. Only values in ASCII: of others,
    /// an index does not know which ones are the same but for the case of their letters.
    pub fn index_key(&self, schema: &Schema) -> Option<IndexKey> {
        match self {
            Self::Equal {
                attribute,
                value,
                folded,
            } => {
                let row = schema.by_number(*attribute)?;
                let found = row.has_index_rows() && folded.is_ascii();
                found.then(|| IndexKey::of(*attribute, value))
            }
            Self::And(filters) => filters.iter().find_map(|filter| filter.index_key(schema)),
            Self::Or(_) | Self::Not(_) | Self::Begins { .. } | Self::Present { .. } => None,
        }
    }
}

/// The text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// More bytes than are read.
    #[error(
        "the filter has {bytes} bytes; it may have {} at most",
        Filter::BYTES_MAX
    )]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// More parentheses than are followed.
    #[error(
        "the filter is nested more than {} deep at position {position}",
        Filter::DEPTH_MAX
    )]
    TooDeep {
        /// Where, in bytes, from 1.
        position: usize,
    },
    /// More conditions than are looked at.
    #[error(
        "the filter has more than {} conditions; search for some of them at a time",
        Filter::TERMS_MAX
    )]
    TooMany,
    /// Something else is needed there.
    #[error(
        "at position {position} of the filter there must be {expected}; \
         for example: department=Sales and not title=*"
    )]
    Syntax {
        /// Where, in bytes, from 1.
        position: usize,
        /// What is right.
        expected: &'static str,
    },
    /// Nothing has that attribute.
    #[error(transparent)]
    Attribute(#[from] UnknownAttribute),
    /// Nothing can have that value.
    #[error("{}: {why}", attribute.replace('_', " "))]
    Value {
        /// The attribute's name.
        attribute: String,
        /// What is wrong with the value.
        why: InvalidValue,
    },
}

struct Reader<'t> {
    schema: &'t Schema,
    text: &'t str,
    /// Where it is, in bytes.
    at: usize,
    terms: usize,
}

/// The value in a condition.
enum Pattern {
    Any,
    Begins(String),
    Equal(String),
}

impl<'t> Reader<'t> {
    fn either(&mut self, depth: usize) -> Result<Filter, InvalidFilter> {
        let mut filters = vec![self.both(depth)?];
        while self.word("or") {
            filters.push(self.both(depth)?);
        }
        Ok(one_or(filters, Filter::Or))
    }

    fn both(&mut self, depth: usize) -> Result<Filter, InvalidFilter> {
        let mut filters = vec![self.single(depth)?];
        while self.word("and") {
            filters.push(self.single(depth)?);
        }
        Ok(one_or(filters, Filter::And))
    }

    fn single(&mut self, depth: usize) -> Result<Filter, InvalidFilter> {
        if depth > Filter::DEPTH_MAX {
            let position = self.at + 1;
            return Err(InvalidFilter::TooDeep { position });
        }
        if self.word("not") {
            return Ok(Filter::Not(Box::new(self.single(depth + 1)?)));
        }
        if self.peek() != Some('(') {
            return self.condition();
        }
        self.at += 1;
        let filter = self.either(depth + 1)?;
        match self.peek() {
            Some(')') => {
                self.at += 1;
                Ok(filter)
            }
            _ => Err(self.unexpected("`)`, `and` or `or`")),
        }
    }

    fn condition(&mut self) -> Result<Filter, InvalidFilter> {
        self.terms += 1;
        if self.terms > Filter::TERMS_MAX {
            return Err(InvalidFilter::TooMany);
        }
        self.peek();
        let rest = self.rest();
        let length = rest
            .find(|c: char| !c.is_alphanumeric() && !"_-".contains(c))
            .unwrap_or(rest.len());
        let name = &rest[..length];
        if name.is_empty() {
            return Err(self.unexpected("the name of an attribute"));
        }
        self.at += length;
        if self.peek() != Some('=') {
            return Err(self.unexpected("`=` and a value"));
        }
        self.at += 1;
        let attribute = self.schema.by_name(name)?;
        let pattern = self.pattern()?;
        let number = attribute.number;
        Ok(match pattern {
            Pattern::Any => Filter::Present { attribute: number },
            Pattern::Begins(begin) => Filter::Begins {
                attribute: number,
                folded: lower(&begin).collect(),
            },
            Pattern::Equal(text) => {
                let value = value(attribute, &text)?;
                Filter::equal(number, value)
            }
        })
    }

    fn pattern(&mut self) -> Result<Pattern, InvalidFilter> {
        if self.peek() == Some('"') {
            return self.quoted().map(Pattern::Equal);
        }
        let rest = self.rest();
        let ends = |c: char| c.is_whitespace() || "()\"".contains(c);
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        let pattern = match word.strip_suffix('*') {
            _ if word.is_empty() => return Err(self.unexpected("a value, `*` or a quoted text")),
            Some("") => Pattern::Any,
            Some(begin) if !begin.contains('*') => Pattern::Begins(begin.to_owned()),
            None if !word.contains('*') => Pattern::Equal(word.to_owned()),
            Some(_) | None => {
                return Err(self.unexpected("a value with `*` at its end only, or in quotes"));
            }
        };
        self.at += word.len();
        Ok(pattern)
    }

    fn quoted(&mut self) -> Result<String, InvalidFilter> {
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = characters.next() {
            match c {
                '"' => {
                    self.at += offset + 1;
                    return Ok(text);
                }
                '\\' => match characters.next() {
                    Some((_, c @ ('"' | '\\'))) => text.push(c),
                    _ => {
                        self.at += offset;
                        return Err(self.unexpected("`\\\"` or `\\\\`"));
                    }
                },
                c => text.push(c),
            }
        }
        self.at = self.text.len();
        Err(self.unexpected("`\"`"))
    }

    /// Goes behind this word, if it stands here.
    fn word(&mut self, word: &str) -> bool {
        self.peek();
        let rest = self.rest();
        let here = rest
            .get(..word.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(word));
        let ends = rest.get(word.len()..).is_some_and(|after| {
            after.starts_with(|c: char| c.is_whitespace() || c == '(') || after.is_empty()
        });
        if here && ends {
            self.at += word.len();
        }
        here && ends
    }

    /// The next character that is no space, where the reader is then.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed.chars().next()
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn unexpected(&self, expected: &'static str) -> InvalidFilter {
        let position = self.at + 1;
        InvalidFilter::Syntax { position, expected }
    }
}

fn one_or(mut filters: Vec<Filter>, many: fn(Vec<Filter>) -> Filter) -> Filter {
    match filters.len() {
        1 => filters.swap_remove(0),
        _ => many(filters),
    }
}

fn value(attribute: &Attribute, text: &str) -> Result<Value, InvalidFilter> {
    attribute
        .syntax
        .parse(text)
        .map_err(|why| InvalidFilter::Value {
            attribute: attribute.name.to_string(),
            why,
        })
}

/// A character at a time, so that a text and its beginning are folded the same way.
fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}
