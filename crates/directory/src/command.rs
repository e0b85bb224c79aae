//! What is asked of the directory, as it is replicated.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::definition::{Definition, Properties};
use crate::deleted::Tombstone;
use crate::edit::{Edit, EditAction};
use crate::id::{ObjectId, RequestId};
use crate::level::Level;
use crate::model::{Actor, ClientAddress, OperatorName, Revision, Time, Verifier};
use crate::name::{GroupName, LoginName};
use crate::object::{Kind, Object, UniqueKey};
use crate::rejection::Rejection;
use crate::schema::GROUP_NAME;
use crate::settings::SettingChange;
use crate::syntax::Syntax;
use crate::value::Value;

/// One write: an operation, who asks, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Made by the client, the same for all its retries.
    pub request: RequestId,
    /// The leader's clock when it took the command.
    pub time: Time,
    /// The address of the client.
    pub client: ClientAddress,
    /// Who asks.
    pub principal: Principal,
    /// The operation that the command asks for.
    pub operation: Operation,
}

/// A change that a command can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A new object.
    Create {
        /// Made by the leader: never used before.
        id: ObjectId,
        /// The kind of the object, which never changes.
        kind: Kind,
        /// Its attributes.
        edits: Vec<Edit>,
        /// None: an account without a password.
        verifier: Option<Verifier>,
    },
    /// Other attributes or another password of an object; what is not named stays.
    Change {
        /// The object that is meant.
        target: Selector,
        /// Only if it is still at this version; None: whatever its version.
        expected_version: Option<Revision>,
        /// All of them are made, or none.
        edits: Vec<Edit>,
        /// The new password.
        verifier: VerifierChange,
    },
    /// No such object any more. For a while it can be restored.
    Delete {
        /// The object that is meant.
        target: Selector,
        /// Only if it is still at this version; None: whatever its version.
        expected_version: Option<Revision>,
    },
    /// Other members of a group.
    Members {
        /// The group that is meant.
        group: Selector,
        /// Only if it is still at this version; None: whatever its version.
        expected_version: Option<Revision>,
        /// These are members afterwards.
        add: Vec<Selector>,
        /// These are not.
        remove: Vec<Selector>,
    },
    /// A deleted object is there again.
    Restore {
        /// The deleted object that is meant.
        target: Selector,
    },
    /// Nothing is left of a deleted object.
    Purge {
        /// The deleted object that is meant.
        target: Selector,
    },
    /// A reserved login name is free before its time.
    FreeName {
        /// Which.
        name: LoginName,
    },
    /// One change undone, if nothing later stands against it.
    Revert {
        /// The revision of the change.
        revision: Revision,
    },
    /// Other settings of the directory.
    Configure(Vec<SettingChange>),
    /// One more attribute in the schema.
    DefineAttribute {
        /// All of it but its number.
        definition: Definition,
    },
    /// Commands may use the features of this level from now on.
    RaiseLevel {
        /// Not below the one that the directory is at.
        to: Level,
    },
}

/// How a request names an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// The account with this id.
    Id(ObjectId),
    /// By its login name, as of when the command is executed.
    LoginName(LoginName),
    /// The group with this id.
    GroupId(ObjectId),
    /// By its name, as of when the command is executed.
    GroupName(GroupName),
}

impl Selector {
    /// Whether objects of a kind can be named like this.
    pub fn names(&self, kind: Kind) -> bool {
        match self {
            Self::Id(_) | Self::LoginName(_) => kind.is_account(),
            Self::GroupId(_) | Self::GroupName(_) => kind == Kind::Group,
        }
    }

    /// The kind of objects that it names; of accounts, persons.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Id(_) | Self::LoginName(_) => Kind::Person,
            Self::GroupId(_) | Self::GroupName(_) => Kind::Group,
        }
    }

    /// Whether an object that it leads to is the one that it names.
    fn is_of(&self, object: &Object) -> bool {
        match self {
            Self::Id(_) | Self::GroupId(_) => true,
            Self::LoginName(name) => object.login_name() == name.as_str(),
            Self::GroupName(name) => {
                let key = UniqueKey::group_name(name);
                let mut keys = object.values(GROUP_NAME).iter();
                keys.any(|has| Syntax::GroupName.key(has) == key.key)
            }
        }
    }

    /// The deleted object that it names, if it can still be restored and is of the kind that is meant.
    /// `holder` gives the id of the object that has a unique value, `tombstone` what is left of the one of an id.
    pub fn find_deleted<E>(
        &self,
        holder: impl FnOnce(&UniqueKey) -> Result<Option<ObjectId>, E>,
        tombstone: impl FnOnce(&ObjectId) -> Result<Option<Tombstone>, E>,
    ) -> Result<Result<Tombstone, Rejection>, E> {
        let mut found = None;
        let object = self.find(holder, |id| {
            found = tombstone(id)?;
            Ok(found.as_ref().map(|it| it.object.clone()))
        })?;
        Ok(match (object, found) {
            (Ok(_), Some(tombstone)) => Ok(tombstone),
            (Err(rejection @ Rejection::WrongKind { .. }), _) => Err(rejection),
            (Ok(_) | Err(_), _) => Err(Rejection::NotDeleted {
                object: self.clone(),
            }),
        })
    }

    /// The object that it names, if it is there and of the kind that is meant. `holder` gives the id
    /// of the object that has a unique value, `object` the object of an id.
    pub fn find<E>(
        &self,
        holder: impl FnOnce(&UniqueKey) -> Result<Option<ObjectId>, E>,
        object: impl FnOnce(&ObjectId) -> Result<Option<Object>, E>,
    ) -> Result<Result<Object, Rejection>, E> {
        let held = match self {
            Self::Id(_) | Self::GroupId(_) => None,
            Self::LoginName(name) => holder(&UniqueKey::login_name(name))?,
            Self::GroupName(name) => holder(&UniqueKey::group_name(name))?,
        };
        let found = match (self, &held) {
            (Self::Id(id) | Self::GroupId(id), _) | (_, Some(id)) => object(id)?,
            (_, None) => None,
        };
        // A name may stay the one's who had it last.
        let found = found.filter(|object| self.is_of(object));
        Ok(match found {
            None => Err(Rejection::NotFound {
                object: self.clone(),
            }),
            Some(object) if self.names(object.kind) => Ok(object),
            Some(object) => Err(Rejection::WrongKind {
                id: object.id,
                expected: self.kind(),
                actual: object.kind,
            }),
        })
    }
}

/// `account 0189...` or `` login name `ana` ``: for messages.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "account {id}"),
            Self::LoginName(name) => write!(f, "login name `{name}`"),
            Self::GroupId(id) => write!(f, "group {id}"),
            Self::GroupName(name) => write!(f, "group `{name}`"),
        }
    }
}

/// Who asks for something, and what was checked of them. A right is looked up when the command is
/// executed, so one that was taken away holds no longer for what comes after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// Nobody has shown who they are: in an open directory, strangers may do something too.
    Anyone,
    /// By an operator's certificate.
    Operator(OperatorName),
    /// By an account's password. Passwords are checked before a command is made, against the
    /// verifier at that time; so the command says which one it was.
    Account {
        /// The account.
        id: ObjectId,
        /// The password was the one that this revision set.
        password: Revision,
    },
}

impl Principal {
    /// Who it is, without what was checked.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Anyone => Actor::Anyone,
            Self::Operator(name) => Actor::Operator(name.clone()),
            Self::Account { id, .. } => Actor::Account(*id),
        }
    }
}

/// Whether the password verifier is kept, set or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifierChange {
    /// Stays as it is.
    Keep,
    /// Becomes this one.
    Set(Verifier),
    /// The account has no password any more.
    Remove,
}

/// What a client asked for, in 16 bytes (of SHA-256). It distinguishes a retry from another request
/// that was given the same request id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The fingerprint of these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Command {
    /// Of what the client asked, and of nothing that a retry of it changes: not the leader's
    /// time and account id, not who asks and what they proved, not the verifier (salted anew each
    /// time), not the client's address (it may have moved).
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = FieldHash::new();
        match &self.operation {
            Operation::Create {
                id: _,
                kind,
                edits,
                verifier,
            } => {
                hash.tag(1);
                hash.tag(kind.byte());
                hash.edits(edits);
                hash.tag(u8::from(verifier.is_some()));
            }
            Operation::Change {
                target,
                expected_version,
                edits,
                verifier,
            } => {
                hash.tag(2);
                hash.selector(target);
                hash.version(*expected_version);
                hash.edits(edits);
                hash.tag(match verifier {
                    VerifierChange::Keep => 0,
                    VerifierChange::Set(_) => 1,
                    VerifierChange::Remove => 2,
                });
            }
            Operation::Delete {
                target,
                expected_version,
            } => {
                hash.tag(3);
                hash.selector(target);
                hash.version(*expected_version);
            }
            Operation::Members {
                group,
                expected_version,
                add,
                remove,
            } => {
                hash.tag(4);
                hash.selector(group);
                hash.version(*expected_version);
                for members in [add, remove] {
                    hash.length(members.len());
                    for member in members {
                        hash.selector(member);
                    }
                }
            }
            Operation::Configure(changes) => {
                hash.tag(6);
                hash.length(changes.len());
                for change in changes {
                    hash.text(change.setting().as_str());
                    hash.tag(u8::from(change.value().is_some()));
                    hash.number(change.value().unwrap_or_default());
                }
            }
            Operation::Restore { target } => {
                hash.tag(7);
                hash.selector(target);
            }
            Operation::Purge { target } => {
                hash.tag(8);
                hash.selector(target);
            }
            Operation::FreeName { name } => {
                hash.tag(9);
                hash.text(name.as_str());
            }
            Operation::Revert { revision } => {
                hash.tag(11);
                hash.number(revision.0);
            }
            Operation::DefineAttribute { definition } => {
                hash.tag(5);
                hash.properties(&definition.properties());
            }
            Operation::RaiseLevel { to } => {
                hash.tag(12);
                hash.0.update(to.0.to_be_bytes());
            }
        }
        hash.finish()
    }
}

/// Tags and lengths separate the fields, so that no two lists of fields hash the same
/// bytes. Outcomes are persisted with fingerprints: neither order nor tags may change.
struct FieldHash(Sha256);

impl FieldHash {
    fn new() -> Self {
        Self(Sha256::new_with_prefix(b"quorid request 2\n"))
    }

    fn tag(&mut self, tag: u8) {
        self.0.update([tag]);
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.update(text);
    }

    fn length(&mut self, length: usize) {
        self.number(length as u64);
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_be_bytes());
    }

    /// In the order of their attributes: the order of edits of different attributes means nothing.
    fn edits(&mut self, edits: &[Edit]) {
        let mut sorted: Vec<_> = edits.iter().collect();
        sorted.sort_by_key(|edit| edit.attribute);
        self.length(sorted.len());
        for edit in sorted {
            self.0.update(edit.attribute.0.to_be_bytes());
            self.tag(match edit.action {
                EditAction::Add(_) => 1,
                EditAction::Remove(_) => 2,
                EditAction::Replace(_) => 3,
                EditAction::Clear => 4,
                EditAction::Assign => 5,
            });
            let values = edit.action.values();
            self.length(values.len());
            for value in values {
                self.value(value);
            }
        }
    }

    fn properties(&mut self, properties: &Properties) {
        let Properties {
            name,
            accounts,
            groups,
            syntax,
            values_max,
            unique,
            indexed,
            changed_by,
            read_by,
        } = properties;
        self.text(name);
        self.text(syntax);
        self.length(*values_max);
        for flag in [accounts, groups, unique, indexed] {
            self.tag(u8::from(*flag));
        }
        self.text(changed_by.as_str());
        self.text(read_by.as_str());
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Text(text) => {
                self.tag(1);
                self.text(text);
            }
            Value::Number(number) => {
                self.tag(2);
                self.0.update(number.to_be_bytes());
            }
        }
    }

    fn selector(&mut self, selector: &Selector) {
        match selector {
            Selector::Id(id) => {
                self.tag(1);
                self.0.update(id.as_bytes());
            }
            Selector::LoginName(name) => {
                self.tag(2);
                self.text(name.as_str());
            }
            Selector::GroupId(id) => {
                self.tag(3);
                self.0.update(id.as_bytes());
            }
            Selector::GroupName(name) => {
                self.tag(4);
                self.text(name.as_str());
            }
        }
    }

    fn version(&mut self, version: Option<Revision>) {
        self.tag(u8::from(version.is_some()));
        if let Some(Revision(version)) = version {
            self.0.update(version.to_be_bytes());
        }
    }

    fn finish(self) -> Fingerprint {
        let digest = self.0.finalize();
        let (prefix, _) = digest
            .split_first_chunk::<16>()
            .expect("SHA-256 gives 32 bytes");
        Fingerprint(*prefix)
    }
}
