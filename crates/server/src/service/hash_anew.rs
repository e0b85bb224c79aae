//! Passwords whose hash another program made, or this one with other settings: hashed anew when their
//! owners log in, because only then are they known.
//!
//! The new verifier is proposed as a change that the account makes itself, with the version of the
//! password that was checked: so it replaces that one and no other, and nothing of an account that may
//! not log in any more. Only the leader can propose. A login that another server checks leaves the verifier as it
//! is, and so does one that cannot be replaced now: the next login tries again.

use quorid_directory::{
    Action, Object, Operation, Password, Principal, Selector, Verifier, VerifierChange,
};
use tracing::info;

use super::{Answer, Caller, Error, Service, Shown};

impl Service {
    /// Replaces the verifier that a password was found to fit, if this server would make another one.
    /// The answer is the account with the new one.
    pub(super) async fn hash_anew(
        &self,
        caller: &Caller,
        account: &Object,
        password: Password,
        checked: Option<Verifier>,
    ) -> Option<Answer<Shown>> {
        let foreign = checked.is_some_and(|checked| !self.passwords.are_as_made_here(&checked));
        if !foreign || self.node.leading().is_err() {
            return None;
        }
        match self.replace_verifier(caller, account, password).await {
            Ok(answer) => {
                info!(account = %account.id, "password hashed anew, with this server's settings");
                answer
            }
            // Somebody else replaced it.
            Err(Error::Denied(_)) => None,
            Err(why) => {
                info!(account = %account.id, %why, "password not hashed anew; the next login tries again");
                None
            }
        }
    }

    async fn replace_verifier(
        &self,
        caller: &Caller,
        account: &Object,
        password: Password,
    ) -> Result<Option<Answer<Shown>>, Error> {
        let Some(version) = account.password_version else {
            return Ok(None);
        };
        let operation = Operation::Change {
            target: Selector::Id(account.id),
            expected_version: None,
            edits: Vec::new(),
            verifier: VerifierChange::Set(self.passwords.hash(password).await?),
        };
        let itself = Principal::Account {
            id: account.id,
            password: version,
        };
        let proposed = self.propose(caller, itself, None, operation).await;
        proposed.map(Some)
    }

    /// Only operators give hashes: who knows the password of one has chosen it. The log does not see
    /// who made a hash, so this is decided before a change is proposed.
    pub(super) fn may_give_hashes(&self, principal: &Principal) -> Result<(), Error> {
        self.may(&self.node.read()?, principal, Action::Operate)
    }
}
