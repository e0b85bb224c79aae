//! Commands, as the log keeps them.

use prost::Message as _;
use quorid_directory::{
    AttributeNumber, Command, Edit, EditAction, Level, Operation, OperatorName, Principal,
    Revision, Selector, Setting, SettingChange, Time, Verifier, VerifierChange,
};
use quorid_storage::{Fault, OrFault as _};

use super::{
    field::{
        client_address, decode_selector, decode_value, decode_verifier, login_name, missing,
        object_id, request_id, selector, value, verifier_text,
    },
    object, proto, schema,
};

const READING_SETTING: &str = "reading a stored change of settings";

/// A command as the log keeps it.
pub fn encode_command(command: &Command) -> Vec<u8> {
    use proto::command::Operation as Kind;
    let operation = match &command.operation {
        Operation::Create {
            id,
            kind,
            edits,
            verifier,
        } => Kind::Create(proto::Create {
            id: id.as_bytes().to_vec(),
            kind: object::kind_message(*kind).into(),
            edits: edits.iter().map(edit_message).collect(),
            verifier: verifier_text(verifier.as_ref()),
        }),
        Operation::Change {
            target,
            expected_version,
            edits,
            verifier,
        } => Kind::Change(proto::ChangeObject {
            target: Some(selector(target)),
            expected_version: expected_version.map_or(0, |version| version.0),
            edits: edits.iter().map(edit_message).collect(),
            verifier: verifier_change(verifier),
        }),
        Operation::Delete {
            target,
            expected_version,
        } => Kind::Delete(proto::Delete {
            target: Some(selector(target)),
            expected_version: expected_version.map_or(0, |version| version.0),
        }),
        Operation::Members {
            group,
            expected_version,
            add,
            remove,
        } => Kind::Members(proto::ChangeMembers {
            group: Some(selector(group)),
            expected_version: expected_version.map_or(0, |version| version.0),
            add: add.iter().map(selector).collect(),
            remove: remove.iter().map(selector).collect(),
        }),
        Operation::Restore { target } => Kind::Restore(selector(target)),
        Operation::Purge { target } => Kind::Purge(selector(target)),
        Operation::FreeName { name } => Kind::FreeName(name.as_str().to_owned()),
        Operation::Configure(changes) => Kind::Configure(proto::Configure {
            changes: changes.iter().map(setting_change_message).collect(),
        }),
        Operation::Revert { revision } => Kind::Revert(proto::Revert {
            revision: revision.0,
        }),
        Operation::DefineAttribute { definition } => {
            Kind::DefineAttribute(schema::row_message(&definition.properties()))
        }
        Operation::RaiseLevel { to } => Kind::RaiseLevel(proto::RaiseLevel { to: to.0 }),
    };
    proto::Command {
        request_id: command.request.as_bytes().to_vec(),
        time_ms: command.time.0,
        client: command.client.as_str().to_owned(),
        principal: Some(principal_message(&command.principal)),
        operation: Some(operation),
        level: command.level().0,
    }
    .encode_to_vec()
}

/// A command in the log, not yet understood: it may be one of a newer server.
pub struct StoredCommand(proto::Command);

impl StoredCommand {
    /// The command that the log kept.
    pub fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let message = proto::Command::decode(bytes).or_fault("reading a stored command")?;
        Ok(Self(message))
    }

    /// The feature level that it needs.
    pub fn needed(&self) -> Level {
        Level(self.0.level).max(Level::BASE)
    }

    /// The leader's clock when it took the command.
    pub fn time(&self) -> Time {
        Time(self.0.time_ms)
    }

    /// What it asks for.
    pub fn decode(self) -> Result<Command, Fault> {
        decode(self.0)
    }
}

/// The command that the log kept.
pub fn decode_command(bytes: &[u8]) -> Result<Command, Fault> {
    StoredCommand::read(bytes)?.decode()
}

fn decode(message: proto::Command) -> Result<Command, Fault> {
    use proto::command::Operation as Kind;
    let operation = match message
        .operation
        .ok_or_else(|| missing("command.operation"))?
    {
        Kind::Create(create) => Operation::Create {
            id: object_id(&create.id)?,
            kind: object::kind(create.kind)?,
            edits: edits(create.edits)?,
            verifier: decode_verifier(create.verifier)?,
        },
        Kind::Change(change) => Operation::Change {
            target: decode_selector(change.target)?,
            expected_version: some_version(change.expected_version),
            edits: edits(change.edits)?,
            verifier: match change.verifier.and_then(|change| change.change) {
                None => VerifierChange::Keep,
                Some(proto::verifier_change::Change::Remove(_)) => VerifierChange::Remove,
                Some(proto::verifier_change::Change::Set(text)) => VerifierChange::Set(
                    Verifier::parse(&text).or_fault("reading a stored verifier")?,
                ),
            },
        },
        Kind::Delete(delete) => Operation::Delete {
            target: decode_selector(delete.target)?,
            expected_version: some_version(delete.expected_version),
        },
        Kind::Members(members) => Operation::Members {
            group: decode_selector(members.group)?,
            expected_version: some_version(members.expected_version),
            add: selectors(members.add)?,
            remove: selectors(members.remove)?,
        },
        Kind::Restore(target) => Operation::Restore {
            target: decode_selector(Some(target))?,
        },
        Kind::Purge(target) => Operation::Purge {
            target: decode_selector(Some(target))?,
        },
        Kind::FreeName(name) => Operation::FreeName {
            name: login_name(&name)?,
        },
        Kind::Configure(configure) => {
            let changes = configure.changes.iter().map(setting_change);
            Operation::Configure(changes.collect::<Result<_, _>>()?)
        }
        Kind::Revert(revert) => Operation::Revert {
            revision: Revision(revert.revision),
        },
        Kind::DefineAttribute(row) => Operation::DefineAttribute {
            definition: schema::definition(row)?,
        },
        Kind::RaiseLevel(raise) => Operation::RaiseLevel {
            to: Level(raise.to),
        },
    };
    Ok(Command {
        request: request_id(&message.request_id)?,
        time: Time(message.time_ms),
        client: client_address(&message.client)?,
        principal: principal(message.principal)?,
        operation,
    })
}

fn setting_change_message(change: &SettingChange) -> proto::SettingChange {
    proto::SettingChange {
        setting: setting_message(change.setting()).into(),
        value: change.value(),
    }
}

pub(super) fn setting_message(setting: Setting) -> proto::Setting {
    match setting {
        Setting::History => proto::Setting::History,
        Setting::HistoryBytes => proto::Setting::HistoryBytes,
        Setting::Tombstones => proto::Setting::Tombstones,
        Setting::ReservedNames => proto::Setting::ReservedNames,
    }
}

pub(super) fn setting(number: i32) -> Result<Setting, Fault> {
    match proto::Setting::try_from(number).or_fault(READING_SETTING)? {
        proto::Setting::History => Ok(Setting::History),
        proto::Setting::HistoryBytes => Ok(Setting::HistoryBytes),
        proto::Setting::Tombstones => Ok(Setting::Tombstones),
        proto::Setting::ReservedNames => Ok(Setting::ReservedNames),
        proto::Setting::Unspecified => Err(missing("setting")),
    }
}

fn setting_change(message: &proto::SettingChange) -> Result<SettingChange, Fault> {
    let setting = setting(message.setting)?;
    SettingChange::new(setting, message.value).or_fault(READING_SETTING)
}

fn principal_message(principal: &Principal) -> proto::Principal {
    use proto::principal::Principal as Kind;
    let principal = match principal {
        Principal::Anyone => Kind::Anyone(proto::Nothing {}),
        Principal::Operator(name) => Kind::Operator(name.as_str().to_owned()),
        Principal::Account { id, password } => Kind::Account(proto::PrincipalAccount {
            id: id.as_bytes().to_vec(),
            password: password.0,
        }),
    };
    proto::Principal {
        principal: Some(principal),
    }
}

fn principal(message: Option<proto::Principal>) -> Result<Principal, Fault> {
    use proto::principal::Principal as Kind;
    let principal = message.and_then(|message| message.principal);
    Ok(match principal.ok_or_else(|| missing("principal"))? {
        Kind::Anyone(_) => Principal::Anyone,
        Kind::Operator(name) => Principal::Operator(OperatorName::of_certificate(&name)),
        Kind::Account(account) => Principal::Account {
            id: object_id(&account.id)?,
            password: Revision(account.password),
        },
    })
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

fn edit_message(edit: &Edit) -> proto::Edit {
    use proto::edit::Action;
    let action = match &edit.action {
        EditAction::Add(_) => Action::Add,
        EditAction::Remove(_) => Action::Remove,
        EditAction::Replace(_) => Action::Replace,
        EditAction::Clear => Action::Clear,
        EditAction::Assign => Action::Assign,
    };
    proto::Edit {
        attribute: edit.attribute.0,
        action: action.into(),
        values: edit.action.values().iter().map(value).collect(),
    }
}

fn edits(messages: Vec<proto::Edit>) -> Result<Vec<Edit>, Fault> {
    messages.into_iter().map(edit).collect()
}

fn edit(message: proto::Edit) -> Result<Edit, Fault> {
    use proto::edit::Action;
    let action = Action::try_from(message.action).or_fault("reading a stored edit")?;
    let values = message.values.into_iter().map(decode_value);
    let values = values.collect::<Result<Vec<_>, _>>()?;
    Ok(Edit {
        attribute: AttributeNumber(message.attribute),
        action: match action {
            Action::Add => EditAction::Add(values),
            Action::Remove => EditAction::Remove(values),
            Action::Replace => EditAction::Replace(values),
            Action::Clear if values.is_empty() => EditAction::Clear,
            Action::Assign if values.is_empty() => EditAction::Assign,
            Action::Clear | Action::Assign => {
                return Err(Fault::new(
                    "reading a stored edit",
                    "values that it does not take",
                ));
            }
            Action::Unspecified => return Err(missing("edit.action")),
        },
    })
}

fn selectors(messages: Vec<proto::Selector>) -> Result<Vec<Selector>, Fault> {
    let selectors = messages.into_iter().map(Some).map(decode_selector);
    selectors.collect()
}

fn some_version(version: u64) -> Option<Revision> {
    (version != 0).then_some(Revision(version))
}
