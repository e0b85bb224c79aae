//! References: attributes whose values are accounts. Requests name these by login name or id, objects have
//! the ids, so that renaming an account costs nothing and to delete one changes no other.

use std::borrow::Cow;

use crate::command::Selector;
use crate::edit::{Edit, EditAction};
use crate::execute::Refused;
use crate::name::LoginName;
use crate::object::Object;
use crate::rejection::Rejection;
use crate::schema::{Attribute, AttributeNumber, Schema};
use crate::syntax::{Syntax, referenced};
use crate::value::Value;
use crate::view::{Objects, View};

/// The edits with the ids of the accounts that they name, as of now. A value that the object has already
/// stays, whether or not its account is there still; and so what names nobody can be removed.
pub(crate) fn resolve<'e, V: View>(
    view: &V,
    object: &Object,
    edits: &'e [Edit],
) -> Result<Cow<'e, [Edit]>, Refused<V::Error>> {
    let schema = view.schema();
    if !edits
        .iter()
        .any(|edit| row(schema, edit.attribute).is_some())
    {
        return Ok(Cow::Borrowed(edits));
    }
    let resolved = edits.iter().map(|edit| {
        let values = |values: &[Value], must_be_there| {
            let Some(row) = row(schema, edit.attribute) else {
                return Ok(values.to_vec());
            };
            let has = object.values(edit.attribute);
            let values = values.iter().map(|value| {
                let found = match has.contains(value) {
                    true => Some(value.clone()),
                    false => account(view, value)?,
                };
                match found {
                    Some(id) => Ok(id),
                    // What no reference can be, the schema refuses.
                    None if must_be_there && row.syntax.takes(value) => {
                        Err(Refused::Rejected(Rejection::ReferenceInvalid {
                            attribute: schema.name(row.number),
                            value: value.clone(),
                        }))
                    }
                    None => Ok(value.clone()),
                }
            });
            values.collect::<Result<Vec<_>, _>>()
        };
        let action = match &edit.action {
            EditAction::Add(added) => EditAction::Add(values(added, true)?),
            EditAction::Remove(removed) => EditAction::Remove(values(removed, false)?),
            EditAction::Replace(replacing) => EditAction::Replace(values(replacing, true)?),
            EditAction::Clear => EditAction::Clear,
            EditAction::Assign => EditAction::Assign,
        };
        Ok(Edit {
            attribute: edit.attribute,
            action,
        })
    });
    resolved.collect::<Result<_, _>>().map(Cow::Owned)
}

/// The id of the account that a value names, as a value; none: it names none that is there.
pub(crate) fn account<O: Objects>(objects: &O, value: &Value) -> Result<Option<Value>, O::Error> {
    let Value::Text(text) = value else {
        return Ok(None);
    };
    let named = match referenced(value) {
        Some(id) => Selector::Id(id),
        None => match LoginName::from_stored(text.clone()) {
            Ok(name) => Selector::LoginName(name),
            Err(_) => return Ok(None),
        },
    };
    let found = named.find(|key| objects.holder(key), |id| objects.object(id))?;
    Ok(found.ok().map(|found| Value::Text(found.id.to_string())))
}

fn row(schema: &Schema, number: AttributeNumber) -> Option<&Attribute> {
    let row = schema.by_number(number);
    row.filter(|row| row.syntax == Syntax::Reference)
}
