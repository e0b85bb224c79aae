use proptest::prelude::*;

use super::*;

/// Characters that profiles treat in many ways.
fn awkward() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => proptest::char::range(' ', '~'),
        2 => proptest::char::range('\u{A0}', '\u{24F}'),
        2 => proptest::char::range('\u{300}', '\u{6FF}'),
        1 => proptest::char::range('\u{900}', '\u{11FF}'),
        1 => proptest::char::range('\u{13A0}', '\u{13F4}'),
        1 => proptest::char::range('\u{1C90}', '\u{2FFF}'),
        1 => proptest::char::range('\u{3000}', '\u{30FF}'),
        1 => proptest::char::range('\u{A640}', '\u{ABFF}'),
        1 => proptest::char::range('\u{F900}', '\u{FFEF}'),
        1 => any::<char>(),
    ];
    proptest::collection::vec(character, 0..8).prop_map(String::from_iter)
}

/// All but those of the large blocks in which one is like the other.
fn characters() -> impl Iterator<Item = char> {
    ('\u{0}'..'\u{20100}').filter(|character| {
        !matches!(
            character,
            '\u{3500}'..='\u{4D00}' | '\u{4F00}'..='\u{9F00}' | '\u{AD00}'..='\u{D700}'
                | '\u{E010}'..='\u{F8F0}' | '\u{12100}'..='\u{16000}' | '\u{17100}'..='\u{1AF00}'
        )
    })
}

#[test]
fn whatever_character_parses_parses_to_itself() {
    for character in characters() {
        for text in [format!("{character}\u{301}"), format!("א{character}א")] {
            if let Ok(name) = login_name(&text) {
                assert_eq!(login_name(&name), Ok(name.clone()), "login name {text:?}");
                assert!(!name.contains(char::is_control), "{text:?}");
                assert!(!name.contains(is_reserved), "{text:?}");
            }
        }
        if let Ok(name) = real_name(&character.to_string()) {
            assert_eq!(
                real_name(&name),
                Ok(name.clone()),
                "real name {character:?}"
            );
            assert!(!name.contains(char::is_control), "{character:?}");
        }
    }
}

/// Mapping case must not lead from a character that the class allows to one that it doesn't.
#[test]
fn every_character_of_the_class_can_be_in_a_login_name() {
    let class = IdentifierClass::default();
    for character in characters().filter(|character| !is_reserved(*character)) {
        if class.get_value_from_char(character) == DerivedPropertyValue::PValid {
            let name = login_name(&character.to_string());
            let lone = Err(InvalidName::Direction {
                kind: NameKind::Login,
            });
            assert!(name.is_ok() || name == lone, "{character:?}: {name:?}");
        }
    }
}

/// The tables of the profile differ in age; no name may depend on the case it is typed in.
#[test]
fn every_character_that_is_a_login_name_is_the_same_one_in_capitals() {
    for character in characters() {
        let small = character.to_string();
        let mut capitals = character.to_uppercase();
        let (Some(capital), None) = (capitals.next(), capitals.next()) else {
            continue;
        };
        // Characters such as the long s have the capital of another letter.
        if !capital.to_lowercase().eq([character]) {
            continue;
        }
        if let Ok(name) = login_name(&small) {
            assert_eq!(login_name(&capital.to_string()), Ok(name), "{small:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn short_and_long_way_give_the_same_login_name(text in "[ -~]{0,70}") {
        if let Some(short) = ascii_login_name(&text) {
            prop_assert_eq!(until_stable(&text, enforce_login_name), Ok(Some(short)));
        } else {
            prop_assert!(login_name(&text).is_err());
        }
    }

    #[test]
    fn short_and_long_way_give_the_same_real_name(text in "[!-~]{1,9}( {1,2}[!-~]{1,9}){0,3} ?") {
        let long = until_stable(&text, enforce_real_name);
        if let Some(short) = ascii_real_name(&text) {
            prop_assert_eq!(long, Ok(Some(short)));
        } else {
            prop_assert!(long.is_ok());
        }
    }

    #[test]
    fn parsed_names_parse_to_themselves(text in awkward()) {
        if let Ok(name) = login_name(&text) {
            prop_assert_eq!(login_name(&name), Ok(name));
        }
        if let Ok(name) = real_name(&text) {
            prop_assert_eq!(real_name(&name), Ok(name));
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in any::<String>()) {
        let _ = login_name(&text).map_err(|error| error.to_string());
        let _ = real_name(&text).map_err(|error| error.to_string());
    }
}
