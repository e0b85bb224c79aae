//! What values look like: text to value, and back by way of `Display`.

mod of_site;

use std::ops::RangeInclusive;

use unicode_normalization::UnicodeNormalization as _;

use crate::id::ObjectId;
use crate::invalid_name::{InvalidName, NameKind};
use crate::name::{LoginName, RealName};
use crate::profile::within_bounds;
use crate::rights::Role;
use crate::value::Value;
pub(crate) use of_site::referenced;
use of_site::{flag, gecos, language, mail, path, phone, reference, ssh_key, time, zone};

/// How the values of an attribute are written and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// See [`LoginName`].
    LoginName,
    /// See [`RealName`].
    RealName,
    /// See [`GroupName`](crate::GroupName).
    GroupName,
    /// Text of one line, in Unicode's form C, without spaces at its ends. Compared without regard
    /// to the case of ASCII letters.
    Line {
        /// The most bytes.
        bytes_max: usize,
    },
    /// Text that may have line breaks and tabs; otherwise as a line.
    Text {
        /// The most bytes.
        bytes_max: usize,
    },
    /// A mail address: what stands before `@` is kept as it is, the domain in lower case. Compared
    /// without regard to the case of ASCII letters.
    Mail,
    /// A telephone number: digits, `+` at the beginning, spaces and `-.()/` between.
    Phone,
    /// A language tag (BCP 47), such as `pt-BR`.
    Language,
    /// A name of the IANA time zone database, such as `Europe/Lisbon`.
    Zone,
    /// A user's or group's number of POSIX systems, from 1 to 4,294,967,294.
    PosixNumber,
    /// `true` or `false`.
    Flag,
    /// See [`Role`](crate::Role).
    Role,
    /// A time to the second, in UTC (RFC 3339), such as `2026-12-31T18:00:00Z`.
    Time,
    /// An absolute path of POSIX systems.
    Path,
    /// A field of POSIX's passwd file: printable ASCII without `:`.
    Gecos,
    /// A line of an `authorized_keys` file, without options: type, key, comment.
    SshKey,
    /// An account: objects have its id. A request may give its login name instead, which is replaced by
    /// the id when the request is executed.
    Reference,
}

/// The text is no value of the attribute. Messages never contain the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// Not a name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Nothing in it.
    #[error("it is empty; to have none, clear the attribute")]
    Empty,
    /// Too many bytes.
    #[error("it has {bytes} bytes; it may have {bytes_max} at most: shorten it")]
    TooLong {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        bytes_max: usize,
    },
    /// A character that it cannot have.
    #[error("the character at position {position} does not belong there; give {expected}")]
    Character {
        /// Where, in characters, from 1.
        position: usize,
        /// What is right.
        expected: &'static str,
    },
    /// Another shape.
    #[error("it does not look right; give {expected}")]
    Shape {
        /// What is right.
        expected: &'static str,
    },
}

/// Neither root nor what stands for no number.
const POSIX_NUMBERS: RangeInclusive<u64> = 1..=4_294_967_294;

const POSIX_NUMBER: &str = "a number from 1 to 4294967294";
const ROLE: &str = "one of reader, help_desk, user_manager, operator";
const LINE: &str = "text of one line";
const TEXT: &str = "text without control characters";
const GROUP_NAME: &str = "a name such as `Head office`, without `/`, `:` and `,`, that is no UUID";

impl Syntax {
    /// Those that an attribute may have which a site adds. The others belong to what the directory does
    /// with their attributes.
    pub fn of_site() -> impl Iterator<Item = Self> {
        [
            Self::Line { bytes_max: 256 },
            Self::Text { bytes_max: 4096 },
            Self::Mail,
            Self::Phone,
            Self::Language,
            Self::Zone,
            Self::Flag,
            Self::Time,
            Self::Path,
            Self::Gecos,
            Self::SshKey,
            Self::Reference,
        ]
        .into_iter()
    }

    /// The word for it, without its bounds.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoginName => "login_name",
            Self::RealName => "real_name",
            Self::GroupName => "group_name",
            Self::Line { .. } => "line",
            Self::Text { .. } => "text",
            Self::Mail => "mail",
            Self::Phone => "phone",
            Self::Language => "language",
            Self::Zone => "zone",
            Self::PosixNumber => "posix_number",
            Self::Flag => "flag",
            Self::Role => "role",
            Self::Time => "time",
            Self::Path => "path",
            Self::Gecos => "gecos",
            Self::SshKey => "ssh_key",
            Self::Reference => "reference",
        }
    }

    /// The syntax of a word, with values of up to so many bytes.
    pub fn named(name: &str, bytes_max: usize) -> Option<Self> {
        let bounded = [Self::Line { bytes_max }, Self::Text { bytes_max }];
        let others = [
            Self::LoginName,
            Self::RealName,
            Self::GroupName,
            Self::PosixNumber,
            Self::Role,
        ];
        let mut all = bounded.into_iter().chain(others).chain(Self::of_site());
        all.find(|syntax| syntax.name() == name)
    }

    /// The value that the text means, in its normal form. Its text, parsed again, gives the same.
    pub fn parse(self, text: &str) -> Result<Value, InvalidValue> {
        match self {
            Self::PosixNumber => posix_number(text).map(Value::Number),
            Self::LoginName
            | Self::RealName
            | Self::GroupName
            | Self::Line { .. }
            | Self::Text { .. }
            | Self::Mail
            | Self::Phone
            | Self::Language
            | Self::Zone
            | Self::Flag
            | Self::Role
            | Self::Time
            | Self::Path
            | Self::Gecos
            | Self::SshKey
            | Self::Reference => self.normal(text).map(Value::Text),
        }
    }

    /// The text of a value in its normal form.
    pub(crate) fn normal(self, text: &str) -> Result<String, InvalidValue> {
        let line = || plain(text, self.bytes_max(), LINE, |c| !c.is_control());
        Ok(match self {
            Self::LoginName => LoginName::parse(text)?.as_str().to_owned(),
            Self::RealName => RealName::parse(text)?.as_str().to_owned(),
            Self::GroupName => group_name(line()?)?,
            Self::Line { .. } => line()?,
            Self::Text { bytes_max } => plain(text, bytes_max, TEXT, |c| {
                !c.is_control() || matches!(c, '\n' | '\t')
            })?,
            Self::Mail => mail(&line()?)?,
            Self::Phone => phone(line()?)?,
            Self::Language => language(&line()?)?,
            Self::Zone => zone(line()?)?,
            Self::PosixNumber => posix_number(text)?.to_string(),
            Self::Flag => flag(&line()?)?,
            Self::Role => role(&line()?)?,
            Self::Time => time(&line()?)?,
            Self::Path => path(line()?)?,
            Self::Gecos => gecos(line()?)?,
            Self::SshKey => ssh_key(line()?)?,
            Self::Reference => reference(text)?,
        })
    }

    /// The most bytes of a value.
    pub fn bytes_max(self) -> usize {
        match self {
            Self::LoginName | Self::Reference => NameKind::Login.bytes_max(),
            Self::RealName => NameKind::Real.bytes_max(),
            Self::GroupName => 128,
            Self::Line { bytes_max } | Self::Text { bytes_max } => bytes_max,
            Self::Mail => 254,
            Self::Phone => 64,
            Self::PosixNumber => 8,
            Self::Flag => 5,
            Self::Role => 32,
            Self::Time => 32,
            Self::Path => 1024,
            Self::Gecos => 255,
            Self::Language => 35,
            Self::Zone => 64,
            Self::SshKey => 8192,
        }
    }

    /// Whether a value has the type and the length of this syntax. More is not asked of a value
    /// that comes from the log: it was parsed before, perhaps by another version's rules.
    pub fn takes(self, value: &Value) -> bool {
        let text = match (self, value) {
            (Self::PosixNumber, Value::Number(number)) => return POSIX_NUMBERS.contains(number),
            (Self::PosixNumber, Value::Text(_)) | (_, Value::Number(_)) => return false,
            (_, Value::Text(text)) => text,
        };
        match self {
            Self::LoginName | Self::Reference => within_bounds(NameKind::Login, text).is_ok(),
            Self::RealName => within_bounds(NameKind::Real, text).is_ok(),
            Self::GroupName
            | Self::Line { .. }
            | Self::Text { .. }
            | Self::Mail
            | Self::Phone
            | Self::Language
            | Self::Zone
            | Self::PosixNumber
            | Self::Flag
            | Self::Role
            | Self::Time
            | Self::Path
            | Self::Gecos
            | Self::SshKey => self.within_bounds(text).is_ok(),
        }
    }

    /// Whether an object may have a value that [`takes`](Self::takes) takes: of accounts it has ids only.
    pub(crate) fn keeps(self, value: &Value) -> bool {
        self.takes(value) && (self != Self::Reference || referenced(value).is_some())
    }

    /// Whether a text has the length of a value.
    pub(crate) fn within_bounds(self, text: &str) -> Result<(), InvalidValue> {
        within(text, self.bytes_max())
    }

    /// What values are compared by: those with the same key are the same. All servers must have
    /// the same keys, whatever their Unicode tables: so only the case of ASCII is looked through.
    pub fn key(self, value: &Value) -> Vec<u8> {
        match value {
            Value::Text(text) => match self {
                Self::GroupName | Self::Line { .. } | Self::Text { .. } | Self::Mail => {
                    text.to_ascii_lowercase().into_bytes()
                }
                Self::LoginName
                | Self::RealName
                | Self::Phone
                | Self::Language
                | Self::Zone
                | Self::PosixNumber
                | Self::Flag
                | Self::Role
                | Self::Time
                | Self::Path
                | Self::Gecos
                | Self::SshKey
                | Self::Reference => text.clone().into_bytes(),
            },
            Value::Number(number) => number.to_be_bytes().to_vec(),
        }
    }
}

/// Text in form C, without spaces at its ends.
fn plain(
    text: &str,
    bytes_max: usize,
    expected: &'static str,
    fits: impl Fn(char) -> bool,
) -> Result<String, InvalidValue> {
    let text = text.trim();
    // Form C may be shorter, but never to less than a quarter.
    within(text, bytes_max.saturating_mul(4))?;
    let text: String = text.nfc().collect();
    within(&text, bytes_max)?;
    all(&text, expected, fits)?;
    Ok(text)
}

fn within(text: &str, bytes_max: usize) -> Result<(), InvalidValue> {
    match text.len() {
        0 => Err(InvalidValue::Empty),
        bytes if bytes <= bytes_max => Ok(()),
        bytes => Err(InvalidValue::TooLong { bytes, bytes_max }),
    }
}

/// Every character fits, or the error says which one does not.
fn all(
    text: &str,
    expected: &'static str,
    fits: impl Fn(char) -> bool,
) -> Result<(), InvalidValue> {
    match text.chars().position(|c| !fits(c)) {
        None => Ok(()),
        Some(index) => Err(InvalidValue::Character {
            position: index + 1,
            expected,
        }),
    }
}

fn shape(fits: bool, expected: &'static str) -> Result<(), InvalidValue> {
    fits.then_some(()).ok_or(InvalidValue::Shape { expected })
}

fn posix_number(text: &str) -> Result<u64, InvalidValue> {
    let text = text.trim();
    within(text, 10)?;
    all(text, POSIX_NUMBER, |c| c.is_ascii_digit())?;
    let number = text.parse().unwrap_or_default();
    shape(POSIX_NUMBERS.contains(&number), POSIX_NUMBER)?;
    Ok(number)
}

fn role(text: &str) -> Result<String, InvalidValue> {
    match Role::parse(text) {
        Some(role) => Ok(role.as_str().to_owned()),
        None => Err(InvalidValue::Shape { expected: ROLE }),
    }
}

fn group_name(text: String) -> Result<String, InvalidValue> {
    all(&text, GROUP_NAME, |c| !"/:,".contains(c))?;
    shape(text.parse::<ObjectId>().is_err(), GROUP_NAME)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    #[test]
    fn values_have_one_normal_form() {
        let line = Syntax::Line { bytes_max: 20 };
        for (syntax, text, normal) in [
            (Syntax::LoginName, "Ana", "ana"),
            (Syntax::RealName, " Ana  Lima ", "Ana Lima"),
            (Syntax::GroupName, " Head office ", "Head office"),
            (line, "  Head of IT ", "Head of IT"),
            (Syntax::PosixNumber, " 0070000", "70000"),
            (Syntax::Flag, "TRUE", "true"),
            (Syntax::Role, "help_desk", "help_desk"),
            (Syntax::Time, "2026-12-31", "2026-12-31T00:00:00Z"),
            (
                Syntax::Time,
                "2026-12-31T18:00:00.5Z",
                "2026-12-31T18:00:00Z",
            ),
            (Syntax::Path, "/bin/sh", "/bin/sh"),
            (Syntax::Gecos, "Ana Lima,,", "Ana Lima,,"),
            (line, "Joa\u{303}o", "Jo\u{e3}o"),
            (Syntax::Text { bytes_max: 20 }, "one\ntwo\n", "one\ntwo"),
            (
                Syntax::Mail,
                "Ana.Lima+a@Example.ORG",
                "Ana.Lima+a@example.org",
            ),
            (Syntax::Mail, "jo\u{e3}o@exemplo.pt", "jo\u{e3}o@exemplo.pt"),
            (Syntax::Mail, "root@localhost", "root@localhost"),
            (
                Syntax::Mail,
                "ana@\u{c9}COLE.example",
                "ana@\u{e9}cole.example",
            ),
            (
                Syntax::Phone,
                "+351 (21) 000-00.00/1",
                "+351 (21) 000-00.00/1",
            ),
            (Syntax::Language, "PT-br", "pt-BR"),
            (Syntax::Language, "zh-hANT-tw", "zh-Hant-TW"),
            (
                Syntax::Zone,
                "America/Argentina/Ushuaia",
                "America/Argentina/Ushuaia",
            ),
            (Syntax::Zone, "Etc/GMT+1", "Etc/GMT+1"),
            (
                Syntax::SshKey,
                &format!("{KEY} ana@laptop"),
                &format!("{KEY} ana@laptop"),
            ),
            (Syntax::Reference, " Ana", "ana"),
            (
                Syntax::Reference,
                "01890A5D-AC96-774B-BCCE-B302099A8057",
                "01890a5d-ac96-774b-bcce-b302099a8057",
            ),
        ] {
            let value = syntax.parse(text).expect(text);
            assert_eq!(value.to_string(), normal, "{text:?}");
            assert_eq!(syntax.parse(normal), Ok(value.clone()), "{normal:?} again");
            assert!(syntax.takes(&value), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused_with_what_would_be_one() {
        let line = Syntax::Line { bytes_max: 20 };
        for (syntax, text, part) in [
            (Syntax::LoginName, "a b", "a space"),
            (Syntax::GroupName, "a,b", "position 2"),
            (Syntax::GroupName, "a/b", "position 2"),
            (
                Syntax::GroupName,
                "01890a5d-ac96-774b-bcce-b302099a8057",
                "no UUID",
            ),
            (Syntax::PosixNumber, "0", "from 1"),
            (Syntax::PosixNumber, "4294967295", "from 1"),
            (Syntax::PosixNumber, "-1", "position 1"),
            (Syntax::PosixNumber, "99999999999", "11 bytes"),
            (Syntax::Flag, "yes", "true or false"),
            (Syntax::Role, "root", "one of reader"),
            (Syntax::Time, "2026-13-31", "in UTC"),
            (Syntax::Time, "2026-12-31T18:00:00+01:00", "in UTC"),
            (Syntax::Time, "tomorrow!!", "in UTC"),
            (Syntax::Path, "bin/sh", "absolute"),
            (Syntax::Path, "/a:b", "position 3"),
            (Syntax::Gecos, "Jo\u{e3}o", "position 3"),
            (line, "", "empty"),
            (line, "   ", "empty"),
            (line, "123456789012345678901", "21 bytes; it may have 20"),
            (line, "one\ntwo", "position 4"),
            (Syntax::Text { bytes_max: 20 }, "a\u{1b}[2J", "position 2"),
            (Syntax::Mail, "ana", "ana@example.org"),
            (Syntax::Mail, "@example.org", "ana@example.org"),
            (Syntax::Mail, "ana@", "ana@example.org"),
            (Syntax::Mail, "ana@b@example.org", "ana@example.org"),
            (Syntax::Mail, "a..b@example.org", "ana@example.org"),
            // In lower case this is an i and a combining dot.
            (Syntax::Mail, "ana@\u{130}.example", "position 6"),
            (Syntax::Mail, "ana@-example.org", "ana@example.org"),
            (Syntax::Mail, "ana lima@example.org", "position 4"),
            (Syntax::Phone, "+", "telephone"),
            (Syntax::Phone, "+351x", "position 5"),
            (Syntax::Language, "p", "pt-BR"),
            (Syntax::Language, "pt--BR", "pt-BR"),
            (Syntax::Language, "pt_BR", "position 3"),
            (Syntax::Zone, "Europe//Lisbon", "Europe/Lisbon"),
            (Syntax::SshKey, "ssh-rsa AAAA", "without options"),
            (Syntax::Reference, "a b", "login name or the id"),
            (Syntax::Reference, "", "empty"),
            (
                Syntax::SshKey,
                &format!("command=\"x\" {KEY}"),
                "without options",
            ),
        ] {
            let error = syntax.parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_mail_address_that_is_longer_in_lower_case_is_within_its_bound_or_refused() {
        // Two bytes, and three in lower case.
        let long = format!(
            "{}@{}",
            "a".repeat(64),
            ["\u{23a}".repeat(21).as_str(); 4].join(".")
        );
        assert!(long.len() < Syntax::Mail.bytes_max());
        let error = Syntax::Mail.parse(&long).expect_err("too long").to_string();
        assert!(error.contains("254 at most"), "{error}");
    }

    #[test]
    fn values_that_differ_in_case_only_are_the_same_mail_but_not_the_same_key() {
        let mail = |text| Syntax::Mail.key(&Syntax::Mail.parse(text).expect("mail"));
        assert_eq!(mail("Ana@example.org"), mail("ana@EXAMPLE.org"));
        assert_ne!(mail("ana@example.org"), mail("ben@example.org"));
    }
}
