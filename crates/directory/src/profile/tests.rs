use super::*;

fn login(text: &str) -> String {
    match login_name(text) {
        Ok(name) => name,
        Err(error) => panic!("{text:?}: {error}"),
    }
}

fn real(text: &str) -> String {
    match real_name(text) {
        Ok(name) => name,
        Err(error) => panic!("{text:?}: {error}"),
    }
}

#[test]
fn login_names_that_differ_in_case_width_or_unicode_form_are_the_same() {
    for (a, b) in [
        ("ana", "ANA"),
        ("ana", "ａｎａ"),
        ("ana", "ＡＮＡ"),
        ("josé", "JOSE\u{301}"),
        ("ångström", "\u{212B}ngstro\u{308}m"),
        ("kelvin", "\u{212A}elvin"),
        ("ể", "E\u{302}\u{309}"),
        ("ể", "Ê\u{309}"),
        ("мария", "МАРИЯ"),
        ("йод", "и\u{306}од"),
        ("գոհար", "ԳՈՀԱՐ"),
        ("νίκος", "ΝΊΚΟΣ"),
        ("νίκος", "νίκοσ"),
        ("σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("σίσυφος-β", "ΣΊΣΥΦΟΣ-Β"),
        ("נועה", "נועה"),
        (
            "김민준",
            "\u{1100}\u{1175}\u{11B7}\u{1106}\u{1175}\u{11AB}\u{110C}\u{116E}\u{11AB}",
        ),
        ("カナ", "ｶﾅ"),
        ("ガ", "ｶﾞ"),
        ("ガ", "カ\u{3099}"),
        ("l·l", "L·L"),
        ("straße", "STRAẞE"),
        ("ნინო", "ᲜᲘᲜᲝ"),
    ] {
        assert_eq!(login(a), login(b), "{a:?} and {b:?}");
    }
}

#[test]
fn login_names_that_only_look_alike_are_different() {
    for (a, b) in [
        ("ana", "anа"),
        ("ana", "anna"),
        ("ana", "aná"),
        ("o'neil", "oneil"),
        ("a.b", "ab"),
        ("strasse", "straße"),
        ("ирина", "ірина"),
        ("dotless", "dotlėss"),
    ] {
        assert_ne!(login(a), login(b), "{a:?} and {b:?}");
    }
}

#[test]
fn login_names_of_many_scripts_are_kept() {
    for name in [
        "a",
        "7",
        "42",
        "ana.maria_o'neil-b+tag@example.org",
        "~!$^[]{}",
        "é",
        "ñandú",
        "łucja",
        "đặng",
        "ǽ",
        "λ",
        "жук",
        "ԱՆԻ",
        "נועה-לוי",
        "מֹשֶׁה",
        "مُحَمَّد",
        "علی\u{200C}رضا",
        "王小明",
        "ゆき",
        "サクラ",
        "서연",
        "अनुष्का",
        "क्\u{200D}ष",
        "สมชาย",
        "ნინო",
        "አበበ",
        "தமிழ்",
        "ಕನ್ನಡ",
        "ខ្មែរ",
        "བོད",
        "ᏣᎳᎩ",
        "مريم1",
        "مريم٣",
    ] {
        let once = login(name);
        assert_eq!(login(&once), once, "{name:?}");
    }
}

#[test]
fn greek_and_cherokee_have_the_form_that_readers_expect() {
    assert_eq!(login("ΝΊΚΟΣ"), "νίκος");
    assert_eq!(login("Σ"), "σ");
    assert_eq!(login("ΟΔΥΣΣΕΥΣ'Σ"), "οδυσσευσ'ς");
    assert_eq!(login("ᏣᎳᎩ"), "ᏣᎳᎩ");
    assert_eq!(login("ꮳꮃꭹ"), "ᏣᎳᎩ");
}

#[test]
fn invalid_login_names_say_which_character_where() {
    for (text, code_point, position, fault) in [
        ("ana maria", 0x20, 4, CharacterFault::Space),
        ("ana\u{A0}maria", 0xA0, 4, CharacterFault::Space),
        ("　ana", 0x20, 1, CharacterFault::Space),
        ("ana\n", 0x0A, 4, CharacterFault::Control),
        ("a\u{0}b", 0x00, 2, CharacterFault::Control),
        ("\u{1B}[31m", 0x1B, 1, CharacterFault::Control),
        ("a\u{85}", 0x85, 2, CharacterFault::Control),
        ("a/b", u32::from('/'), 2, CharacterFault::Reserved),
        ("a／b", u32::from('/'), 2, CharacterFault::Reserved),
        ("login:a", u32::from(':'), 6, CharacterFault::Reserved),
        ("a,b", u32::from(','), 2, CharacterFault::Reserved),
        ("é*", u32::from('*'), 2, CharacterFault::Reserved),
        ("a\u{202E}b", 0x202E, 2, CharacterFault::Class),
        ("a\u{200B}b", 0x200B, 2, CharacterFault::Class),
        ("a\u{FE0F}", 0xFE0F, 2, CharacterFault::Class),
        ("ana☺", 0x263A, 4, CharacterFault::Class),
        ("a\u{2013}b", 0x2013, 2, CharacterFault::Class),
        ("Ⅷ", 0x2167, 1, CharacterFault::Class),
        ("ﬁn", 0xFB01, 1, CharacterFault::Class),
        ("x²", 0xB2, 2, CharacterFault::Class),
        // Thai SARA AM decomposes, but only as a compatibility character.
        ("น้ำ", 0xE33, 3, CharacterFault::Class),
        ("𐍁", 0x10341, 1, CharacterFault::Class),
        ("a\u{200D}b", 0x200D, 2, CharacterFault::Context),
        ("\u{200C}a", 0x200C, 1, CharacterFault::Context),
        ("a·b", 0xB7, 2, CharacterFault::Context),
        ("l·", 0xB7, 2, CharacterFault::Context),
        ("a\u{378}", 0x378, 2, CharacterFault::Unknown),
    ] {
        let kind = NameKind::Login;
        let expected = InvalidName::Character {
            kind,
            code_point,
            position,
            fault,
        };
        assert_eq!(login_name(text), Err(expected), "{text:?}");
    }
}

#[test]
fn reserved_characters_are_refused_wherever_they_stand() {
    for reserved in LoginName::RESERVED.chars() {
        let wide = char::from_u32(u32::from(reserved) + 0xFEE0).expect("a full-width form");
        for text in [
            format!("a{reserved}b"),
            format!("é{reserved}"),
            format!("{wide}a"),
        ] {
            let refused = matches!(
                login_name(&text),
                Err(InvalidName::Character {
                    fault: CharacterFault::Reserved,
                    ..
                })
            );
            assert!(refused, "{text:?}");
        }
    }
}

#[test]
fn login_names_that_mix_directions_are_refused() {
    for text in [
        "אabc",
        "abcא",
        "1א",
        "٣مريم",
        "א1٢",
        "-א",
        "א-",
        "\u{5B0}א",
        "aא1",
    ] {
        let refused = login_name(text);
        assert_eq!(
            refused,
            Err(InvalidName::Direction {
                kind: NameKind::Login
            }),
            "{text:?}"
        );
    }
}

#[test]
fn uuids_are_no_login_names() {
    for text in [
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "01890A5D-AC96-774B-BCCE-B302099A8057",
        "01890a5dac96774bbcceb302099a8057",
        "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "０1890a5d-ac96-774b-bcce-b302099a8057",
    ] {
        assert_eq!(login_name(text), Err(InvalidName::ObjectId), "{text:?}");
    }
    login("01890a5d-ac96-774b-bcce-b302099a805");
}

#[test]
fn bounds_of_login_names_are_in_characters_of_the_normal_form() {
    let kind = NameKind::Login;
    for unit in [
        "a",
        "é",
        "王",
        "e\u{301}",
        "\u{1100}\u{1161}\u{11A8}",
        "\u{20000}",
    ] {
        let longest = login(&unit.repeat(64));
        assert_eq!(longest.chars().count(), 64);
        assert!(longest.len() <= kind.bytes_max());
        let refused = login_name(&unit.repeat(65));
        assert_eq!(
            refused,
            Err(InvalidName::TooLong { kind, chars: 65 }),
            "{unit:?}"
        );
    }
    assert_eq!(login_name(""), Err(InvalidName::Empty { kind }));
    let bytes = kind.input_bytes_max() + 1;
    let refused = login_name(&"a".repeat(bytes));
    assert_eq!(refused, Err(InvalidName::Oversized { kind, bytes }));
}

#[test]
fn real_names_keep_case_and_lose_superfluous_spaces() {
    for (text, expected) in [
        ("Ana María", "Ana María"),
        ("  Ana \t".trim_end_matches('\t'), "Ana"),
        ("Ana   María", "Ana María"),
        ("Ana\u{A0}\u{3000}María", "Ana María"),
        ("Jose\u{301}", "José"),
        ("ＡＢＣ", "ABC"),
        ("ﬁn", "fin"),
        ("O'Neil, \"Ana\"", "O'Neil, \"Ana\""),
        ("김\u{1106}\u{1175}\u{11AB}", "김민"),
        ("נועה Levi", "נועה Levi"),
        ("Ⅷ", "VIII"),
        ("¨", "\u{308}"),
        ("王 小明 😀", "王 小明 😀"),
        ("N", "N"),
    ] {
        assert_eq!(real(text), expected, "{text:?}");
    }
}

#[test]
fn invalid_real_names_say_why() {
    let kind = NameKind::Real;
    for empty in ["", " ", "\u{A0}\u{3000}"] {
        assert_eq!(
            real_name(empty),
            Err(InvalidName::Empty { kind }),
            "{empty:?}"
        );
    }
    for (text, code_point, position, fault) in [
        ("Ana\nMaría", 0x0A, 4, CharacterFault::Control),
        ("\tAna", 0x09, 1, CharacterFault::Control),
        ("Ana\u{7F}", 0x7F, 4, CharacterFault::Control),
        ("A\u{9B}31m", 0x9B, 2, CharacterFault::Control),
        ("A\u{2028}B", 0x2028, 2, CharacterFault::Space),
        ("A\u{202E}B", 0x202E, 2, CharacterFault::Class),
        ("A\u{FEFF}", 0xFEFF, 2, CharacterFault::Class),
        ("A\u{E000}", 0xE000, 2, CharacterFault::Class),
        ("\u{200D}A", 0x200D, 1, CharacterFault::Context),
        ("A\u{378}", 0x378, 2, CharacterFault::Unknown),
    ] {
        let expected = InvalidName::Character {
            kind,
            code_point,
            position,
            fault,
        };
        assert_eq!(real_name(text), Err(expected), "{text:?}");
    }
    for unit in ["a", "é", "王"] {
        real(&unit.repeat(128));
        let refused = real_name(&unit.repeat(129));
        assert_eq!(refused, Err(InvalidName::TooLong { kind, chars: 129 }));
    }
}

#[test]
fn messages_name_the_bound_the_place_and_a_remedy() {
    for (error, expected) in [
        (
            login_name("a b"),
            "the login name has U+0020 at position 2, which is a space; \
             use letters, digits, and `.`, `_`, `-`, `'` or `@`",
        ),
        (
            real_name("a\u{1B}"),
            "the real name has U+001B at position 2, which is a control character; \
             use letters, digits, spaces and visible marks",
        ),
        (
            login_name(""),
            "the login name is empty; give 1 to 64 characters",
        ),
        (
            login_name(&"x".repeat(65)),
            "the login name has 65 characters; it may have 64 at most: shorten it",
        ),
    ] {
        assert_eq!(error.expect_err("invalid").to_string(), expected);
    }
}
