//! Why a caller may change or remove an account, and what a retry has to show.
//!
//! A password is verified here, before the command is proposed; the principal in the command names
//! the version of the password, and the rules refuse it if that isn't the account's any more.
//!
//! # Retries
//! A client that retries a request, with its request id, must get the first outcome, even
//! where the first try removed the account or replaced its password: the password in the
//! request then fits nothing that is there. Outcomes keep no verifiers. So when the request id is known
//! to have succeeded:
//! - where the request removed the account or its password, or where there is no account or password any
//!   more, there is nothing to check. The request id, 74 random bits made by the client and sent to nobody
//!   else, is proof enough for an answer that only repeats what was done: replaying executes nothing;
//! - otherwise `current_password` must fit the account as it is now, or the *new* password of the
//!   request must (a change of password: who knows the account's new password may know about the account).
//!   A retry that comes after yet another change of the password is refused.
//!
//! That the request is the same otherwise is checked by its fingerprint, in the rules. A
//! request that was rejected has changed nothing, so its retry is checked as if it were new.
//!
//! # Missing accounts
//! That an account is missing is for the log to say, even though a read has shown it: an
//! earlier try of the request may still be on its way to the log, behind a creation of that
//! account, and would act after its client got the answer that it did not. An outcome in the log
//! settles all tries. A request without an id has no other tries.

use quorid_directory::{
    Accepted, Action, Done, Edit, Object, Operation, Password, Principal, Rejection, RequestId,
    Revision, Selector, Verifier, roles_of,
};

use super::{Answer, Caller, Error, PasswordChange, Service, Shown};
use crate::access::Denied;

/// What a request to change an account brings along.
pub(super) struct Claim<'a> {
    pub(super) account: &'a Selector,
    pub(super) current_password: Option<&'a Password>,
    /// None: the account is to be deleted.
    pub(super) edits: Option<&'a [Edit]>,
    pub(super) change: &'a PasswordChange,
    pub(super) request: Option<RequestId>,
}

/// Who asks for a change of an account.
pub(super) struct Proven {
    pub(super) principal: Principal,
    /// Whether it is the account itself.
    pub(super) is_itself: bool,
}

impl Proven {
    fn other(principal: Principal) -> Self {
        Self {
            principal,
            is_itself: false,
        }
    }
}

/// The account that a proof is about.
enum Subject {
    /// As it is, with what its password is checked against.
    Present(Object, Option<Verifier>),
    /// The request did what it was to do, and this is the account of its answer. What its password is checked
    /// against, if it is to be checked.
    Known(Object, Option<Verifier>),
    /// Not there as of this revision, or no account.
    Missing(Rejection, Revision),
}

impl Service {
    /// Proposes an operation for who may. If the account got another password between the
    /// two, once more: the caller may have given that one.
    pub(super) async fn propose_proven(
        &self,
        caller: &Caller,
        claim: &Claim<'_>,
        principal: Principal,
        operation: impl Fn() -> Operation + Send,
    ) -> Result<Answer<Shown>, Error> {
        let first = self
            .propose(caller, principal, claim.request, operation())
            .await;
        let Err(Error::Denied(Denied::PasswordChanged | Denied::PasswordNeeded)) = first else {
            return first;
        };
        let proven = self.prove(caller, claim).await?;
        self.propose(caller, proven.principal, claim.request, operation())
            .await
    }

    /// Who the caller is to the account, if they may change it.
    pub(super) async fn prove(&self, caller: &Caller, claim: &Claim<'_>) -> Result<Proven, Error> {
        if let Some(name) = &caller.operator {
            return Ok(Proven::other(Principal::Operator(name.clone())));
        }
        let strangers_write = self.access.strangers_write();
        if !strangers_write && claim.current_password.is_none() && caller.login.is_none() {
            return Err(Denied::PasswordNeeded.into());
        }
        self.node.read_barrier().await?;
        let (account, verifier, known) = match self.subject(claim)? {
            Subject::Present(account, verifier) => (account, verifier, false),
            Subject::Known(account, verifier) => (account, verifier, true),
            Subject::Missing(why, revision) => {
                let missing = self.missing(caller, claim, why, revision).await;
                return missing.map(Proven::other);
            }
        };
        if let Some(principal) = self.by_role(caller, claim, &account, known).await? {
            return Ok(Proven::other(principal));
        }
        let guarded = verifier.is_some();
        if let Some(verifier) = verifier {
            let name = account.login_name();
            // Who may not log in is answered as after a wrong password, and as late.
            let usable = known || account.may_log_in(self.clock.now());
            let verifier = usable.then_some(verifier);
            self.check(caller, claim, name, verifier, known).await?;
        }
        if guarded || known {
            // A known request is for an answer that repeats what was done; no password has the version
            // 0, so nothing else could be.
            let version = account.password_version.filter(|_| !known);
            let (id, password) = (account.id, version.unwrap_or(Revision(0)));
            return Ok(Proven {
                principal: Principal::Account { id, password },
                is_itself: true,
            });
        }
        if strangers_write {
            return Ok(Proven::other(Principal::Anyone));
        }
        self.prove_reader(caller, claim).await?;
        Err(Denied::OperatorNeeded {
            what: "changing or removing an account without a password",
        }
        .into())
    }

    /// Another account that asks in its own name, if its roles let it. None: the account's own password
    /// is asked for, unless the caller has a role and so is told what is missing.
    async fn by_role(
        &self,
        caller: &Caller,
        claim: &Claim<'_>,
        account: &Object,
        known: bool,
    ) -> Result<Option<Principal>, Error> {
        let login = caller.login.as_ref().filter(|login| {
            claim.current_password.is_none() && login.login_name.as_str() != account.login_name()
        });
        let Some(login) = login else {
            return Ok(None);
        };
        let principal = self.authenticate(caller, login).await?;
        let Principal::Account { id, .. } = &principal else {
            return Ok(None); // A login is an account's.
        };
        let view = self.node.read()?;
        let action = match claim.edits {
            Some(edits) => Action::Change(account, edits, claim.change.into()),
            None => Action::Delete(account),
        };
        match self.may(&view, &principal, action) {
            Ok(()) => Ok(Some(principal)),
            Err(Error::Rejected { .. }) if roles_of(&view, id)?.is_empty() => Ok(None),
            // Nothing is executed again: the answer is repeated.
            Err(Error::Rejected { .. }) if known => Ok(Some(principal)),
            Err(refused) => Err(refused),
        }
    }

    fn subject(&self, claim: &Claim<'_>) -> Result<Subject, Error> {
        let view = self.node.read()?;
        if let Some(request) = &claim.request
            && let Some(outcome) = view.outcome(request)?
            && let Ok(Accepted::Object(change)) = outcome.result
            && change.done != Done::Created
        {
            let account = view.first_answer(&change)?;
            let removed =
                change.done == Done::Deleted || matches!(claim.change, PasswordChange::Remove);
            let verifier = match removed {
                true => None,
                false => view.verifier(&account.id)?,
            };
            return Ok(Subject::Known(account, verifier));
        }
        Ok(match view.find(claim.account)? {
            Ok(account) => {
                let verifier = view.verifier(&account.id)?;
                Subject::Present(account, verifier)
            }
            Err(why) => Subject::Missing(why, view.revision()?),
        })
    }

    /// The account's password was given, one way or another.
    async fn check(
        &self,
        caller: &Caller,
        claim: &Claim<'_>,
        login_name: &str,
        verifier: Option<Verifier>,
        known: bool,
    ) -> Result<(), Error> {
        let own_login = caller
            .login
            .as_ref()
            .filter(|login| login.login_name.as_str() == login_name);
        let current = claim
            .current_password
            .or(own_login.map(|login| &login.password));
        let new = match claim.change {
            PasswordChange::Set(password) if known => Some(password),
            PasswordChange::Set(_)
            | PasswordChange::SetVerifier(_)
            | PasswordChange::Keep
            | PasswordChange::Remove => None,
        };
        if current.is_none() {
            // To be asked for its password reveals that the account exists.
            if !self.access.names_are_public() {
                self.prove_reader(caller, claim).await?;
            }
            return Err(Denied::PasswordNeeded.into());
        }
        for password in [current, new].into_iter().flatten() {
            let verifier = verifier.clone();
            if self.passwords.verify(password.clone(), verifier).await? {
                return Ok(());
            }
        }
        Err(Denied::WrongPassword.into())
    }

    /// No such account: to be said to those who may look up accounts. To others it is a wrong
    /// password, and takes as long. The principal is for an account that is made meanwhile.
    async fn missing(
        &self,
        caller: &Caller,
        claim: &Claim<'_>,
        why: Rejection,
        revision: Revision,
    ) -> Result<Principal, Error> {
        let reader = match self.access.names_are_public() {
            true => Principal::Anyone,
            false => self.prove_reader(caller, claim).await?,
        };
        if claim.request.is_none() {
            return Err(Error::rejected(why, revision));
        }
        if self.access.strangers_write() {
            return Ok(Principal::Anyone);
        }
        // To write to the log costs the same as for an account that is there: a login that was
        // verified not long ago costs nothing.
        if let Some(login) = &caller.login {
            self.passwords.verify(login.password.clone(), None).await?;
        }
        Ok(reader)
    }

    /// Makes sure that the caller may read the directory, and so may be told what is in it.
    async fn prove_reader(&self, caller: &Caller, claim: &Claim<'_>) -> Result<Principal, Error> {
        if let Some(login) = &caller.login {
            return self.authenticate(caller, login).await;
        }
        if let Some(password) = claim.current_password {
            self.passwords.verify(password.clone(), None).await?;
        }
        Err(Denied::WrongPassword.into())
    }
}
