//! The state as readers see it.

use quorid_directory::{Account, AccountId, LoginName, Outcome, RequestId, Revision};
use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase as _, ReadableTable as _,
    ReadableTableMetadata as _,
};
use sha2::{Digest as _, Sha256};

use super::{
    Fault, blocking,
    codec::decode_account,
    log::LogPos,
    rows::{
        Durable, failed, find_account, find_account_id, find_outcome, read_applied, read_durable,
        read_u64,
    },
    tables::{ACCOUNTS, LOGIN_NAMES, META, META_CLOCK, META_FLOOR, META_SERVER_ID_MAX, OUTCOMES},
};

/// The state as it was at one revision.
pub struct ReadView {
    accounts: ReadOnlyTable<[u8; 16], &'static [u8]>,
    login_names: ReadOnlyTable<&'static str, [u8; 16]>,
    outcomes: ReadOnlyTable<[u8; 16], &'static [u8]>,
    meta: ReadOnlyTable<&'static str, &'static [u8]>,
}

impl ReadView {
    pub(super) fn of(database: &Database) -> Result<Self, Fault> {
        let transaction: ReadTransaction =
            database.begin_read().map_err(failed("reading the state"))?;
        Ok(Self {
            accounts: transaction
                .open_table(ACCOUNTS)
                .map_err(failed("reading accounts"))?,
            login_names: transaction
                .open_table(LOGIN_NAMES)
                .map_err(failed("reading login names"))?,
            outcomes: transaction
                .open_table(OUTCOMES)
                .map_err(failed("reading outcomes"))?,
            meta: transaction
                .open_table(META)
                .map_err(failed("reading the state"))?,
        })
    }

    /// Log index of the last entry whose effect the view shows.
    pub fn revision(&self) -> Result<Revision, Fault> {
        Ok(Revision(self.durable_position()?.map_or(0, |at| at.index)))
    }

    /// The account of an id.
    pub fn account(&self, id: &AccountId) -> Result<Option<Account>, Fault> {
        find_account(&self.accounts, id)
    }

    /// The id of the account that has a login name.
    pub fn account_id(&self, name: &LoginName) -> Result<Option<AccountId>, Fault> {
        find_account_id(&self.login_names, name)
    }

    /// What became of a request, where it is still known.
    pub fn outcome(&self, request: &RequestId) -> Result<Option<Outcome>, Fault> {
        find_outcome(&self.outcomes, request)
    }

    /// At most `limit` accounts in the order of their ids, from the first one after `after`.
    pub fn list(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<Account>, Fault> {
        use std::ops::Bound;
        let from = after.map_or(Bound::Unbounded, |id| Bound::Excluded(*id.as_bytes()));
        let rows = self
            .accounts
            .range::<[u8; 16]>((from, Bound::Unbounded))
            .map_err(failed("listing accounts"))?;
        rows.take(limit)
            .map(|row| {
                let (_, account) = row.map_err(failed("listing accounts"))?;
                decode_account(account.value())
            })
            .collect()
    }

    /// Number of accounts.
    pub fn count(&self) -> Result<u64, Fault> {
        self.accounts.len().map_err(failed("counting accounts"))
    }

    /// The highest server id that any membership named.
    pub fn server_id_max(&self) -> Result<u64, Fault> {
        read_u64(&self.meta, META_SERVER_ID_MAX)
    }

    /// SHA-256 of everything that is replicated: accounts, login names, outcomes, clock and
    /// floor. Two servers at the same revision have the same. Reads the whole state.
    pub fn digest(&self) -> Result<[u8; 32], Fault> {
        blocking(|| {
            let mut hash = Sha256::new();
            let mut add = |key: &[u8], value: &[u8]| {
                for part in [key, value] {
                    hash.update((part.len() as u64).to_be_bytes());
                    hash.update(part);
                }
            };
            for row in self.accounts.iter().map_err(failed("reading accounts"))? {
                let (key, value) = row.map_err(failed("reading accounts"))?;
                add(&key.value(), value.value());
            }
            for row in self
                .login_names
                .iter()
                .map_err(failed("reading login names"))?
            {
                let (key, value) = row.map_err(failed("reading login names"))?;
                add(key.value().as_bytes(), &value.value());
            }
            for row in self.outcomes.iter().map_err(failed("reading outcomes"))? {
                let (key, value) = row.map_err(failed("reading outcomes"))?;
                add(&key.value(), value.value());
            }
            for key in [META_CLOCK, META_FLOOR] {
                add(key.as_bytes(), &read_u64(&self.meta, key)?.to_be_bytes());
            }
            Ok(hash.finalize().into())
        })
    }

    /// Position and membership of the view.
    pub fn durable(&self) -> Result<Durable, Fault> {
        read_durable(&self.meta)
    }

    fn durable_position(&self) -> Result<Option<LogPos>, Fault> {
        read_applied(&self.meta)
    }

    /// Whether the single values can be read, and every account has its login name, given that
    /// every login name has its account.
    pub(super) fn check(&self) -> Result<(), Fault> {
        for key in [META_CLOCK, META_FLOOR, META_SERVER_ID_MAX] {
            read_u64(&self.meta, key)?;
        }
        let names = self
            .login_names
            .len()
            .map_err(failed("counting login names"))?;
        let accounts = self.count()?;
        if accounts != names {
            return Err(Fault::new(
                "reading the state",
                format!("{accounts} accounts, but {names} login names"),
            ));
        }
        Ok(())
    }

    pub(super) fn tables(&self) -> Tables<'_> {
        Tables {
            accounts: &self.accounts,
            login_names: &self.login_names,
            outcomes: &self.outcomes,
            meta: &self.meta,
        }
    }
}

/// All tables of a view, for a snapshot.
pub(super) struct Tables<'v> {
    pub(super) accounts: &'v ReadOnlyTable<[u8; 16], &'static [u8]>,
    pub(super) login_names: &'v ReadOnlyTable<&'static str, [u8; 16]>,
    pub(super) outcomes: &'v ReadOnlyTable<[u8; 16], &'static [u8]>,
    pub(super) meta: &'v ReadOnlyTable<&'static str, &'static [u8]>,
}
