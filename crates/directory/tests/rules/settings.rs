//! Settings of the directory: who changes them, and what becomes of them.

use quorid_directory::{
    Accepted, Command, Operation, Principal, Rejection, Role, Setting, SettingChange, View as _,
};

use crate::support::{Log, command, request_at};

fn tombstones(log: &Log) -> u64 {
    let Ok(value) = log.directory.setting(Setting::Tombstones);
    value
}

fn configure(request: u64, value: Option<u64>) -> Command {
    let change = SettingChange::new(Setting::Tombstones, value).expect("within bounds");
    let operation = Operation::Configure(vec![change]);
    command(request_at(request, 0), request, operation)
}

#[test]
fn a_setting_has_its_default_until_it_is_set_and_after_it_is_reset() {
    let mut log = Log::new();
    let default = Setting::Tombstones.default_value();
    assert_eq!(tombstones(&log), default);
    for (request, value, expected) in [(1, Some(0), 0), (2, Some(9), 9), (3, None, default)] {
        let outcome = log.execute(&configure(request, value));
        assert_eq!(outcome.result, Ok(Accepted::Directory));
        assert_eq!(tombstones(&log), expected);
    }
}

#[test]
fn a_retry_of_an_older_change_leaves_a_newer_one() {
    let mut log = Log::new();
    for command in [
        configure(1, Some(1)),
        configure(2, Some(2)),
        configure(1, Some(1)),
    ] {
        let outcome = log.execute(&command);
        assert_eq!(outcome.result, Ok(Accepted::Directory));
    }
    assert_eq!(tombstones(&log), 2);
}

#[test]
fn who_is_no_operator_changes_no_setting() {
    let mut log = Log::new();
    let stranger = Command {
        principal: Principal::Anyone,
        ..configure(1, Some(1))
    };
    let refused = Rejection::NotPermitted {
        attribute: None,
        role: Role::Operator,
    };
    assert_eq!(log.execute(&stranger).result, Err(refused));
    assert_eq!(tombstones(&log), Setting::Tombstones.default_value());
}
