//! Numbers that the directory gives: to each account and group another one, and none twice.

use crate::edit::{Edit, EditAction};
use crate::event::Event;
use crate::execute::Refused;
use crate::members::Limit;
use crate::object::{Object, UniqueKey};
use crate::planted::{PlantedBug, is_planted};
use crate::rejection::Rejection;
use crate::schema::POSIX_NUMBER;
use crate::syntax::Syntax;
use crate::value::Value;
use crate::view::View;

/// The first number that the directory gives by itself: systems use those below for accounts of
/// their own.
pub const NUMBERS_FROM: u64 = 65_536;

/// How far above the counter a number that an operator gives moves it.
const NEAR: u64 = 100_000;

/// The next number that nobody has or had, if one of the edits may need it.
pub(crate) fn next_number<V: View>(
    view: &V,
    object: &Object,
    edits: &[Edit],
) -> Result<Option<Value>, Refused<V::Error>> {
    let assigns = |edit: &Edit| edit.action == EditAction::Assign;
    let of_number = || edits.iter().filter(|edit| edit.attribute == POSIX_NUMBER);
    // One that it has stays, unless an edit takes it away.
    let has_one = !object.values(POSIX_NUMBER).is_empty() && of_number().all(assigns);
    if has_one || !of_number().any(assigns) {
        return Ok(None);
    }
    let mut next = view.next_number()?.max(NUMBERS_FROM);
    if is_planted(PlantedBug::NumberGivenTwice) {
        next = NUMBERS_FROM;
    }
    while is_taken(view, next)? {
        next += 1;
    }
    let limit = Limit::Numbers;
    match usize::try_from(next) {
        Ok(number) if number <= limit.most() => Ok(Some(Value::Number(next))),
        Ok(_) | Err(_) => Err(Refused::Rejected(Rejection::LimitExceeded { limit })),
    }
}

/// What the counter gives next, now that an object has another number. A number that an operator gives
/// moves it too, if it is not far above: so that a row of them need not be walked through one by one.
pub(crate) fn count<V: View>(
    view: &V,
    object: &Object,
    given: Option<&Value>,
) -> Result<Option<Event>, V::Error> {
    let value = object.values(POSIX_NUMBER).first();
    let Some(Value::Number(number)) = value else {
        return Ok(None);
    };
    let from = view.next_number()?.max(NUMBERS_FROM);
    let near = (from..from.saturating_add(NEAR)).contains(number);
    let counts = near || (value == given && *number >= from);
    Ok(counts.then_some(Event::NumbersCounted { next: number + 1 }))
}

/// Whether an object has a number or had it.
fn is_taken<V: View>(view: &V, number: u64) -> Result<bool, V::Error> {
    let holder = view.holder(&key(number))?;
    match holder {
        Some(id) if is_planted(PlantedBug::NumberGivenTwice) => Ok(view.object(&id)?.is_some()),
        Some(_) | None => Ok(holder.is_some()),
    }
}

fn key(number: u64) -> UniqueKey {
    UniqueKey {
        attribute: POSIX_NUMBER,
        key: Syntax::PosixNumber.key(&Value::Number(number)),
    }
}
