//! Settings of the directory: who changes them, and what becomes of them.

use quorid_directory::{
    Accepted, Command, DirectoryChange, History as _, Operation, Principal, Recorded, Rejection,
    Revision, Role, Setting, SettingChange, SettingRecord, View as _,
};

use crate::support::{Log, command, request_at};

const HOUR_MS: u64 = 3_600_000;

fn history_ms(log: &Log) -> u64 {
    let Ok(value) = log.directory.setting(Setting::History);
    value
}

fn configure(request: u64, value: Option<u64>) -> Command {
    let change = SettingChange::new(Setting::History, value).expect("within bounds");
    let operation = Operation::Configure(vec![change]);
    command(request_at(request, 0), request, operation)
}

#[test]
fn a_setting_has_its_default_until_it_is_set_and_after_it_is_reset() {
    let mut log = Log::new();
    let default = Setting::History.default_value();
    assert_eq!(history_ms(&log), default);
    for (request, value, expected) in [
        (1, Some(HOUR_MS), HOUR_MS),
        (2, Some(HOUR_MS + 9), HOUR_MS + 9),
        (3, None, default),
    ] {
        let outcome = log.execute(&configure(request, value));
        assert_eq!(outcome.result, Ok(Accepted::Directory));
        assert_eq!(history_ms(&log), expected);
    }
}

#[test]
fn a_retry_of_an_older_change_leaves_a_newer_one() {
    let mut log = Log::new();
    for command in [
        configure(1, Some(HOUR_MS)),
        configure(2, Some(2 * HOUR_MS)),
        configure(1, Some(HOUR_MS)),
    ] {
        let outcome = log.execute(&command);
        assert_eq!(outcome.result, Ok(Accepted::Directory));
    }
    assert_eq!(history_ms(&log), 2 * HOUR_MS);
}

#[test]
fn a_change_of_settings_is_recorded_with_the_values_before_and_after() {
    let mut log = Log::new();
    for (request, value) in [(1, Some(HOUR_MS)), (2, Some(HOUR_MS)), (3, None)] {
        log.execute(&configure(request, value));
    }
    let default = Setting::History.default_value();
    for (revision, expected) in [
        (1, Some((default, HOUR_MS))),
        (2, None),
        (3, Some((HOUR_MS, default))),
    ] {
        let Ok(recorded) = log.directory.recorded(Revision(revision));
        let change = recorded.map(|recorded| match recorded {
            Recorded::Directory(record) => record.change,
            Recorded::Object(record) => panic!("no object was changed: {record:?}"),
        });
        let setting = Setting::History;
        let expected = expected.map(|(before, after)| {
            let record = SettingRecord {
                setting,
                before,
                after,
            };
            DirectoryChange::Settings(vec![record])
        });
        assert_eq!(change, expected, "{revision}");
    }
    log.directory.assert_whole();
}

#[test]
fn who_is_no_operator_changes_no_setting() {
    let mut log = Log::new();
    let stranger = Command {
        principal: Principal::Anyone,
        ..configure(1, Some(HOUR_MS))
    };
    let refused = Rejection::NotPermitted {
        attribute: None,
        role: Role::Operator,
    };
    assert_eq!(log.execute(&stranger).result, Err(refused));
    assert_eq!(history_ms(&log), Setting::History.default_value());
}
