//! Logins of readers: verified by Argon2id, and remembered for a while.
//!
//! Who reads with a login sends it with every request, and a request must not cost what a hash
//! does. So a login that fitted is remembered by a keyed digest, for five minutes at most and
//! only as long as the account has the same password and may log in. What didn't fit is never remembered.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quorid_directory::{ObjectId, Principal, Revision, Selector};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{Caller, Error, Login, Service};
use crate::{access::Denied, seams::Entropy};

const REMEMBERED_MAX: usize = 16_384;
const REMEMBERED_FOR: Duration = Duration::from_secs(300);
/// Requests with the same new login wait for one verification, not for one each.
const STRIPES: usize = 64;

impl Service {
    /// Whose login it is, if it is right, by this server's state.
    pub(super) async fn authenticate(
        &self,
        caller: &Caller,
        login: &Login,
    ) -> Result<Principal, Error> {
        let view = self.node.read()?;
        let account = view
            .find(&Selector::LoginName(login.login_name.clone()))?
            .ok();
        let now = self.clock.now();
        let account = account.filter(|account| account.may_log_in(now));
        let with_password = account.and_then(|it| Some((it.id, it.password_version?, it)));
        let Some((id, version, account)) = with_password else {
            self.passwords.verify(login.password.clone(), None).await?;
            return Err(Denied::WrongPassword.into());
        };
        let principal = Principal::Account {
            id,
            password: version,
        };
        let password = login.password.expose().as_bytes();
        let digest = self.logins.digest(id, version, password);
        if self.logins.remembers(id, digest, Instant::now()) {
            return Ok(principal);
        }
        let verifier = view.verifier(&id)?;
        drop(view);
        let _alone = self.logins.stripe(digest).lock().await;
        if self.logins.remembers(id, digest, Instant::now()) {
            return Ok(principal);
        }
        if !self
            .passwords
            .verify(login.password.clone(), verifier.clone())
            .await?
        {
            return Err(Denied::WrongPassword.into());
        }
        self.logins.remember(id, digest, Instant::now());
        let password = login.password.clone();
        // The principal is who has the password as it is now.
        let anew = self.hash_anew(caller, &account, password, verifier).await;
        let password = anew.and_then(|anew| anew.value.object.password_version);
        Ok(Principal::Account {
            id,
            password: password.unwrap_or(version),
        })
    }
}

/// The logins that fitted lately.
pub(super) struct Logins {
    /// Of this process only: a digest is worth nothing elsewhere.
    key: Zeroizing<[u8; 32]>,
    remembered: Mutex<HashMap<ObjectId, Remembered>>,
    stripes: Vec<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Copy)]
struct Remembered {
    digest: LoginDigest,
    until: Instant,
}

/// Of account, version of its password, and password.
type LoginDigest = [u8; 32];

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Logins(..)")
    }
}

impl Logins {
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        entropy.fill(key.as_mut_slice());
        Self {
            key,
            remembered: Mutex::default(),
            stripes: (0..STRIPES)
                .map(|_| tokio::sync::Mutex::default())
                .collect(),
        }
    }

    /// HMAC's construction, with the fields before the password of fixed length.
    fn digest(&self, account: ObjectId, verifier: Revision, password: &[u8]) -> LoginDigest {
        let inner = Sha256::new_with_prefix(b"quorid login inner")
            .chain_update(self.key.as_slice())
            .chain_update(account.as_bytes())
            .chain_update(verifier.0.to_be_bytes())
            .chain_update(password)
            .finalize();
        Sha256::new_with_prefix(b"quorid login outer")
            .chain_update(self.key.as_slice())
            .chain_update(inner)
            .finalize()
            .into()
    }

    fn stripe(&self, digest: LoginDigest) -> &tokio::sync::Mutex<()> {
        &self.stripes[usize::from(digest[0]) % STRIPES]
    }

    fn remembers(&self, account: ObjectId, digest: LoginDigest, now: Instant) -> bool {
        let remembered = self.lock().get(&account).copied();
        // Digests are keyed, so comparing them in varying time reveals nothing of passwords.
        remembered.is_some_and(|known| known.digest == digest && now < known.until)
    }

    fn remember(&self, account: ObjectId, digest: LoginDigest, now: Instant) {
        let mut remembered = self.lock();
        if remembered.len() >= REMEMBERED_MAX && !remembered.contains_key(&account) {
            remembered.retain(|_, known| now < known.until);
            if remembered.len() >= REMEMBERED_MAX {
                // All are young: start anew rather than look for the oldest at each login.
                remembered.clear();
            }
        }
        let until = now + REMEMBERED_FOR;
        remembered.insert(account, Remembered { digest, until });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectId, Remembered>> {
        // The map is whole between any two statements: what a panic leaves can be used.
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::SystemEntropy;

    fn account(n: u32) -> ObjectId {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        ObjectId::from_bytes(bytes)
    }

    #[test]
    fn a_login_is_remembered_for_five_minutes_and_one_verifier() {
        let now = Instant::now();
        let logins = Logins::new(&SystemEntropy);
        let right = logins.digest(account(1), Revision(7), b"right");
        assert!(!logins.remembers(account(1), right, now));
        logins.remember(account(1), right, now);
        assert!(logins.remembers(account(1), right, now));
        let others = [
            logins.digest(account(1), Revision(7), b"wrong"),
            logins.digest(account(1), Revision(8), b"right"),
            Logins::new(&SystemEntropy).digest(account(1), Revision(7), b"right"),
        ];
        for other in others {
            assert!(!logins.remembers(account(1), other, now));
        }
        assert!(!logins.remembers(account(1), right, now + REMEMBERED_FOR));
    }

    #[test]
    fn the_memory_is_bounded() {
        let now = Instant::now();
        let logins = Logins::new(&SystemEntropy);
        let last = u32::try_from(REMEMBERED_MAX).expect("small") + 10;
        for n in 0..=last {
            logins.remember(account(n), [0; 32], now);
            assert!(logins.lock().len() <= REMEMBERED_MAX);
        }
        assert!(logins.remembers(account(last), [0; 32], now));
    }
}
