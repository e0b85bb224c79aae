//! The single values. The store keeps position and membership among them; these are numbers of 8
//! bytes, big-endian.

use quorid_directory::Limit;
use quorid_storage::{Digested, Fault, Rows, Shape, StoreView, Table};

/// Time of the directory, Unix ms.
pub(super) const CLOCK: &str = "clock";
/// Requests of this time or older are no longer known, Unix ms.
pub(super) const FLOOR: &str = "floor";
/// The lowest number that the directory's counter may give next; 0 before the first.
pub(super) const NEXT_NUMBER: &str = "next_number";
/// The highest server id that any membership ever named.
pub(super) const SERVER_ID_MAX: &str = "server_id_max";

/// Name to value.
pub(super) const TABLE: Table = Table {
    number: 1,
    name: "meta",
    shape: Shape::TextToBytes,
    digested: Digested::Numbers(&[CLOCK, FLOOR, NEXT_NUMBER]),
    check_row: |_, _, _| Ok(()),
    check_whole,
};

fn check_whole(view: &StoreView) -> Result<(), Fault> {
    for name in [CLOCK, FLOOR, NEXT_NUMBER, SERVER_ID_MAX] {
        view.number(name)?;
    }
    let next = view.number(NEXT_NUMBER)?;
    match usize::try_from(next) {
        Ok(next) if next <= Limit::Numbers.most() + 1 => Ok(()),
        Ok(_) | Err(_) => Err(Fault::new(
            "reading the state",
            format!("the counter of numbers is at {next}"),
        )),
    }
}
