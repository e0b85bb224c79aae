//! A line of JSON lines: its keys are columns, and what it has under `attributes` too.

use std::{collections::BTreeSet, fmt};

use quorid_api::Attribute;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::{
    columns::{Columns, Field},
    lines::{BadLine, NewLine},
};

/// The members of an object in their order, also those that are there twice.
#[derive(Debug)]
pub(super) struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfObject;

        impl<'de> Visitor<'de> for OfObject {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(OfObject)
    }
}

pub(super) fn parse(text: &[u8]) -> Result<Members, serde_json::Error> {
    serde_json::from_slice(text)
}

/// The account that a line asks for.
pub(super) fn line(members: Members, columns: &Columns) -> Result<NewLine, BadLine> {
    let login_name = members.login_name(columns);
    let bad = |message: String| BadLine::invalid(&login_name, message);
    let mut line = NewLine::default();
    let mut keys = BTreeSet::new();
    let mut given = BTreeSet::new();
    for (key, value) in &members.0 {
        if !keys.insert(key) {
            return Err(bad(format!("the key `{key}` is there twice")));
        }
        let fields = match columns.fields(key) {
            Some(fields) => fields,
            None if key == "attributes" => {
                put_attributes(&mut line, value, columns).map_err(bad)?;
                continue;
            }
            None => {
                return Err(bad(format!(
                    "unknown key `{key}`; --ignore '{key}' passes it over, and --map reads it"
                )));
            }
        };
        for field in fields {
            put(&mut line, field, key, value).map_err(bad)?;
            if !value.is_null() {
                given.insert(field.name());
            }
        }
    }
    let line = line.whole().map_err(bad)?;
    if columns.update {
        return Ok(line);
    }
    // What is there and empty is for the servers to refuse.
    if line.login_name.is_empty() && !given.contains("login_name") {
        return Err(bad("`login_name` is missing".to_owned()));
    }
    if line.new_real_name().is_none() && !given.contains("real_name") {
        return Err(bad("`real_name` is missing".to_owned()));
    }
    Ok(line)
}

/// An empty text is no value.
fn put(line: &mut NewLine, field: Field, key: &str, value: &Value) -> Result<(), String> {
    let values = texts(key, value)?;
    if value == "" || values.is_empty() {
        return Ok(());
    }
    line.put(field, values)
}

/// What stands under `attributes`. Names that this program does not know are left to the servers.
fn put_attributes(line: &mut NewLine, value: &Value, columns: &Columns) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    let members =
        Members::deserialize(value.clone()).map_err(|error| format!("`attributes`: {error}"))?;
    for (key, value) in members.0 {
        let mapped = columns.mapped(&key);
        for field in &mapped {
            put(line, *field, &key, &value)?;
        }
        if mapped.is_empty() && !columns.ignores(&key) {
            let values = texts(&key, &value)?;
            if line.attributes.iter().any(|known| known.name == key) {
                return Err(format!("{key} is given twice"));
            }
            if !values.is_empty() {
                line.attributes.push(Attribute { name: key, values });
            }
        }
    }
    Ok(())
}

/// A text, a whole number, `true` or `false`, or an array of these; of null, none.
fn texts(key: &str, value: &Value) -> Result<Vec<String>, String> {
    if let Some(values) = value.as_array() {
        let values = values.iter().map(|value| texts(key, value));
        return Ok(values.collect::<Result<Vec<_>, _>>()?.concat());
    }
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Bool(flag) => Ok(vec![flag.to_string()]),
        Value::Number(number) if !number.is_f64() => Ok(vec![number.to_string()]),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(format!("`{key}` must be a text, or an array of texts"))
        }
    }
}

impl Members {
    /// The login name, where there is one, for messages.
    fn login_name(&self, columns: &Columns) -> String {
        let is_login_name = |key: &str| {
            let fields = columns.fields(key).unwrap_or_default();
            fields.iter().any(|field| field.name() == "login_name")
        };
        let mut members = self.0.iter();
        let found = members.find(|(key, _)| is_login_name(key));
        let text = found.and_then(|(_, value)| value.as_str());
        text.unwrap_or_default().to_owned()
    }
}

/// A line that is no JSON object.
pub(super) fn bad_line(error: &serde_json::Error) -> BadLine {
    // serde_json counts lines within the line.
    let message = error.to_string().replace("at line 1 column", "at column");
    BadLine::invalid("", message)
}
