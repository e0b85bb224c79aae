//! Feature levels: what a directory takes at which level.

use quorid_directory::{
    Accepted, AttributeNumber, Command, Definition, Edit, Event, Kind, Level, MemoryDirectory,
    Operation, Principal, Rejection, Revision, Setting, SettingChange, Time, Value, VerifierChange,
    View as _, decide_beyond,
};

use crate::{
    site_attributes::badge,
    support::{
        Log, START, account_id, by_login, change, change_verifier, command, create, create_group,
        create_with, create_with_password, delete, free_name, members, operator, purge, rename,
        request_at, restore, set, set_real_name, who_knows,
    },
};

const NEWER: Level = Level(Level::SUPPORTED.0 + 1);

fn raise(to: Level) -> Operation {
    Operation::RaiseLevel { to }
}

fn log_at(level: Level) -> Log {
    Log {
        directory: MemoryDirectory::at_level(level),
        ..Log::new()
    }
}

fn level(log: &Log) -> Level {
    let Ok(level) = log.directory.level();
    level
}

fn run(log: &mut Log, principal: &Principal, operation: Operation) -> Result<Accepted, Rejection> {
    let ms = log.revision + 1;
    let command = Command {
        principal: principal.clone(),
        ..command(request_at(ms, 0), ms, operation)
    };
    log.execute(&command).result
}

fn configure() -> Operation {
    let change = SettingChange::new(Setting::History, Some(3_600_000)).expect("within bounds");
    Operation::Configure(vec![change])
}

fn define() -> Operation {
    let definition = Definition::new(badge()).expect("as a site may define it");
    Operation::DefineAttribute { definition }
}

fn create_service() -> Operation {
    Operation::Create {
        id: account_id(4),
        kind: Kind::Service,
        edits: vec![set("login_name", "gitea")],
        verifier: None,
    }
}

/// An edit of the first attribute that a site adds.
fn of_site() -> Edit {
    Edit::set(AttributeNumber(1000), Value::Text("B 7".to_owned()))
}

/// Each kind of operation, and the level that it needs.
fn operations() -> Vec<(Operation, Level)> {
    let keep = VerifierChange::Remove;
    vec![
        (create(1, "ana"), Level::BASE),
        (create_group(2, "staff"), Level::BASE),
        (rename(by_login("ana"), "ben"), Level::BASE),
        (set_real_name(by_login("ana"), None, "Ana B"), Level::BASE),
        (change_verifier(by_login("ana"), keep), Level::BASE),
        (members("staff", vec![by_login("ana")], vec![]), Level::BASE),
        (delete(by_login("ana")), Level::BASE),
        (restore(by_login("ana")), Level(2)),
        (purge(by_login("ana")), Level(2)),
        (free_name("ana"), Level(2)),
        (configure(), Level(2)),
        (define(), Level(2)),
        (change(by_login("ana"), vec![of_site()]), Level(2)),
        (create_with(3, vec![of_site()], None), Level(2)),
        (create_service(), Level(2)),
        (
            change(by_login("ana"), vec![set("external_id", "okta:7")]),
            Level(2),
        ),
        (
            change(by_login("ana"), vec![set("manager", "ben")]),
            Level(2),
        ),
        (raise(Level::SUPPORTED), Level::BASE),
        (raise(NEWER), Level::BASE),
    ]
}

#[test]
fn each_operation_needs_its_level_and_is_refused_below_it_with_nothing_changed() {
    for (operation, needed) in operations() {
        let asked = command(request_at(1, 0), 1, operation);
        assert_eq!(asked.level(), needed, "{asked:?}");
        let mut is = Level::BASE;
        while is < needed {
            let mut log = log_at(is);
            let refused = log.execute(&asked).result;
            assert_eq!(refused, Err(Rejection::FeatureLevel { needed, is }));
            let now = Time(START + 1);
            assert_eq!(log.events, [Event::ClockSet { now }]);
            is = Level(is.0 + 1);
        }
    }
}

#[test]
fn a_command_of_a_level_that_is_unknown_is_refused_by_its_number_alone() {
    let mut log = log_at(Level::BASE);
    run(&mut log, &operator(), create(1, "ana")).expect("made");
    let time = Time(START + 99);
    let Ok(decision) = decide_beyond(&log.directory, Revision(9), time, NEWER);
    let is = Level::BASE;
    let needed = NEWER;
    let refused = Err(Rejection::FeatureLevel { needed, is });
    assert_eq!(decision.outcome.result, refused);
    assert_eq!(decision.events, [Event::ClockSet { now: time }]);
    let Ok(earlier) = decide_beyond(&log.directory, Revision(9), Time(START), NEWER);
    assert_eq!(earlier.events, []);
}

#[test]
fn the_level_is_raised_by_operators_and_stays() {
    let mut log = log_at(Level::BASE);
    let ana = create_with_password(1, "ana", "salt");
    run(&mut log, &operator(), ana).expect("made");
    for stranger in [Principal::Anyone, who_knows(1, 1)] {
        let refused = run(&mut log, &stranger, raise(Level::SUPPORTED));
        assert!(
            matches!(refused, Err(Rejection::NotPermitted { .. })),
            "{refused:?}"
        );
        assert_eq!(level(&log), Level::BASE);
    }
    let raised = run(&mut log, &operator(), raise(Level::SUPPORTED));
    assert_eq!(raised, Ok(Accepted::Directory));
    let to = Level::SUPPORTED;
    assert!(log.events.contains(&Event::LevelRaised { to }));
    assert_eq!(level(&log), to);

    let again = run(&mut log, &operator(), raise(to));
    assert_eq!(again, Ok(Accepted::Directory));
    assert!(!log.events.contains(&Event::LevelRaised { to }));
}

#[test]
fn the_level_is_never_lowered() {
    let mut log = log_at(Level::SUPPORTED);
    let (to, is) = (Level::BASE, Level::SUPPORTED);
    let refused = run(&mut log, &operator(), raise(to));
    assert_eq!(refused, Err(Rejection::LevelTooLow { to, is }));
    assert_eq!(level(&log), is);
}

#[test]
fn a_request_that_was_refused_for_the_level_is_done_once_the_level_is_raised() {
    let mut log = log_at(Level::BASE);
    let asked = command(request_at(1, 0), 1, configure());
    let refused = log.execute(&asked).result;
    assert!(
        matches!(refused, Err(Rejection::FeatureLevel { .. })),
        "{refused:?}"
    );
    run(&mut log, &operator(), raise(Level::SUPPORTED)).expect("raised");
    assert_eq!(log.execute(&asked).result, Ok(Accepted::Directory));
    let Ok(set) = log.directory.setting(Setting::History);
    assert_eq!(set, 3_600_000);
}
