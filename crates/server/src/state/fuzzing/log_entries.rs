//! What the log and the state keep: the first byte says what.

use std::{fmt::Debug, sync::Arc};

use bytes::Bytes;
use prost::Message as _;
use quorid_directory::{
    ClientAddress, Command, Edit, EditAction, Kind, LoginName, MemoryDirectory, ObjectId,
    Operation, OperatorName, Principal, RealName, Reply, RequestId, Revision, Schema, Selector,
    Time, Value, Verifier, VerifierChange,
};
use quorid_storage::{
    Fault, LogPos, StoreOptions,
    fuzzing::{MemoryDisk, records},
};

use crate::state::{State, change, decode_command, encode_command, object, outcome};

/// More commands tell nothing new.
const COMMANDS_MAX: usize = 64;

/// What is decoded is encoded to the same, and commands leave the directory whole and the same in
/// memory and on disk.
pub fn check(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    match kind % 8 {
        record @ 0..records::KINDS => records::check(record, bytes),
        4 => same_value(bytes, object::decode, object::encode),
        5 => same_value(bytes, outcome::decode, outcome::encode),
        6 => same_value(bytes, change::decode, change::encode),
        _ => commands(bytes),
    }
}

fn same_value<T: Debug + PartialEq>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, Fault>,
    encode: impl Fn(&T) -> Vec<u8>,
) {
    if let Ok(value) = decode(bytes) {
        assert_eq!(decode(&encode(&value)).expect("an encoding of ours"), value);
    }
}

/// Commands that follow each other, each after its length.
fn commands(mut bytes: &[u8]) {
    let mut commands = Vec::new();
    while let Ok(command) = Bytes::decode_length_delimited(&mut bytes) {
        commands.push(command);
        if bytes.is_empty() || commands.len() == COMMANDS_MAX {
            break;
        }
    }
    let decoded: Vec<(Bytes, Command)> = commands
        .into_iter()
        .filter_map(|bytes| decode_command(&bytes).ok().map(|command| (bytes, command)))
        .collect();
    let mut memory = MemoryDirectory::new();
    let mut expected: Vec<Reply> = Vec::new();
    for (revision, (bytes, command)) in (1..).zip(&decoded) {
        same_value(bytes, decode_command, encode_command);
        expected.push(memory.execute(Revision(revision), command));
        memory.assert_whole();
    }
    if expected.is_empty() {
        return;
    }
    let disk = Arc::new(MemoryDisk::default());
    let store = State::open(disk, StoreOptions::default()).expect("a state");
    let outcomes = store.write(|state| {
        (1..)
            .zip(&decoded)
            .map(|(index, (bytes, _))| state.command(LogPos { term: 1, index }, bytes))
            .collect::<Result<Vec<_>, _>>()
    });
    assert_eq!(outcomes.expect("commands that can be decoded"), expected);
    let view = store.read().expect("a view");
    assert_eq!(
        view.difference(&memory).expect("rows that can be read"),
        None
    );
}

/// Records of the log, and what stands in them.
pub fn seeds() -> Vec<Vec<u8>> {
    let name = |text: &str| LoginName::parse(text).expect("a login name");
    let real_name = || RealName::parse("Some One").expect("a real name");
    let verifier = || Verifier::parse("$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA").expect("valid");
    let id = |number: u8| ObjectId::from_bytes([number; 16]);
    let phone = |action: fn(Vec<Value>) -> EditAction| Edit {
        attribute: Schema::builtin()
            .by_name("phone")
            .expect("an attribute")
            .number,
        action: action(vec![Value::Text("+351 21".to_owned())]),
    };
    let create = |number: u8, text: &str, with_password: bool| Operation::Create {
        id: id(number),
        kind: Kind::Person,
        edits: vec![
            Edit::login_name(&name(text)),
            Edit::real_name(&real_name()),
            phone(EditAction::Add),
        ],
        verifier: with_password.then(verifier),
    };
    let change = |target, edits, verifier| Operation::Change {
        target,
        expected_version: Some(Revision(1)),
        edits,
        verifier,
    };
    let delete = |target| Operation::Delete {
        target,
        expected_version: None,
    };
    let by_name = |text| Selector::LoginName(name(text));
    let operations = [
        create(1, "ana", true),
        create(2, "ANA", false),
        change(
            by_name("ana"),
            vec![Edit::login_name(&name("νίκος")), phone(EditAction::Replace)],
            VerifierChange::Keep,
        ),
        change(
            Selector::Id(id(1)),
            vec![phone(EditAction::Remove)],
            VerifierChange::Set(verifier()),
        ),
        create(3, "ben", false),
        change(
            Selector::Id(id(1)),
            vec![phone(|_| EditAction::Clear)],
            VerifierChange::Remove,
        ),
        delete(by_name("νίκος")),
        delete(by_name("ben")),
    ];
    let commands: Vec<Command> = (1..)
        .zip(operations)
        .map(|(number, operation)| command(number, operation))
        .collect();
    let mut memory = MemoryDirectory::new();
    let replies: Vec<Reply> = (1..)
        .zip(&commands)
        .map(|(revision, command)| memory.execute(Revision(revision), command))
        .collect();
    let accounts = replies.iter().filter_map(|reply| reply.object.as_ref());
    let records = memory.changes().values();
    let sequence: Vec<u8> = commands
        .iter()
        .flat_map(|command| Bytes::from(encode_command(command)).encode_length_delimited_to_vec())
        .collect();

    let mut seeds = records::seeds(encode_command(&commands[0]));
    seeds.push([&[7], sequence.as_slice()].concat());
    seeds.extend(accounts.map(|account| [vec![4], object::encode(account)].concat()));
    let outcomes = replies.iter().map(|reply| &reply.outcome);
    seeds.extend(outcomes.map(|it| [vec![5], outcome::encode(it)].concat()));
    seeds.extend(records.map(|it| [vec![6], change::encode(it)].concat()));
    seeds
}

/// A command with a request and a millisecond of its own for each number.
pub(crate) fn command(number: u64, operation: Operation) -> Command {
    let time = Time(1_800_000_000_000 + number);
    Command {
        request: RequestId::new(Revision(0), number),
        time,
        client: ClientAddress::parse("192.0.2.1:40000").expect("an address"),
        principal: Principal::Operator(OperatorName::of_certificate("olga")),
        operation,
    }
}
