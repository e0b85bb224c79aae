//! Why a text cannot be a name.

use std::fmt;

/// Which kind of name, with its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// See [`LoginName`](crate::LoginName).
    Login,
    /// See [`RealName`](crate::RealName).
    Real,
}

impl NameKind {
    /// The most characters it has, after normalising.
    pub const fn chars_max(self) -> usize {
        match self {
            Self::Login => 64,
            Self::Real => 128,
        }
    }

    /// The most bytes it has, after normalising: four for each character.
    pub const fn bytes_max(self) -> usize {
        self.chars_max() * 4
    }

    /// The most bytes that are looked at. Normalising may shorten a name: a Hangul syllable
    /// that is given as three letters has nine bytes, and then three.
    pub const fn input_bytes_max(self) -> usize {
        self.chars_max() * 16
    }
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Login => "login name",
            Self::Real => "real name",
        })
    }
}

/// What is wrong with a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CharacterFault {
    /// A space, in a login name.
    Space,
    /// A control character, line breaks and tabs among them.
    Control,
    /// Has a meaning where login names are used.
    Reserved,
    /// Allowed between certain letters only.
    Context,
    /// Not known to the Unicode version of the PRECIS tables.
    Unknown,
    /// A symbol, an invisible character, or another form of an ordinary character.
    Class,
}

impl fmt::Display for CharacterFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Space => "a space",
            Self::Control => "a control character",
            Self::Reserved => "reserved: it has a meaning in addresses, files or searches",
            Self::Context => "allowed only next to certain letters",
            Self::Unknown => "not assigned in the Unicode version of the PRECIS tables",
            Self::Class => "a symbol, an invisible character or a compatibility form",
        })
    }
}

/// The text cannot be a name. Messages never contain the text, only numbers of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing in it, or nothing but spaces.
    #[error("the {kind} is empty; give 1 to {} characters", .kind.chars_max())]
    Empty {
        /// The kind of name that was given.
        kind: NameKind,
    },
    /// Too long to be looked at.
    #[error(
        "the {kind} has {bytes} bytes; it may have {} characters at most: shorten it",
        .kind.chars_max()
    )]
    Oversized {
        /// The kind of name that was given.
        kind: NameKind,
        /// The length of the text as it was given.
        bytes: usize,
    },
    /// Too many characters.
    #[error(
        "the {kind} has {chars} characters; it may have {} at most: shorten it",
        .kind.chars_max()
    )]
    TooLong {
        /// The kind of name that was given.
        kind: NameKind,
        /// After normalising.
        chars: usize,
    },
    /// A character that it cannot have.
    #[error(
        "the {kind} has U+{code_point:04X} at position {position}, which is {fault}; {}",
        remedy(*.kind)
    )]
    Character {
        /// The kind of name that was given.
        kind: NameKind,
        /// The character that is wrong.
        code_point: u32,
        /// Where, in characters, from 1.
        position: usize,
        /// What is wrong with it.
        fault: CharacterFault,
    },
    /// Right-to-left and left-to-right letters mixed (RFC 5893, 2).
    #[error(
        "the {kind} mixes writing directions: one with right-to-left letters must begin with such \
         a letter, end with a letter or digit, and have neither left-to-right letters nor two \
         kinds of digits; use one script"
    )]
    Direction {
        /// The kind of name that was given.
        kind: NameKind,
    },
    /// A login name in the form of a UUID.
    #[error(
        "the login name has the form of an account id (a UUID) and would be taken for one; \
         choose another one"
    )]
    ObjectId,
    /// Each normalising gives another text (RFC 8264, 7).
    #[error("the {kind} has no stable normal form; use fewer unusual characters")]
    Unstable {
        /// The kind of name that was given.
        kind: NameKind,
    },
}

fn remedy(kind: NameKind) -> &'static str {
    match kind {
        NameKind::Login => "use letters, digits, and `.`, `_`, `-`, `'` or `@`",
        NameKind::Real => "use letters, digits, spaces and visible marks",
    }
}
