//! Who asks, and what they get to see: the one place where a caller becomes a principal.

use std::borrow::Cow;

use quorid_directory::{
    Action, AttributeNumber, Object, ObjectId, Objects as _, Principal, ReadBy, Role, Schema,
    authorize, roles_of,
};

use super::{Caller, Error, Service, Shown};
use crate::{access::Denied, state::ReadView};

impl Service {
    /// Who asks for something, by the newest state; where strangers may too, those who have no right of
    /// their own are strangers. `what`: for the error, such as `creating an account`.
    pub(super) async fn principal(
        &self,
        caller: &Caller,
        strangers: Strangers,
        action: Action<'_>,
        what: &'static str,
    ) -> Result<Principal, Error> {
        if caller.operator.is_none() && caller.login.is_some() {
            self.node.read_barrier().await?;
        }
        self.principal_by_own_state(caller, strangers, action, what)
            .await
    }

    /// The same, by what this server knows.
    pub(super) async fn principal_by_own_state(
        &self,
        caller: &Caller,
        strangers: Strangers,
        action: Action<'_>,
        what: &'static str,
    ) -> Result<Principal, Error> {
        if let Some(name) = &caller.operator {
            return Ok(Principal::Operator(name.clone()));
        }
        let Some(login) = &caller.login else {
            return match strangers {
                Strangers::May => Ok(Principal::Anyone),
                Strangers::MayNot => Err(Denied::OperatorNeeded { what }.into()),
            };
        };
        let principal = self.authenticate(caller, login).await?;
        match (self.may(&self.node.read()?, &principal, action), strangers) {
            (Ok(()), _) => Ok(principal),
            (Err(Error::Rejected { .. }), Strangers::May) => Ok(Principal::Anyone),
            (Err(refused), _) => Err(refused),
        }
    }

    /// Whether a change is worth proposing: whether who asks may make it, as of this state. The log
    /// decides.
    pub(super) fn may(
        &self,
        view: &ReadView,
        principal: &Principal,
        action: Action<'_>,
    ) -> Result<(), Error> {
        let revision = view.revision()?;
        authorize(view, self.clock.now(), principal, action)?
            .map_err(|rejection| Error::rejected(rejection, revision))
    }

    /// Whether this principal sees everything, whatever the state.
    pub(super) fn sees_all(&self, principal: &Principal) -> bool {
        self.access.names_are_public() || matches!(principal, Principal::Operator(_))
    }

    /// What this principal sees of the directory.
    pub(super) fn sight(&self, view: &ReadView, principal: &Principal) -> Result<Sight, Error> {
        Ok(match principal {
            _ if self.sees_all(principal) => Sight::all(view.schema()),
            Principal::Anyone | Principal::Operator(_) => Sight::little(view.schema()),
            Principal::Account { id, .. } => {
                let roles = roles_of(view, id)?;
                Sight {
                    schema: view.schema().clone(),
                    attributes: !roles.is_empty(),
                    addresses: roles.contains(&Role::Operator),
                    own: Some(*id),
                }
            }
        })
    }
}

/// Whether it takes no right of one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strangers {
    May,
    MayNot,
}

/// What somebody sees: of their own account everything, of others what this says.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    schema: Schema,
    /// Attributes that are for staff.
    attributes: bool,
    /// The addresses of clients.
    addresses: bool,
    own: Option<ObjectId>,
}

impl Sight {
    pub(super) fn all(schema: &Schema) -> Self {
        Self {
            attributes: true,
            addresses: true,
            ..Self::little(schema)
        }
    }

    /// What everybody sees who reads the directory.
    fn little(schema: &Schema) -> Self {
        Self {
            schema: schema.clone(),
            attributes: false,
            addresses: false,
            own: None,
        }
    }

    /// What there is of an object to those who see it: for searches too, so that they tell no more.
    pub(super) fn of<'a>(&self, object: &'a Object) -> Cow<'a, Object> {
        let for_staff = |number: &AttributeNumber| {
            let row = self.schema.by_number(*number);
            row.is_none_or(|row| row.read_by == ReadBy::Staff)
        };
        let hides = object.attributes.keys().any(for_staff);
        if !hides || self.attributes || self.own == Some(object.id) {
            return Cow::Borrowed(object);
        }
        let mut seen = object.clone();
        seen.attributes.retain(|number, _| !for_staff(number));
        Cow::Owned(seen)
    }

    pub(super) fn show(&self, object: Object) -> Shown {
        let addresses = self.addresses || self.own == Some(object.id);
        let object = match self.of(&object) {
            Cow::Borrowed(_) => object,
            Cow::Owned(seen) => seen,
        };
        Shown {
            object,
            addresses,
            schema: self.schema.clone(),
            referenced: Vec::new(),
        }
    }
}
