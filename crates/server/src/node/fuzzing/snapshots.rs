//! Snapshots: a byte of flags, then the parts as they come over a stream, each after its length.

use std::{cell::Cell, sync::Arc};

use futures_util::FutureExt as _;
use openraft::storage::RaftStateMachine as _;
use prost::Message as _;
use quorid_directory::{
    Command, Edit, GroupName, Kind, Level, LoginName, ObjectId, Objects as _, Operation, RealName,
    Selector, VerifierChange,
};
use quorid_storage::{
    LogPos, LogVote, RowSum, SnapshotChunk, SnapshotReader, SnapshotTotals, StoreOptions, Totals,
    fuzzing::{MemoryDisk, is_sum},
};
use tonic::Status;

use super::peer_messages::{membership, snapshot_head_of};
use crate::{
    fuzzing::sequence,
    node::{
        checkpoints::Flushed,
        snapshot::SnapshotReceiver,
        state_machine::StateMachine,
        types::{Snapshot, StoredMembership},
        wire::{
            self,
            proto::{SnapshotPart, SnapshotTail, snapshot_part::Part},
        },
    },
    seams::InPlace,
    state::{
        State, Stretch, encode_command,
        fuzzing::{add_rows, log_entries::command},
    },
};

/// The checksums are put right: whoever sends bad rows can count them too.
const MEND: u8 = 1;
/// Requests up to this number are those of the seeds.
const SEEDED: u64 = 4;

/// A snapshot is put in the state's place whole and sound, or the state stays as it was; nothing
/// else is left on the disk.
pub fn check(data: &[u8]) {
    let Some((flags, bytes)) = data.split_first() else {
        return;
    };
    let mut parts: Vec<Part> = sequence::<SnapshotPart>(bytes)
        .into_iter()
        .map_while(|part| part.part)
        .collect();
    if flags & MEND != 0 {
        mend(&mut parts);
    }
    let receiver = RECEIVER.take().unwrap_or_else(Receiver::new);
    let received = receive(&receiver.store, parts);
    let refused = received.is_err();
    if let Ok(snapshot) = received {
        install(&receiver.store, snapshot);
    }
    assert_eq!(receiver.disk.names(), ["state.redb"]);
    if refused {
        assert_eq!(digest(&receiver.store), receiver.digest);
        RECEIVER.set(Some(receiver));
    }
}

thread_local! {
    /// The one of the input before, if its state is as it was.
    static RECEIVER: Cell<Option<Receiver>> = const { Cell::new(None) };
}

/// A server that a snapshot is sent to.
struct Receiver {
    disk: Arc<MemoryDisk>,
    store: Arc<State>,
    digest: [u8; 32],
}

impl Receiver {
    fn new() -> Self {
        let disk = Arc::new(MemoryDisk::default());
        let store = filled_store(&disk);
        let digest = digest(&store);
        Self {
            disk,
            store,
            digest,
        }
    }
}

fn digest(store: &State) -> [u8; 32] {
    let view = store.read().expect("a view");
    view.digest().expect("all of it can be read")
}

fn receive(store: &State, parts: Vec<Part>) -> Result<Snapshot, Status> {
    let mut parts = parts.into_iter();
    let ended = || Status::data_loss("the snapshot ended");
    let Some(Part::Head(head)) = parts.next() else {
        return Err(ended());
    };
    let mut receiver = SnapshotReceiver::begin(store, Level::SUPPORTED, head)?;
    loop {
        match parts.next() {
            Some(Part::Chunk(chunk)) => receiver.add(chunk)?,
            Some(Part::Tail(tail)) => return receiver.finish(tail).map(|(_, snapshot)| snapshot),
            Some(Part::Head(_)) | None => return Err(ended()),
        }
    }
}

fn mend(parts: &mut [Part]) {
    let mut sum = RowSum::default();
    for part in &*parts {
        if let Part::Chunk(chunk) = part {
            let rows = chunk.keys.iter().zip(&chunk.values);
            add_rows(
                &mut sum,
                chunk.table,
                rows.map(|(key, value)| (&**key, &**value)),
            );
        }
    }
    let mut totals = Totals::default();
    for part in parts {
        match part {
            Part::Head(_) => {}
            Part::Chunk(chunk) => {
                for (key, value) in chunk.keys.iter().zip(&mut chunk.values) {
                    if chunk.table == 1 && is_sum(key) {
                        *value = sum.to_bytes().to_vec().into();
                    }
                }
                let mended =
                    SnapshotChunk::of(chunk.table, chunk.keys.clone(), chunk.values.clone());
                totals.add(&mended);
                chunk.crc32 = mended.crc32;
            }
            Part::Tail(tail) => {
                let SnapshotTotals { rows, crc32 } = totals.get();
                *tail = SnapshotTail { rows, crc32 };
            }
        }
    }
}

/// As the engine does it. What is there afterwards can be read, changed and sent on.
fn install(store: &Arc<State>, snapshot: Snapshot) {
    let flushed = Flushed::default();
    flushed.note(Some(u64::MAX));
    let threads = Arc::new(InPlace);
    let mut state = StateMachine::new(Arc::clone(store), threads, flushed, Level::SUPPORTED);
    state
        .install_snapshot(&snapshot.meta, snapshot.snapshot)
        .now_or_never()
        .expect("nothing to wait for")
        .expect("it was taken in");
    let (last, membership) = state
        .applied_state()
        .now_or_never()
        .expect("nothing to wait for")
        .expect("a position");
    assert_eq!(last, snapshot.meta.last_log_id);
    assert_eq!(membership, snapshot.meta.last_membership);

    let view = store.read().expect("a view");
    view.digest().expect("all of it can be read");
    view.server_id_max().expect("a number");
    let accounts = view
        .accounts(None, Stretch::ALL, |_| true)
        .expect("accounts")
        .0;
    let groups = view.groups(None, usize::MAX, usize::MAX);
    let groups = groups.expect("groups").0;
    let accounts_and_groups = || accounts.iter().chain(&groups);
    let counted = view.count_accounts_and_groups().expect("numbers");
    assert_eq!(counted, (accounts.len() as u64, groups.len() as u64));
    let mut at = LogPos {
        term: u64::MAX,
        index: view.revision().expect("a revision").0,
    };
    for object in accounts_and_groups() {
        for (key, _) in object.unique_keys(view.schema()) {
            assert_eq!(view.holder(&key).expect("a unique value"), Some(object.id));
        }
        let found = view.object(&object.id).expect("an object");
        assert_eq!(found.as_ref(), Some(object));
        view.all_groups_of(&object.id)
            .expect("an end of the search");
        view.members(&object.id, None, usize::MAX).expect("members");
    }
    send_on(store);

    let ids = accounts_and_groups().map(|object| match object.kind {
        Kind::Person | Kind::Service => Selector::Id(object.id),
        Kind::Group => Selector::GroupId(object.id),
    });
    let names = ["ana", "ben"].map(|name| Selector::LoginName(login_name(name)));
    let selectors = ids.chain(names);
    let result = store.write(|state| {
        for (number, target) in (1..).zip(selectors) {
            at.index = at.index.saturating_add(1);
            let removal = Operation::Delete {
                target,
                expected_version: None,
            };
            state.command(at, &encode_command(&command(SEEDED + number, removal)))?;
        }
        Ok(())
    });
    result.expect("accounts can be removed");
}

/// Another server gets the same from this one.
fn send_on(store: &State) {
    let mut reader = store.snapshot().expect("a snapshot");
    let mut loader = store.loader().expect("a loader");
    while let Some(chunk) = reader.next_chunk().expect("a chunk") {
        loader.add(&chunk).expect("what was taken in is given out");
    }
    let loaded = loader.finish(reader.totals()).expect("all of it");
    let (loaded, sent) = (loaded.position(), reader.position());
    assert_eq!(loaded.applied, sent.applied);
    assert_eq!(loaded.membership, sent.membership);
}

fn login_name(text: &str) -> LoginName {
    LoginName::parse(text).expect("a login name")
}

fn group_name(text: &str) -> GroupName {
    GroupName::parse(text).expect("a group's name")
}

fn create(id: u8, name: &str) -> Operation {
    Operation::Create {
        id: ObjectId::from_bytes([id; 16]),
        kind: Kind::Person,
        edits: vec![
            Edit::login_name(&login_name(name)),
            Edit::real_name(&RealName::parse("Some One").expect("a real name")),
        ],
        verifier: None,
    }
}

/// A state with an account.
fn filled_store(disk: &Arc<MemoryDisk>) -> Arc<State> {
    let disk: Arc<MemoryDisk> = Arc::clone(disk);
    let store = State::open(disk, StoreOptions::default()).expect("a state");
    apply(&store, 1, &[command(1, create(1, "ana"))]);
    Arc::new(store)
}

fn apply(store: &State, first: u64, commands: &[Command]) {
    let result = store.write(|state| {
        for (index, command) in (first..).zip(commands) {
            state.command(LogPos { term: 1, index }, &encode_command(command))?;
        }
        Ok(())
    });
    result.expect("commands of ours");
}

/// Snapshots of a state of ours, as one server sends them to another.
pub fn seeds() -> Vec<Vec<u8>> {
    let disk = Arc::new(MemoryDisk::default());
    let store = filled_store(&disk);
    let rename = Operation::Change {
        target: Selector::LoginName(login_name("ben")),
        expected_version: None,
        edits: vec![Edit::login_name(&login_name("νίκος"))],
        verifier: VerifierChange::Keep,
    };
    let group = |id, name| Operation::Create {
        id: ObjectId::from_bytes([id; 16]),
        kind: Kind::Group,
        edits: vec![Edit::group_name(&group_name(name))],
        verifier: None,
    };
    let members = Operation::Members {
        group: Selector::GroupName(group_name("staff")),
        expected_version: None,
        add: vec![
            Selector::LoginName(login_name("ana")),
            Selector::GroupName(group_name("dev")),
        ],
        remove: Vec::new(),
    };
    let commands = [
        command(2, create(2, "ben")),
        command(3, rename),
        command(4, create(3, "ana")),
        command(5, group(4, "staff")),
        command(6, group(5, "dev")),
        command(7, members),
    ];
    apply(&store, 2, &commands);
    let position = LogPos { term: 1, index: 8 };
    let stored = StoredMembership::new(Some(wire::log_id(position)), membership());
    store
        .write(|state| {
            let bytes = wire::encode_stored_membership(&stored);
            state.membership(position, &bytes, 4, Level::SUPPORTED)
        })
        .expect("a membership");
    let empty = State::open(Arc::new(MemoryDisk::default()), StoreOptions::default());
    [empty.expect("a state").snapshot(), store.snapshot()]
        .into_iter()
        .flat_map(|reader| {
            let sent = sent(reader.expect("a snapshot"));
            [0, MEND].map(|flags| [&[flags], sent.as_slice()].concat())
        })
        .collect()
}

fn sent(mut reader: SnapshotReader) -> Vec<u8> {
    let vote = wire::vote(LogVote {
        term: 1,
        candidate: 1,
        committed: true,
    });
    let last = reader.position().applied.unwrap_or_default();
    let mut parts = vec![Part::Head(snapshot_head_of(vote, wire::log_id(last)))];
    while let Some(chunk) = reader.next_chunk().expect("a chunk") {
        parts.push(Part::Chunk(chunk.into()));
    }
    let SnapshotTotals { rows, crc32 } = reader.totals();
    parts.push(Part::Tail(SnapshotTail { rows, crc32 }));
    parts
        .into_iter()
        .flat_map(|part| SnapshotPart { part: Some(part) }.encode_length_delimited_to_vec())
        .collect()
}
