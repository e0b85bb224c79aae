//! Names, passwords, attributes and the other texts of an account: the first byte says which.

use std::{fmt::Debug, str::FromStr};

use quorid_directory::{
    ClientAddress, LoginName, ObjectId, Password, RealName, RequestId, Schema, Verifier,
};

const LOGIN_CHARS_MAX: usize = 64;
const REAL_CHARS_MAX: usize = 128;

/// A text is refused with a reason, or is what it is given as: parsed again, it is the same.
pub fn check(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    if kind % 8 == 6 {
        return id_of_bytes(bytes);
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match kind % 8 {
        0 => login_name(text),
        1 => real_name(text),
        2 => password(text),
        3 => as_given(text, ClientAddress::parse(text), ClientAddress::as_str, 64),
        4 => as_given(text, Verifier::parse(text), Verifier::as_str, 256),
        7 => attribute(text),
        _ => {
            id::<ObjectId>(text);
            id::<RequestId>(text);
        }
    }
}

fn login_name(text: &str) {
    let name = match LoginName::parse(text) {
        Ok(name) => name,
        Err(error) => return assert_ne!(error.to_string(), ""),
    };
    let normal = name.as_str();
    assert!((1..=LOGIN_CHARS_MAX).contains(&normal.chars().count()));
    assert!(!normal.contains(|c: char| c.is_whitespace() || c.is_control()));
    assert!(!normal.contains(|c: char| LoginName::RESERVED.contains(c)));
    assert_eq!(LoginName::parse(normal).as_ref(), Ok(&name));
    assert_eq!(
        LoginName::from_stored(normal.to_owned()).as_ref(),
        Ok(&name)
    );
    assert!(normal.parse::<ObjectId>().is_err(), "it is taken for an id");
}

/// The second byte says which attribute.
fn attribute(text: &str) {
    let Some(number) = text.chars().next() else {
        return;
    };
    let text = &text[number.len_utf8()..];
    let rows = Schema::builtin().rows();
    let attribute = &rows[number as usize % rows.len()];
    let syntax = attribute.syntax;
    let value = match syntax.parse(text) {
        Ok(value) => value,
        Err(error) => return assert_ne!(error.to_string(), ""),
    };
    assert!(syntax.takes(&value));
    let normal = value.to_string();
    assert_eq!(normal.trim(), normal);
    let again = syntax.parse(&normal).expect("a value's own text");
    assert_eq!(again, value);
    assert_eq!(syntax.key(&again), syntax.key(&value));
}

fn real_name(text: &str) {
    let name = match RealName::parse(text) {
        Ok(name) => name,
        Err(error) => return assert_ne!(error.to_string(), ""),
    };
    let normal = name.as_str();
    assert!((1..=REAL_CHARS_MAX).contains(&normal.chars().count()));
    assert!(!normal.contains(char::is_control) && !normal.contains("  "));
    assert_eq!(normal.trim(), normal);
    assert_eq!(RealName::parse(normal).as_ref(), Ok(&name));
    assert_eq!(RealName::from_stored(normal.to_owned()).as_ref(), Ok(&name));
}

fn password(text: &str) {
    let password = match Password::parse(text) {
        Ok(password) => password,
        Err(error) => return assert_ne!(error.to_string(), ""),
    };
    let normal = password.expose();
    assert!((1..=Password::BYTES_MAX).contains(&normal.len()));
    assert!(!normal.contains(char::is_control));
    assert!(Password::parse(normal).is_ok_and(|again| again == password));
    assert_eq!(format!("{password:?}"), "Password(..)");
}

/// Taken as it is, if it is short enough and visible ASCII.
fn as_given<T, E: ToString>(
    text: &str,
    parsed: Result<T, E>,
    as_str: fn(&T) -> &str,
    bytes_max: usize,
) {
    match parsed {
        Err(error) => assert_ne!(error.to_string(), ""),
        Ok(value) => {
            assert_eq!(as_str(&value), text);
            assert!((1..=bytes_max).contains(&text.len()));
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}

/// One spelling, but for the case of its letters.
fn id<T: FromStr<Err: ToString> + ToString + Debug + PartialEq>(text: &str) {
    match text.parse::<T>() {
        Err(error) => assert_ne!(error.to_string(), ""),
        Ok(id) => assert_eq!(id.to_string(), text.to_ascii_lowercase()),
    }
}

fn id_of_bytes(bytes: &[u8]) {
    let Ok(bytes) = <[u8; 16]>::try_from(bytes) else {
        return;
    };
    let account = ObjectId::from_bytes(bytes);
    assert_eq!(account.to_string().parse(), Ok(account));
    if let Ok(request) = RequestId::from_bytes(bytes) {
        assert_eq!(request.as_bytes(), &bytes);
        assert_eq!(request.to_string().parse(), Ok(request));
        assert!(request.seen().0 < 1 << 60);
    }
}

/// Texts that normalising does something to, and some that are refused.
pub fn seeds() -> Vec<Vec<u8>> {
    const LOGIN: &str = "\
        Ana|JOSE\u{301}|ΣΟΦΟΣ|l·l|ＡＢＣ|ᎠᎡ|\u{5e9}\u{5b8}\u{5dc}|\u{1112}\u{1161}\u{11ab}|\u{212a}x|\
        क\u{94d}\u{200d}ष|a b|a:b|01890a5d-ac96-774b-bcce-b302099a8057";
    const REAL: &str = "  Ana   Lima |ﬁ\u{2003}x|①|José Ⅷ|\u{3000}a|مريم ٣|i\u{307}|a\u{7}";
    const PASSWORD: &str = "correct horse|\u{3000}p\u{a0}|é|e\u{301}|\u{2126}|\u{1100}\u{1161}";
    let texts = |kind: u8, texts: &'static str| {
        texts
            .split('|')
            .map(move |text| [&[kind], text.as_bytes()].concat())
    };
    let mut seeds: Vec<Vec<u8>> = texts(0, LOGIN)
        .chain(texts(1, REAL))
        .chain(texts(2, PASSWORD))
        .chain(texts(3, "192.0.2.1:40000|[2001:db8::1]:7400"))
        .chain(texts(4, "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"))
        .chain(texts(5, "01890a5d-ac96-774b-bcce-b302099a8057"))
        .collect();
    seeds.push(
        [
            6, 1, 137, 10, 93, 172, 150, 119, 75, 188, 206, 179, 2, 9, 154, 128, 87,
        ]
        .to_vec(),
    );
    seeds
}
