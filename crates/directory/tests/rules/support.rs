//! Short ways to make commands and to see what they do.

use quorid_directory::{
    Accepted, AttributeNumber, Change, ClientAddress, Command, Done, Edit, Event, GroupName, Kind,
    LOGIN_NAME, LoginName, MemoryDirectory, Object, ObjectId, Operation, OperatorName, Outcome,
    Principal, REAL_NAME, Rejection, RequestId, Retention, Revision, Schema, Selector, Setting,
    SettingChange, Time, UniqueKey, Value, Verifier, VerifierChange, decide_with,
};

/// When tests begin, ms.
pub(crate) const START: u64 = 1_700_000_000_000;

pub(crate) fn account_id(number: u8) -> ObjectId {
    ObjectId::from_bytes([number; 16])
}

/// A request of who has seen nothing yet: another one for each pair of numbers.
pub(crate) fn request_at(ms: u64, salt: u8) -> RequestId {
    RequestId::new(Revision(0), (ms << 10) | u64::from(salt))
}

/// A request of who has seen this revision; requests of one revision differ by `salt`.
pub(crate) fn request_seen(revision: u64, salt: u8) -> RequestId {
    RequestId::new(Revision(revision), u64::from(salt))
}

pub(crate) fn login(text: &str) -> LoginName {
    LoginName::parse(text).expect("a login name")
}

/// The value of an attribute that a text means.
pub(crate) fn value(name: &str, text: &str) -> Value {
    let row = Schema::builtin().by_name(name);
    let syntax = row.expect("an attribute").syntax;
    syntax.parse(text).expect("a value")
}

pub(crate) fn number(name: &str) -> AttributeNumber {
    let row = Schema::builtin().by_name(name);
    row.expect("an attribute").number
}

/// The attribute has this value and no other.
pub(crate) fn set(name: &str, text: &str) -> Edit {
    Edit::set(number(name), value(name, text))
}

pub(crate) fn verifier(salt: &str) -> Verifier {
    Verifier::parse(&format!("$argon2id${salt}")).expect("a verifier")
}

pub(crate) fn by_login(text: &str) -> Selector {
    Selector::LoginName(login(text))
}

pub(crate) fn by_group_name(text: &str) -> Selector {
    Selector::GroupName(GroupName::parse(text).expect("a group's name"))
}

pub(crate) fn create_group(id: u8, name: &str) -> Operation {
    Operation::Create {
        id: account_id(id),
        kind: Kind::Group,
        edits: vec![set("group_name", name)],
        verifier: None,
    }
}

pub(crate) fn members(group: &str, add: Vec<Selector>, remove: Vec<Selector>) -> Operation {
    Operation::Members {
        group: by_group_name(group),
        expected_version: None,
        add,
        remove,
    }
}

pub(crate) fn create(id: u8, name: &str) -> Operation {
    create_with(id, names(name, "Someone"), None)
}

pub(crate) fn create_with_password(id: u8, name: &str, salt: &str) -> Operation {
    let names = names(name, "Someone");
    create_with(id, names, Some(verifier(salt)))
}

pub(crate) fn create_with(id: u8, edits: Vec<Edit>, verifier: Option<Verifier>) -> Operation {
    Operation::Create {
        id: account_id(id),
        kind: Kind::Person,
        edits,
        verifier,
    }
}

/// What every account has.
pub(crate) fn names(login_name: &str, real_name: &str) -> Vec<Edit> {
    vec![
        Edit::set(LOGIN_NAME, value("login_name", login_name)),
        Edit::set(REAL_NAME, value("real_name", real_name)),
    ]
}

pub(crate) fn change(target: Selector, edits: Vec<Edit>) -> Operation {
    Operation::Change {
        target,
        expected_version: None,
        edits,
        verifier: VerifierChange::Keep,
    }
}

pub(crate) fn rename(target: Selector, to: &str) -> Operation {
    change(target, vec![set("login_name", to)])
}

pub(crate) fn set_real_name(
    target: Selector,
    expected_version: Option<u64>,
    to: &str,
) -> Operation {
    Operation::Change {
        target,
        expected_version: expected_version.map(Revision),
        edits: vec![set("real_name", to)],
        verifier: VerifierChange::Keep,
    }
}

pub(crate) fn change_verifier(target: Selector, verifier: VerifierChange) -> Operation {
    Operation::Change {
        target,
        expected_version: None,
        edits: Vec::new(),
        verifier,
    }
}

pub(crate) fn delete(target: Selector) -> Operation {
    Operation::Delete {
        target,
        expected_version: None,
    }
}

pub(crate) fn restore(target: Selector) -> Operation {
    Operation::Restore { target }
}

pub(crate) fn purge(target: Selector) -> Operation {
    Operation::Purge { target }
}

pub(crate) fn free_name(name: &str) -> Operation {
    let name = login(name);
    Operation::FreeName { name }
}

/// How long deleted objects can be restored, and names stay reserved that nobody has.
pub(crate) fn keep(tombstones_ms: u64, reserved_names_ms: u64) -> Vec<SettingChange> {
    let settings = [
        (Setting::Tombstones, tombstones_ms),
        (Setting::ReservedNames, reserved_names_ms),
    ];
    let change = |(setting, ms)| SettingChange::new(setting, Some(ms)).expect("within bounds");
    settings.map(change).to_vec()
}

pub(crate) fn operator() -> Principal {
    Principal::Operator(OperatorName::of_certificate("olga"))
}

/// Whoever knows the password that this revision set.
pub(crate) fn who_knows(account: u8, password: u64) -> Principal {
    Principal::Account {
        id: account_id(account),
        password: Revision(password),
    }
}

/// What an operator asks.
pub(crate) fn command(request: RequestId, ms: u64, operation: Operation) -> Command {
    Command {
        principal: operator(),
        request,
        time: Time(START + ms),
        client: ClientAddress::parse("192.0.2.1").expect("an address"),
        operation,
    }
}

/// What became of the object that a command is about.
pub(crate) fn changed(outcome: Outcome) -> Result<Change, Rejection> {
    outcome.result.map(|accepted| match accepted {
        Accepted::Object(change) => change,
        Accepted::Directory => panic!("no object was changed"),
    })
}

/// What was done to which object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) done: Done,
    pub(crate) object: Object,
}

/// A directory whose log can be added to.
pub(crate) struct Log {
    pub(crate) directory: MemoryDirectory,
    pub(crate) retention: Retention,
    pub(crate) revision: u64,
    /// The object that the last command was about, where it was executed.
    pub(crate) object: Option<Object>,
    /// Events of the last command.
    pub(crate) events: Vec<Event>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self::with(Retention::STANDARD)
    }

    pub(crate) fn with(retention: Retention) -> Self {
        Self {
            directory: MemoryDirectory::new(),
            retention,
            revision: 0,
            object: None,
            events: Vec::new(),
        }
    }

    /// What is deleted or given up is free at once.
    pub(crate) fn that_keeps_nothing(mut self) -> Self {
        for change in keep(0, 0) {
            self.directory.apply(&Event::SettingChanged(change));
        }
        self
    }

    pub(crate) fn execute(&mut self, command: &Command) -> Outcome {
        self.revision += 1;
        let revision = Revision(self.revision);
        let Ok(decision) = decide_with(&self.retention, &self.directory, revision, command);
        for event in &decision.events {
            self.directory.apply(event);
        }
        self.events = decision.events;
        self.object = decision.object;
        decision.outcome
    }

    /// A new request of an operator, 1 ms after the one before.
    pub(crate) fn run(&mut self, operation: Operation) -> Result<Made, Rejection> {
        self.run_as(&operator(), operation)
    }

    /// The same, of somebody else.
    pub(crate) fn run_as(
        &mut self,
        principal: &Principal,
        operation: Operation,
    ) -> Result<Made, Rejection> {
        let ms = self.revision + 1;
        let command = Command {
            principal: principal.clone(),
            ..command(request_at(ms, 0), ms, operation)
        };
        self.made(&command)
    }

    /// What a command comes to, with the object that it is about.
    pub(crate) fn made(&mut self, command: &Command) -> Result<Made, Rejection> {
        let change = changed(self.execute(command))?;
        let object = self.object.clone().expect("a new request");
        assert_eq!(
            (change.kind, change.id, change.version),
            (object.kind, object.id, object.version)
        );
        Ok(Made {
            done: change.done,
            object,
        })
    }

    pub(crate) fn login_names(&self) -> Vec<(&str, ObjectId)> {
        let unique = self.directory.unique().iter();
        let has = |unique: &UniqueKey, id| {
            let object = self.directory.objects().get(id);
            object.is_some_and(|it| it.login_name().as_bytes() == unique.key)
        };
        unique
            .filter(|(unique, id)| unique.attribute == LOGIN_NAME && has(unique, id))
            .map(|(unique, id)| (str::from_utf8(&unique.key).expect("text"), *id))
            .collect()
    }
}
