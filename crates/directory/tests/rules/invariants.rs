//! Whatever commands come in whatever order, the directory stays whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{
    Log, START, account_id, by_group_name, changed, command, free_name, keep, login, names, number,
    operator, request_at, request_seen, set, value, verifier, who_knows,
};
use proptest::prelude::*;
use quorid_directory::{
    Accepted, Command, Done, Edit, EditAction, Event, Kind, MemoryDirectory, ObjectId, Operation,
    Outcome, Principal, Rejection, RequestId, Retention, Revision, Selector, Time, VerifierChange,
    View,
};

const NAMES: [&str; 6] = ["ana", "ANA", "ben", "josé", "JOSE\u{301}", "νίκος"];

const GROUPS: [&str; 4] = ["staff", "Staff", "dev", "ops"];

/// Few outcomes and changes, so that many are forgotten.
const SMALL: Retention = Retention {
    window: 6,
    behind_max_ms: 10,
    forgotten_max: 2,
    history_ms: 100,
    history_bytes: 1500,
};

fn selectors() -> impl Strategy<Value = Selector> {
    prop_oneof![
        3 => (0..40_u8).prop_map(|number| Selector::Id(account_id(number))),
        3 => prop::sample::select(&NAMES[..]).prop_map(|name| Selector::LoginName(login(name))),
        1 => groups(),
    ]
}

fn groups() -> impl Strategy<Value = Selector> {
    prop_oneof![
        1 => (0..40_u8).prop_map(|number| Selector::GroupId(account_id(number))),
        3 => prop::sample::select(&GROUPS[..]).prop_map(by_group_name),
    ]
}

fn principals() -> impl Strategy<Value = Principal> {
    prop_oneof![
        6 => Just(operator()),
        1 => Just(Principal::Anyone),
        2 => (0..40_u8, 0..40_u64).prop_map(|(account, password)| who_knows(account, password)),
    ]
}

fn verifier_changes() -> impl Strategy<Value = VerifierChange> {
    prop_oneof![
        Just(VerifierChange::Keep),
        "[xy]".prop_map(|salt| VerifierChange::Set(verifier(&salt))),
        Just(VerifierChange::Remove),
    ]
}

fn versions() -> impl Strategy<Value = Option<Revision>> {
    prop::option::weighted(0.2, (0..40_u64).prop_map(Revision))
}

/// Edits of every kind, of attributes that are required, unique, multi-valued, references.
fn edits() -> impl Strategy<Value = Edit> {
    let named = |name: &'static str, texts: &'static [&'static str]| {
        let values = prop::sample::subsequence(texts, 1..=texts.len().min(2));
        (
            Just(number(name)),
            values.prop_map(move |texts| {
                texts
                    .into_iter()
                    .map(|text| value(name, text))
                    .collect::<Vec<_>>()
            }),
        )
    };
    let attribute = prop_oneof![
        named("login_name", &NAMES),
        named("real_name", &["A", "B"]),
        named(
            "mail",
            &[
                "a@example.org",
                "A@Example.org",
                "b@example.org",
                "c@example.org"
            ]
        ),
        named("title", &["A", "B"]),
        named(
            "manager",
            &["ana", "ben", "01010101-0101-0101-0101-010101010101"]
        ),
        named("group_name", &GROUPS),
        named("description", &["A", "B"]),
        named("posix_number", &["65536", "65537", "500"]),
        named("role", &["user_manager", "help_desk", "operator"]),
    ];
    (attribute, 0..8_u8).prop_map(|((attribute, values), action)| Edit {
        attribute,
        action: match action {
            0 => EditAction::Clear,
            1 => EditAction::Remove(values),
            7 => EditAction::Assign,
            2 | 3 => EditAction::Add(values),
            _ => EditAction::Replace(values),
        },
    })
}

/// Without the account id: that is the command's number.
fn operations() -> impl Strategy<Value = Operation> {
    let name = prop::sample::select(&NAMES[..]);
    let more = || prop::collection::vec(edits(), 0..3);
    let create = (name, "[AB]", more(), prop::option::of("[xy]")).prop_map(
        |(login_name, real_name, more, salt)| Operation::Create {
            id: account_id(0),
            kind: Kind::Person,
            edits: [names(login_name, &real_name), more].concat(),
            verifier: salt.map(|salt| verifier(&salt)),
        },
    );
    let change = (selectors(), versions(), more(), verifier_changes()).prop_map(
        |(target, expected_version, edits, verifier)| Operation::Change {
            target,
            expected_version,
            edits,
            verifier,
        },
    );
    let delete =
        (selectors(), versions()).prop_map(|(target, expected_version)| Operation::Delete {
            target,
            expected_version,
        });
    let create_group = prop::sample::select(&GROUPS[..]).prop_map(|name| Operation::Create {
        id: account_id(0),
        kind: Kind::Group,
        edits: vec![set("group_name", name)],
        verifier: None,
    });
    let some = || prop::collection::vec(selectors(), 0..3);
    let members = (groups(), versions(), some(), some()).prop_map(
        |(group, expected_version, add, remove)| Operation::Members {
            group,
            expected_version,
            add,
            remove,
        },
    );
    let revert = (0..40_u64).prop_map(|revision| Operation::Revert {
        revision: Revision(revision),
    });
    let gone = (selectors(), 0..4_u8).prop_map(|(target, purged)| match purged {
        0 => Operation::Purge { target },
        _ => Operation::Restore { target },
    });
    let freed = prop::sample::select(&NAMES[..]).prop_map(free_name);
    prop_oneof![
        3 => create,
        3 => change,
        2 => delete,
        2 => create_group,
        4 => members,
        2 => revert,
        3 => gone,
        1 => freed,
    ]
}

/// What is deleted is kept for no time, for a few commands, or for all of them; and so are names.
fn kept() -> impl Strategy<Value = Operation> {
    let ms = || prop::sample::select(&[0, 15, 60, 1_000][..]);
    (ms(), ms()).prop_map(|(tombstones, names)| Operation::Configure(keep(tombstones, names)))
}

/// Clocks of leaders jump about; requests are of who has seen little, or what isn't there; request ids are
/// sometimes used twice.
fn commands() -> impl Strategy<Value = Vec<Command>> {
    let one = (
        (principals(), operations()),
        0..20_u64,
        0..12_u64,
        0..4_u8,
        prop::bool::weighted(0.2),
    );
    (kept(), prop::collection::vec(one, 1..40)).prop_map(|(kept, parts)| {
        let mut commands = vec![command(request_at(0, 9), 0, kept)];
        for (index, (asked, leader, behind, salt, retry)) in parts.into_iter().enumerate() {
            let (principal, mut operation) = asked;
            let ms = 4 * index as u64;
            if let Operation::Create { id, .. } = &mut operation {
                *id = account_id(u8::try_from(index).expect("few") + 1);
            }
            // Its revision is the second number after.
            let seen = (index as u64 + 3).saturating_sub(behind);
            let new = Command {
                principal,
                ..command(request_seen(seen, salt), ms + leader, operation)
            };
            match commands.get(index / 2) {
                Some(earlier) if retry => {
                    let again = Command {
                        time: new.time,
                        ..earlier.clone()
                    };
                    commands.push(again);
                }
                _ => commands.push(new),
            }
        }
        commands
    })
}

/// What an outcome says was done is what the events did.
fn assert_told_truly(outcome: &Outcome, events: &[Event]) {
    if matches!(outcome.result, Ok(Accepted::Directory)) {
        let objects =
            |event: &Event| matches!(event, Event::ObjectStored(_) | Event::ObjectRemoved { .. });
        assert!(
            !events.iter().any(objects),
            "{events:?} was answered with {outcome:?}"
        );
        return;
    }
    let mut stored = events.iter().filter_map(|event| match event {
        Event::ObjectStored(object) => Some((object.id, Some(object))),
        Event::ObjectRemoved { id } => Some((*id, None)),
        Event::UniqueTaken { .. }
        | Event::UniqueFreed { .. }
        | Event::TombstoneStored(_)
        | Event::TombstoneRemoved { .. }
        | Event::FormerAdded { .. }
        | Event::FormerRemoved { .. }
        | Event::NameReserved { .. }
        | Event::ReservationEnded { .. }
        | Event::ChangeRedacted { .. }
        | Event::MemberAdded(_)
        | Event::MemberRemoved(_)
        | Event::AttributeDefined(_)
        | Event::NumbersCounted { .. }
        | Event::SettingChanged(_)
        | Event::LevelRaised { .. }
        | Event::VerifierStored { .. }
        | Event::VerifierRemoved { .. }
        | Event::OutcomeRecorded { .. }
        | Event::ChangeRecorded { .. }
        | Event::ChangeForgotten { .. }
        | Event::OutcomeForgotten { .. }
        | Event::ClockSet { .. } => None,
    });
    let done = stored.next();
    let restored = |event: &Event| matches!(event, Event::TombstoneRemoved { .. });
    let moves = matches!(done, Some((_, None))) || events.iter().any(restored);
    for (_, other) in stored {
        let is_group = other.is_some_and(|object| object.kind == Kind::Group);
        assert!(
            moves && is_group,
            "only groups that lost or got a member besides"
        );
    }
    match (done, &changed(outcome.clone())) {
        (Some((_, Some(object))), Ok(change)) => {
            assert_ne!(change.done, Done::Deleted);
            let told = (change.id, change.kind, change.version);
            assert_eq!((object.id, object.kind, object.version), told);
        }
        (Some((id, None)), Ok(change)) => {
            assert_eq!((change.done, change.id), (Done::Deleted, id));
        }
        (None, Ok(change)) => {
            // Nothing was asked for, or the object was gone already.
            assert!([Done::Changed, Done::Purged].contains(&change.done));
        }
        (None, Err(_)) => {
            let changes = events.iter().any(|event| {
                matches!(
                    event,
                    Event::UniqueTaken { .. } | Event::VerifierStored { .. }
                )
            });
            assert!(!changes, "{events:?} was answered with {outcome:?}");
        }
        (Some(done), Err(told)) => panic!("{done:?} was answered with {told:?}"),
    }
}

fn is_about_requests(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::RequestExpired { .. }
            | Rejection::RequestReused { .. }
            | Rejection::RequestFromFuture { .. }
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn directory_stays_whole(commands in commands()) {
        let mut log = Log::with(SMALL);
        let mut ever: BTreeMap<ObjectId, Time> = BTreeMap::new();
        let mut gone: BTreeSet<ObjectId> = BTreeSet::new();
        for command in &commands {
            let before = log.directory.clone();
            let outcome = log.execute(command);
            log.directory.assert_whole();
            if before.outcomes().contains_key(&command.request) {
                prop_assert_eq!(log.directory.objects(), before.objects());
                prop_assert_eq!(log.directory.outcomes(), before.outcomes());
            } else {
                assert_told_truly(&outcome, &log.events);
                prop_assert!(outcome.revision == Revision(log.revision));
            }
            // Ids stay with their accounts, and those of deleted ones are not seen again.
            for (id, account) in log.directory.objects() {
                prop_assert!(!gone.contains(id) || before.tombstones().contains_key(id));
                let created = ever.entry(*id).or_insert(account.created.time);
                prop_assert_eq!(*created, account.created.time);
            }
            gone.retain(|id| !log.directory.objects().contains_key(id));
            gone.extend(ever.keys().filter(|id| !log.directory.objects().contains_key(id)));
            // The directory's time is that of the command, or a little later.
            let Ok(now) = log.directory.clock();
            prop_assert!(now >= command.time);
            prop_assert!(now.0 - command.time.0 <= SMALL.behind_max_ms);
        }
    }

    #[test]
    fn no_request_is_executed_twice(commands in commands()) {
        let mut log = Log::with(SMALL);
        let mut executed: BTreeSet<RequestId> = BTreeSet::new();
        for command in &commands {
            log.execute(command);
            for event in &log.events {
                if let Event::OutcomeRecorded { request, .. } = event {
                    prop_assert!(executed.insert(*request), "{} twice", request);
                }
            }
        }
    }

    #[test]
    fn same_command_again_changes_nothing(commands in commands()) {
        let mut log = Log::with(SMALL);
        for command in &commands {
            let first = log.execute(command);
            // The directory is further at the next try.
            if let Err(Rejection::RequestFromFuture { .. }) = &first.result {
                continue;
            }
            let before = log.directory.clone();
            let again = log.execute(command);
            prop_assert_eq!(&log.events, &[]);
            prop_assert_eq!(&log.directory, &before);
            let forgotten = !before.outcomes().contains_key(&command.request);
            let refused = again.result.as_ref().is_err_and(is_about_requests);
            prop_assert!(refused || forgotten || again == first);
        }
    }

    #[test]
    fn few_outcomes_are_kept_beyond_the_bounds(commands in commands()) {
        let mut log = Log::with(SMALL);
        for command in &commands {
            log.execute(command);
            let count = log.directory.outcomes().len() as u64;
            prop_assert!(count <= SMALL.window + 1);
            let forgotten = log.events.iter();
            let forgotten = forgotten.filter(|event| matches!(event, Event::OutcomeForgotten { .. }));
            prop_assert!(forgotten.count() <= SMALL.forgotten_max);
        }
        prop_assert!(log.directory.clock() >= Ok(Time(START)));
    }

    #[test]
    fn state_is_the_same_from_commands_and_from_events(commands in commands()) {
        let mut log = Log::with(SMALL);
        let mut copy = MemoryDirectory::new();
        for command in &commands {
            log.execute(command);
            for event in &log.events {
                copy.apply(event);
            }
        }
        prop_assert_eq!(copy, log.directory);
    }
}
