//! Whatever commands come in whatever order, the directory stays whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Log, START, account_id, command, login, real, request_at, verifier};
use proptest::prelude::*;
use quorid_directory::{
    AccountId, Change, Command, Event, MemoryDirectory, Operation, Outcome, Proof, Rejection,
    RequestId, Retention, Revision, Selector, Time, VerifierChange, View,
};

const NAMES: [&str; 6] = ["ana", "ANA", "ben", "josé", "JOSE\u{301}", "νίκος"];

/// Few outcomes, so that many are forgotten.
const SMALL: Retention = Retention {
    outcomes_max: 6,
    age_max_ms: 40,
    ahead_max_ms: 10,
    forgotten_max: 2,
};

fn selectors() -> impl Strategy<Value = Selector> {
    prop_oneof![
        (0..40_u8).prop_map(|number| Selector::Id(account_id(number))),
        prop::sample::select(&NAMES[..]).prop_map(|name| Selector::LoginName(login(name))),
    ]
}

fn proofs() -> impl Strategy<Value = Proof> {
    prop_oneof![
        3 => Just(Proof::Operator),
        1 => Just(Proof::NotNeeded),
        1 => (0..40_u64).prop_map(|version| Proof::Password {
            verifier_version: Revision(version),
        }),
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

/// Without the account id: that is the command's number.
fn operations() -> impl Strategy<Value = Operation> {
    let name = || prop::sample::select(&NAMES[..]).prop_map(login);
    let real_name = || "[AB]".prop_map(|text| real(&text));
    let create = (name(), real_name(), prop::option::of("[xy]")).prop_map(
        |(login_name, real_name, salt)| Operation::Create {
            id: account_id(0),
            login_name,
            real_name,
            verifier: salt.map(|salt| verifier(&salt)),
        },
    );
    let modify = (
        (selectors(), versions(), proofs()),
        prop::option::of(name()),
        prop::option::of(real_name()),
        verifier_changes(),
    )
        .prop_map(
            |((account, expected_version, proof), login_name, real_name, verifier)| {
                Operation::Modify {
                    account,
                    expected_version,
                    proof,
                    login_name,
                    real_name,
                    verifier,
                }
            },
        );
    let delete =
        (selectors(), versions(), proofs()).prop_map(|(account, expected_version, proof)| {
            Operation::Delete {
                account,
                expected_version,
                proof,
            }
        });
    prop_oneof![3 => create, 3 => modify, 1 => delete]
}

/// Clocks of leaders and clients jump about a little; request ids are sometimes used twice.
fn commands() -> impl Strategy<Value = Vec<Command>> {
    let one = (
        operations(),
        0..20_u64,
        0..25_u64,
        0..4_u8,
        prop::bool::weighted(0.2),
    );
    prop::collection::vec(one, 1..40).prop_map(|parts| {
        let mut commands: Vec<Command> = Vec::new();
        for (index, (mut operation, leader, client, salt, retry)) in parts.into_iter().enumerate() {
            let ms = 4 * index as u64;
            if let Operation::Create { id, .. } = &mut operation {
                *id = account_id(u8::try_from(index).expect("few") + 1);
            }
            let new = command(request_at(ms + client, salt), ms + leader, operation);
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
    for event in events {
        match (event, &outcome.result) {
            (Event::AccountCreated(done), Ok(Change::Created(told)))
            | (Event::AccountModified { after: done, .. }, Ok(Change::Modified(told))) => {
                assert_eq!(done, told);
            }
            (Event::AccountDeleted { id, login_name }, Ok(Change::Deleted(told))) => {
                assert_eq!((*id, login_name), (told.id, &told.login_name));
            }
            (
                Event::AccountCreated(_)
                | Event::AccountModified { .. }
                | Event::AccountDeleted { .. },
                told,
            ) => panic!("{event:?} was answered with {told:?}"),
            (
                Event::OutcomeRecorded { .. }
                | Event::OutcomeForgotten { .. }
                | Event::FloorRaised { .. }
                | Event::ClockAdvanced { .. },
                _,
            ) => {}
        }
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
        let mut ever: BTreeMap<AccountId, Time> = BTreeMap::new();
        let mut gone: BTreeSet<AccountId> = BTreeSet::new();
        let (mut clock, mut floor) = (Time(0), Time(0));
        for command in &commands {
            let before = log.directory.clone();
            let outcome = log.execute(command);
            log.directory.assert_whole();
            if before.outcomes().contains_key(&command.request) {
                prop_assert_eq!(log.directory.accounts(), before.accounts());
                prop_assert_eq!(log.directory.outcomes(), before.outcomes());
            } else {
                assert_told_truly(&outcome, &log.events);
                prop_assert!(outcome.revision == Revision(log.revision));
            }
            // Ids stay with their accounts, and those of deleted ones are not seen again.
            for (id, account) in log.directory.accounts() {
                prop_assert!(!gone.contains(id));
                let created = ever.entry(*id).or_insert(account.created.time);
                prop_assert_eq!(*created, account.created.time);
            }
            gone.extend(ever.keys().filter(|id| !log.directory.accounts().contains_key(id)));
            // Time and floor only rise.
            let (Ok(now), Ok(lowest)) = (log.directory.clock(), log.directory.floor());
            prop_assert!(now >= clock && lowest >= floor);
            (clock, floor) = (now, lowest);
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
            let Ok(count) = log.directory.outcome_count();
            prop_assert!(count <= SMALL.outcomes_max);
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
