//! The password hashes that can be checked: this server's own, and those that other programs made.
//!
//! A hash says what it costs to check. Each scheme has a bound, because whoever gives a password to be
//! checked makes a server pay that price.

use argon2::{
    Algorithm, Argon2, Params, PasswordVerifier as _, Version, password_hash::PasswordHash,
};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use pbkdf2::pbkdf2_hmac;
use quorid_directory::Verifier;
use sha_crypt::{Sha512Params, sha512_crypt_b64};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::over_bounds;

/// Most of bcrypt's cost, the binary logarithm of its rounds.
pub const BCRYPT_COST_MAX: u32 = 14;
/// Most rounds of sha512-crypt.
pub const SHA512_CRYPT_ROUNDS_MAX: u32 = 1_000_000;
/// Most iterations of PBKDF2.
pub const PBKDF2_ITERATIONS_MAX: u32 = 2_000_000;
/// Most bytes that one check by scrypt goes through: 128 times `r`, `p` and the power of two `ln`.
pub const SCRYPT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Bytes of the last block that bcrypt compares, of 24.
const BCRYPT_HASH_BYTES: usize = 23;
/// What bcrypt looks at of a password, the 0 behind it included.
const BCRYPT_KEY_BYTES: usize = 72;
const SALT_BYTES_MAX: usize = 64;
const HASH_BYTES_MIN: usize = 16;

/// What is wrong with a password hash. The messages do not repeat any of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHash {
    /// Of no scheme that is known.
    #[error(
        "no scheme of password hashes that can be checked begins like that; there are $argon2id$, \
         $argon2i$, $argon2d$, $2a$, $2b$ and $2y$ (bcrypt), $6$ (sha512-crypt), $pbkdf2-sha256$, \
         $pbkdf2-sha512$, {{PBKDF2-SHA256}}, {{PBKDF2-SHA512}}, $scrypt$, {{SSHA}}, {{SSHA256}}, {{SSHA512}} \
         and {{SHA512}}"
    )]
    Unknown,
    /// Cut off, or with something else in it.
    #[error(
        "it begins like a hash of {scheme} and does not go on like one; it must look like {example}"
    )]
    Malformed {
        /// The scheme by its beginning.
        scheme: &'static str,
        /// What is right.
        example: &'static str,
    },
    /// To check it would take too long, or too much memory.
    #[error(
        "its {what} is {value}, and {scheme} is taken up to {most}: a password must be set instead"
    )]
    TooCostly {
        /// The scheme.
        scheme: &'static str,
        /// The parameter that is too great.
        what: &'static str,
        /// What it is.
        value: u64,
        /// What it may be.
        most: u64,
    },
    /// No hash is that long.
    #[error("it has {bytes} bytes; it may have {} at most", Verifier::BYTES_MAX)]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
}

/// The verifier that a hash of another program is, as it was given. A scheme that only names the next
/// one, as in `{CRYPT}$6$...`, is left out.
pub fn given_hash(text: &str) -> Result<Verifier, InvalidHash> {
    let mut text = text.trim();
    for wrapping in ["{CRYPT}", "{ARGON2}", "{BCRYPT}"] {
        if let Some(rest) = without_prefix(text, wrapping).filter(|rest| rest.starts_with('$')) {
            text = rest;
        }
    }
    if text.len() > Verifier::BYTES_MAX {
        return Err(InvalidHash::TooLong { bytes: text.len() });
    }
    Scheme::parse(text)?;
    Verifier::parse(text).map_err(|_| InvalidHash::Unknown)
}

/// A hash, read, with what it takes to check a password against it.
pub(super) enum Scheme<'t> {
    Argon2(Box<(PasswordHash<'t>, Params)>),
    Bcrypt {
        cost: u32,
        salt: [u8; 16],
        hash: Vec<u8>,
    },
    Sha512Crypt {
        params: Sha512Params,
        salt: &'t str,
        hash: &'t str,
    },
    Pbkdf2 {
        function: Function,
        iterations: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Scrypt {
        params: scrypt::Params,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    /// The hash function once, over the password and the salt.
    Plain {
        function: Function,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
}

/// A hash function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Sha1,
    Sha256,
    Sha512,
}

impl Function {
    fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

const ARGON2: Shape = Shape {
    scheme: "Argon2",
    example: "$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH",
};
const BCRYPT: Shape = Shape {
    scheme: "bcrypt",
    example: "$2b$12$ and 53 letters, digits, `.` and `/`",
};
const SHA512_CRYPT: Shape = Shape {
    scheme: "sha512-crypt",
    example: "$6$SALT$HASH or $6$rounds=5000$SALT$HASH, where HASH has 86 characters",
};
const PBKDF2: Shape = Shape {
    scheme: "PBKDF2",
    example: "$pbkdf2-sha256$i=600000,l=32$SALT$HASH, $pbkdf2-sha256$600000$SALT$HASH or \
              {PBKDF2-SHA256}600000$SALT$HASH",
};
const SCRYPT: Shape = Shape {
    scheme: "scrypt",
    example: "$scrypt$ln=17,r=8,p=1$SALT$HASH",
};
const PLAIN: Shape = Shape {
    scheme: "LDAP",
    example: "{SSHA} and the base64 of hash and salt",
};

/// How a scheme looks, for messages.
struct Shape {
    scheme: &'static str,
    example: &'static str,
}

impl Shape {
    fn malformed(&self) -> InvalidHash {
        InvalidHash::Malformed {
            scheme: self.scheme,
            example: self.example,
        }
    }

    fn number<N: std::str::FromStr>(&self, text: &str) -> Result<N, InvalidHash> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        number.ok_or_else(|| self.malformed())
    }

    fn bounded(&self, what: &'static str, value: u64, most: u64) -> Result<(), InvalidHash> {
        match value <= most {
            true => Ok(()),
            false => Err(InvalidHash::TooCostly {
                scheme: self.scheme,
                what,
                value,
                most,
            }),
        }
    }

    /// Base64 with or without its padding, and with `.` for `+` as some programs write it.
    fn bytes(&self, text: &str) -> Result<Vec<u8>, InvalidHash> {
        let text = text.replace('.', "+");
        ANY_BASE64.decode(text).map_err(|_| self.malformed())
    }

    fn salt(&self, text: &str) -> Result<Vec<u8>, InvalidHash> {
        let salt = self.bytes(text)?;
        match salt.len() <= SALT_BYTES_MAX {
            true => Ok(salt),
            false => Err(self.malformed()),
        }
    }

    fn hash(&self, text: &str, bytes_max: usize) -> Result<Vec<u8>, InvalidHash> {
        let hash = self.bytes(text)?;
        match (HASH_BYTES_MIN..=bytes_max).contains(&hash.len()) {
            true => Ok(hash),
            false => Err(self.malformed()),
        }
    }
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const ANY_BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, LENIENT);

impl<'t> Scheme<'t> {
    /// Reads a hash. What it costs to check is within the bounds then.
    pub(super) fn parse(text: &'t str) -> Result<Self, InvalidHash> {
        if text.starts_with("$argon2") {
            return argon2(text);
        }
        for (prefix, function) in [
            ("$pbkdf2-sha256$", Function::Sha256),
            ("$pbkdf2-sha512$", Function::Sha512),
            ("{PBKDF2-SHA256}", Function::Sha256),
            ("{PBKDF2-SHA512}", Function::Sha512),
        ] {
            if let Some(rest) = without_prefix(text, prefix) {
                return pbkdf2(rest, function);
            }
        }
        for (prefix, function, salted) in [
            ("{SSHA}", Function::Sha1, true),
            ("{SSHA256}", Function::Sha256, true),
            ("{SSHA512}", Function::Sha512, true),
            ("{SHA512}", Function::Sha512, false),
        ] {
            if let Some(rest) = without_prefix(text, prefix) {
                return plain(rest, function, salted);
            }
        }
        if let Some(rest) = text.strip_prefix("$6$") {
            return sha512_crypt(rest);
        }
        if let Some(rest) = text.strip_prefix("$scrypt$") {
            return scrypt(rest);
        }
        let bcrypt_prefix = ["$2a$", "$2b$", "$2y$"].into_iter();
        match bcrypt_prefix
            .into_iter()
            .find_map(|it| text.strip_prefix(it))
        {
            Some(rest) => bcrypt(rest),
            None => Err(InvalidHash::Unknown),
        }
    }

    /// Whether it is a hash of Argon2id in its present version with just these parameters.
    pub(super) fn is_argon2id_of(&self, own: &Params) -> bool {
        let Self::Argon2(argon2) = self else {
            return false;
        };
        let (phc, params) = argon2.as_ref();
        let cost = |it: &Params| (it.m_cost(), it.t_cost(), it.p_cost());
        phc.algorithm == Algorithm::Argon2id.ident()
            && phc.version == Some(Version::V0x13.into())
            && cost(params) == cost(own)
    }

    /// Whether the password is the one that the hash was made of.
    pub(super) fn fits(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2(argon2) => {
                let (phc, _) = argon2.as_ref();
                Argon2::default().verify_password(password, phc).is_ok()
            }
            Self::Bcrypt { cost, salt, hash } => {
                let mut key = Zeroizing::new(password.to_vec());
                key.push(0);
                key.truncate(BCRYPT_KEY_BYTES);
                let made = bcrypt::bcrypt(*cost, *salt, &key);
                same(&made[..BCRYPT_HASH_BYTES], hash)
            }
            Self::Sha512Crypt { params, salt, hash } => {
                let made = sha512_crypt_b64(password, salt.as_bytes(), params);
                made.is_ok_and(|made| same(made.as_bytes(), hash.as_bytes()))
            }
            Self::Pbkdf2 {
                function,
                iterations,
                salt,
                hash,
            } => {
                let mut made = vec![0; hash.len()];
                match function {
                    Function::Sha1 => pbkdf2_hmac::<Sha1>(password, salt, *iterations, &mut made),
                    Function::Sha256 => {
                        pbkdf2_hmac::<Sha256>(password, salt, *iterations, &mut made);
                    }
                    Function::Sha512 => {
                        pbkdf2_hmac::<Sha512>(password, salt, *iterations, &mut made);
                    }
                }
                same(&made, hash)
            }
            Self::Scrypt { params, salt, hash } => {
                let mut made = vec![0; hash.len()];
                scrypt::scrypt(password, salt, params, &mut made).is_ok() && same(&made, hash)
            }
            Self::Plain {
                function,
                salt,
                hash,
            } => {
                let both = [password, salt.as_slice()];
                let made = match function {
                    Function::Sha1 => digest::<Sha1>(both),
                    Function::Sha256 => digest::<Sha256>(both),
                    Function::Sha512 => digest::<Sha512>(both),
                };
                same(&made, hash)
            }
        }
    }
}

fn digest<D: sha2::Digest>(parts: [&[u8]; 2]) -> Vec<u8> {
    let hash = parts
        .into_iter()
        .fold(D::new(), |hash, part| hash.chain_update(part));
    hash.finalize().to_vec()
}

/// Compared without telling by the time how much is the same.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// What stands behind a prefix that is written in any case.
fn without_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (beginning, rest) = text.split_at_checked(prefix.len())?;
    beginning.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn argon2(text: &str) -> Result<Scheme<'_>, InvalidHash> {
    let malformed = || ARGON2.malformed();
    let phc = PasswordHash::new(text).map_err(|_| malformed())?;
    let known = Algorithm::try_from(phc.algorithm).is_ok();
    let version = phc
        .version
        .is_none_or(|version| Version::try_from(version).is_ok());
    let long_enough = phc.hash.is_some_and(|hash| hash.len() >= HASH_BYTES_MIN);
    if !known || !version || phc.salt.is_none() || !long_enough {
        return Err(malformed());
    }
    let params = Params::try_from(&phc).map_err(|_| malformed())?;
    if let Some((what, value, most)) = over_bounds(&params) {
        ARGON2.bounded(what, value.into(), most.into())?;
    }
    Ok(Scheme::Argon2(Box::new((phc, params))))
}

fn bcrypt(rest: &str) -> Result<Scheme<'_>, InvalidHash> {
    let malformed = || BCRYPT.malformed();
    let (cost, salt_and_hash) = rest.split_once('$').ok_or_else(malformed)?;
    let cost: u32 = BCRYPT.number(cost)?;
    let (salt, hash) = salt_and_hash.split_at_checked(22).ok_or_else(malformed)?;
    let decoded = |text| BCRYPT_BASE64.decode(text).map_err(|_| malformed());
    let (salt, hash) = (decoded(salt)?, decoded(hash)?);
    let salt = <[u8; 16]>::try_from(salt).map_err(|_| malformed())?;
    if cost < 4 || hash.len() != BCRYPT_HASH_BYTES {
        return Err(malformed());
    }
    BCRYPT.bounded("cost", cost.into(), BCRYPT_COST_MAX.into())?;
    Ok(Scheme::Bcrypt { cost, salt, hash })
}

fn sha512_crypt(rest: &str) -> Result<Scheme<'_>, InvalidHash> {
    let malformed = || SHA512_CRYPT.malformed();
    let (rounds, rest) = match rest.strip_prefix("rounds=") {
        Some(rest) => {
            let (rounds, rest) = rest.split_once('$').ok_or_else(malformed)?;
            (SHA512_CRYPT.number(rounds)?, rest)
        }
        None => (sha_crypt::ROUNDS_DEFAULT as u64, rest),
    };
    SHA512_CRYPT.bounded("number of rounds", rounds, SHA512_CRYPT_ROUNDS_MAX.into())?;
    let (salt, hash) = rest.split_once('$').ok_or_else(malformed)?;
    let letters = |text: &str| {
        text.bytes()
            .all(|it| it.is_ascii_alphanumeric() || b"./".contains(&it))
    };
    if salt.len() > 16
        || !salt.bytes().all(|it| it.is_ascii_graphic())
        || hash.len() != 86
        || !letters(hash)
    {
        return Err(malformed());
    }
    let rounds = usize::try_from(rounds).map_err(|_| malformed())?;
    let params = Sha512Params::new(rounds).map_err(|_| malformed())?;
    Ok(Scheme::Sha512Crypt { params, salt, hash })
}

fn pbkdf2(rest: &str, function: Function) -> Result<Scheme<'_>, InvalidHash> {
    let malformed = || PBKDF2.malformed();
    let parts: Vec<_> = rest.split('$').collect();
    let [cost, salt, hash] = parts.as_slice() else {
        return Err(malformed());
    };
    let hash = PBKDF2.hash(hash, function.bytes())?;
    let params = cost.strip_prefix("i=").unwrap_or(cost);
    let (iterations, length) = match params.split_once(",l=") {
        Some((iterations, length)) => (iterations, PBKDF2.number(length)?),
        None => (params, function.bytes()),
    };
    if length != hash.len() {
        return Err(malformed());
    }
    let iterations = PBKDF2.number(iterations)?;
    PBKDF2.bounded(
        "number of iterations",
        iterations,
        PBKDF2_ITERATIONS_MAX.into(),
    )?;
    let iterations = u32::try_from(iterations).map_err(|_| malformed())?;
    if iterations == 0 {
        return Err(malformed());
    }
    Ok(Scheme::Pbkdf2 {
        function,
        iterations,
        salt: PBKDF2.salt(salt)?,
        hash,
    })
}

fn scrypt(rest: &str) -> Result<Scheme<'_>, InvalidHash> {
    let malformed = || SCRYPT.malformed();
    let parts: Vec<_> = rest.split('$').collect();
    let [cost, salt, hash] = parts.as_slice() else {
        return Err(malformed());
    };
    let cost = cost.strip_prefix("ln=").and_then(|it| it.split_once(",r="));
    let (ln, cost) = cost.ok_or_else(malformed)?;
    let (r, p) = cost.split_once(",p=").ok_or_else(malformed)?;
    let (ln, r, p) = (
        SCRYPT.number::<u8>(ln)?,
        SCRYPT.number::<u32>(r)?,
        SCRYPT.number::<u32>(p)?,
    );
    let n = 1_u64.checked_shl(ln.into()).unwrap_or(u64::MAX);
    let bytes = 128_u64.saturating_mul(n).saturating_mul(r.into());
    let bytes = bytes.saturating_mul(p.into());
    SCRYPT.bounded("number of bytes", bytes, SCRYPT_BYTES_MAX)?;
    let hash = SCRYPT.hash(hash, 64)?;
    let params = scrypt::Params::new(ln, r, p, hash.len()).map_err(|_| malformed())?;
    Ok(Scheme::Scrypt {
        params,
        salt: SCRYPT.salt(salt)?,
        hash,
    })
}

fn plain(rest: &str, function: Function, salted: bool) -> Result<Scheme<'_>, InvalidHash> {
    let mut hash = PLAIN.bytes(rest)?;
    let most = if salted { SALT_BYTES_MAX } else { 0 };
    let least = usize::from(salted);
    let salt = hash.len().checked_sub(function.bytes());
    if !salt.is_some_and(|salt| (least..=most).contains(&salt)) {
        return Err(PLAIN.malformed());
    }
    let salt = hash.split_off(function.bytes());
    Ok(Scheme::Plain {
        function,
        salt,
        hash,
    })
}

#[cfg(test)]
mod tests;
