//! The state against the reference model.

mod levels;
mod snapshots;

use std::{fs, os::unix::fs::MetadataExt as _, sync::Arc};

use proptest::prelude::*;
use quorid_directory::{
    AttributeNumber, ChangedBy, ClientAddress, Command, Definition, Edit, EditAction, Filter,
    GroupName, Kind, LoginName, MemoryDirectory, ObjectId, Objects as _, Operation, OperatorName,
    Principal, Properties, ReadBy, RealName, RequestId, Revision, Schema, Selector, Setting,
    SettingChange, Time, Value, Verifier, VerifierChange,
};
use quorid_storage::{DataDirectory, Disk, LogPos, Rows as _, StoreOptions};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

const NOW_MS: u64 = 1_800_000_000_000;

fn disk(folder: &TempDir) -> Arc<dyn Disk> {
    Arc::new(DataDirectory::open(&folder.path().join("data")).expect("a data directory"))
}

fn store(folder: &TempDir) -> State {
    State::open(disk(folder), StoreOptions::default()).expect("a state")
}

fn request(number: u64) -> RequestId {
    RequestId::new(Revision(0), number)
}

fn object_id(number: u8) -> ObjectId {
    ObjectId::new(Uuid::from_u128(u128::from(number) + 1))
}

fn login_name(number: u8) -> LoginName {
    LoginName::parse(&format!("name{number}")).expect("valid")
}

fn operator() -> Principal {
    Principal::Operator(OperatorName::of_certificate("olga"))
}

fn command(number: u64, operation: Operation) -> Command {
    Command {
        request: request(number),
        time: Time(NOW_MS + number),
        client: ClientAddress::parse("192.0.2.1:40000").expect("valid"),
        principal: operator(),
        operation,
    }
}

fn create(id: u8, name: u8, verifier: bool) -> Operation {
    Operation::Create {
        id: object_id(id),
        kind: Kind::Person,
        edits: vec![
            Edit::login_name(&login_name(name)),
            Edit::real_name(&RealName::parse("Some One").expect("valid")),
        ],
        verifier: verifier.then(|| Verifier::parse("$argon2id$v=19$x$y").expect("valid")),
    }
}

fn group_name(name: u8) -> GroupName {
    GroupName::parse(&format!("group {name}")).expect("valid")
}

fn create_group(id: u8, name: u8) -> Operation {
    Operation::Create {
        id: object_id(id),
        kind: Kind::Group,
        edits: vec![Edit::group_name(&group_name(name))],
        verifier: None,
    }
}

fn definition(number: u32) -> Definition {
    let definition = Definition::new(Properties {
        name: format!("site_{number}"),
        accounts: true,
        groups: number.is_multiple_of(2),
        syntax: "line".to_owned(),
        values_max: 2,
        unique: number == 0,
        indexed: number == 1,
        changed_by: ChangedBy::Manager,
        read_by: ReadBy::Everyone,
    });
    definition.expect("a site may add it")
}

fn define(number: u32) -> Operation {
    let definition = definition(number);
    Operation::DefineAttribute { definition }
}

fn some(selector: impl Strategy<Value = Selector>) -> impl Strategy<Value = Vec<Selector>> {
    proptest::collection::vec(selector, 0..3)
}

/// Edits of attributes that are unique, have several values, or name other objects.
fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let number = |name| {
        Schema::builtin()
            .by_name(name)
            .expect("an attribute")
            .number
    };
    let mail = |n: u8| Value::Text(format!("{n}@example.org"));
    let edit = prop_oneof![
        (0_u8..6).prop_map(|name| Edit::login_name(&login_name(name))),
        (0_u8..4, 0_u8..4, 0_u8..4).prop_map(move |(action, one, other)| {
            let values = vec![mail(one), mail(other)];
            let action = match action {
                0 => EditAction::Add(values),
                1 => EditAction::Remove(values),
                2 => EditAction::Replace(values),
                _ => EditAction::Clear,
            };
            let attribute = number("mail");
            Edit { attribute, action }
        }),
        (0_u8..6).prop_map(move |name| {
            let name = login_name(name).as_str().to_owned();
            Edit::set(number("manager"), Value::Text(name))
        }),
        (0_u8..3).prop_map(move |value| {
            Edit::set(number("title"), Value::Text(format!("Title {value}")))
        }),
        (1000_u32..1003, 0_u8..3).prop_map(|(number, value)| {
            Edit::set(
                AttributeNumber(number),
                Value::Text(format!("value {value}")),
            )
        }),
    ];
    proptest::collection::vec(edit, 0..3)
}

/// Operations over few names and ids, so that they collide.
fn operations() -> impl Strategy<Value = Vec<(u8, Principal, Operation)>> {
    let selector = prop_oneof![
        (0_u8..6).prop_map(|id| Selector::Id(object_id(id))),
        (0_u8..6).prop_map(|name| Selector::LoginName(login_name(name))),
        (0_u8..6).prop_map(|id| Selector::GroupId(object_id(id))),
        (0_u8..4).prop_map(|name| Selector::GroupName(group_name(name))),
    ];
    let principal = prop_oneof![
        6 => Just(operator()),
        1 => Just(Principal::Anyone),
        2 => (0_u8..6, 0_u64..40).prop_map(|(id, at)| Principal::Account {
            id: object_id(id),
            password: Revision(at),
        }),
    ];
    let version = prop_oneof![4 => Just(None), 1 => (1_u64..40).prop_map(|v| Some(Revision(v)))];
    let operation = prop_oneof![
        3 => (0_u8..6, 0_u8..6, any::<bool>()).prop_map(|(id, name, v)| create(id, name, v)),
        2 => (selector.clone(), version.clone(), edits(), 0..3)
            .prop_map(|(target, expected_version, edits, verifier)| Operation::Change {
                target,
                expected_version,
                edits,
                verifier: match verifier {
                    0 => VerifierChange::Keep,
                    1 => VerifierChange::Remove,
                    _ => VerifierChange::Set(Verifier::parse("$argon2id$v=19$z$z").expect("ok")),
                },
            }),
        1 => (selector.clone(), version.clone())
            .prop_map(|(target, expected_version)| Operation::Delete {
                target,
                expected_version,
            }),
        1 => (0_u32..3).prop_map(define),
        2 => selector.clone().prop_map(|target| Operation::Restore { target }),
        1 => selector.clone().prop_map(|target| Operation::Purge { target }),
        1 => (0_u8..6).prop_map(|name| Operation::FreeName { name: login_name(name) }),
        1 => (0_usize..2, proptest::sample::select(&[0, 3, 8][..])).prop_map(|(which, ms)| {
            let which = [Setting::Tombstones, Setting::ReservedNames][which];
            Operation::Configure(vec![SettingChange::new(which, Some(ms)).expect("taken")])
        }),
        2 => (0_u8..6, 0_u8..4).prop_map(|(id, name)| create_group(id, name)),
        2 => (0_u64..40).prop_map(|revision| Operation::Revert {
            revision: Revision(revision),
        }),
        3 => (0_u8..4, version, some(selector.clone()), some(selector)).prop_map(
            |(name, expected_version, add, remove)| Operation::Members {
                group: Selector::GroupName(group_name(name)),
                expected_version,
                add,
                remove,
            },
        ),
    ];
    // The number makes the request id: few numbers, so that requests are repeated.
    proptest::collection::vec((0_u8..30, principal, operation), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn redb_and_the_memory_model_hold_the_same_state(
        operations in operations(),
        batches in proptest::collection::vec(1_usize..8, 1..40),
    ) {
        let folder = TempDir::new().expect("a temporary folder");
        let store = store(&folder);
        let mut memory = MemoryDirectory::new();
        let mut commands = (1..).zip(operations).map(|(index, (number, principal, operation))| {
            let command = Command {
                principal,
                ..command(u64::from(number), operation)
            };
            (LogPos { term: 1, index }, command)
        });
        for size in batches.into_iter().cycle() {
            let batch: Vec<_> = commands.by_ref().take(size).collect();
            if batch.is_empty() {
                break;
            }
            let outcomes = store.write(|state| {
                batch.iter().map(|(at, it)| state.command(*at, &encode_command(it))).collect()
            });
            let outcomes: Vec<_> = outcomes.expect("written");
            for ((at, it), outcome) in batch.iter().zip(outcomes) {
                prop_assert_eq!(memory.execute(Revision(at.index), it), outcome);
            }
        }
        let view = store.read().expect("a view");
        prop_assert_eq!(view.difference(&memory).expect("read"), None);
        prop_assert_eq!(unique_rows(&store), memory.unique().len() as u64);
        // Another server takes it, which looks at every row.
        let taken = snapshots::load_all(&store, snapshots::chunks(&store).0);
        prop_assert!(taken.is_ok(), "{:?}", taken.err());
    }

    #[test]
    fn a_command_reads_as_it_was_written(operations in operations()) {
        for (number, principal, operation) in operations {
            let command = Command {
                principal,
                ..command(u64::from(number), operation)
            };
            prop_assert_eq!(decode_command(&encode_command(&command)).expect("read"), command);
        }
    }

    #[test]
    fn bytes_that_are_no_command_are_a_fault_and_no_panic(bytes: Vec<u8>) {
        drop(decode_command(&bytes));
    }
}

fn unique_rows(store: &State) -> u64 {
    let view = store.view().expect("a view");
    view.count(&unique::TABLE).expect("counted")
}

/// Accounts with names; every other one has a password.
fn filled(folder: &TempDir, accounts: u8) -> State {
    let store = store(folder);
    store
        .write(|state| {
            for number in 0..accounts {
                let at = LogPos {
                    term: 1,
                    index: u64::from(number) + 1,
                };
                let create = command(u64::from(number), create(number, number, number % 2 == 0));
                state.command(at, &encode_command(&create))?;
            }
            Ok(())
        })
        .expect("written");
    store
}

#[test]
fn a_search_by_an_indexed_value_looks_at_those_who_have_it_only() {
    let folder = TempDir::new().expect("folder");
    let store = store(&folder);
    let title = Schema::builtin()
        .by_name("title")
        .expect("an attribute")
        .number;
    let titled = |id: u8, text: &str| Operation::Change {
        target: Selector::Id(object_id(id)),
        expected_version: None,
        edits: vec![Edit::set(title, Value::Text(text.to_owned()))],
        verifier: VerifierChange::Keep,
    };
    let accounts = (0..60).map(|number| create(number, number, false));
    let titles = (0..60).map(|number| {
        titled(
            number,
            ["Admin", "Administrator", "admin"][usize::from(number % 3)],
        )
    });
    let gone = Operation::Delete {
        target: Selector::Id(object_id(0)),
        expected_version: None,
    };
    let others = [titled(3, "Boss"), gone];
    store
        .write(|state| {
            for (index, operation) in (1..).zip(accounts.chain(titles).chain(others)) {
                let at = LogPos { term: 1, index };
                state.command(at, &encode_command(&command(index, operation)))?;
            }
            Ok(())
        })
        .expect("written");
    let view = store.read().expect("a view");
    let filter = |text| Filter::parse(view.schema(), text).expect("a condition");
    let boss = filter("login_name=* and title=BOSS");
    let key = boss.index_key(view.schema()).expect("an index has it");
    let one = Stretch {
        looked_at: 1,
        ..Stretch::ALL
    };
    let fits = |object: &quorid_directory::Object| boss.fits(object);
    let (found, next) = view.accounts_by_index(&key, None, one, fits).expect("read");
    let ids: Vec<_> = found.iter().map(|object| object.id).collect();
    assert_eq!((ids, next), (vec![object_id(3)], None));
    let (found, next) = view.accounts(None, one, fits).expect("read");
    assert!(
        found.is_empty() && next.is_some(),
        "without it, one is not enough"
    );

    let admins = filter("title=Admin")
        .index_key(view.schema())
        .expect("indexed");
    let (mut seen, mut after) = (Vec::new(), None);
    let pages = Stretch {
        objects: 7,
        ..Stretch::ALL
    };
    loop {
        let page = view.accounts_by_index(&admins, after, pages, |_| true);
        let (found, next) = page.expect("read");
        seen.extend(found.iter().map(|object| object.id));
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let expected = (0..60).filter(|number| number % 3 != 1 && ![0, 3].contains(number));
    assert_eq!(seen, expected.map(object_id).collect::<Vec<_>>());
    for text in [
        "title=École",
        "title=Admin*",
        "not title=Admin",
        "title=Admin or title=Boss",
        "mail=a@b.c",
    ] {
        assert_eq!(filter(text).index_key(view.schema()), None, "{text}");
    }
}

#[test]
fn the_schema_is_that_of_the_state_that_is_read() {
    let folder = TempDir::new().expect("folder");
    let names = |schema: &Schema| -> Vec<String> {
        let rows = schema.of_site().iter();
        rows.map(|row| row.name.to_string()).collect()
    };
    let run = |store: &State, index: u64, operation| {
        let at = LogPos { term: 1, index };
        store.write(|state| state.command(at, &encode_command(&command(index, operation))))
    };
    {
        let store = store(&folder);
        run(&store, 1, define(0)).expect("written");
        let before = store.read().expect("a view");
        let failed = store.write(|state| {
            let at = LogPos { term: 1, index: 2 };
            state.command(at, &encode_command(&command(2, define(1))))?;
            Err::<(), _>(Fault::new("testing", "the batch fails"))
        });
        assert!(failed.is_err());
        assert_eq!(
            names(&store.schema()),
            ["site_0"],
            "nothing of a batch that failed"
        );
        run(&store, 3, define(2)).expect("written");
        assert_eq!(names(before.schema()), ["site_0"]);
        assert_eq!(
            names(store.read().expect("a view").schema()),
            ["site_0", "site_2"]
        );
        store.checkpoint().expect("a checkpoint");
    }
    assert_eq!(names(&store(&folder).schema()), ["site_0", "site_2"]);
}

#[test]
fn a_state_is_at_its_last_checkpoint_after_a_restart() {
    let folder = TempDir::new().expect("folder");
    {
        let store = filled(&folder, 5);
        let durable = store.checkpoint().expect("a checkpoint");
        assert_eq!(durable.applied, Some(LogPos { term: 1, index: 5 }));
    }
    let store = store(&folder);
    assert_eq!(store.durable().applied, Some(LogPos { term: 1, index: 5 }));
    assert_eq!(
        store.read().expect("view").count_accounts().expect("count"),
        5
    );
}

#[test]
fn a_new_state_takes_its_place_when_it_is_complete() {
    let folder = TempDir::new().expect("folder");
    let disk = disk(&folder);
    drop(disk.open_state("state.redb", false).expect("a file"));
    let inode = |name| fs::metadata(folder.path().join("data").join(name)).map(|it| it.ino());
    let empty = inode("state.redb").expect("a file");
    let store = State::open(Arc::clone(&disk), StoreOptions::default()).expect("a state");
    assert_ne!(
        inode("state.redb").expect("a file"),
        empty,
        "written in place"
    );
    assert_eq!(
        store.read().expect("view").count_accounts().expect("count"),
        0
    );
}

#[test]
fn whoever_reads_after_a_change_sees_it() {
    let folder = TempDir::new().expect("folder");
    let store = filled(&folder, 5);
    assert_eq!(
        store.read().expect("view").count_accounts().expect("count"),
        5
    );
    let late = command(99, create(99, 99, false));
    let at = LogPos { term: 1, index: 6 };
    store
        .write(|state| state.command(at, &encode_command(&late)))
        .expect("written");
    assert_eq!(
        store.read().expect("view").count_accounts().expect("count"),
        6
    );
}

#[test]
fn a_search_goes_on_where_it_stopped_and_misses_nobody() {
    let folder = TempDir::new().expect("a temporary folder");
    let store = store(&folder);
    store
        .write(|state| {
            for number in 0..20_u8 {
                let at = LogPos {
                    term: 1,
                    index: u64::from(number) + 1,
                };
                let operation = match number % 4 {
                    3 => create_group(number, number),
                    _ => create(number, number, false),
                };
                state.command(at, &encode_command(&command(at.index, operation)))?;
            }
            Ok(())
        })
        .expect("written");
    let view = store.read().expect("a view");
    let number = |object: &quorid_directory::Object| object.id.as_bytes()[15] - 1;
    let even = |object: &quorid_directory::Object| number(object).is_multiple_of(2);
    for stretch in [
        Stretch {
            looked_at: 3,
            ..Stretch::ALL
        },
        Stretch {
            objects: 2,
            ..Stretch::ALL
        },
        Stretch {
            bytes: 1,
            ..Stretch::ALL
        },
        Stretch {
            bytes_looked_at: 1,
            ..Stretch::ALL
        },
        Stretch::ALL,
    ] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (objects, next) = view.accounts(after, stretch, even).expect("read");
            assert!(objects.len() <= stretch.objects);
            found.extend(objects.iter().map(number));
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(found, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18], "{stretch:?}");
    }
}
