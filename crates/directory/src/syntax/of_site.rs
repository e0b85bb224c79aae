//! The syntaxes that attributes of a site may have, too, with bounds of their own: text to its normal form.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use unicode_normalization::UnicodeNormalization as _;

use super::{InvalidValue, Syntax, all, shape, within};
use crate::id::ObjectId;
use crate::name::LoginName;
use crate::value::Value;

const FLAG: &str = "true or false";
const TIME: &str = "a time in UTC such as 2026-12-31T18:00:00Z, or a day such as 2026-12-31";
const PATH: &str = "an absolute path such as /home/ana, without `:`";
const GECOS: &str = "printable ASCII without `:`";
const MAIL: &str = "a mail address such as ana@example.org";
const PHONE: &str = "a telephone number such as +351 21 000 0000";
const LANGUAGE: &str = "a language tag such as pt-BR";
const ZONE: &str = "a time zone such as Europe/Lisbon";
const REFERENCE: &str = "the login name or the id of an account";
const SSH_KEY: &str = "a public key such as `ssh-ed25519 AAAA... ana@laptop`, without options";

/// RFC 5321's Mailbox without quoted strings and address literals, with RFC 6531's letters.
/// The domain is judged in its normal form: in lower case it may be longer, or have other characters.
pub(super) fn mail(text: &str) -> Result<String, InvalidValue> {
    let text = match text.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_lowercase().nfc()),
        None => return Err(InvalidValue::Shape { expected: MAIL }),
    };
    within(&text, Syntax::Mail.bytes_max())?;
    let local = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.@".contains(c);
    all(&text, MAIL, local)?;
    let (local, domain) = text.rsplit_once('@').unwrap_or_default();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let atoms = local.split('.').all(|atom| !atom.is_empty());
    let fits = local.len() <= 64 && atoms && !local.contains('@') && domain.split('.').all(label);
    shape(fits, MAIL)?;
    Ok(text)
}

pub(super) fn flag(text: &str) -> Result<String, InvalidValue> {
    let text = text.to_ascii_lowercase();
    shape(["true", "false"].contains(&text.as_str()), FLAG)?;
    Ok(text)
}

/// A day is its beginning.
pub(super) fn time(text: &str) -> Result<String, InvalidValue> {
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    match humantime::parse_rfc3339(&whole) {
        Ok(time) => Ok(humantime::format_rfc3339_seconds(time).to_string()),
        Err(_) => Err(InvalidValue::Shape { expected: TIME }),
    }
}

pub(super) fn path(text: String) -> Result<String, InvalidValue> {
    all(&text, PATH, |c| c != ':')?;
    shape(text.starts_with('/'), PATH)?;
    Ok(text)
}

pub(super) fn gecos(text: String) -> Result<String, InvalidValue> {
    all(&text, GECOS, |c| {
        (c.is_ascii_graphic() || c == ' ') && c != ':'
    })?;
    Ok(text)
}

pub(super) fn phone(text: String) -> Result<String, InvalidValue> {
    all(&text, PHONE, |c| {
        c.is_ascii_digit() || "+ -.()/".contains(c)
    })?;
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let plus = text.rfind('+').is_none_or(|position| position == 0);
    shape(digits >= 2 && plus, PHONE)?;
    Ok(text)
}

/// The form of RFC 5646, 2.1.1: the language in small letters, a region of two letters in capitals,
/// a script of four with its first one capital.
pub(super) fn language(text: &str) -> Result<String, InvalidValue> {
    all(text, LANGUAGE, |c| c.is_ascii_alphanumeric() || c == '-')?;
    let mut subtags = text.split('-');
    let first = subtags.next().unwrap_or_default().to_ascii_lowercase();
    let letters = first.chars().all(|c| c.is_ascii_alphabetic());
    shape((2..=8).contains(&first.len()) && letters, LANGUAGE)?;
    let mut tag = first;
    for subtag in subtags {
        shape((1..=8).contains(&subtag.len()), LANGUAGE)?;
        let small = subtag.to_ascii_lowercase();
        let alphabetic = small.chars().all(|c| c.is_ascii_alphabetic());
        tag.push('-');
        match small.len() {
            2 if alphabetic => tag.push_str(&small.to_ascii_uppercase()),
            4 if alphabetic => {
                tag.push_str(&small[..1].to_ascii_uppercase());
                tag.push_str(&small[1..]);
            }
            _ => tag.push_str(&small),
        }
    }
    Ok(tag)
}

pub(super) fn zone(text: String) -> Result<String, InvalidValue> {
    all(&text, ZONE, |c| {
        c.is_ascii_alphanumeric() || "_+-/".contains(c)
    })?;
    let begins = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic());
    shape(text.split('/').all(begins), ZONE)?;
    Ok(text)
}

/// RFC 4253, 6.6: the key repeats its type.
pub(super) fn ssh_key(text: String) -> Result<String, InvalidValue> {
    let mut fields = text.split_ascii_whitespace();
    let (name, key) = (
        fields.next().unwrap_or_default(),
        fields.next().unwrap_or_default(),
    );
    let blob = STANDARD.decode(key).unwrap_or_default();
    let inner = blob
        .split_first_chunk::<4>()
        .and_then(|(length, rest)| rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?));
    shape(!name.is_empty() && inner == Some(name.as_bytes()), SSH_KEY)?;
    Ok(text)
}

/// A UUID is an id, as it can be no login name.
pub(super) fn reference(text: &str) -> Result<String, InvalidValue> {
    let text = text.trim();
    within(text, Syntax::Reference.bytes_max())?;
    match (text.parse::<ObjectId>(), LoginName::parse(text)) {
        (Ok(id), _) => Ok(id.to_string()),
        (Err(_), Ok(name)) => Ok(name.as_str().to_owned()),
        (Err(_), Err(_)) => Err(InvalidValue::Shape {
            expected: REFERENCE,
        }),
    }
}

/// The account that an object's value is the id of; none: it is no id in its normal form.
pub(crate) fn referenced(value: &Value) -> Option<ObjectId> {
    let text = value.as_text()?;
    let id: ObjectId = text.parse().ok()?;
    (id.to_string() == text).then_some(id)
}
