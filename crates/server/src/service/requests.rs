//! What the use cases are asked, and what they answer.

use quorid_directory::{
    AttributeNumber, ClientAddress, Edit, Kind, LoginName, Object, ObjectId, Objects as _,
    OperatorName, Password, PasswordAction, RequestId, Revision, Schema, Selector, Verifier,
};
use quorid_storage::Fault;

use crate::state::ReadView;

/// Who asks, as far as the front end can tell.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Where the request comes from.
    pub address: ClientAddress,
    /// The name in an operator's certificate that was shown and verified.
    pub operator: Option<OperatorName>,
    /// A login that was given, not yet checked.
    pub login: Option<Login>,
}

/// Somebody says that they are this account.
#[derive(Debug, Clone)]
pub struct Login {
    /// Whose login.
    pub login_name: LoginName,
    /// The account's password, they say.
    pub password: Password,
}

/// How fresh a read has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// Sees all that was acknowledged before. The leader answers.
    Linearizable,
    /// Sees at least this revision. Any server answers, once it got there.
    AtLeast(Revision),
    /// Sees what the asked server has.
    Stale,
}

/// An answer, and the revision of the directory that it was made from.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// Revision of the read, or of the change.
    pub revision: Revision,
}

impl<T> Answer<T> {
    /// The same, said in another way.
    pub fn map<U>(self, say: impl FnOnce(T) -> U) -> Answer<U> {
        Answer {
            value: say(self.value),
            revision: self.revision,
        }
    }
}

/// An account to be made.
#[derive(Debug)]
pub struct AccountCreation {
    /// A person or a service.
    pub kind: Kind,
    /// Its attributes.
    pub edits: Vec<Edit>,
    /// None: an account without a password, unless there is a hash.
    pub password: Option<Password>,
    /// A hash of the password that another program made, in place of it.
    pub verifier: Option<Verifier>,
    /// Made by the client; None: made here, and a retry is another request.
    pub request: Option<RequestId>,
}

/// What becomes of a password.
#[derive(Debug, Clone)]
pub enum PasswordChange {
    /// Stays.
    Keep,
    /// Becomes this one.
    Set(Password),
    /// Becomes the one that another program made this of.
    SetVerifier(Verifier),
    /// The account has none any more.
    Remove,
}

impl From<&PasswordChange> for PasswordAction {
    fn from(change: &PasswordChange) -> Self {
        match change {
            PasswordChange::Keep => Self::Keep,
            PasswordChange::Set(_) | PasswordChange::SetVerifier(_) => Self::Set,
            PasswordChange::Remove => Self::Remove,
        }
    }
}

/// A change of an account; what is not named stays.
#[derive(Debug)]
pub struct AccountChange {
    /// The account that is meant.
    pub account: Selector,
    /// Only if it is still at this version.
    pub expected_version: Option<Revision>,
    /// Of its attributes: all of them are made, or none.
    pub edits: Vec<Edit>,
    /// The new password.
    pub password: PasswordChange,
    /// The password as it is now.
    pub current_password: Option<Password>,
    /// The same as in [`AccountCreation`].
    pub request: Option<RequestId>,
}

/// The removal of an account.
#[derive(Debug)]
pub struct AccountRemoval {
    /// The account that is meant.
    pub account: Selector,
    /// Only if it is still at this version.
    pub expected_version: Option<Revision>,
    /// Its password.
    pub current_password: Option<Password>,
    /// The same as in [`AccountCreation`].
    pub request: Option<RequestId>,
}

/// An object, with what who asks may see of it.
#[derive(Debug)]
pub struct Shown {
    /// The object, without what is not for them.
    pub object: Object,
    /// Whether the addresses of clients are for them.
    pub addresses: bool,
    /// The attributes that there are.
    pub schema: Schema,
    /// The first accounts that it refers to, of those that are there.
    pub referenced: Vec<Referenced>,
}

/// An account that an object refers to.
#[derive(Debug)]
pub struct Referenced {
    /// The attribute that does so.
    pub attribute: AttributeNumber,
    /// The account.
    pub id: ObjectId,
    /// Its login name.
    pub login_name: String,
}

/// The accounts of an object that are named in an answer: a page has a thousand objects, and each name is read.
const REFERENCED_MAX: usize = 16;

impl Shown {
    /// The same with the names of the accounts that it refers to.
    pub(super) fn named(mut self, view: &ReadView) -> Result<Self, Fault> {
        let references = self.object.references(&self.schema);
        for (attribute, id) in references.take(REFERENCED_MAX) {
            if let Some(account) = view.object(&id)? {
                self.referenced.push(Referenced {
                    attribute,
                    id,
                    login_name: account.login_name().to_owned(),
                });
            }
        }
        Ok(self)
    }
}

/// An account or a group.
#[derive(Debug)]
pub struct Found {
    /// What was asked for.
    pub shown: Shown,
    /// Names of the groups that it is a member of, where they were asked for.
    pub groups: Vec<String>,
}

/// A stretch of the accounts, in the order of their ids.
#[derive(Debug, Default)]
pub struct AccountsPage {
    /// The accounts.
    pub accounts: Vec<Shown>,
    /// The next page begins after this id, whether or not an account has it.
    pub next: Option<ObjectId>,
}

/// A stretch of the groups, in the order of their names.
#[derive(Debug)]
pub struct GroupsPage {
    /// The groups.
    pub groups: Vec<Shown>,
    /// There are more after the last one.
    pub more: bool,
}
