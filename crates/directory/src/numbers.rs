//! Numbers that the directory gives: to each account and group another one, and none twice.

use crate::edit::{Edit, EditAction};
use crate::event::Event;
use crate::execute::Refused;
use crate::members::Limit;
use crate::object::{Object, UniqueKey};
use crate::rejection::Rejection;
use crate::schema::POSIX_NUMBER;
use crate::syntax::Syntax;
use crate::value::Value;
use crate::view::View;

/// The first number that the directory gives by itself: systems use those below for accounts of
/// their own.
pub const NUMBERS_FROM: u64 = 65_536;

/// The next number that nobody has or had, if one of the edits may need it.
pub(crate) fn next_number<V: View>(
    view: &V,
    edits: &[Edit],
) -> Result<Option<Value>, Refused<V::Error>> {
    let assigns = |edit: &Edit| edit.action == EditAction::Assign;
    if !edits.iter().any(assigns) {
        return Ok(None);
    }
    let mut next = view.next_number()?.max(NUMBERS_FROM);
    while view.holder(&key(next))?.is_some() {
        next += 1;
    }
    let limit = Limit::Numbers;
    match usize::try_from(next) {
        Ok(number) if number <= limit.most() => Ok(Some(Value::Number(next))),
        Ok(_) | Err(_) => Err(Refused::Rejected(Rejection::LimitExceeded { limit })),
    }
}

/// That the number is given, if the object took it.
pub(crate) fn count(object: &Object, next: Option<&Value>) -> Option<Event> {
    match (next, object.values(POSIX_NUMBER).first()) {
        (Some(Value::Number(next)), Some(Value::Number(has))) if next == has => {
            Some(Event::NumbersCounted { next: next + 1 })
        }
        _ => None,
    }
}

fn key(number: u64) -> UniqueKey {
    UniqueKey {
        attribute: POSIX_NUMBER,
        key: Syntax::PosixNumber.key(&Value::Number(number)),
    }
}
