//! Passwords in the clear, on their way to being hashed or checked.

use std::fmt;

use precis_core::profile::PrecisFastInvocation;
use precis_profiles::OpaqueString;
use zeroize::Zeroizing;

use crate::profile::{compose_hangul, until_stable};

/// A password: 1 to 1,024 bytes in the form of RFC 8265's OpaqueString. Case counts, and so do
/// spaces. Not shown by `Debug`, and wiped from memory when dropped (what normalising leaves on the
/// heap on its way is not).
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The most bytes it has, after normalising.
    pub const BYTES_MAX: usize = 1024;

    /// The most bytes that are looked at: normalising may shorten a password.
    const INPUT_BYTES_MAX: usize = 4 * Self::BYTES_MAX;

    /// Normalises the text, or says why it cannot be a password. Strength isn't judged here.
    pub fn parse(text: &str) -> Result<Self, InvalidPassword> {
        if text.len() > Self::INPUT_BYTES_MAX {
            return Err(InvalidPassword::TooLong { bytes: text.len() });
        }
        if let Some(index) = text.chars().position(char::is_control) {
            let position = index + 1;
            return Err(InvalidPassword::Character { position });
        }
        let normal = until_stable(text, enforce)?.ok_or(InvalidPassword::Unstable)?;
        let normal = Zeroizing::new(normal);
        if normal.len() > Self::BYTES_MAX {
            let bytes = normal.len();
            return Err(InvalidPassword::TooLong { bytes });
        }
        Ok(Self(normal))
    }

    /// The password itself, to hash or to check it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// The text cannot be a password. The messages don't repeat any of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// Nothing in it.
    #[error("the password is empty; give 1 to {} bytes", Password::BYTES_MAX)]
    Empty,
    /// Too many bytes.
    #[error(
        "the password has {bytes} bytes; it may have {} at most: shorten it",
        Password::BYTES_MAX
    )]
    TooLong {
        /// The number of bytes that it has.
        bytes: usize,
    },
    /// A character that it cannot have.
    #[error(
        "the password has a control character, or one that Unicode tables do not know or hide, at \
         position {position}; use visible characters and spaces"
    )]
    Character {
        /// Where, in characters, from 1.
        position: usize,
    },
    /// Each normalising gives another text (RFC 8264, 7).
    #[error("the password has no stable normal form; use fewer unusual characters")]
    Unstable,
}

fn enforce(text: &str) -> Result<String, InvalidPassword> {
    use precis_core::{Error, UnexpectedError};

    let composed = compose_hangul(text);
    match OpaqueString::enforce(composed.as_ref()) {
        Ok(normal) => Ok(normal.into_owned()),
        Err(
            Error::BadCodepoint(info)
            | Error::Unexpected(
                UnexpectedError::ContextRuleNotApplicable(info)
                | UnexpectedError::MissingContextRule(info),
            ),
        ) => Err(InvalidPassword::Character {
            position: info.position + 1,
        }),
        Err(Error::Unexpected(
            UnexpectedError::ProfileRuleNotApplicable | UnexpectedError::Undefined,
        )) => Err(InvalidPassword::Character {
            position: crate::profile::first_contextual(&composed),
        }),
        Err(Error::Invalid) => Err(InvalidPassword::Empty),
    }
}
