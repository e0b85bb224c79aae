//! Files of other programs, imported by the command line.

use serde_json::{Value, json};

use crate::directory::Directory;

const LMS: &str = include_str!("files/lms-columns.csv");
const CLOUD: &str = include_str!("files/cloud-directory-template.csv");

impl Directory {
    /// The exit code of an import, and the summary that it ends with.
    pub(crate) fn import(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let output = self.run(&[&["import", "--output", "json"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let summary = text.lines().last().unwrap_or("null");
        let summary = serde_json::from_str(summary).expect("JSON");
        (output.status.code(), summary)
    }

    fn is_empty(&self) -> bool {
        self.succeed(&["get", "users"]).is_empty()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_other_programs_are_imported_by_mapping_their_columns() {
    let directory = Directory::start().await;
    let lms = directory.written("lms.csv", LMS);
    let maps = [
        "--map",
        "username=login_name",
        "--map",
        "firstname=given_name",
        "--map",
        "LastName = family-name",
        "--map",
        "email=mail",
    ];
    for created in [2, 0] {
        let (exit, summary) = directory.import(&[&[lms.as_str()], &maps[..]].concat());
        assert_eq!(exit, Some(0));
        assert_eq!(summary["created"], created);
    }
    let ada = directory.lookup("ada.l");
    assert_eq!(ada["real_name"], "Ada L");
    assert_eq!(
        ada["attributes"],
        json!({"given_name": ["Ada"], "family_name": ["L"], "mail": ["ada@example.org"]})
    );

    let cloud = directory.written("cloud.csv", CLOUD);
    directory.succeed(&[
        "import",
        &cloud,
        "--map",
        "full name [fullname] *=real_name",
        "--map",
        "Sign-in name [signIn] *=login_name",
        "--map",
        "First password [firstPassword] *=password",
        "--map",
        "Given [given]=given_name",
        "--ignore",
        "Family [family]",
    ]);
    let ada = directory.lookup("ada@example.org");
    assert_eq!(ada["attributes"], json!({"given_name": ["Ada"]}));
    let password = directory.written("password", "Initial-pw-1");
    directory.succeed(&[
        "check-password",
        "ada@example.org",
        "--password-file",
        &password,
    ]);

    let keys = directory.written(
        "keys.jsonl",
        "{\"uid\":\"cy\",\"CN\":\"Cy Young\",\"emails\":[\"cy@example.org\",\"c@example.org\"]}\n",
    );
    directory.succeed(&[
        "import",
        &keys,
        "--map",
        "uid=login_name",
        "--map",
        "cn=real_name",
        "--map",
        "emails=mail",
    ]);
    assert_eq!(
        directory.lookup("cy")["attributes"]["mail"],
        json!(["cy@example.org", "c@example.org"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mapping_that_cannot_be_meant_is_refused_before_anything_is_sent() {
    let directory = Directory::start().await;
    let lms = directory.written("lms.csv", LMS);
    for (maps, message) in [
        (
            &["username=login_name", "email=e-mail"][..],
            "cannot be read as `e-mail`",
        ),
        (
            &["username=login_name", "mail address=mail"],
            "no column `mail address`",
        ),
        (
            &["username=login_name", "firstname=title", "lastname=title"],
            "`firstname` and `lastname` are read as title",
        ),
        (&["username=login_name"], "unknown column `firstname`"),
    ] {
        let maps = maps.iter().flat_map(|map| ["--map", map]);
        let words: Vec<_> = ["import", &lms].into_iter().chain(maps).collect();
        let output = directory.run(&words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(message), "{errors}");
    }
    assert!(directory.is_empty());
}

/// The counts of a summary: created, updated, unchanged, rejected.
pub(crate) fn counts(summary: &Value) -> [u64; 4] {
    ["created", "updated", "unchanged", "rejected"]
        .map(|name| summary[name].as_u64().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_changes_what_the_file_says_and_nothing_else() {
    let directory = Directory::start().await;
    for name in ["ana", "ben", "cleo"] {
        let mail = format!("mail={name}@example.org");
        directory.succeed(&[
            "create",
            name,
            "Some One",
            "--set",
            &mail,
            "--set",
            "title=Head",
        ]);
    }
    let cleo = directory.lookup("cleo");
    let id = cleo["id"].as_str().expect("an id");
    let file = directory.written(
        "people.csv",
        &format!(
            "id,login_name,real_name,mail,title,department\n\
             ,ANA,,\"a@example.org\nana@example.org\",Head,Sales\n\
             ,ben,Ben Okri,BEN@example.org,,\n\
             {id},cleo.m,,,Boss,\n\
             ,dora,Dora,dora@example.org,,\n\
             ,eve,,eve@example.org,,\n\
             ,fay,Fay,ana@example.org,,\n\
             ,dora,Dora,,Last,\n"
        ),
    );
    // Without the option, what is there is not changed, and a line that says something else is rejected.
    let ben = directory.lookup("ben");
    let plain = directory.written("plain.csv", "login_name,real_name\nben,Ben Okri\n");
    let (exit, summary) = directory.import(&[&plain]);
    assert_eq!((exit, counts(&summary)), (Some(7), [0, 0, 0, 1]));
    assert_eq!(directory.lookup("ben")["etag"], ben["etag"]);

    let update = ["--update", file.as_str()];
    let (exit, summary) = directory.import(&update);
    assert_eq!((exit, counts(&summary)), (Some(7), [1, 4, 0, 2]));
    let ana = directory.lookup("ana");
    assert_eq!(ana["real_name"], "Some One");
    assert_eq!(
        ana["attributes"],
        json!({"mail": ["a@example.org", "ana@example.org"], "title": ["Head"], "department": ["Sales"]})
    );
    let ben = directory.lookup("ben");
    assert_eq!(ben["real_name"], "Ben Okri");
    assert_eq!(
        ben["attributes"],
        json!({"mail": ["ben@example.org"], "title": ["Head"]})
    );
    let cleo = directory.lookup("cleo.m");
    assert_eq!(cleo["id"], id);
    assert_eq!(cleo["attributes"]["title"], json!(["Boss"]));
    let dora = directory.lookup("dora");
    assert_eq!(dora["attributes"]["title"], json!(["Last"]));

    // The same again changes nothing.
    let (exit, summary) = directory.import(&update);
    assert_eq!((exit, counts(&summary)), (Some(7), [0, 0, 5, 2]));
    for (name, before) in [("ana", ana), ("ben", ben), ("cleo.m", cleo), ("dora", dora)] {
        assert_eq!(directory.lookup(name)["etag"], before["etag"], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_gives_a_password_only_to_who_has_none() {
    let directory = Directory::start().await;
    let own = directory.written("own", "chosen by ana");
    let of_file = directory.written("of-file", "from the file");
    directory.succeed(&["create", "ana", "Ana", "--password-file", &own]);
    directory.succeed(&["create", "ben", "Ben"]);
    let file = directory.written(
        "people.jsonl",
        "{\"login_name\":\"ana\",\"password\":\"from the file\"}\n\
         {\"login_name\":\"ben\",\"password\":\"from the file\"}\n",
    );
    for updated in [1, 0] {
        let (exit, summary) = directory.import(&["--update", &file]);
        assert_eq!(
            (exit, counts(&summary)),
            (Some(0), [0, updated, 2 - updated, 0])
        );
    }
    directory.succeed(&["check-password", "ana", "--password-file", &own]);
    directory.succeed(&["check-password", "ben", "--password-file", &of_file]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_be_done_and_changes_nothing() {
    let directory = Directory::start().await;
    directory.succeed(&[
        "create",
        "ana",
        "Ana",
        "--set",
        "mail=ana@example.org",
        "--posix",
    ]);
    directory.succeed(&["create", "ben", "Ben"]);
    directory.succeed(&["group", "create", "staff", "--posix"]);
    let ana = directory.lookup("ana")["id"].clone();
    let file = directory.written(
        "people.csv",
        "login_name,real_name,mail,title,posix_number,password\n\
         ana,Ana,ana@example.org,,,\n\
         ben,Ben O,ben@example.org,Head,,\n\
         cleo,Cleo,cleo@example.org,,70000,open sesame\n\
         dora,Dora,ANA@example.org,,,\n\
         eve,Eve,Cleo@example.org,,,\n\
         \"f y\",Fay,,,,\n\
         gil,Gil,no mail,,,\n\
         hal,Hal,,,65537,\n\
         Ian.M,Ian,,,70001,\n\
         jan ,Jan,,,,\n\
         cleo,Cleo,cleo@example.org,,70000,open sesame\n\
         ivy,,,,,\n",
    );
    let before = ["ana", "ben"].map(|name| directory.lookup(name)["etag"].clone());
    let dry = directory.run(&["import", "--update", "--dry-run", &file]);
    let lines = String::from_utf8_lossy(&dry.stdout).into_owned();
    for line in [
        "line 2 (ana): unchanged",
        "line 3 (ben): would be updated: real_name, mail, title",
        "line 4 (cleo): would be created with login_name, real_name, mail, posix_number, password",
        "line 12 (cleo): unchanged",
    ] {
        assert!(lines.contains(line), "{line} in {lines}");
    }
    let errors = String::from_utf8_lossy(&dry.stderr).into_owned();
    let taken = format!(
        "line 5 (dora): VALUE_TAKEN: mail `ANA@example.org` already belongs to account {}",
        ana.as_str().expect("an id")
    );
    for line in [
        taken.as_str(),
        "line 6 (eve): VALUE_TAKEN: mail `Cleo@example.org` would belong to the account of line 4",
        "line 7 (f y): INVALID_LOGIN_NAME",
        "line 8 (gil): INVALID_VALUE: mail",
        "line 9 (hal): VALUE_TAKEN: posix number `65537` already belongs to group",
        "line 10 (Ian.M): SCHEMA_VIOLATION",
        "line 13 (ivy): ACCOUNT_NOT_FOUND",
    ] {
        assert!(errors.contains(line), "{line} in {errors}");
    }
    assert_eq!(
        ["ana", "ben"].map(|name| directory.lookup(name)["etag"].clone()),
        before
    );
    assert_eq!(directory.succeed(&["get", "users"]).lines().count(), 2);

    // The run itself does what was said, with the same reasons.
    let summary = |arguments: &[&str]| {
        // One after the other: else whoever is first gets a value that two lines give.
        let words = ["import", "--output", "json", "--in-flight", "1", &file];
        let output = directory.run(&[&words[..], arguments].concat());
        let text = String::from_utf8(output.stdout).expect("text");
        let summary: Value =
            serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
        let rejected: Vec<_> = String::from_utf8_lossy(&output.stderr)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .map(|line| json!([line["line"], line["reason"]]))
            .collect();
        (output.status.code(), counts(&summary), rejected)
    };
    for options in [&[][..], &["--update"]] {
        let dry = summary(&[options, &["--dry-run"]].concat());
        assert_eq!(summary(options), dry, "{options:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_another_kind_than_its_account_is_rejected_for_that() {
    let directory = Directory::start().await;
    directory.succeed(&["create", "ana", "Ana"]);
    directory.succeed(&["create", "gitea", "--service"]);
    let kinds = "login_name,real_name,kind\nana,,service\ngitea,Gi,person\n";
    let kinds = directory.written("kinds.csv", kinds);
    let none = directory.written("none.csv", "login_name,real_name\ngitea,\n");
    let before = ["ana", "gitea"].map(|name| directory.lookup(name)["etag"].clone());
    for options in [
        &[][..],
        &["--update"],
        &["--dry-run"],
        &["--update", "--dry-run"],
    ] {
        let output = directory.run(&[&["import", &kinds][..], options].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        for line in [
            "line 2 (ana): KIND_DIFFERS: login name `ana` belongs to account",
            "line 3 (gitea): KIND_DIFFERS: login name `gitea` belongs to account",
        ] {
            assert!(errors.contains(line), "{line} in {errors}");
        }
        let (exit, summary) = directory.import(&[options, &[&none]].concat());
        let expected = match options.contains(&"--update") {
            true => (Some(0), [0, 0, 1, 0]),
            false => (Some(7), [0, 0, 0, 1]),
        };
        assert_eq!((exit, counts(&summary)), expected, "{options:?}");
    }
    let after = ["ana", "gitea"].map(|name| directory.lookup(name)["etag"].clone());
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_refer_to_accounts_of_other_lines_in_any_order() {
    let directory = Directory::start().await;
    directory.succeed(&["create", "zoe", "Zoe"]);
    let file = directory.written(
        "people.csv",
        "login_name,real_name,manager\n\
         ana,Ana,Ben\n\
         ben,Ben,cleo\n\
         cleo,Cleo,zoe\n\
         dora,Dora,nobody\n\
         eve,Eve,dora\n\
         fay,Fay,01890a5d-ac96-774b-bcce-b302099a8057\n",
    );
    for (options, expected) in [
        (&["--dry-run"][..], [3, 0, 0, 3]),
        (&[], [3, 0, 0, 3]),
        (&[], [0, 0, 3, 3]),
        (&["--update"], [0, 0, 3, 3]),
        (&["--update", "--dry-run"], [0, 0, 3, 3]),
    ] {
        let words = [&["import", &file][..], options].concat();
        let output = directory.run(&words);
        let errors = String::from_utf8_lossy(&output.stderr);
        for line in ["line 5 (dora)", "line 6 (eve)", "line 7 (fay)"] {
            let line = format!("{line}: REFERENCE_INVALID: manager cannot be");
            assert!(errors.contains(&line), "{line} in {errors}");
        }
        let (exit, summary) = directory.import(&[options, &[&file]].concat());
        assert_eq!((exit, counts(&summary)[3]), (Some(7), expected[3]));
        let text = String::from_utf8_lossy(&output.stdout);
        let [created, updated, unchanged, rejected] = expected;
        let counted = format!(
            "{created} created, {updated} updated, {unchanged} unchanged, {rejected} rejected"
        );
        assert!(text.contains(&counted), "{options:?}: {text}");
    }
    let id = |name: &str| directory.lookup(name)["id"].clone();
    let manager = |name: &str| directory.lookup(name)["attributes"]["manager"][0].clone();
    for (name, by) in [("ana", "ben"), ("ben", "cleo"), ("cleo", "zoe")] {
        assert_eq!(manager(name), id(by));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_for_posix_systems_come_from_the_file_or_from_the_directory() {
    let directory = Directory::start().await;
    directory.succeed(&["create", "ben", "Ben"]);
    let csv = "login_name,real_name,posix_number\nana,Ana,70001\nben,Ben,auto\ncleo,Cleo,AUTO\ndora,Dora,\n";
    let file = directory.written("people.csv", csv);
    let number = |directory: &Directory, name: &str| {
        directory.lookup(name)["attributes"]["posix_number"][0].clone()
    };
    let import = ["--update", "--in-flight", "1", &file];
    let (exit, dry) = directory.import(&[&import[..], &["--dry-run"]].concat());
    assert_eq!((exit, counts(&dry)), (Some(0), [3, 1, 0, 0]));
    for expected in [[3, 1, 0, 0], [0, 0, 4, 0]] {
        let (exit, summary) = directory.import(&import);
        assert_eq!((exit, counts(&summary)), (Some(0), expected));
    }
    let names = ["ana", "ben", "cleo", "dora"];
    let given = names.map(|name| number(&directory, name));
    assert_eq!(given[0], "70001");
    assert_eq!(given[3], Value::Null);
    let first: u64 = given[1].as_str().expect("text").parse().expect("a number");
    assert_eq!(given[2], (first + 1).to_string());

    let export = directory.file("export.csv").to_string_lossy().into_owned();
    directory.succeed(&["export", "--out", &export]);
    let other = Directory::start().await;
    other.succeed(&["import", &export]);
    assert_eq!(names.map(|name| number(&other, name)), given);
    // The counter is behind what was imported.
    other.succeed(&["create", "eve", "Eve", "--posix"]);
    assert!(!given.contains(&number(&other, "eve")));

    let file = other.written(
        "bad.csv",
        "login_name,real_name,posix_number\nFay.M,Fay,auto\n",
    );
    for options in [&[][..], &["--dry-run"]] {
        let (exit, summary) = other.import(&[options, &[&file]].concat());
        assert_eq!(
            (exit, counts(&summary)),
            (Some(7), [0, 0, 0, 1]),
            "{options:?}"
        );
    }
}
