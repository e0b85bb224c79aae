//! Domain types to the protobuf messages that are kept on disk, and back.
//!
//! Whatever is read was checked before it was written; text that no longer parses means a
//! damaged file or a program older than the data, and is a [`Fault`].

use std::fmt;

use prost::Message as _;
use quorid_directory::{
    Account, AccountId, Change, ClientAddress, Command, Fingerprint, LoginName, Operation, Outcome,
    Proof, RealName, Rejection, RequestId, Revision, Selector, Stamp, Time, Verifier,
    VerifierChange,
};

use super::{Fault, proto};

/// A command as the log keeps it.
pub fn encode_command(command: &Command) -> Vec<u8> {
    let operation = match &command.operation {
        Operation::Create {
            id,
            login_name,
            real_name,
            verifier,
        } => proto::command::Operation::Create(proto::Create {
            id: id.as_bytes().to_vec(),
            login_name: login_name.as_str().to_owned(),
            real_name: real_name.as_str().to_owned(),
            verifier: verifier_text(verifier.as_ref()),
        }),
        Operation::Modify {
            account,
            expected_version,
            proof,
            login_name,
            real_name,
            verifier,
        } => proto::command::Operation::Modify(proto::Modify {
            account: Some(selector(account)),
            expected_version: expected_version.map_or(0, |version| version.0),
            proof: Some(self::proof(proof)),
            login_name: login_name
                .as_ref()
                .map_or_else(String::new, |n| n.as_str().to_owned()),
            real_name: real_name
                .as_ref()
                .map_or_else(String::new, |n| n.as_str().to_owned()),
            verifier: verifier_change(verifier),
        }),
        Operation::Delete {
            account,
            expected_version,
            proof,
        } => proto::command::Operation::Delete(proto::Delete {
            account: Some(selector(account)),
            expected_version: expected_version.map_or(0, |version| version.0),
            proof: Some(self::proof(proof)),
        }),
    };
    proto::Command {
        request_id: command.request.as_bytes().to_vec(),
        time_ms: command.time.0,
        client: command.client.as_str().to_owned(),
        operation: Some(operation),
    }
    .encode_to_vec()
}

/// The command that the log kept.
pub fn decode_command(bytes: &[u8]) -> Result<Command, Fault> {
    let message = proto::Command::decode(bytes).map_err(damaged("command"))?;
    let operation = match message
        .operation
        .ok_or_else(|| missing("command.operation"))?
    {
        proto::command::Operation::Create(create) => Operation::Create {
            id: account_id(&create.id)?,
            login_name: login_name(&create.login_name)?,
            real_name: real_name(&create.real_name)?,
            verifier: decode_verifier(create.verifier)?,
        },
        proto::command::Operation::Modify(modify) => Operation::Modify {
            account: decode_selector(modify.account)?,
            expected_version: some_version(modify.expected_version),
            proof: decode_proof(modify.proof)?,
            login_name: unless_empty(&modify.login_name, login_name)?,
            real_name: unless_empty(&modify.real_name, real_name)?,
            verifier: match modify.verifier.and_then(|change| change.change) {
                None => VerifierChange::Keep,
                Some(proto::verifier_change::Change::Remove(_)) => VerifierChange::Remove,
                Some(proto::verifier_change::Change::Set(text)) => {
                    VerifierChange::Set(Verifier::parse(&text).map_err(damaged("verifier"))?)
                }
            },
        },
        proto::command::Operation::Delete(delete) => Operation::Delete {
            account: decode_selector(delete.account)?,
            expected_version: some_version(delete.expected_version),
            proof: decode_proof(delete.proof)?,
        },
    };
    Ok(Command {
        request: request_id(&message.request_id)?,
        time: Time(message.time_ms),
        client: client_address(&message.client)?,
        operation,
    })
}

pub(super) fn encode_account(account: &Account) -> Vec<u8> {
    account_message(account).encode_to_vec()
}

pub(super) fn decode_account(bytes: &[u8]) -> Result<Account, Fault> {
    account(proto::Account::decode(bytes).map_err(damaged("account"))?)
}

pub(super) fn encode_outcome(outcome: &Outcome) -> Vec<u8> {
    let result = match &outcome.result {
        Ok(Change::Created(account)) => proto::outcome::Result::Created(account_message(account)),
        Ok(Change::Modified(account)) => proto::outcome::Result::Modified(account_message(account)),
        Ok(Change::Deleted(account)) => proto::outcome::Result::Deleted(account_message(account)),
        Err(rejection) => proto::outcome::Result::Rejection(rejection_message(rejection)),
    };
    proto::Outcome {
        fingerprint: outcome.fingerprint.as_bytes().to_vec(),
        revision: outcome.revision.0,
        result: Some(result),
    }
    .encode_to_vec()
}

pub(super) fn decode_outcome(bytes: &[u8]) -> Result<Outcome, Fault> {
    let message = proto::Outcome::decode(bytes).map_err(damaged("outcome"))?;
    let result = match message.result.ok_or_else(|| missing("outcome.result"))? {
        proto::outcome::Result::Created(it) => Ok(Change::Created(account(it)?)),
        proto::outcome::Result::Modified(it) => Ok(Change::Modified(account(it)?)),
        proto::outcome::Result::Deleted(it) => Ok(Change::Deleted(account(it)?)),
        proto::outcome::Result::Rejection(it) => Err(rejection(it)?),
    };
    Ok(Outcome {
        fingerprint: Fingerprint::from_bytes(sixteen(&message.fingerprint, "fingerprint")?),
        revision: Revision(message.revision),
        result,
    })
}

fn account_message(account: &Account) -> proto::Account {
    proto::Account {
        id: account.id.as_bytes().to_vec(),
        login_name: account.login_name.as_str().to_owned(),
        real_name: account.real_name.as_str().to_owned(),
        created: Some(stamp_message(&account.created)),
        changed: Some(stamp_message(&account.changed)),
        version: account.version.0,
        verifier: verifier_text(account.verifier.as_ref()),
        verifier_version: account.verifier_version.0,
    }
}

fn account(message: proto::Account) -> Result<Account, Fault> {
    Ok(Account {
        id: account_id(&message.id)?,
        login_name: login_name(&message.login_name)?,
        real_name: real_name(&message.real_name)?,
        created: stamp(message.created)?,
        changed: stamp(message.changed)?,
        version: Revision(message.version),
        verifier: decode_verifier(message.verifier)?,
        verifier_version: Revision(message.verifier_version),
    })
}

fn rejection_message(rejection: &Rejection) -> proto::Rejection {
    use proto::rejection::Rejection as Kind;
    let kind = match rejection {
        Rejection::LoginNameTaken { login_name, holder } => {
            Kind::LoginNameTaken(proto::LoginNameTaken {
                login_name: login_name.as_str().to_owned(),
                holder: holder.as_bytes().to_vec(),
            })
        }
        Rejection::AccountNotFound { account } => Kind::AccountNotFound(selector(account)),
        Rejection::VersionMismatch {
            account,
            expected,
            actual,
        } => Kind::VersionMismatch(proto::VersionMismatch {
            account: account.as_bytes().to_vec(),
            expected: expected.0,
            actual: actual.0,
        }),
        Rejection::PasswordNeeded { account } => Kind::PasswordNeeded(account.as_bytes().to_vec()),
        Rejection::PasswordChanged { account } => {
            Kind::PasswordChanged(account.as_bytes().to_vec())
        }
        Rejection::RequestExpired { time, floor } => Kind::RequestExpired(proto::RequestExpired {
            time_ms: time.0,
            floor_ms: floor.0,
        }),
        Rejection::RequestReused { request } => Kind::RequestReused(request.as_bytes().to_vec()),
        Rejection::RequestFromFuture { time, now } => {
            Kind::RequestFromFuture(proto::RequestFromFuture {
                time_ms: time.0,
                now_ms: now.0,
            })
        }
    };
    proto::Rejection {
        rejection: Some(kind),
    }
}

fn rejection(message: proto::Rejection) -> Result<Rejection, Fault> {
    use proto::rejection::Rejection as Kind;
    Ok(
        match message.rejection.ok_or_else(|| missing("rejection"))? {
            Kind::LoginNameTaken(it) => Rejection::LoginNameTaken {
                login_name: login_name(&it.login_name)?,
                holder: account_id(&it.holder)?,
            },
            Kind::AccountNotFound(it) => Rejection::AccountNotFound {
                account: decode_selector(Some(it))?,
            },
            Kind::VersionMismatch(it) => Rejection::VersionMismatch {
                account: account_id(&it.account)?,
                expected: Revision(it.expected),
                actual: Revision(it.actual),
            },
            Kind::PasswordNeeded(id) => Rejection::PasswordNeeded {
                account: account_id(&id)?,
            },
            Kind::PasswordChanged(id) => Rejection::PasswordChanged {
                account: account_id(&id)?,
            },
            Kind::RequestExpired(it) => Rejection::RequestExpired {
                time: Time(it.time_ms),
                floor: Time(it.floor_ms),
            },
            Kind::RequestReused(id) => Rejection::RequestReused {
                request: request_id(&id)?,
            },
            Kind::RequestFromFuture(it) => Rejection::RequestFromFuture {
                time: Time(it.time_ms),
                now: Time(it.now_ms),
            },
        },
    )
}

fn selector(selector: &Selector) -> proto::Selector {
    let selector = match selector {
        Selector::Id(id) => proto::selector::Selector::Id(id.as_bytes().to_vec()),
        Selector::LoginName(name) => proto::selector::Selector::LoginName(name.as_str().to_owned()),
    };
    proto::Selector {
        selector: Some(selector),
    }
}

fn decode_selector(message: Option<proto::Selector>) -> Result<Selector, Fault> {
    match message
        .and_then(|it| it.selector)
        .ok_or_else(|| missing("selector"))?
    {
        proto::selector::Selector::Id(id) => Ok(Selector::Id(account_id(&id)?)),
        proto::selector::Selector::LoginName(name) => Ok(Selector::LoginName(login_name(&name)?)),
    }
}

fn proof(proof: &Proof) -> proto::Proof {
    let proof = match proof {
        Proof::Operator => proto::proof::Proof::Operator(proto::Nothing {}),
        Proof::NotNeeded => proto::proof::Proof::NotNeeded(proto::Nothing {}),
        Proof::Password { verifier_version } => proto::proof::Proof::Password(verifier_version.0),
    };
    proto::Proof { proof: Some(proof) }
}

fn decode_proof(message: Option<proto::Proof>) -> Result<Proof, Fault> {
    Ok(
        match message
            .and_then(|it| it.proof)
            .ok_or_else(|| missing("proof"))?
        {
            proto::proof::Proof::Operator(_) => Proof::Operator,
            proto::proof::Proof::NotNeeded(_) => Proof::NotNeeded,
            proto::proof::Proof::Password(version) => Proof::Password {
                verifier_version: Revision(version),
            },
        },
    )
}

fn verifier_change(change: &VerifierChange) -> Option<proto::VerifierChange> {
    let change = match change {
        VerifierChange::Keep => return None,
        VerifierChange::Set(verifier) => {
            proto::verifier_change::Change::Set(verifier.as_str().to_owned())
        }
        VerifierChange::Remove => proto::verifier_change::Change::Remove(proto::Nothing {}),
    };
    Some(proto::VerifierChange {
        change: Some(change),
    })
}

fn stamp_message(stamp: &Stamp) -> proto::Stamp {
    proto::Stamp {
        time_ms: stamp.time.0,
        client: stamp.client.as_str().to_owned(),
    }
}

fn stamp(message: Option<proto::Stamp>) -> Result<Stamp, Fault> {
    let message = message.ok_or_else(|| missing("stamp"))?;
    Ok(Stamp {
        time: Time(message.time_ms),
        client: client_address(&message.client)?,
    })
}

fn verifier_text(verifier: Option<&Verifier>) -> String {
    verifier.map_or_else(String::new, |verifier| verifier.as_str().to_owned())
}

fn decode_verifier(text: String) -> Result<Option<Verifier>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    Verifier::parse(&text)
        .map(Some)
        .map_err(damaged("verifier"))
}

fn unless_empty<T>(
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    if text.is_empty() {
        Ok(None)
    } else {
        parse(text).map(Some)
    }
}

fn some_version(version: u64) -> Option<Revision> {
    (version != 0).then_some(Revision(version))
}

fn login_name(text: &str) -> Result<LoginName, Fault> {
    LoginName::from_stored(text.to_owned()).map_err(damaged("login name"))
}

fn real_name(text: &str) -> Result<RealName, Fault> {
    RealName::from_stored(text.to_owned()).map_err(damaged("real name"))
}

fn client_address(text: &str) -> Result<ClientAddress, Fault> {
    ClientAddress::parse(text).map_err(damaged("client address"))
}

pub(super) fn account_id(bytes: &[u8]) -> Result<AccountId, Fault> {
    Ok(AccountId::from_bytes(sixteen(bytes, "account id")?))
}

pub(super) fn request_id(bytes: &[u8]) -> Result<RequestId, Fault> {
    RequestId::from_bytes(sixteen(bytes, "request id")?).map_err(damaged("request id"))
}

fn sixteen(bytes: &[u8], what: &'static str) -> Result<[u8; 16], Fault> {
    bytes.try_into().map_err(|_| {
        Fault::new(
            format!("reading a {what}"),
            format!("{} bytes, not 16", bytes.len()),
        )
    })
}

pub(super) fn damaged<E: fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Fault {
    move |error| Fault::new(format!("reading a stored {what}"), error)
}

fn missing(field: &'static str) -> Fault {
    Fault::new(format!("reading {field}"), "it is missing")
}
