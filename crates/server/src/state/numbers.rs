//! The single values. The store keeps position and membership among them; these are numbers of 8
//! bytes, big-endian.

use quorid_directory::{Level, Limit, Setting, SettingChange};
use quorid_storage::{Batch, Digested, Fault, OrFault as _, Rows, Shape, StoreView, Table};

/// Time of the directory, Unix ms.
pub(super) const CLOCK: &str = "clock";
/// Changes up to this revision are forgotten.
pub(super) const CHANGES_FLOOR: &str = "changes_floor";
/// The room that the changes take that are kept, bytes, as the rules count it.
pub(super) const CHANGES_BYTES: &str = "changes_bytes";
/// The lowest number that the directory's counter may give next; 0 before the first.
pub(super) const NEXT_NUMBER: &str = "next_number";
/// The feature level that the directory is at. The first membership of the log sets it.
pub(super) const LEVEL: &str = "level";
/// The highest server id that any membership ever named.
pub(super) const SERVER_ID_MAX: &str = "server_id_max";

/// Name to value.
pub(super) const TABLE: Table = Table {
    number: 1,
    name: "meta",
    shape: Shape::TextToBytes,
    digested: Digested::Numbers(&[
        CLOCK,
        NEXT_NUMBER,
        LEVEL,
        CHANGES_FLOOR,
        CHANGES_BYTES,
        setting_name(Setting::History),
        setting_name(Setting::HistoryBytes),
        setting_name(Setting::Tombstones),
        setting_name(Setting::ReservedNames),
    ]),
    check_row: |_, _, _| Ok(()),
    check_whole,
};

/// The feature level. A state that no membership has begun yet, as there are in tests, is at the highest
/// one.
pub(super) fn level(rows: &impl Rows) -> Result<Level, Fault> {
    Ok(match rows.number(LEVEL)? {
        0 => Level::default(),
        level => Level(u32::try_from(level).or_fault("reading the feature level")?),
    })
}

fn check_whole(view: &StoreView) -> Result<(), Fault> {
    for name in [
        CLOCK,
        NEXT_NUMBER,
        CHANGES_FLOOR,
        CHANGES_BYTES,
        SERVER_ID_MAX,
    ] {
        view.number(name)?;
    }
    for setting in Setting::ALL {
        SettingChange::new(setting, Some(self::setting(view, setting)?))
            .or_fault("reading the state")?;
    }
    level(view)?;
    let next = view.number(NEXT_NUMBER)?;
    match usize::try_from(next) {
        Ok(next) if next <= Limit::Numbers.most() + 1 => Ok(()),
        Ok(_) | Err(_) => Err(Fault::new(
            "reading the state",
            format!("the counter of numbers is at {next}"),
        )),
    }
}

/// The value that was set, and 1 more: so that none is as if it were 0.
const fn setting_name(setting: Setting) -> &'static str {
    match setting {
        Setting::History => "setting_history",
        Setting::HistoryBytes => "setting_history_bytes",
        Setting::Tombstones => "setting_tombstones",
        Setting::ReservedNames => "setting_reserved_names",
    }
}

/// Its default, where nobody has set it.
pub(super) fn setting(rows: &impl Rows, setting: Setting) -> Result<u64, Fault> {
    let stored = rows.number(setting_name(setting))?;
    Ok(stored.checked_sub(1).unwrap_or(setting.default_value()))
}

pub(super) fn put_setting(batch: &mut Batch<'_>, change: &SettingChange) -> Result<(), Fault> {
    let stored = change.value().map_or(0, |value| value + 1);
    batch.set_value(setting_name(change.setting()), &stored.to_be_bytes())
}
