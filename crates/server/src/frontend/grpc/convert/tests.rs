//! What a client can get wrong in a message, and what it is answered.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quorid_directory::ObjectId;

use super::*;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn id() -> ObjectId {
    ID.parse().expect("valid")
}

#[test]
fn accounts_are_named_by_id_or_login_name() {
    assert_eq!(
        account_name(&format!("accounts/{ID}")),
        Ok(Selector::Id(id()))
    );
    let ana = Selector::LoginName(LoginName::parse("ana").expect("valid"));
    assert_eq!(account_name("accounts/login:Ana"), Ok(ana));
    for name in [
        "",
        "ana",
        "accounts",
        "accounts/",
        "accounts/ana",
        "users/x",
        "accounts/123",
    ] {
        let error = account_name(name).expect_err(name);
        assert_eq!(error.reason().as_str(), "INVALID_ACCOUNT_NAME", "{name}");
    }
    assert_eq!(
        account_name("accounts/login:")
            .expect_err("empty")
            .reason()
            .as_str(),
        "INVALID_LOGIN_NAME"
    );
}

#[test]
fn long_and_unprintable_names_are_not_echoed_whole() {
    let message = account_name(&format!("\u{7}{}", "x".repeat(500)))
        .expect_err("bad")
        .to_string();
    assert!(
        message.len() < 250 && !message.contains('\u{7}'),
        "{message}"
    );
}

#[test]
fn a_page_token_leads_back_to_its_account() {
    assert_eq!(accounts_start(""), Ok(None));
    assert_eq!(accounts_start(&accounts_token(id())), Ok(Some(id())));
}

#[test]
fn a_tampered_page_token_is_refused() {
    let token = accounts_token(id());
    let mut bytes = URL_SAFE_NO_PAD.decode(&token).expect("base64url");
    for position in 0..bytes.len() {
        bytes[position] ^= 1;
        let tampered = URL_SAFE_NO_PAD.encode(&bytes);
        let error = accounts_start(&tampered).expect_err("tampered");
        assert_eq!(error.reason().as_str(), "INVALID_PAGE_TOKEN");
        bytes[position] ^= 1;
    }
    for token in ["x", "????", &token[1..], &format!("{token}AA"), "AQ"] {
        assert!(accounts_start(token).is_err(), "{token}");
    }
    let mut other_version = vec![2];
    other_version.extend_from_slice(id().as_bytes());
    other_version.extend_from_slice(&crc32fast::hash(&other_version).to_be_bytes());
    assert!(accounts_start(&URL_SAFE_NO_PAD.encode(other_version)).is_err());
}

#[test]
fn page_sizes_have_a_default_and_a_maximum_and_are_not_negative() {
    assert_eq!(page_size(0), Ok(1000));
    assert_eq!(page_size(5), Ok(5));
    assert_eq!(page_size(i32::MAX), Ok(1000));
    assert_eq!(page_size(-1), Err(Invalid::PageSize(-1)));
}

#[test]
fn etags_are_versions_in_hexadecimal_quoted_or_not() {
    assert_eq!(etag(Revision(255)), "ff");
    assert_eq!(expected_version(""), Ok(None));
    for text in ["ff", "\"ff\"", "FF", "00ff"] {
        assert_eq!(expected_version(text), Ok(Some(Revision(255))), "{text}");
    }
    for text in [
        "0",
        "00",
        "\"0\"",
        "\"",
        "\"\"",
        "+ff",
        "0xff",
        "zz",
        "fffffffffffffffff",
        "\"ff",
        " ff",
    ] {
        assert_eq!(
            expected_version(text).expect_err(text).reason().as_str(),
            "INVALID_ETAG"
        );
    }
}

fn changed(mask: Option<&[&str]>, login_name: &str, new_password: &str) -> Result<String, String> {
    let account = proto::Account {
        login_name: login_name.to_owned(),
        real_name: "Ana".to_owned(),
        ..proto::Account::default()
    };
    let mask = mask.map(|paths| FieldMask {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    });
    let (edits, password) = update(
        Schema::builtin(),
        &account,
        &mut new_password.to_owned(),
        None,
        mask,
        &[],
    )
    .map_err(|invalid| invalid.reason().to_string())?;
    let password = match password {
        PasswordChange::Keep => "",
        PasswordChange::Set(_) => " set",
        PasswordChange::SetVerifier(_) => " set hash",
        PasswordChange::Remove => " remove",
    };
    let edited = |number| edits.iter().any(|edit| edit.attribute == number);
    let login = if edited(LOGIN_NAME) { "login" } else { "" };
    let real = if edited(REAL_NAME) { " real" } else { "" };
    Ok(format!("{login}{real}{password}").trim().to_owned())
}

/// Mask, login name, real name; what is changed, or why it is refused.
type MaskCase<'a> = (
    Option<&'a [&'a str]>,
    &'a str,
    &'a str,
    Result<&'a str, &'a str>,
);

#[test]
fn the_mask_decides_what_is_changed() {
    let table: [MaskCase<'_>; 12] = [
        (Some(&["login_name"]), "bob", "", Ok("login")),
        (
            Some(&["login_name", "real_name", "login_name"]),
            "bob",
            "",
            Ok("login real"),
        ),
        (Some(&["password"]), "", "secret", Ok("set")),
        (Some(&["password"]), "", "", Ok("remove")),
        (None, "bob", "", Ok("login real")),
        (Some(&[]), "", "secret", Ok("real set")),
        (Some(&["*"]), "bob", "", Err("INVALID_FIELD_MASK")),
        (Some(&["id"]), "bob", "", Err("INVALID_FIELD_MASK")),
        (
            Some(&["account.login_name"]),
            "bob",
            "",
            Err("INVALID_FIELD_MASK"),
        ),
        (
            Some(&["login_name"]),
            "bob",
            "secret",
            Err("INVALID_FIELD_MASK"),
        ),
        (Some(&["login_name"]), "", "", Err("INVALID_LOGIN_NAME")),
        (
            Some(&["password"]),
            "",
            "bell\u{7}",
            Err("INVALID_PASSWORD"),
        ),
    ];
    for (mask, login_name, new_password, expected) in table {
        let actual = changed(mask, login_name, new_password);
        let actual = actual.as_deref().map_err(String::as_str);
        assert_eq!(actual, expected, "{mask:?} {login_name} {new_password}");
    }
}

#[test]
fn an_update_of_nothing_is_refused() {
    let refused = update(
        Schema::builtin(),
        &proto::Account::default(),
        &mut String::new(),
        None,
        None,
        &[],
    );
    assert_eq!(
        refused.expect_err("nothing").reason().as_str(),
        "INVALID_FIELD_MASK"
    );
}

#[test]
fn request_ids_are_uuids_of_version_8_that_begin_with_a_revision() {
    assert_eq!(request_id(""), Ok(None));
    let made = request_id("00000000-0000-83e8-bcce-b302099a8057").expect("valid");
    assert_eq!(made.expect("an id").seen(), Revision(1000));
    for text in ["x", ID, "01890a5d-ac96-474b-bcce-b302099a8057"] {
        assert_eq!(
            request_id(text).expect_err(text).reason().as_str(),
            "INVALID_REQUEST_ID"
        );
    }
}

#[test]
fn an_unknown_consistency_is_refused_and_none_means_linearizable() {
    assert_eq!(consistency(None), Ok(Consistency::Linearizable));
    let read = |consistency| {
        Some(proto::ReadOptions {
            consistency,
            min_revision: 7,
        })
    };
    assert_eq!(consistency(read(2)), Ok(Consistency::AtLeast(Revision(7))));
    assert_eq!(consistency(read(3)), Ok(Consistency::Stale));
    assert_eq!(consistency(read(9)), Err(Invalid::ReadOptions(9)));
}

#[test]
fn logins_come_as_basic_authorization() {
    let header = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let ana = login(&header("ana:a:b")).expect("valid");
    assert_eq!(ana.login_name.as_str(), "ana");
    assert_eq!(ana.password.expose(), "a:b");
    assert!(login(&header("ana:secret").replace("Basic", "basic")).is_ok());
    let table = [
        ("Bearer abc".to_owned(), Denied::MalformedLogin),
        ("Basic ???".to_owned(), Denied::MalformedLogin),
        ("Basic".to_owned(), Denied::MalformedLogin),
        (header("ana"), Denied::MalformedLogin),
        (header(":secret"), Denied::WrongPassword),
        (header("ana:"), Denied::WrongPassword),
    ];
    for (text, expected) in table {
        assert_eq!(login(&text).expect_err("refused"), expected, "{text}");
    }
}

#[test]
fn passwords_are_taken_out_of_their_messages() {
    let mut field = "secret".to_owned();
    assert!(password(&mut field).expect("valid").is_some());
    assert_eq!(field, "");
    assert!(needed_password(&mut field).is_err());
}

#[test]
fn times_are_told_to_the_millisecond() {
    let time = timestamp(Time(1_234_567));
    assert_eq!((time.seconds, time.nanos), (1234, 567_000_000));
}

#[test]
fn groups_are_named_by_id_or_name() {
    let named = |name| quorid_directory::GroupName::parse(name).map(Selector::GroupName);
    assert_eq!(
        group_name(&format!("groups/{ID}")),
        Ok(Selector::GroupId(id()))
    );
    let office = named("Head office").expect("a name");
    assert_eq!(group_name("groups/name:Head office"), Ok(office));
    for wrong in [
        "",
        "staff",
        "groups/staff",
        "groups/name:",
        "groups/name:a/b",
        "accounts/x",
    ] {
        let error = group_name(wrong).expect_err(wrong);
        assert_eq!(error.reason().as_str(), "INVALID_GROUP_NAME", "{wrong}");
    }
}

#[test]
fn a_change_of_members_names_accounts_and_groups_and_at_least_one() {
    let named = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let change = members(&named(&["accounts/login:ana", "groups/name:dev"]), &[]);
    assert!(matches!(
        change,
        Ok(crate::service::GroupEdit::Members { add, .. }) if add.len() == 2
    ));
    assert!(members(&[], &[]).is_err());
    assert!(members(&named(&["ana"]), &[]).is_err());
}

#[test]
fn a_password_hash_is_taken_in_place_of_a_password_and_never_repeated() {
    const HASH: &str = "$2b$04$abcdefghijklmnopqrstuue/RyPRbxicKsH.5AQBxpX5z1pjASeMu";
    let taken = |password: &str, hash: &str| {
        let request = proto::UpdateAccountRequest {
            account: Some(proto::Account {
                name: "accounts/login:ana".to_owned(),
                ..proto::Account::default()
            }),
            update_mask: Some(FieldMask {
                paths: vec!["password".to_owned()],
            }),
            new_password: password.to_owned(),
            new_password_hash: hash.to_owned(),
            ..proto::UpdateAccountRequest::default()
        };
        account_change(Schema::builtin(), request).map(|change| change.password)
    };
    assert!(matches!(
        taken("", HASH),
        Ok(PasswordChange::SetVerifier(_))
    ));
    let both = taken("secret", HASH).expect_err("both are given");
    assert_eq!(both.reason().as_str(), "INVALID_PASSWORD");
    for hash in [
        &HASH[..50],
        "abcdefghijklmnopqrstu",
        &HASH.replace("04", "31"),
    ] {
        let refused = taken("", hash).expect_err("no hash");
        assert_eq!(refused.reason().as_str(), "INVALID_PASSWORD_HASH");
        let message = refused.to_string();
        assert!(message.starts_with("password_hash: "), "{message}");
        assert!(!message.contains("abcdefghij"), "{message}");
    }
}
