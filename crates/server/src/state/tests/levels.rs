//! Commands of feature levels that the state is not at.

use prost::Message as _;
use quorid_directory::{Fingerprint, Level, Outcome, Rejection};

use super::*;
use crate::state::{first_level, level_of_membership, proto};

const NEWER: Level = Level(Level::SUPPORTED.0 + 1);

fn at(index: u64) -> LogPos {
    LogPos { term: 1, index }
}

fn membership(levels: &[u32]) -> Vec<u8> {
    let members = levels.iter().map(|level| proto::Member {
        level: *level,
        ..proto::Member::default()
    });
    proto::Membership {
        members: members.collect(),
        ..proto::Membership::default()
    }
    .encode_to_vec()
}

#[test]
fn a_directory_begins_at_the_level_that_all_its_first_members_support() {
    for (levels, expected) in [
        (&[2, 2, 2][..], 2),
        (&[2, 1, 2], 1),
        (&[3, 2], 2),
        // Of a server that is older than levels.
        (&[2, 0], 1),
        (&[], 1),
    ] {
        let level = level_of_membership(&membership(levels)).expect("read");
        assert_eq!(level, Level(expected), "{levels:?}");
        assert_eq!(level, first_level(levels.iter().copied().map(Level)));
    }
}

#[test]
fn the_first_membership_sets_the_level_and_no_later_one_does() {
    let folder = TempDir::new().expect("a folder");
    let store = store(&folder);
    for (index, level) in [(0, Level::BASE), (1, Level::SUPPORTED)] {
        store
            .write(|state| state.membership(at(index), b"", 1, level))
            .expect("written");
        assert_eq!(store.level().expect("read"), Level::BASE);
    }
}

#[test]
fn what_a_newer_server_asks_for_is_refused_unread_and_changes_nothing() {
    let folder = TempDir::new().expect("a folder");
    let store = store(&folder);
    store
        .write(|state| {
            state.membership(at(0), b"", 1, Level::SUPPORTED)?;
            state.command(at(1), &encode_command(&command(1, create(1, 1, true))))
        })
        .expect("written");
    let before = store.read().expect("a view");
    // An operation of an unknown tag, and a time that is the directory's already.
    let mut newer = proto::Command {
        time_ms: NOW_MS + 1,
        level: NEWER.0,
        ..proto::Command::default()
    }
    .encode_to_vec();
    newer.extend([0xfa, 0x3e, 2, 8, 1]); // field 1007, of two bytes
    let outcome = store.write(|state| state.command(at(2), &newer));
    let (needed, is) = (NEWER, Level::SUPPORTED);
    assert_eq!(
        outcome.expect("no fault").outcome,
        Outcome {
            fingerprint: Fingerprint::from_bytes([0; 16]),
            revision: Revision(2),
            result: Err(Rejection::FeatureLevel { needed, is }),
        }
    );
    let after = store.read().expect("a view");
    let digest = |view: &ReadView| view.digest().expect("a digest");
    assert_eq!(digest(&after), digest(&before));
    assert_eq!(after.revision().expect("read"), Revision(2));
}
