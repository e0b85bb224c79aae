//! Snapshots: whole, damaged, and made of rows that no server makes.

use bytes::Bytes;
use prost::Message as _;
use quorid_directory::{
    ChangeRecord, Definition, Edit, History as _, Object, ObjectId, Objects as _, Operation,
    Properties, Recorded, Revision, Schema, Selector, Tombstone, Value, VerifierChange,
};
use quorid_storage::{Fault, Loaded, LogPos, SnapshotChunk, SnapshotTotals, Store, Table, Totals};
use tempfile::TempDir;

use super::{
    command, create, create_group, define, definition, filled, login_name, object_id, store,
};
use crate::state::{
    State, change, due, encode_command, index, member, numbers, object, outcome, schema, tombstone,
    unique, verifier,
};

pub(super) fn chunks(store: &Store) -> (Vec<SnapshotChunk>, SnapshotTotals) {
    let mut reader = store.snapshot().expect("a snapshot");
    let mut chunks = Vec::new();
    while let Some(chunk) = reader.next_chunk().expect("a chunk") {
        chunks.push(chunk);
    }
    (chunks, reader.totals())
}

fn load(store: &Store, chunks: &[SnapshotChunk], totals: SnapshotTotals) -> Result<Loaded, Fault> {
    let mut loader = store.loader()?;
    for chunk in chunks {
        loader.add(chunk)?;
    }
    loader.finish(totals)
}

#[test]
fn a_snapshot_carries_the_whole_state_and_survives_a_restart() {
    let (from, to) = (
        TempDir::new().expect("folder"),
        TempDir::new().expect("folder"),
    );
    let sender = filled(&from, 99);
    let at = LogPos {
        term: 1,
        index: 100,
    };
    let define = encode_command(&command(100, define(1)));
    let defined = sender.write(|state| state.command(at, &define));
    defined.expect("written");
    let (chunks, totals) = chunks(&sender);
    let digest = sender.read().expect("view").digest().expect("digest");
    {
        let receiver = filled(&to, 3);
        let loaded = load(&receiver, &chunks, totals).expect("loaded");
        receiver.install(loaded).expect("installed");
        assert_eq!(
            receiver.read().expect("view").digest().expect("digest"),
            digest
        );
        assert_eq!(receiver.schema(), sender.schema());
        assert_eq!(receiver.schema().of_site().len(), 1);
    }
    let receiver = store(&to);
    let view = receiver.read().expect("view");
    assert_eq!(view.digest().expect("digest"), digest);
    assert_eq!(view.revision().expect("revision"), Revision(100));
}

#[test]
fn a_damaged_snapshot_is_refused_and_the_state_stays() {
    let (from, to) = (
        TempDir::new().expect("folder"),
        TempDir::new().expect("folder"),
    );
    let (good, totals) = chunks(&filled(&from, 50));
    let receiver = filled(&to, 3);
    let before = receiver.read().expect("view").digest().expect("digest");

    let mut flipped = good.clone();
    let value = flipped
        .last_mut()
        .and_then(|chunk| chunk.values.first_mut())
        .expect("a row");
    let mut bytes = value.to_vec();
    bytes[0] ^= 1;
    *value = Bytes::from(bytes);
    let missing = good[..good.len() - 1].to_vec();
    let mut reversed = good.clone();
    reversed.reverse();
    let mut unknown = good.clone();
    unknown[0].table = 99;

    for (what, chunks) in [
        ("flipped", flipped),
        ("missing", missing),
        ("reversed", reversed),
        ("unknown", unknown),
    ] {
        assert!(load(&receiver, &chunks, totals).is_err(), "{what}");
    }
    assert_eq!(
        receiver.read().expect("view").digest().expect("digest"),
        before
    );
}

/// Three accounts and a group, of which the first account is a member; an account that was deleted while it was
/// in the group; and a login name that the third account had.
fn with_a_group(folder: &TempDir) -> State {
    let store = filled(folder, 3);
    let join = Operation::Members {
        group: Selector::GroupId(object_id(50)),
        expected_version: None,
        add: vec![Selector::Id(object_id(0))],
        remove: Vec::new(),
    };
    store
        .write(|state| {
            let titled = Operation::Change {
                target: Selector::Id(object_id(1)),
                expected_version: None,
                edits: vec![Edit::set(
                    Schema::builtin().by_name("title").expect("there").number,
                    Value::Text("Boss".to_owned()),
                )],
                verifier: VerifierChange::Keep,
            };
            let group = || Selector::GroupId(object_id(50));
            let joins = Operation::Members {
                group: group(),
                expected_version: None,
                add: vec![Selector::Id(object_id(60))],
                remove: Vec::new(),
            };
            let delete = Operation::Delete {
                target: Selector::Id(object_id(60)),
                expected_version: None,
            };
            let rename = Operation::Change {
                target: Selector::Id(object_id(2)),
                expected_version: None,
                edits: vec![Edit::login_name(&login_name(61))],
                verifier: VerifierChange::Keep,
            };
            let operations = [
                create_group(50, 1),
                join,
                define(0),
                define(1),
                titled,
                create(60, 60, true),
                joins,
                delete,
                rename,
            ];
            for (index, operation) in (4..).zip(operations) {
                let command = encode_command(&command(index, operation));
                state.command(LogPos { term: 1, index }, &command)?;
            }
            Ok(())
        })
        .expect("written");
    store
}

/// What is wrong, in which table, and the first row's new key and new value.
type BrokenRow = (&'static str, Table, Option<Bytes>, Option<Bytes>);

fn junk() -> Option<Bytes> {
    Some(Bytes::from_static(b"junk"))
}

fn no_id() -> Option<Bytes> {
    Some(Bytes::from_static(&[0; 16]))
}

fn broken_objects(first: &Object) -> [BrokenRow; 6] {
    let number = |name| {
        Schema::builtin()
            .by_name(name)
            .expect("an attribute")
            .number
    };
    let without = |name| {
        let mut object = first.clone();
        object.attributes.remove(&number(name));
        Some(Bytes::from(object::encode(&object)))
    };
    let with = |name, text: &str| {
        let mut object = first.clone();
        let values = vec![Value::Text(text.to_owned())];
        object.attributes.insert(number(name), values);
        Some(Bytes::from(object::encode(&object)))
    };
    let (nameless, empty) = (without("login_name"), with("login_name", ""));
    let long = with("title", &"x".repeat(257));
    let by_name = with("manager", "ana");
    [
        ("unreadable object", object::TABLE, None, junk()),
        ("object without names", object::TABLE, None, nameless),
        ("object with an empty name", object::TABLE, None, empty),
        ("object with a long title", object::TABLE, None, long),
        ("object that refers by a name", object::TABLE, None, by_name),
        ("object of another id", object::TABLE, no_id(), None),
    ]
}

fn broken_attributes() -> [BrokenRow; 3] {
    let builtin = Some(Bytes::copy_from_slice(&5_u32.to_be_bytes()));
    let second = Definition::new(Properties {
        name: "site_1".to_owned(),
        ..definition(0).properties()
    });
    let second = second.expect("a site may add it").properties();
    let second = Bytes::from(schema::row_message(&second).encode_to_vec());
    [
        ("unreadable attribute", schema::TABLE, None, junk()),
        (
            "attribute of a built-in number",
            schema::TABLE,
            builtin,
            None,
        ),
        (
            "two attributes of one name",
            schema::TABLE,
            None,
            Some(second),
        ),
    ]
}

fn broken_others() -> [BrokenRow; 8] {
    let other = Some(Bytes::copy_from_slice(object_id(99).as_bytes()));
    let another = Some(Bytes::from_static(b"a"));
    [
        ("unreadable outcome", outcome::TABLE, None, junk()),
        ("outcome of no request", outcome::TABLE, no_id(), None),
        ("unique value of no object", unique::TABLE, None, other),
        ("unique value of another", unique::TABLE, another, None),
        ("unreadable verifier", verifier::TABLE, None, junk()),
        ("verifier of no account", verifier::TABLE, no_id(), None),
        ("index of no object", index::TABLE, no_id(), None),
        ("position", numbers::TABLE, None, junk()),
    ]
}

fn broken_memberships() -> [BrokenRow; 4] {
    let key = |group: u8, kind: u8, member: u8| {
        let (group, member) = (object_id(group), object_id(member));
        let parts = [group.as_bytes().as_slice(), &[kind], member.as_bytes()];
        Some(Bytes::from(parts.concat()))
    };
    let of = |member: ObjectId, group: ObjectId| {
        let parts = [*member.as_bytes(), *group.as_bytes()];
        Some(Bytes::from(parts.concat()))
    };
    let (no_group, as_group) = (key(98, 1, 0), key(50, 2, 0));
    let not_in_it = of(object_id(1), object_id(50));
    [
        ("member of no group", member::TABLE, no_group, None),
        ("account as a member group", member::TABLE, as_group, None),
        ("membership with a value", member::TABLE, None, junk()),
        (
            "group without its member",
            member::GROUPS_OF,
            not_in_it,
            None,
        ),
    ]
}

/// The first change is the creation of the first account, and the first who is concerned by one is the
/// member of the group.
fn broken_changes(sender: &State) -> [BrokenRow; 6] {
    let view = sender.read().expect("a view");
    let first = view.change(Revision(1)).expect("read").expect("a change");
    let longer = ChangeRecord {
        name: "x".repeat(100),
        ..first.clone()
    };
    let of_another = ChangeRecord {
        id: object_id(99),
        ..first
    };
    let encoded = |record: &ChangeRecord| {
        Some(Bytes::from(change::encode(&Recorded::Object(
            record.clone(),
        ))))
    };
    let not_in_it = Some(Bytes::from(
        [object_id(1).as_bytes().as_slice(), &[0xff; 8]].concat(),
    ));
    let (longer, of_another) = (encoded(&longer), encoded(&of_another));
    [
        ("unreadable change", change::TABLE, None, junk()),
        ("change of no revision", change::TABLE, junk(), None),
        (
            "change that was counted shorter",
            change::TABLE,
            None,
            longer,
        ),
        ("change of another", change::TABLE, None, of_another),
        ("change of nobody", change::MENTIONS, not_in_it, None),
        ("mention with a value", change::MENTIONS, None, junk()),
    ]
}

fn broken_deleted(sender: &State) -> [BrokenRow; 13] {
    let view = sender.read().expect("a view");
    let found = view.tombstone(&object_id(60)).expect("read");
    let gone = found.expect("a tombstone");
    let encoded = |tombstone: &Tombstone| Some(Bytes::from(tombstone::encode(tombstone)));
    let with = |change: &dyn Fn(&mut Tombstone)| {
        let mut changed = gone.clone();
        change(&mut changed);
        encoded(&changed)
    };
    let there = with(&|it| it.object.id = object_id(0));
    let no_verifier = with(&|it| it.verifier = None);
    let nameless = with(&|it| it.object.attributes.clear());
    let later = with(&|it| it.until.0 += 1);
    let of_another = with(&|it| {
        let name = vec![Value::Text("name0".to_owned())];
        it.object
            .attributes
            .insert(quorid_directory::LOGIN_NAME, name);
    });
    let id = |number| Some(Bytes::copy_from_slice(object_id(number).as_bytes()));
    let time = Some(Bytes::copy_from_slice(&7_u64.to_be_bytes()));
    let of_nobody = Some(Bytes::from(
        [object_id(0).as_bytes().as_slice(), &[0, 0, 0, 1], b"name0"].concat(),
    ));
    [
        ("unreadable tombstone", tombstone::TABLE, None, junk()),
        ("tombstone of another id", tombstone::TABLE, id(61), None),
        ("deleted and there", tombstone::TABLE, id(0), there),
        (
            "deleted without verifier",
            tombstone::TABLE,
            None,
            no_verifier,
        ),
        ("deleted without names", tombstone::TABLE, None, nameless),
        (
            "deleted with another's name",
            tombstone::TABLE,
            None,
            of_another,
        ),
        ("deleted until another time", tombstone::TABLE, None, later),
        ("former of nobody", tombstone::FORMER, junk(), None),
        ("former with a value", tombstone::FORMER, None, junk()),
        ("unreadable reservation", due::RESERVED, None, junk()),
        ("reserved until another time", due::RESERVED, None, time),
        ("reserved and had", due::RESERVED, of_nobody, None),
        ("due of nothing", due::TABLE, junk(), None),
    ]
}

#[test]
fn a_snapshot_of_rows_that_no_server_makes_is_refused() {
    let (from, to) = (
        TempDir::new().expect("folder"),
        TempDir::new().expect("folder"),
    );
    let sender = with_a_group(&from);
    let (good, _) = chunks(&sender);
    let receiver = filled(&to, 1);
    let before = receiver.read().expect("view").digest().expect("digest");
    let first = sender.read().expect("view").object(&object_id(0));
    let first = first.expect("read").expect("an object");
    let broken = broken_objects(&first).into_iter().chain(broken_others());
    let broken = broken.chain(broken_memberships());
    let broken = broken.chain(broken_attributes());
    let broken = broken.chain(broken_deleted(&sender));
    for (what, table, key, value) in broken.chain(broken_changes(&sender)) {
        let bad = good.iter().map(|chunk| {
            let (mut keys, mut values) = (chunk.keys.clone(), chunk.values.clone());
            if chunk.table == table.number {
                if let Some(key) = &key {
                    keys[0].clone_from(key);
                }
                if let Some(value) = &value {
                    values[0].clone_from(value);
                }
            }
            SnapshotChunk::of(chunk.table, keys, values)
        });
        assert!(load_all(&receiver, bad).is_err(), "{what}");
    }
    for table in [
        unique::TABLE,
        index::TABLE,
        verifier::TABLE,
        member::GROUPS_OF,
        tombstone::TABLE,
        due::RESERVED,
        due::TABLE,
        change::TABLE,
        change::MENTIONS,
    ] {
        let without = good.iter().filter(|chunk| chunk.table != table.number);
        let loaded = load_all(&receiver, without.cloned());
        assert!(loaded.is_err(), "{}", table.name);
    }
    load_all(&receiver, good).expect("a good snapshot");
    assert_eq!(
        receiver.read().expect("view").digest().expect("digest"),
        before
    );
}

/// Loads chunks, with the totals that fit them.
pub(super) fn load_all(
    store: &Store,
    chunks: impl IntoIterator<Item = SnapshotChunk>,
) -> Result<Loaded, Fault> {
    let mut totals = Totals::default();
    let chunks: Vec<SnapshotChunk> = chunks
        .into_iter()
        .inspect(|chunk| totals.add(chunk))
        .collect();
    load(store, &chunks, totals.get())
}
