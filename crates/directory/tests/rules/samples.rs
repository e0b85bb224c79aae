//! The samples are what they are said to be: each good account is valid, each bad one has the
//! defect that it names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quorid_directory::{LoginName, Password, RealName};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../samples")
        .join(name)
}

fn rows(name: &str, header: &[&str]) -> Vec<Vec<String>> {
    let path = sample(name);
    let mut reader = csv::Reader::from_path(&path).expect("a readable file");
    assert_eq!(reader.headers().expect("a header"), header);
    reader
        .records()
        .map(|record| record.expect("a row").iter().map(str::to_owned).collect())
        .collect()
}

/// The codes of all defects in an account; an empty password field is no password.
fn defects(row: &[String]) -> Vec<&'static str> {
    let mut defects = Vec::new();
    if LoginName::parse(&row[0]).is_err() {
        defects.push("INVALID_LOGIN_NAME");
    }
    if RealName::parse(&row[1]).is_err() {
        defects.push("INVALID_REAL_NAME");
    }
    match Password::parse(&row[2]) {
        _ if row[2].is_empty() => {}
        Err(_) => defects.push("INVALID_PASSWORD"),
        Ok(password) if password.strength(8).is_err() => defects.push("WEAK_PASSWORD"),
        Ok(_) => {}
    }
    defects
}

fn accounts() -> BTreeMap<LoginName, Vec<String>> {
    let mut accounts = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in rows("accounts.csv", &["login_name", "real_name", "password"]) {
        let found = defects(&row);
        if !found.is_empty() {
            wrong.push((row, found));
            continue;
        }
        let login_name = LoginName::parse(&row[0]).expect("no defects");
        let before = accounts.insert(login_name, row.clone());
        assert_eq!(before, None, "same login name as {row:?}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    accounts
}

#[test]
fn thousand_accounts_are_valid_and_have_different_login_names() {
    let accounts = accounts();
    assert_eq!(accounts.len(), 1000);
    let with_password = accounts.values().filter(|row| !row[2].is_empty()).count();
    assert!(
        (50..500).contains(&with_password),
        "{with_password} passwords"
    );
}

#[test]
fn accounts_have_many_scripts_and_awkward_names() {
    let accounts = accounts();
    let names: Vec<&str> = accounts.keys().map(LoginName::as_str).collect();
    let any = |what: &str, has: &dyn Fn(&&str) -> bool| {
        assert!(names.iter().any(has), "no login name with {what}");
    };
    any("one letter", &|name| name.chars().count() == 1);
    any("64 characters", &|name| name.chars().count() == 64);
    any("digits only", &|name| {
        name.bytes().all(|byte| byte.is_ascii_digit())
    });
    any("an apostrophe", &|name| name.contains('\''));
    for (script, first, last) in [
        ("Greek", 'α', 'ω'),
        ("Cyrillic", 'а', 'я'),
        ("Armenian", 'ա', 'ֆ'),
        ("Hebrew", 'א', 'ת'),
        ("Arabic", 'ء', 'ي'),
        ("Devanagari", 'अ', 'ह'),
        ("Bengali", 'অ', 'হ'),
        ("Gurmukhi", 'ਅ', 'ਹ'),
        ("Tamil", 'அ', 'ஹ'),
        ("Telugu", 'అ', 'హ'),
        ("Malayalam", 'അ', 'ഹ'),
        ("Sinhala", 'අ', 'ෆ'),
        ("Thai", 'ก', 'ฮ'),
        ("Lao", 'ກ', 'ຮ'),
        ("Burmese", 'က', 'အ'),
        ("Georgian", 'ა', 'ჰ'),
        ("Ethiopic", 'ሀ', 'ፚ'),
        ("Cherokee", 'Ꭰ', 'Ᏼ'),
        ("Canadian syllabics", 'ᐁ', 'ᙶ'),
        ("Khmer", 'ក', 'អ'),
        ("Hiragana", 'ぁ', 'ん'),
        ("Katakana", 'ァ', 'ン'),
        ("Han", '一', '龥'),
        ("Hangul", '가', '힣'),
    ] {
        any(script, &|name| {
            name.contains(|character| (first..=last).contains(&character))
        });
    }
    let real_names = accounts.values().map(|row| row[1].as_str());
    assert!(
        real_names
            .clone()
            .any(|name| name.contains('"') && name.contains(','))
    );
    assert!(real_names.clone().any(|name| name.chars().count() == 128));
}

#[test]
fn bad_accounts_have_the_one_defect_that_they_name() {
    let accounts = accounts();
    let header = ["login_name", "real_name", "password", "expected_error"];
    let rows = rows("bad.csv", &header);
    assert!(rows.len() >= 50);
    let mut wrong = Vec::new();
    for row in rows {
        let mut found = defects(&row);
        let taken = LoginName::parse(&row[0]).is_ok_and(|name| accounts.contains_key(&name));
        if taken {
            found.push("LOGIN_NAME_TAKEN");
        }
        if found != [row[3].as_str()] {
            wrong.push((row, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
