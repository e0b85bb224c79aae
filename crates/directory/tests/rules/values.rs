//! Ids, addresses, verifiers and passwords are parsed once and say what is wrong.

use quorid_directory::{
    ClientAddress, InvalidClientAddress, InvalidPassword, InvalidVerifier, LoginName, ObjectId,
    Password, RealName, RequestId, Revision, Verifier,
};

#[test]
fn account_ids_are_hyphenated_uuids() {
    let text = "01890a5d-ac96-774b-bcce-b302099a8057";
    let id: ObjectId = text.parse().expect("an id");
    assert_eq!(id.to_string(), text);
    assert_eq!(text.to_uppercase().parse(), Ok(id));
    assert_eq!(ObjectId::from_bytes(*id.as_bytes()), id);
    for (text, why) in [
        ("", "0 bytes instead of 36"),
        ("ana", "3 bytes instead of 36"),
        ("01890a5dac96774bbcceb302099a8057", "32 bytes instead of 36"),
        (
            "01890a5d-ac96-774b-bcce-b302099a805g",
            "no hexadecimal digit at position 36",
        ),
        (
            "01890a5d-ac96-774bbc-ce-b302099a8057",
            "no hyphen at position 19",
        ),
        (
            "\u{1B}1890a5d-ac96-774b-bcce-b302099a8057",
            "no hexadecimal digit at position 1",
        ),
    ] {
        let error = text.parse::<ObjectId>().expect_err(text).to_string();
        assert!(error.contains(why), "{error}");
        assert!(error.contains("such as 01890a5d-"), "{error}");
    }
}

#[test]
fn request_ids_are_uuids_of_version_8_and_tell_what_was_seen() {
    let id: RequestId = "01890a5d-ac96-874b-bcce-b302099a8057"
        .parse()
        .expect("an id");
    assert_eq!(id.seen(), Revision(0x0018_90a5_dac9_674b));
    assert_eq!(RequestId::from_bytes(*id.as_bytes()), Ok(id));
    for (text, why) in [
        ("01890a5d-ac96-774b-bcce-b302099a8057", "version 7, not 8"),
        (
            "00000000-0000-0000-0000-000000000000",
            "is not a UUID of RFC 9562",
        ),
        (
            "01890a5d-ac96-874b-0cce-b302099a8057",
            "is not a UUID of RFC 9562",
        ),
        ("x", "1 bytes"),
    ] {
        let error = text.parse::<RequestId>().expect_err(text).to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn client_addresses_are_short_and_printable() {
    for text in [
        "192.0.2.1",
        "[2001:db8::1]:4711",
        "fe80::1%eth0",
        &"x".repeat(64),
    ] {
        assert_eq!(ClientAddress::parse(text).expect(text).as_str(), text);
    }
    for (text, error) in [
        ("", InvalidClientAddress::Length { bytes: 0 }),
        (&*"x".repeat(65), InvalidClientAddress::Length { bytes: 65 }),
        ("a b", InvalidClientAddress::Character { position: 2 }),
        ("aé", InvalidClientAddress::Character { position: 2 }),
        ("a\n", InvalidClientAddress::Character { position: 2 }),
    ] {
        assert_eq!(ClientAddress::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn verifiers_are_bounded_and_not_shown() {
    let verifier = Verifier::parse("$argon2id$v=19$secret").expect("a verifier");
    assert_eq!(format!("{verifier:?}"), "Verifier(..)");
    for (text, error) in [
        (String::new(), InvalidVerifier::Length { bytes: 0 }),
        ("$".repeat(257), InvalidVerifier::Length { bytes: 257 }),
        ("argon2id".to_owned(), InvalidVerifier::Shape),
        (
            "$a b".to_owned(),
            InvalidVerifier::Character { position: 3 },
        ),
    ] {
        assert_eq!(Verifier::parse(&text), Err(error), "{text:?}");
    }
}

#[test]
fn passwords_keep_case_and_spaces_and_are_one_in_all_unicode_forms() {
    for (text, expected) in [
        ("Secret", "Secret"),
        (" two  spaces ", " two  spaces "),
        ("\u{3000}wide\u{A0}", " wide "),
        ("e\u{301}", "é"),
        ("\u{1100}\u{1175}\u{11B7}", "김"),
        ("ﬁ²Ⅷ", "ﬁ²Ⅷ"),
        ("密码☺", "密码☺"),
    ] {
        let password = Password::parse(text).expect(text);
        assert_eq!(password.expose(), expected);
        assert_eq!(Password::parse(expected), Ok(password));
    }
}

#[test]
fn invalid_passwords_say_why_but_not_what() {
    for (text, error) in [
        ("", InvalidPassword::Empty),
        ("ab\n", InvalidPassword::Character { position: 3 }),
        ("a\u{0}", InvalidPassword::Character { position: 2 }),
        ("a\u{202E}b", InvalidPassword::Character { position: 2 }),
        ("\u{200D}", InvalidPassword::Character { position: 1 }),
        (&*"x".repeat(1025), InvalidPassword::TooLong { bytes: 1025 }),
        (&*"é".repeat(513), InvalidPassword::TooLong { bytes: 1026 }),
        (
            &*"x".repeat(1 << 20),
            InvalidPassword::TooLong { bytes: 1 << 20 },
        ),
    ] {
        assert_eq!(Password::parse(text), Err(error));
    }
    let longest = "e\u{301}".repeat(512);
    assert_eq!(
        Password::parse(&longest)
            .expect("1,024 bytes")
            .expose()
            .len(),
        1024
    );
    let shown = format!("{:?}", Password::parse("hunter2"));
    assert_eq!(shown, "Ok(Password(..))");
}

#[test]
fn stored_names_are_taken_as_they_are_within_their_bounds() {
    let future = "\u{105C0}".to_owned();
    assert!(LoginName::parse(&future).is_err(), "too new for the tables");
    assert_eq!(
        LoginName::from_stored(future.clone())
            .expect("stored")
            .as_str(),
        future
    );
    assert_eq!(
        RealName::from_stored(future.clone())
            .expect("stored")
            .as_str(),
        future
    );
    assert!(LoginName::from_stored(String::new()).is_err());
    assert!(LoginName::from_stored("x".repeat(65)).is_err());
    assert!(RealName::from_stored("x".repeat(129)).is_err());
}
