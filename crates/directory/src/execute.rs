//! The rules of accounts: what an operation changes, or why it mustn't.

use crate::command::{Operation, Proof, Selector, VerifierChange};
use crate::event::{Change, Event};
use crate::id::AccountId;
use crate::model::{Account, Revision, Stamp};
use crate::name::LoginName;
use crate::planted::{PlantedBug, is_planted};
use crate::rejection::Rejection;
use crate::view::View;

/// What is done, and the event if that changes anything.
pub(crate) type Executed = (Change, Option<Event>);

/// Why nothing is done.
#[derive(Debug)]
pub(crate) enum Stopped<E> {
    /// The rules say no.
    Rejected(Rejection),
    /// The state couldn't be read.
    Unread(E),
}

impl<E> From<E> for Stopped<E> {
    fn from(error: E) -> Self {
        Self::Unread(error)
    }
}

/// Executes an operation on paper, as of a time and for a client.
pub(crate) fn execute<V: View>(
    view: &V,
    revision: Revision,
    stamp: Stamp,
    operation: &Operation,
) -> Result<Executed, Stopped<V::Error>> {
    match operation {
        Operation::Create {
            id,
            login_name,
            real_name,
            verifier,
        } => {
            let account = Account {
                id: *id,
                login_name: login_name.clone(),
                real_name: real_name.clone(),
                created: stamp.clone(),
                changed: stamp,
                version: revision,
                verifier: verifier.clone(),
                verifier_version: verifier.as_ref().map_or(Revision(0), |_| revision),
            };
            create(view, account)
        }
        Operation::Modify {
            account,
            expected_version,
            proof,
            login_name,
            real_name,
            verifier,
        } => {
            let before = permitted(view, account, *expected_version, *proof)?;
            let mut after = before.clone();
            if let Some(name) = login_name {
                after.login_name = name.clone();
            }
            if let Some(name) = real_name {
                after.real_name = name.clone();
            }
            match verifier {
                VerifierChange::Keep => {}
                VerifierChange::Set(verifier) => after.verifier = Some(verifier.clone()),
                VerifierChange::Remove => after.verifier = None,
            }
            modify(view, revision, stamp, before, after)
        }
        Operation::Delete {
            account,
            expected_version,
            proof,
        } => permitted(view, account, *expected_version, *proof).map(delete),
    }
}

fn create<V: View>(view: &V, account: Account) -> Result<Executed, Stopped<V::Error>> {
    check_free(view, &account.login_name)?;
    let event = Event::AccountCreated(account.clone());
    Ok((Change::Created(account), Some(event)))
}

/// `after` is `before` with what was asked for; a difference gives it its version and stamp.
fn modify<V: View>(
    view: &V,
    revision: Revision,
    stamp: Stamp,
    before: Account,
    mut after: Account,
) -> Result<Executed, Stopped<V::Error>> {
    if after == before {
        return Ok((Change::Modified(before), None));
    }
    if after.login_name != before.login_name && !is_planted(PlantedBug::RenameSkipsUniqueness) {
        check_free(view, &after.login_name)?;
    }
    if after.verifier != before.verifier {
        after.verifier_version = revision;
    }
    if is_planted(PlantedBug::UuidChanges) {
        let stamped = after.id.uuid().as_u128() ^ u128::from(revision.0);
        after.id = AccountId::from_bytes(stamped.to_be_bytes());
    }
    after.version = revision;
    after.changed = stamp;
    let event = Event::AccountModified {
        before_login: before.login_name,
        after: after.clone(),
    };
    Ok((Change::Modified(after), Some(event)))
}

fn delete(account: Account) -> Executed {
    let event = Event::AccountDeleted {
        id: account.id,
        login_name: account.login_name.clone(),
    };
    (Change::Deleted(account), Some(event))
}

/// The account that is to be changed, if it is there, as expected, and the client may.
fn permitted<V: View>(
    view: &V,
    selector: &Selector,
    expected_version: Option<Revision>,
    proof: Proof,
) -> Result<Account, Stopped<V::Error>> {
    let Some(account) = select(view, selector)? else {
        let account = selector.clone();
        return Err(Stopped::Rejected(Rejection::AccountNotFound { account }));
    };
    check_version(&account, expected_version)
        .and_then(|()| check_proof(&account, proof))
        .map_err(Stopped::Rejected)?;
    Ok(account)
}

fn select<V: View>(view: &V, selector: &Selector) -> Result<Option<Account>, V::Error> {
    match selector {
        Selector::Id(id) => view.account(id),
        Selector::LoginName(name) => {
            let Some(id) = view.account_id(name)? else {
                return Ok(None);
            };
            let account = view.account(&id)?;
            assert!(
                account.is_some(),
                "login name `{name}` leads to account {id}, which isn't there"
            );
            Ok(account)
        }
    }
}

fn check_version(account: &Account, expected: Option<Revision>) -> Result<(), Rejection> {
    match expected {
        Some(expected) if expected != account.version => Err(Rejection::VersionMismatch {
            account: account.id,
            expected,
            actual: account.version,
        }),
        Some(_) | None => Ok(()),
    }
}

fn check_proof(account: &Account, proof: Proof) -> Result<(), Rejection> {
    let account_id = account.id;
    match proof {
        Proof::Operator => Ok(()),
        Proof::NotNeeded if account.verifier.is_none() => Ok(()),
        Proof::NotNeeded => Err(Rejection::PasswordNeeded {
            account: account_id,
        }),
        Proof::Password { verifier_version }
            if account.verifier.is_some() && account.verifier_version == verifier_version =>
        {
            Ok(())
        }
        Proof::Password { .. } => Err(Rejection::PasswordChanged {
            account: account_id,
        }),
    }
}

fn check_free<V: View>(view: &V, name: &LoginName) -> Result<(), Stopped<V::Error>> {
    match view.account_id(name)? {
        Some(holder) => Err(Stopped::Rejected(Rejection::LoginNameTaken {
            login_name: name.clone(),
            holder,
        })),
        None => Ok(()),
    }
}
