//! The tables of the state. Keys are bytes in the order that their fields have; values are
//! protobuf messages of `proto/state.proto`.

use redb::TableDefinition;

/// Account id (16 bytes, UUID, big-endian) to `Account`. A UUID of version 7 begins with its
/// time, so new accounts are added at the end.
pub(super) const ACCOUNTS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("accounts");

/// Login name (UTF-8, as normalised) to account id.
pub(super) const LOGIN_NAMES: TableDefinition<'_, &str, [u8; 16]> =
    TableDefinition::new("login_names");

/// Request id (16 bytes, UUID of version 7) to `Outcome`. The oldest request is the first.
pub(super) const OUTCOMES: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("outcomes");

/// Single values, by the names below.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// `LogId` of the last entry whose effect the tables hold.
pub(super) const META_APPLIED: &str = "applied";
/// `StoredMembership`, the last one applied.
pub(super) const META_MEMBERSHIP: &str = "membership";
/// Time of the directory: 8 bytes, big-endian, Unix ms.
pub(super) const META_CLOCK: &str = "clock";
/// Requests of this time or older are no longer known: 8 bytes, big-endian, Unix ms.
pub(super) const META_FLOOR: &str = "floor";
/// The highest server id that any membership ever named: 8 bytes, big-endian.
pub(super) const META_SERVER_ID_MAX: &str = "server_id_max";

/// The tables as they are numbered in snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TableId {
    Meta = 1,
    Accounts = 2,
    LoginNames = 3,
    Outcomes = 4,
}

impl TableId {
    pub(super) const ALL: [Self; 4] =
        [Self::Meta, Self::Accounts, Self::LoginNames, Self::Outcomes];

    pub(super) fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|table| *table as u32 == number)
    }
}
