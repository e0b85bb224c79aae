//! `attribute=value`, as options take it.

use quorid_directory::attribute;

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

/// The name of an attribute; hyphens may stand for underscores.
pub(crate) fn attribute_name(text: &str) -> Result<String, String> {
    let known = attribute(&text.replace('-', "_")).or_else(|_| attribute(text));
    known
        .map(|attribute| attribute.name.to_owned())
        .map_err(|unknown| unknown.to_string())
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
        let error = assignment("e-mail=x").expect_err("no such attribute");
        assert!(
            error.contains("`e-mail`") && error.contains(" mail,"),
            "{error}"
        );
    }
}
