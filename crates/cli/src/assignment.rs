//! `attribute=value`, as options take it.

use std::collections::BTreeMap;

use clap::Args;
use quorid_api::{Attribute, AttributeEdit};

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// The attribute's name.
    pub(crate) attribute: String,
    /// The value, as text.
    pub(crate) value: String,
}

/// Splits `attribute=value`. Whether the value can be one is for the servers to say.
pub(crate) fn assignment(text: &str) -> Result<Assignment, String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("no `=` in it; write attribute=value, such as mail=ana@example.org")?;
    Ok(Assignment {
        attribute: attribute_name(name)?,
        value: value.to_owned(),
    })
}

/// The name of an attribute; hyphens may stand for underscores. Whether the site has added one of that
/// name, the servers know.
pub(crate) fn attribute_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text {
        "" => Err("no name of an attribute before the `=`; write mail=ana@example.org".to_owned()),
        _ => Ok(text.replace('-', "_")),
    }
}

/// The attributes of something new.
#[derive(Args, Debug)]
pub(crate) struct NewAttributes {
    /// Give it this value of an attribute; may be given more than once
    #[arg(long = "set", value_name = "ATTRIBUTE=VALUE", value_parser = assignment)]
    set: Vec<Assignment>,
    /// Give it the directory's next number for POSIX systems
    #[arg(long)]
    pub(crate) posix: bool,
}

impl NewAttributes {
    pub(crate) fn values(self) -> Vec<Attribute> {
        let attribute = |given: Assignment| Attribute {
            name: given.attribute,
            values: vec![given.value],
        };
        self.set.into_iter().map(attribute).collect()
    }
}

/// Changes of attributes.
#[derive(Args, Debug)]
pub(crate) struct AttributeOptions {
    /// Give the attribute this value; given more than once for one attribute, all of these values
    #[arg(long, value_name = "ATTRIBUTE=VALUE", value_parser = assignment)]
    set: Vec<Assignment>,
    /// Add a value to those that the attribute has
    #[arg(long, value_name = "ATTRIBUTE=VALUE", value_parser = assignment)]
    add: Vec<Assignment>,
    /// Remove a value from those that the attribute has
    #[arg(long, value_name = "ATTRIBUTE=VALUE", value_parser = assignment)]
    remove: Vec<Assignment>,
    /// Remove all values of the attribute
    #[arg(long, value_name = "ATTRIBUTE", value_parser = attribute_name)]
    clear: Vec<String>,
    /// Give it the directory's next number for POSIX systems, unless it has one
    #[arg(long)]
    posix: bool,
}

impl AttributeOptions {
    /// First what replaces, then what adds, removes and assigns.
    pub(crate) fn edits(self) -> Vec<AttributeEdit> {
        let mut set = BTreeMap::<String, Vec<String>>::new();
        for Assignment { attribute, value } in self.set {
            set.entry(attribute).or_default().push(value);
        }
        let clear = self.clear.iter().map(|name| AttributeEdit::clear(name));
        let set = set
            .into_iter()
            .map(|(name, values)| AttributeEdit::replace(&name, values));
        let add = self.add.into_iter();
        let add = add.map(|it| AttributeEdit::add(&it.attribute, [it.value]));
        let remove = self.remove.into_iter();
        let remove = remove.map(|it| AttributeEdit::remove(&it.attribute, [it.value]));
        let posix = self.posix.then(|| AttributeEdit::assign("posix_number"));
        let edits = clear.chain(set).chain(add).chain(remove);
        edits.chain(posix).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_equals_sign_parts_name_and_value() {
        let parsed = assignment("employee-number=a=b").expect("an assignment");
        assert_eq!(parsed.attribute, "employee_number");
        assert_eq!(parsed.value, "a=b");
    }

    #[test]
    fn what_is_no_assignment_is_refused_with_an_example() {
        let error = assignment("mail").expect_err("no value");
        assert!(error.contains("mail=ana@example.org"), "{error}");
        let error = assignment("=x").expect_err("no attribute");
        assert!(error.contains("mail=ana@example.org"), "{error}");
    }
}
