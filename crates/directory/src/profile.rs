//! The PRECIS profiles of names, by the crate `precis-profiles`, and what it lacks:
//!
//! - Greek: a capital sigma becomes σ wherever it stands, so that ΣΟΦΟΣ and σοφος would be two
//!   names. Here a sigma has the form of its place.
//! - Cherokee: capitals become small letters that the tables (Unicode 6.3) don't know. Here
//!   they are what is kept, as in Unicode's case folding.
//! - A name is checked before its case is mapped: `L·L` would be refused where `l·l` isn't, and
//!   the Kelvin sign where `k` isn't. Here the mapped name counts.
//! - The bidi rule takes vowel marks for the end of a right-to-left name and refuses
//!   vocalised Hebrew and Arabic. Here they are looked through, as RFC 5893 says.
//! - Hangul given letter by letter (macOS file names) is refused before it could be composed.
//!   Here it is composed first.
//! - UsernameCaseMapped isn't applied until it is stable (RFC 8264, 7).

use std::borrow::Cow;

use precis_core::profile::{PrecisFastInvocation, Rules};
use precis_core::{
    CodepointInfo, DerivedPropertyValue, Error, FreeformClass, IdentifierClass, StringClass,
    UnexpectedError,
};
use precis_profiles::{Nickname, UsernameCaseMapped};
use uuid::Uuid;

use crate::invalid_name::{CharacterFault, InvalidName, NameKind};
use crate::name::LoginName;

/// The normal form of a login name.
pub(crate) fn login_name(text: &str) -> Result<String, InvalidName> {
    const KIND: NameKind = NameKind::Login;
    within_input_bounds(KIND, text)?;
    let normal = match ascii_login_name(text) {
        Some(normal) => normal,
        None => {
            until_stable(text, enforce_login_name)?.ok_or(InvalidName::Unstable { kind: KIND })?
        }
    };
    within_bounds(KIND, &normal)?;
    if Uuid::try_parse(&normal).is_ok() {
        return Err(InvalidName::ObjectId);
    }
    Ok(normal)
}

/// The normal form of a real name.
pub(crate) fn real_name(text: &str) -> Result<String, InvalidName> {
    const KIND: NameKind = NameKind::Real;
    within_input_bounds(KIND, text)?;
    let normal = match ascii_real_name(text) {
        Some(normal) => normal,
        None => {
            until_stable(text, enforce_real_name)?.ok_or(InvalidName::Unstable { kind: KIND })?
        }
    };
    within_bounds(KIND, &normal)?;
    Ok(normal)
}

/// For a normal form: neither empty nor too long.
pub(crate) fn within_bounds(kind: NameKind, normal: &str) -> Result<(), InvalidName> {
    if normal.is_empty() {
        return Err(InvalidName::Empty { kind });
    }
    let chars = normal.chars().count();
    if chars > kind.chars_max() {
        return Err(InvalidName::TooLong { kind, chars });
    }
    Ok(())
}

/// Before any work is done for it.
fn within_input_bounds(kind: NameKind, text: &str) -> Result<(), InvalidName> {
    if text.len() > kind.input_bytes_max() {
        let bytes = text.len();
        return Err(InvalidName::Oversized { kind, bytes });
    }
    Ok(())
}

/// Applies a profile until its result stays the same: four times at most (RFC 8264, 7).
pub(crate) fn until_stable<E>(
    text: &str,
    apply: impl Fn(&str) -> Result<String, E>,
) -> Result<Option<String>, E> {
    let mut before = apply(text)?;
    for _ in 0..3 {
        let after = apply(&before)?;
        if after == before {
            return Ok(Some(after));
        }
        before = after;
    }
    Ok(None)
}

/// The short way: what [`enforce_login_name`] gives for visible ASCII.
fn ascii_login_name(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !is_reserved(char::from(byte));
    (!text.is_empty() && text.bytes().all(plain)).then(|| text.to_ascii_lowercase())
}

/// The short way: what [`enforce_real_name`] gives for ASCII words with single spaces between.
fn ascii_real_name(text: &str) -> Option<String> {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
    text.split(' ').all(word).then(|| text.to_owned())
}

fn is_reserved(character: char) -> bool {
    LoginName::RESERVED.contains(character)
}

fn enforce_login_name(text: &str) -> Result<String, InvalidName> {
    const KIND: NameKind = NameKind::Login;
    let profile = UsernameCaseMapped::new();
    let class = IdentifierClass::default();

    let composed = compose_hangul(text);
    let wide = profile
        .width_mapping_rule(composed.as_ref())
        .map_err(|error| refused(KIND, &composed, error))?;
    if wide.is_empty() {
        return Err(InvalidName::Empty { kind: KIND });
    }
    if let Some((index, reserved)) = wide.chars().enumerate().find(|(_, c)| is_reserved(*c)) {
        return Err(InvalidName::Character {
            kind: KIND,
            code_point: reserved.into(),
            position: index + 1,
            fault: CharacterFault::Reserved,
        });
    }
    let lower = lower_case(&wide);
    if let Err(error) = class.allows(&lower) {
        // Rather name the character that was given than its small letter.
        class
            .allows(&wide)
            .map_err(|error| refused(KIND, &wide, error))?;
        return Err(refused(KIND, &lower, error));
    }
    let normal = profile
        .normalization_rule(lower.as_str())
        .map_err(|error| refused(KIND, &lower, error))?;
    if !directions_fit(&profile, &normal) {
        return Err(InvalidName::Direction { kind: KIND });
    }
    Ok(normal.into_owned())
}

fn enforce_real_name(text: &str) -> Result<String, InvalidName> {
    const KIND: NameKind = NameKind::Real;
    let composed = compose_hangul(text);
    match Nickname::enforce(composed.as_ref()) {
        Ok(normal) => Ok(normal.into_owned()),
        Err(Error::Invalid) if composed.chars().all(char::is_whitespace) => {
            Err(InvalidName::Empty { kind: KIND })
        }
        Err(error) => Err(refused(KIND, &composed, error)),
    }
}

/// Conjoining letters of Hangul put together to syllables; all else as it is.
pub(crate) fn compose_hangul(text: &str) -> Cow<'_, str> {
    let conjoining = |character: char| matches!(character, '\u{1100}'..='\u{11FF}');
    if !text.contains(conjoining) {
        return Cow::Borrowed(text);
    }
    UsernameCaseMapped::new()
        .normalization_rule(text)
        .unwrap_or(Cow::Borrowed(text))
}

/// Small letters, but capital ones of Cherokee; a sigma in the form of its place.
fn lower_case(text: &str) -> String {
    let mut lower = String::with_capacity(text.len());
    let mut has_sigma = false;
    for character in text.chars() {
        if matches!(character, 'Σ' | 'σ' | 'ς') {
            has_sigma = true;
            lower.push('Σ');
        } else if matches!(character, '\u{13A0}'..='\u{13FD}' | '\u{AB70}'..='\u{ABBF}') {
            lower.extend(character.to_uppercase());
        } else {
            lower.extend(character.to_lowercase());
        }
    }
    if has_sigma {
        place_sigmas(&lower)
    } else {
        lower
    }
}

/// Of small letters and capital sigmas: small sigmas, ς at the end of words.
fn place_sigmas(text: &str) -> String {
    let placed = text.to_lowercase();
    let mut sigmas = placed.chars().filter(|c| matches!(c, 'σ' | 'ς'));
    text.chars()
        .map(|character| match character {
            'Σ' => sigmas.next().expect("each capital sigma gives a small one"),
            other => other,
        })
        .collect()
}

/// The bidi rule (RFC 5893, 2), with marks looked through wherever they stand but at the start.
fn directions_fit(profile: &UsernameCaseMapped, name: &str) -> bool {
    if profile.directionality_rule(name).is_ok() {
        return true;
    }
    let mut seen = false;
    let without_marks: String = name
        .chars()
        .filter(|character| {
            let first = !seen;
            seen = true;
            first || !is_nonspacing_mark(profile, *character)
        })
        .collect();
    profile.directionality_rule(without_marks).is_ok()
}

/// Of bidi class NSM. The profile's table isn't public, but its rule is: after a right-to-left
/// letter it allows letters like it, digits and marks; before one only letters like it.
fn is_nonspacing_mark(profile: &UsernameCaseMapped, character: char) -> bool {
    const ALEF: char = '\u{5D0}';
    let fits = |pair: [char; 2]| profile.directionality_rule(String::from_iter(pair)).is_ok();
    fits([ALEF, character]) && !fits([character, ALEF]) && !character.is_numeric()
}

/// The profile's error as ours.
fn refused(kind: NameKind, text: &str, error: Error) -> InvalidName {
    let info = match error {
        Error::BadCodepoint(info)
        | Error::Unexpected(
            UnexpectedError::ContextRuleNotApplicable(info)
            | UnexpectedError::MissingContextRule(info),
        ) => info,
        // A contextual character at the start or the end, where it has no context.
        Error::Unexpected(
            UnexpectedError::Undefined | UnexpectedError::ProfileRuleNotApplicable,
        ) => {
            let position = first_contextual(text) - 1;
            let code_point = text.chars().nth(position).map_or(0, u32::from);
            CodepointInfo::new(code_point, position, DerivedPropertyValue::ContextJ)
        }
        Error::Invalid => return InvalidName::Unstable { kind },
    };
    InvalidName::Character {
        kind,
        code_point: info.cp,
        position: info.position + 1,
        fault: fault(&info),
    }
}

fn fault(info: &CodepointInfo) -> CharacterFault {
    let character = char::from_u32(info.cp);
    if character.is_some_and(char::is_control) {
        return CharacterFault::Control;
    }
    if character.is_some_and(char::is_whitespace) {
        return CharacterFault::Space;
    }
    match info.property {
        DerivedPropertyValue::Unassigned => CharacterFault::Unknown,
        DerivedPropertyValue::ContextJ | DerivedPropertyValue::ContextO => CharacterFault::Context,
        DerivedPropertyValue::PValid
        | DerivedPropertyValue::SpecClassPval
        | DerivedPropertyValue::SpecClassDis
        | DerivedPropertyValue::Disallowed => CharacterFault::Class,
    }
}

/// Position, from 1, of the first character that needs a context; 1 if there is none.
pub(crate) fn first_contextual(text: &str) -> usize {
    let class = FreeformClass::default();
    let contextual = |character: char| {
        matches!(
            class.get_value_from_char(character),
            DerivedPropertyValue::ContextJ | DerivedPropertyValue::ContextO
        )
    };
    text.chars()
        .position(contextual)
        .map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod properties;
