//! Passwords in the clear, on their way to being hashed or checked.

use std::fmt;
use std::sync::LazyLock;

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

    /// Normalises the text, or says why it cannot be a password. Strength is not judged here: a password
    /// that was taken once stays right.
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

    /// Whether a new password is hard enough to guess: at least so many characters, and none of those
    /// that everybody tries first. No rules on which characters it has.
    pub fn strength(&self, chars_min: usize) -> Result<(), WeakPassword> {
        let chars = self.0.chars().count();
        if chars < chars_min {
            return Err(WeakPassword::Short { chars_min });
        }
        let lower_case = Zeroizing::new(self.0.to_lowercase());
        match COMMON.binary_search(&lower_case.as_str()) {
            Ok(_) => Err(WeakPassword::Common),
            Err(_) => Ok(()),
        }
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

/// Passwords of eight characters and more that are used most, in lower case and in order: from the list
/// that Django refuses, which counts passwords of known leaks.
static COMMON: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// The password is too easy to guess. The messages don't repeat any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too few characters.
    #[error("the new password is too short: it must have {chars_min} characters at least")]
    Short {
        /// The fewest that are taken.
        chars_min: usize,
    },
    /// On the list of the most common ones.
    #[error(
        "the new password is one of the most common ones, which are guessed first; choose another, \
         such as four words of your own"
    )]
    Common,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn strength(text: &str) -> Result<(), WeakPassword> {
        Password::parse(text).expect("a password").strength(8)
    }

    #[test]
    fn common_passwords_are_in_order_in_lower_case_and_eight_characters_long() {
        assert!(COMMON.is_sorted() && COMMON.len() > 8_000);
        for password in COMMON.iter() {
            assert!(password.chars().count() >= 8, "{password}");
            assert_eq!(password.to_lowercase(), *password);
        }
    }

    #[test]
    fn short_and_common_passwords_are_weak_in_any_case() {
        let short = Err(WeakPassword::Short { chars_min: 8 });
        for (text, expected) in [
            ("1234567", short),
            // Seven characters, of two bytes each.
            ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", short),
            ("password", Err(WeakPassword::Common)),
            ("PassWord1", Err(WeakPassword::Common)),
            ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", Ok(())),
            ("open sesame", Ok(())),
        ] {
            assert_eq!(strength(text), expected, "{text}");
        }
    }
}
