//! Ids: 16 bytes, ordered by their bytes.

use std::fmt;
use std::str::FromStr;

use uuid::{Uuid, Variant};

use crate::model::Revision;

const EXAMPLE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
/// Of revision 1,000.
const EXAMPLE_REQUEST: &str = "00000000-0000-83e8-bcce-b302099a8057";

/// Which object: a UUID that never changes and is never used for another object.
///
/// Written in the hyphenated form, in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(Uuid);

impl ObjectId {
    /// The id that is this UUID.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The id of these 16 bytes (big-endian, as in RFC 9562).
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Its 16 bytes; their order is the order of ids.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id as a UUID.
    pub const fn uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for ObjectId {
    type Err = InvalidObjectId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(parse_hyphenated(text)?))
    }
}

/// The text is no id of an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid account id: {0}; an account id is a UUID such as {EXAMPLE}")]
pub struct InvalidObjectId(#[from] InvalidUuid);

/// Which request: a UUID of version 8, made by the client. A retry carries the same one.
///
/// It begins with the last revision that the client had seen when it made the request, 60 bits around the
/// version, so that ids are in the order of these revisions. What follows the variant is random. No clock
/// has a part in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// A new one: of the highest revision that was seen so far, and of 62 random bits: all of `random` but its highest two.
    ///
    /// # Panics
    /// If the revision takes more than 60 bits: no log is so long.
    pub fn new(seen: Revision, random: u64) -> Self {
        let Revision(seen) = seen;
        assert!(seen >> 60 == 0, "no log has {seen} entries");
        let first = ((seen >> 12) << 16) | (seen & 0xfff);
        let whole = (u128::from(first) << 64) | u128::from(random);
        Self(
            uuid::Builder::from_custom_bytes(whole.to_be_bytes())
                .into_uuid()
                .into_bytes(),
        )
    }

    /// The id of these 16 bytes, which must be a UUID of version 8.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, InvalidRequestId> {
        Self::from_uuid(Uuid::from_bytes(bytes))
    }

    /// The id that is this UUID, which must be of version 8.
    pub fn from_uuid(uuid: Uuid) -> Result<Self, InvalidRequestId> {
        let version = uuid.get_version_num();
        if uuid.get_variant() != Variant::RFC4122 {
            return Err(InvalidUuid::Variant(uuid).into());
        }
        if version != 8 {
            return Err(InvalidUuid::Version { uuid, version }.into());
        }
        Ok(Self(uuid.into_bytes()))
    }

    /// Its 16 bytes; their order is the order of ids.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id as a UUID.
    pub const fn uuid(&self) -> Uuid {
        Uuid::from_bytes(self.0)
    }

    /// The last revision that the client had seen when it made the request.
    pub const fn seen(&self) -> Revision {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        let first = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        Revision(((first >> 16) << 12) | (first & 0xfff))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid().as_hyphenated().fmt(f)
    }
}

impl FromStr for RequestId {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_uuid(parse_hyphenated(text)?)
    }
}

/// The text or bytes aren't a request id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid request id: {0}; a request id is a UUID of version 8 that begins with the last revision \
     seen, made anew for every request and sent again with its retries, such as {EXAMPLE_REQUEST}"
)]
pub struct InvalidRequestId(#[from] InvalidUuid);

/// What is wrong with a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum InvalidUuid {
    #[error("{0} bytes instead of {LENGTH}")]
    Length(usize),
    #[error("no hyphen at position {0}")]
    NoHyphen(usize),
    #[error("no hexadecimal digit at position {0}")]
    NoDigit(usize),
    #[error(transparent)]
    Malformed(#[from] uuid::Error),
    #[error("{0} is not a UUID of RFC 9562")]
    Variant(Uuid),
    #[error("{uuid} is a UUID of version {version}, not 8")]
    Version { uuid: Uuid, version: usize },
}

const LENGTH: usize = uuid::fmt::Hyphenated::LENGTH;

/// Only the hyphenated form: one id has one spelling but for the case of its letters.
fn parse_hyphenated(text: &str) -> Result<Uuid, InvalidUuid> {
    if text.len() != LENGTH {
        return Err(InvalidUuid::Length(text.len()));
    }
    for (index, byte) in text.bytes().enumerate() {
        let hyphen_here = matches!(index, 8 | 13 | 18 | 23);
        let position = index + 1;
        if hyphen_here && byte != b'-' {
            return Err(InvalidUuid::NoHyphen(position));
        }
        if !hyphen_here && !byte.is_ascii_hexdigit() {
            return Err(InvalidUuid::NoDigit(position));
        }
    }
    Ok(Uuid::try_parse(text)?)
}
