//! Why a caller may change or remove an account, and what a retry has to show.
//!
//! A password is verified here, before the command is proposed; the proof in the command names
//! the version of the password, and the rules refuse it if that isn't the account's any more.
//!
//! # Retries
//! A client that retries a request, with its request id, must get the first outcome, even
//! where the first try removed the account or replaced its password: the password in the
//! request then fits nothing that is there. So when the request id is known to have
//! succeeded, the password is checked against the account *as the recorded outcome has it*:
//! - `current_password` must fit its verifier (a deletion, or a change of names); or
//! - the *new* password of the request must (a change of password: who knows the account's
//!   new password may know about the account); or
//! - where the request removed the password, there is none to check. The request id, 74 random
//!   bits made by the client and sent to nobody else, is proof enough for an answer that only
//!   repeats what was done: replaying executes nothing.
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
    Done, Object, Operation, Password, Proof, Rejection, RequestId, Revision, Selector, Verifier,
};

use super::{Answer, Caller, Error, PasswordChange, Service};
use crate::access::{Action, Denied, Need};

/// What a request to change an account brings along.
pub(super) struct Claim<'a> {
    pub(super) account: &'a Selector,
    pub(super) current_password: Option<&'a Password>,
    pub(super) change: &'a PasswordChange,
    pub(super) request: Option<RequestId>,
}

/// The account that a proof is about, with what its password is checked against.
enum Subject {
    /// As it is.
    Present(Object, Option<Verifier>),
    /// As the first try of this request left it.
    Recorded(Object, Option<Verifier>),
    /// Not there as of this revision, or no account.
    Missing(Rejection, Revision),
}

impl Service {
    /// Proposes an operation with its proof. If the account got another password between the
    /// two, once more: the caller may have given that one.
    pub(super) async fn propose_proven(
        &self,
        caller: &Caller,
        claim: &Claim<'_>,
        proof: Proof,
        operation: impl Fn(Proof) -> Operation + Send,
    ) -> Result<Answer<Object>, Error> {
        let request = || claim.request.unwrap_or_else(|| self.new_request_id());
        let first = self.propose(caller, request(), operation(proof)).await;
        let Err(Error::Denied(Denied::PasswordChanged | Denied::PasswordNeeded)) = first else {
            return first;
        };
        let proof = self.prove(caller, claim).await?;
        self.propose(caller, request(), operation(proof)).await
    }

    /// Why the caller may change the account, if they may.
    pub(super) async fn prove(&self, caller: &Caller, claim: &Claim<'_>) -> Result<Proof, Error> {
        if caller.operator.is_some() {
            return Ok(Proof::Operator);
        }
        let unguarded = self.access.need(Action::ChangeUnguarded);
        if unguarded != Need::Nothing && claim.current_password.is_none() && caller.login.is_none()
        {
            return Err(Denied::PasswordNeeded.into());
        }
        self.node.read_barrier().await?;
        let (account, verifier, recorded) = match self.subject(claim)? {
            Subject::Present(account, verifier) => (account, verifier, false),
            Subject::Recorded(account, verifier) => (account, verifier, true),
            Subject::Missing(why, revision) => {
                return self.missing(caller, claim, why, revision).await;
            }
        };
        if let (Some(verifier), Some(version)) = (verifier, account.password_version) {
            let name = account.login_name();
            // Who may not log in is answered as after a wrong password, and as late.
            let usable = recorded || account.may_log_in(self.clock.now());
            let verifier = usable.then_some(verifier);
            self.check(caller, claim, name, verifier, recorded).await?;
            return Ok(Proof::Password { version });
        }
        let removed_by_this_request = recorded && matches!(claim.change, PasswordChange::Remove);
        if unguarded == Need::Nothing || removed_by_this_request {
            return Ok(Proof::NotNeeded);
        }
        self.prove_reader(caller, claim).await?;
        Err(Denied::OperatorNeeded {
            what: "changing or removing an account without a password",
        }
        .into())
    }

    fn subject(&self, claim: &Claim<'_>) -> Result<Subject, Error> {
        let view = self.node.read()?;
        if let Some(request) = &claim.request
            && let Some(outcome) = view.outcome(request)?
            && let Ok(change) = outcome.result
            && change.done != Done::Created
        {
            return Ok(Subject::Recorded(change.object, change.verifier));
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
        recorded: bool,
    ) -> Result<(), Error> {
        let own_login = caller
            .login
            .as_ref()
            .filter(|login| login.login_name.as_str() == login_name);
        let current = claim
            .current_password
            .or(own_login.map(|login| &login.password));
        let new = match claim.change {
            PasswordChange::Set(password) if recorded => Some(password),
            PasswordChange::Set(_) | PasswordChange::Keep | PasswordChange::Remove => None,
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
    /// password, and takes as long. The proof is for an account that is made meanwhile.
    async fn missing(
        &self,
        caller: &Caller,
        claim: &Claim<'_>,
        why: Rejection,
        revision: Revision,
    ) -> Result<Proof, Error> {
        if !self.access.names_are_public() {
            self.prove_reader(caller, claim).await?;
        }
        if claim.request.is_none() {
            return Err(Error::rejected(why, revision));
        }
        if self.access.need(Action::ChangeUnguarded) == Need::Nothing {
            return Ok(Proof::NotNeeded);
        }
        // To write to the log costs the same as for an account that is there: a login that was
        // verified not long ago costs nothing.
        if let Some(login) = &caller.login {
            self.passwords.verify(login.password.clone(), None).await?;
        }
        Ok(Proof::OF_NONE)
    }

    /// Makes sure that the caller may read the directory, and so may be told what is in it.
    async fn prove_reader(&self, caller: &Caller, claim: &Claim<'_>) -> Result<(), Error> {
        if let Some(login) = &caller.login {
            return self.authenticate(login).await;
        }
        if let Some(password) = claim.current_password {
            self.passwords.verify(password.clone(), None).await?;
        }
        Err(Denied::WrongPassword.into())
    }
}
