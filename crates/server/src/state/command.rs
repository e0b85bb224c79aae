//! Commands, as the log keeps them.

use prost::Message as _;
use quorid_directory::{Command, Operation, Proof, Revision, Time, Verifier, VerifierChange};
use quorid_storage::{Fault, OrFault as _};

use super::{
    field::{
        account_id, client_address, decode_selector, decode_verifier, login_name, missing,
        real_name, request_id, selector, verifier_text,
    },
    proto,
};

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
    let message = proto::Command::decode(bytes).or_fault("reading a stored command")?;
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
                Some(proto::verifier_change::Change::Set(text)) => VerifierChange::Set(
                    Verifier::parse(&text).or_fault("reading a stored verifier")?,
                ),
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
