//! Records of the log: the first byte says what.

use bytes::Bytes;
use raft_log::{
    RaftWalTypes, WALRecord,
    codeq::{Decode, Encode},
};

use crate::{
    LogVote, Payload,
    wal::{WalPayload, WalTypes, WalVote},
};

type Record = WALRecord<RaftWalTypes<WalTypes>>;

/// How many kinds of records there are.
pub const KINDS: u8 = 4;

/// What is decoded is encoded to the same.
pub fn check(kind: u8, bytes: &[u8]) {
    match kind {
        0 => same_bytes::<WalPayload>(bytes),
        1 => same_bytes::<WalVote>(bytes),
        2 => same_bytes::<Record>(bytes),
        // The same with its checksum put right.
        _ => {
            let checksum = u64::from(crc32fast::hash(bytes)).to_be_bytes();
            same_bytes::<Record>(&[bytes, &checksum].concat());
        }
    }
}

/// Of the log there is one encoding of each value.
fn same_bytes<T: Decode + Encode>(bytes: &[u8]) {
    let mut rest = bytes;
    if let Ok(value) = T::decode(&mut rest) {
        let mut again = Vec::new();
        let written = value.encode(&mut again).expect("a vector takes all");
        assert_eq!(again, bytes[..bytes.len() - rest.len()]);
        assert_eq!(again.len(), written);
    }
}

/// Records of each kind. The entries carry `command`.
pub fn seeds(command: Vec<u8>) -> Vec<Vec<u8>> {
    use raft_log::RaftLogAction as Action;

    let vote = WalVote(LogVote {
        term: 3,
        candidate: 2,
        committed: true,
    });
    let payloads = [
        Payload::Blank,
        Payload::Command(command.into()),
        Payload::Membership(Bytes::from_static(b"membership")),
    ];
    let actions = [
        Action::SaveVote(vote.clone()),
        Action::Commit((3, 4)),
        Action::TruncateAfter(Some((3, 4))),
        Action::PurgeUpto((3, 4)),
    ];
    let append = |payload| Action::Append((3, 4), WalPayload(payload));
    let records = actions
        .into_iter()
        .chain(payloads.clone().map(append))
        .map(Record::Action);
    let mut seeds = vec![written(1, &vote)];
    seeds.extend(payloads.map(|payload| written(0, &WalPayload(payload))));
    seeds.extend(records.map(|record| written(2, &record)));
    seeds
}

fn written(kind: u8, value: &impl Encode) -> Vec<u8> {
    let mut bytes = vec![kind];
    value.encode(&mut bytes).expect("a vector takes all");
    bytes
}
