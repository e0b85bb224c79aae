//! Argon2id on a bounded pool with a bounded queue.
//!
//! Hashing costs tens of milliseconds and megabytes each time. It therefore runs on a few
//! threads of its own choosing, never on one that replicates, and when the queue is full it
//! refuses rather than let everybody wait.

mod scheme;

use std::{fmt, sync::Arc};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, Version,
    password_hash::{Output, SaltString},
};
use quorid_directory::{Password, Verifier, WeakPassword};
use quorid_storage::{Fault, OrFault as _};
use tokio::sync::Semaphore;

use self::scheme::Scheme;
pub use self::scheme::{
    BCRYPT_COST_MAX, InvalidHash, PBKDF2_ITERATIONS_MAX, SCRYPT_BYTES_MAX, SHA512_CRYPT_ROUNDS_MAX,
    given_hash,
};
use crate::seams::{Entropy, Threads};

/// Most memory that one hash may take, KiB. Holds for stored verifiers too.
pub const MEMORY_KIB_MAX: u32 = 256 * 1024;
/// Most passes over that memory.
pub const ITERATIONS_MAX: u32 = 16;
/// Most lanes.
pub const PARALLELISM_MAX: u32 = 16;

const SALT_BYTES: usize = 16;

/// What a hash costs and how many run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordSettings {
    /// Memory of one hash, KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// Hashes that run at once.
    pub threads: usize,
    /// Requests that wait for their turn, at most.
    pub queue: usize,
    /// Characters of a new password, at least.
    pub length_min: usize,
}

impl PasswordSettings {
    /// OWASP's parameters, on all cores but one.
    #[must_use]
    pub fn for_cores(cores: usize) -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
            threads: cores.saturating_sub(1).max(1),
            queue: 64,
            length_min: 8,
        }
    }
}

/// Why a password could be neither hashed nor verified.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PasswordError {
    /// The queue is full.
    #[error("too many passwords wait to be checked ({queue}); try again in a moment")]
    Busy {
        /// How many may wait.
        queue: usize,
    },
    /// Too easy to guess.
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    /// A stored verifier cannot be used, or the settings cannot.
    #[error("this server has a fault: {0}; its log says more")]
    Fault(#[from] Fault),
}

/// Hashes and verifies passwords.
pub struct Passwords {
    params: Params,
    entropy: Arc<dyn Entropy>,
    threads: Arc<dyn Threads>,
    /// One permit for each hash that runs or waits.
    places: Semaphore,
    places_max: usize,
    /// One permit for each hash that runs.
    turns: Arc<Semaphore>,
    queue: usize,
    length_min: usize,
    /// Verified in the place of an account that doesn't exist, which then takes as long.
    nobody: Verifier,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords")
            .field("params", &self.params)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

impl Passwords {
    /// A pool by these settings.
    pub fn new(
        settings: PasswordSettings,
        entropy: Arc<dyn Entropy>,
        threads: Arc<dyn Threads>,
    ) -> Result<Self, Fault> {
        let params = Params::new(
            settings.memory_kib,
            settings.iterations,
            settings.parallelism,
            None,
        )
        .or_fault("reading the settings of Argon2id")?;
        within_bounds(&params)?;
        let nobody = nobody(&params, entropy.as_ref())?;
        let places_max = settings.threads.max(1) + settings.queue;
        Ok(Self {
            params,
            entropy,
            threads,
            places: Semaphore::new(places_max),
            places_max,
            turns: Arc::new(Semaphore::new(settings.threads.max(1))),
            queue: settings.queue,
            length_min: settings.length_min,
            nobody,
        })
    }

    /// A verifier for a password that somebody chose, if it is hard enough to guess.
    pub async fn hash_new(&self, password: Password) -> Result<Verifier, PasswordError> {
        password.strength(self.length_min)?;
        self.hash(password).await
    }

    /// A verifier for a password, with a salt of its own.
    pub async fn hash(&self, password: Password) -> Result<Verifier, PasswordError> {
        let params = self.params.clone();
        let salt = salt(self.entropy.as_ref());
        let hashed = self.on_pool(move || hash(&params, password.expose().as_bytes(), &salt));
        Ok(hashed.await??)
    }

    /// Whether the password is the one that `verifier` was made of. `None`, for an account that
    /// doesn't exist or has no password, is never fitted and takes just as long as a misfit; a
    /// verifier of another scheme that costs more than ours takes longer.
    pub async fn verify(
        &self,
        password: Password,
        verifier: Option<Verifier>,
    ) -> Result<bool, PasswordError> {
        let somebody = verifier.is_some();
        let nobody = self.nobody.clone();
        let verifier = verifier.unwrap_or_else(|| nobody.clone());
        let foreign = !self.are_as_made_here(&verifier);
        let fits = self.on_pool(move || {
            let fits = verify(password.expose().as_bytes(), &verifier)?;
            if foreign && !fits {
                // A cheap scheme would tell that there is such an account.
                verify(password.expose().as_bytes(), &nobody)?;
            }
            Ok::<_, Fault>(fits)
        });
        Ok(fits.await?? && somebody)
    }

    /// Whether this server would make such a verifier: by its algorithm and with its parameters.
    pub fn are_as_made_here(&self, verifier: &Verifier) -> bool {
        let scheme = Scheme::parse(verifier.as_str());
        scheme.is_ok_and(|scheme| scheme.is_argon2id_of(&self.params))
    }

    /// Hashes that run or wait now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.places_max - self.places.available_permits()
    }

    async fn on_pool<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _place = self
            .places
            .try_acquire()
            .map_err(|_| PasswordError::Busy { queue: self.queue })?;
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        // The turn goes with the job: a caller that gives up doesn't make room for another
        // hash while its own still runs.
        let job = move || {
            let _turn = turn;
            job()
        };
        Ok(self.threads.elsewhere(job).await?)
    }
}

fn salt(entropy: &dyn Entropy) -> SaltString {
    let mut bytes = [0; SALT_BYTES];
    entropy.fill(&mut bytes);
    SaltString::encode_b64(&bytes).expect("16 bytes are a salt of valid length")
}

fn hash(params: &Params, password: &[u8], salt: &SaltString) -> Result<Verifier, Fault> {
    const DOING: &str = "hashing a password";
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let phc = argon2.hash_password(password, salt).or_fault(DOING)?;
    Verifier::parse(&phc.to_string()).or_fault(DOING)
}

/// A verifier of these parameters that no password was ever hashed for.
fn nobody(params: &Params, entropy: &dyn Entropy) -> Result<Verifier, Fault> {
    const DOING: &str = "making the verifier of nobody";
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    entropy.fill(&mut output);
    let salt = salt(entropy);
    let phc = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: params.try_into().or_fault(DOING)?,
        salt: Some(salt.as_salt()),
        hash: Some(Output::new(&output).or_fault(DOING)?),
    };
    Verifier::parse(&phc.to_string()).or_fault(DOING)
}

fn verify(password: &[u8], verifier: &Verifier) -> Result<bool, Fault> {
    let scheme = Scheme::parse(verifier.as_str());
    let scheme = scheme.or_fault("using a stored password verifier")?;
    Ok(scheme.fits(password))
}

fn within_bounds(params: &Params) -> Result<(), Fault> {
    match over_bounds(params) {
        None => Ok(()),
        Some((what, value, most)) => {
            let why = format!("{what}: {value} is more than {most}");
            Err(Fault::new("reading the parameters of Argon2id", why))
        }
    }
}

/// The parameter of Argon2 that is too great, what it is, and what it may be.
fn over_bounds(params: &Params) -> Option<(&'static str, u32, u32)> {
    let bounds = [
        ("memory in KiB", params.m_cost(), MEMORY_KIB_MAX),
        ("number of iterations", params.t_cost(), ITERATIONS_MAX),
        ("parallelism", params.p_cost(), PARALLELISM_MAX),
    ];
    bounds.into_iter().find(|(_, value, most)| value > most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::{InPlace, SystemEntropy};

    fn cheap(threads: usize, queue: usize) -> Passwords {
        let settings = PasswordSettings {
            memory_kib: 8,
            iterations: 1,
            parallelism: 1,
            threads,
            queue,
            length_min: 8,
        };
        let passwords = Passwords::new(settings, Arc::new(SystemEntropy), Arc::new(InPlace));
        passwords.expect("valid settings")
    }

    fn password(typed: &str) -> Password {
        Password::parse(typed).expect("valid password")
    }

    #[tokio::test]
    async fn a_password_fits_its_verifier_and_no_other_does() {
        let passwords = cheap(1, 8);
        let verifier = passwords.hash(password("right")).await.expect("hashed");
        assert!(verifier.as_str().starts_with("$argon2id$"));
        let check = |typed: &str, verifier| passwords.verify(password(typed), verifier);
        assert!(
            check("right", Some(verifier.clone()))
                .await
                .expect("checked")
        );
        assert!(!check("wrong", Some(verifier)).await.expect("checked"));
        assert!(!check("right", None).await.expect("checked"));
        assert!(passwords.are_as_made_here(&passwords.nobody));
    }

    #[tokio::test]
    async fn verifiers_of_other_parameters_are_honoured_up_to_the_bounds() {
        let passwords = cheap(1, 8);
        let other = Params::new(16, 2, 1, None).expect("valid");
        let verifier = hash(&other, b"right", &salt(&SystemEntropy)).expect("hashed");
        let fits = passwords.verify(password("right"), Some(verifier)).await;
        assert!(fits.expect("checked"));
        let costly = "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                      Zm9ydHkgdHdvIGZvcnR5IHR3byBmb3J0eSB0d28gZm9ydHk";
        let costly = Verifier::parse(costly).expect("a PHC string");
        let refused = passwords.verify(password("right"), Some(costly)).await;
        assert!(
            matches!(refused, Err(PasswordError::Fault(_))),
            "{refused:?}"
        );
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let passwords = cheap(1, 1);
        let running = Arc::clone(&passwords.turns)
            .acquire_owned()
            .await
            .expect("open");
        let mut first = Box::pin(passwords.hash(password("first")));
        let mut second = Box::pin(passwords.hash(password("second")));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        let third = passwords.hash(password("third")).await;
        assert!(matches!(third, Err(PasswordError::Busy { queue: 1 })));
        drop(running);
        assert!(first.await.is_ok());
        assert!(second.await.is_ok());
    }
}
