//! The rules of the Quorid directory, pure: no I/O, no clock, no randomness.
//!
//! [`decide`] takes a [`View`] of the state and a [`Command`], and gives the [`Outcome`] to
//! answer and the [`Event`]s to store. Whoever stores the events of the same commands in the
//! same order has the same state, down to the byte: time and ids come in with the command.
//!
//! Values are parsed once, at the edge ([`LoginName::parse`] and the like); inside, they are
//! valid by construction.

mod change_record;
mod command;
mod decide;
mod definition;
mod deleted;
mod edit;
mod event;
mod execute;
mod filter;
mod history;
mod id;
mod invalid_name;
mod level;
mod members;
mod memory;
mod model;
mod name;
mod numbers;
mod object;
mod password;
mod planted;
mod profile;
mod recorded;
mod reference;
mod rejection;
mod revert;
mod rights;
mod schema;
mod settings;
mod syntax;
mod value;
mod view;

pub use change_record::{
    ChangeRecord, GroupLeft, MemberChange, Origin, PasswordRecord, ValuesChange,
};
pub use command::{Command, Fingerprint, Operation, Principal, Selector, VerifierChange};
pub use decide::{Decision, Retention, decide, decide_beyond, decide_with};
pub use definition::{Definition, InvalidDefinition, Properties};
pub use deleted::{Due, Ends, Held, Reserved, Tombstone};
pub use edit::{Edit, EditAction};
pub use event::{Accepted, Change, Done, Event, Outcome, Reply};
pub use filter::{Filter, InvalidFilter};
pub use history::{History, at, deleted, first_answer};
pub use id::{InvalidObjectId, InvalidRequestId, ObjectId, RequestId};
pub use invalid_name::{CharacterFault, InvalidName, NameKind};
pub use level::Level;
pub use members::{Limit, Membership, all_groups_of};
pub use memory::MemoryDirectory;
pub use model::{
    Actor, ClientAddress, InvalidClientAddress, InvalidVerifier, OperatorName, Revision, Stamp,
    Time, Verifier,
};
pub use name::{GroupName, LoginName, RealName};
pub use numbers::NUMBERS_FROM;
pub use object::{IndexKey, Kind, Object, UniqueKey, Violation};
pub use password::{InvalidPassword, Password, WeakPassword};
#[cfg(feature = "planted-bugs")]
#[doc(hidden)]
pub use planted::plant;
#[doc(hidden)]
pub use planted::{PlantedBug, is_planted};
pub use recorded::{DirectoryChange, DirectoryRecord, Recorded, SettingRecord};
pub use rejection::Rejection;
pub use revert::Irreversible;
pub use rights::{Action, PasswordAction, Role, authorize, roles_of};
pub use schema::{
    Attribute, AttributeName, AttributeNumber, ChangedBy, GROUP_NAME, LOGIN_NAME, POSIX_NUMBER,
    REAL_NAME, ReadBy, Schema, UnknownAttribute,
};
pub use settings::{InvalidSetting, Setting, SettingChange, Unit};
pub use syntax::{InvalidValue, Syntax};
pub use value::Value;
pub use view::{KeptChange, Objects, View};
