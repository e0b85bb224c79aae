//! Names of accounts and groups: normalised, valid by construction.

use std::fmt;

use crate::invalid_name::{InvalidName, NameKind};
use crate::planted::{PlantedBug, is_planted};
use crate::profile;
use crate::syntax::{InvalidValue, Syntax};

/// The name by which an account is found: no two accounts have the same.
///
/// 1 to 64 characters of RFC 8265's UsernameCaseMapped: letters and digits of any script and
/// visible ASCII, but no spaces and none of [`LoginName::RESERVED`]; not a UUID. Names that
/// differ in case, width or Unicode form only are the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginName(String);

impl LoginName {
    /// Not in login names. `/` and `:` part account names (`accounts/login:ana`) and addresses,
    /// `,` and the like part lists, CSV files, LDAP names and filters, and URLs.
    pub const RESERVED: &str = "/:,;\"\\<>()*?#%&=`|";

    /// Normalises the text, or says why it cannot be a login name. What it gives, parsed again,
    /// gives itself.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if is_planted(PlantedBug::NameNotNormalised) {
            return Self::from_stored(text.to_owned());
        }
        profile::login_name(text).map(Self)
    }

    /// A login name that [`LoginName::parse`] once gave, here or on another server. Only the
    /// bounds are checked: the Unicode tables of another version mustn't make stored names
    /// unreadable, or have servers disagree.
    pub fn from_stored(text: String) -> Result<Self, InvalidName> {
        profile::within_bounds(NameKind::Login, &text)?;
        Ok(Self(text))
    }

    /// In its normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LoginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a person, as it is to be shown: others may have the same.
///
/// 1 to 128 characters of RFC 8266's Nickname, in the case they were given: anything visible,
/// with single spaces between. Compatibility forms are replaced (`ﬁ` by `fi`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RealName(String);

impl RealName {
    /// Normalises the text, or says why it cannot be a real name. What it gives, parsed again,
    /// gives itself.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        profile::real_name(text).map(Self)
    }

    /// A real name that [`RealName::parse`] once gave; see [`LoginName::from_stored`].
    pub fn from_stored(text: String) -> Result<Self, InvalidName> {
        profile::within_bounds(NameKind::Real, &text)?;
        Ok(Self(text))
    }

    /// In its normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RealName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name by which a group is found: no two groups have the same.
///
/// A line of text of up to 128 bytes, without `/`, `:` and `,`, which part names of the API and
/// lists; not a UUID. Names that differ in the case of ASCII letters only are the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);

impl GroupName {
    /// Normalises the text, or says why it cannot be a group's name. What it gives, parsed again,
    /// gives itself.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        Syntax::GroupName.normal(text).map(Self)
    }

    /// A name that [`GroupName::parse`] once gave; see [`LoginName::from_stored`].
    pub fn from_stored(text: String) -> Result<Self, InvalidValue> {
        Syntax::GroupName.within_bounds(&text)?;
        Ok(Self(text))
    }

    /// In its normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
