//! Revisions, times, addresses, verifiers.

use std::fmt;

use crate::id::ObjectId;

/// A state of the directory: the log index of the last change in it. 0: nothing yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Unix time, ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// Printed as a count of milliseconds: how to show a time is up to who shows it.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// The address that a request came from: 1 to 64 bytes of printable ASCII without spaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientAddress(String);

impl ClientAddress {
    /// The most bytes that it has.
    pub const BYTES_MAX: usize = 64;

    /// Takes the text as it is, or says why not; never cuts it.
    pub fn parse(text: &str) -> Result<Self, InvalidClientAddress> {
        if text.is_empty() || text.len() > Self::BYTES_MAX {
            return Err(InvalidClientAddress::Length { bytes: text.len() });
        }
        match first_not_graphic(text) {
            Some(position) => Err(InvalidClientAddress::Character { position }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The one that stands where none is known.
    pub(crate) fn unknown() -> Self {
        Self("-".to_owned())
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cannot be a client's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClientAddress {
    /// Empty or too long.
    #[error(
        "client address of {bytes} bytes; it must have 1 to {}",
        ClientAddress::BYTES_MAX
    )]
    Length {
        /// The number of bytes that it has.
        bytes: usize,
    },
    /// Not printable ASCII.
    #[error(
        "client address with a character at position {position} that is not printable ASCII; \
         it must be an IP address, with or without a port"
    )]
    Character {
        /// Where, from 1.
        position: usize,
    },
}

/// What a password is checked against: a hash such as `$argon2id$v=19$...`, or one that another
/// program made, such as `$6$...` or `{SSHA}...`; 1 to 256 bytes of printable ASCII. Not shown by
/// `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Verifier(String);

impl Verifier {
    /// The most bytes that it has.
    pub const BYTES_MAX: usize = 256;

    /// Checks shape and bounds. Whether its algorithm is known is seen by who checks passwords.
    pub fn parse(text: &str) -> Result<Self, InvalidVerifier> {
        if text.is_empty() || text.len() > Self::BYTES_MAX {
            return Err(InvalidVerifier::Length { bytes: text.len() });
        }
        if !text.starts_with(['$', '{']) {
            return Err(InvalidVerifier::Shape);
        }
        match first_not_graphic(text) {
            Some(position) => Err(InvalidVerifier::Character { position }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The verifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
    }
}

/// The text cannot be a verifier. The messages don't repeat it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVerifier {
    /// Empty or too long.
    #[error(
        "password verifier of {bytes} bytes; it must have 1 to {}",
        Verifier::BYTES_MAX
    )]
    Length {
        /// The number of bytes that it has.
        bytes: usize,
    },
    /// Not a hash.
    #[error(
        "password verifier is not a password hash; it must look like `$argon2id$v=19$m=...` or \
         `{{SSHA}}...`"
    )]
    Shape,
    /// Not printable ASCII.
    #[error(
        "password verifier with a character at position {position} that is not printable ASCII; \
         it must look like `$argon2id$v=19$m=...`"
    )]
    Character {
        /// Where, from 1.
        position: usize,
    },
}

/// What an operator's certificate calls its holder: at most 64 characters (X.520), of which none
/// is a control character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperatorName(String);

impl OperatorName {
    /// The most characters that it has.
    pub const CHARS_MAX: usize = 64;

    /// The common name of a certificate. What is too long is cut, and control characters are
    /// replaced: the name is shown to people, and decides nothing.
    pub fn of_certificate(common_name: &str) -> Self {
        let shown = common_name.chars().take(Self::CHARS_MAX);
        let shown = shown.map(|it| if it.is_control() { '\u{fffd}' } else { it });
        Self(shown.collect())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// Somebody who did not say who they are.
    Anyone,
    /// The operator of this name.
    Operator(OperatorName),
    /// The account of this id. It may be gone by now.
    Account(ObjectId),
}

/// `anyone`, `operator ana` or `account 0189...`: for messages.
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str("anyone"),
            Self::Operator(name) => write!(f, "operator {name}"),
            Self::Account(id) => write!(f, "account {id}"),
        }
    }
}

/// When, by whom, and from where, something was done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The directory's time.
    pub time: Time,
    /// Who did it.
    pub actor: Actor,
    /// The address of the client that asked.
    pub client: ClientAddress,
}

/// Position, from 1, of the first character that isn't visible ASCII.
fn first_not_graphic(text: &str) -> Option<usize> {
    text.chars()
        .position(|character| !character.is_ascii_graphic())
        .map(|index| index + 1)
}
