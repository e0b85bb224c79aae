use quorid_directory::Schema;

use super::*;
use crate::import::columns::mapping;

fn columns(maps: &[&str]) -> Columns {
    let maps = maps.iter().map(|text| mapping(text).unwrap());
    Columns::new(
        Schema::builtin(),
        maps.collect(),
        vec!["expected_error".to_owned()],
        false,
    )
    .unwrap()
}

fn open(format: FileFormat, text: &[u8]) -> Result<Lines<&[u8]>, String> {
    Lines::open(text, format, columns(&[]))
}

fn read(format: FileFormat, text: &[u8]) -> Vec<Result<Line, Unreadable>> {
    open(format, text).unwrap().collect()
}

fn account(login_name: &str, real_name: &str, password: Option<&str>) -> NewLine {
    NewLine {
        id: None,
        attributes: Vec::new(),
        assign_posix_number: false,
        login_name: login_name.to_owned(),
        real_name: Some(real_name.to_owned()),
        service: None,
        password: password.map(str::to_owned),
        password_hash: None,
    }
}

#[test]
fn columns_may_stand_in_any_order_and_those_of_an_export_are_ignored() {
    for text in [
        "login_name,real_name,password\nana,Ana,secret\n",
        "password,real_name,login_name\nsecret,Ana,ana\n",
        "login_name,real_name,id,create_time,create_address,update_time,update_address,\
         has_password,etag,password\nana,Ana,1,2,3,4,5,true,7,secret\n",
        "\u{feff}login_name,real_name,password\r\nana,Ana,secret\r\n",
    ] {
        let lines = read(FileFormat::Csv, text.as_bytes());
        assert_eq!(lines.len(), 1, "{text}");
        let line = lines[0].as_ref().unwrap();
        assert_eq!(line.number, 2);
        assert_eq!(
            line.content,
            Ok(account("ana", "Ana", Some("secret"))),
            "{text}"
        );
    }
}

#[test]
fn byte_order_mark_is_counted_and_skipped_also_where_it_comes_in_pieces() {
    for (format, text) in [
        (
            FileFormat::Csv,
            "\u{feff}login_name,real_name\nana,Ana\nben,Ben\n",
        ),
        (
            FileFormat::Jsonl,
            "\u{feff}{\"login_name\":\"ana\",\"real_name\":\"Ana\"}\n\
             {\"login_name\":\"ben\",\"real_name\":\"Ben\"}\n",
        ),
    ] {
        for piece in [1, 2, 3, 4, 1000] {
            let input = io::BufReader::with_capacity(piece, text.as_bytes());
            let lines: Vec<_> = Lines::open(input, format, columns(&[]))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let accounts: Vec<_> = lines.iter().map(|line| line.content.as_ref()).collect();
            assert_eq!(
                accounts,
                [
                    Ok(&account("ana", "Ana", None)),
                    Ok(&account("ben", "Ben", None))
                ],
                "pieces of {piece}"
            );
            assert_eq!(lines[1].bytes, text.len() as u64);
        }
    }
}

#[test]
fn columns_that_are_to_be_ignored_are() {
    let lines = read(
        FileFormat::Csv,
        b"login_name,expected_error,real_name\nana,NONE,Ana\n",
    );
    let line = lines[0].as_ref().unwrap();
    assert_eq!(line.content, Ok(account("ana", "Ana", None)));
    let lines = read(
        FileFormat::Jsonl,
        br#"{"login_name":"ana","real_name":"Ana","expected_error":[1]}"#,
    );
    let line = lines[0].as_ref().unwrap();
    assert_eq!(line.content, Ok(account("ana", "Ana", None)));
}

#[test]
fn attributes_are_columns_or_a_map_and_several_values_are_lines_or_an_array() {
    for (format, text) in [
        (
            FileFormat::Csv,
            "title,login_name,mail,real_name,phone\n\
             Head,ana,\"a@example.org\nana@example.org\",Ana,\n",
        ),
        (
            FileFormat::Jsonl,
            "{\"login_name\":\"ana\",\"real_name\":\"Ana\",\"attributes\":{\"phone\":[],\
             \"title\":[\"Head\"],\"mail\":[\"a@example.org\",\"ana@example.org\"]}}\n",
        ),
    ] {
        let lines = read(format, text.as_bytes());
        let mut read = lines[0]
            .as_ref()
            .unwrap()
            .content
            .as_ref()
            .unwrap()
            .attributes
            .clone();
        read.sort_by(|a, b| a.name.cmp(&b.name));
        let read: Vec<_> = read
            .iter()
            .map(|attribute| format!("{}={}", attribute.name, attribute.values.join("+")))
            .collect();
        assert_eq!(read, ["mail=a@example.org+ana@example.org", "title=Head"]);
    }
}

#[test]
fn empty_password_is_none() {
    let lines = read(
        FileFormat::Csv,
        b"login_name,real_name,password\nana,Ana,\nbo,Bo,\"\"\n",
    );
    for line in lines {
        assert_eq!(line.unwrap().content.unwrap().password, None);
    }
}

#[test]
fn header_that_cannot_be_meant_is_refused() {
    for (text, part) in [
        ("", "the file ends"),
        ("ana,Ana\n", "unknown column `ana`"),
        ("login_name,e-mail,real_name\n", "unknown column `e-mail`"),
        ("login_name\n", "`real_name` is missing"),
        ("real_name,password\n", "`login_name` is missing"),
        ("login_name,real_name,login_name\n", "twice"),
        ("login_name,\"real_name\n", "never closed"),
    ] {
        let error = open(FileFormat::Csv, text.as_bytes()).err().unwrap();
        assert!(error.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn bad_csv_lines_are_told_and_passed_over() {
    let lines = read(
        FileFormat::Csv,
        b"login_name,real_name\nana,Ana,x\nbo\n\"cy\"x,Cy\nd\xff,D\neve,Eve",
    );
    let bad: Vec<_> = lines[..4]
        .iter()
        .map(|line| {
            let line = line.as_ref().unwrap();
            let bad = line.content.as_ref().unwrap_err();
            assert_eq!(bad.cause, Cause::InvalidLine);
            (line.number, bad.login_name.as_str(), bad.message.as_str())
        })
        .collect();
    assert_eq!((bad[0].0, bad[0].1), (2, "ana"));
    assert!(bad[0].2.contains("3 fields instead of 2"));
    assert_eq!((bad[1].0, bad[1].1), (3, "bo"));
    assert!(bad[2].2.contains("closing quote"));
    assert!(bad[3].2.contains("UTF-8"));
    assert_eq!(
        lines[4].as_ref().unwrap().content,
        Ok(account("eve", "Eve", None))
    );
}

#[test]
fn csv_file_that_is_cut_off_names_the_line_after_those_before_it() {
    for (text, line) in [
        ("login_name,real_name\nana,Ana\nbo,\"Bo", 3),
        ("login_name,real_name\nana,Ana\nbo", 3),
        ("login_name,real_name\nana,Ana\n\"bo\nx\ny", 3),
    ] {
        let lines = read(FileFormat::Csv, text.as_bytes());
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(
            lines[0].as_ref().unwrap().content,
            Ok(account("ana", "Ana", None))
        );
        let error = lines[1].as_ref().unwrap_err();
        assert_eq!((error.line, &error.cause), (line, &Cause::TruncatedFile));
        assert!(error.to_string().contains("line 3"), "{error}");
    }
}

#[test]
fn json_lines_are_read_with_those_of_an_export() {
    let lines = read(
        FileFormat::Jsonl,
        br#"{"login_name":"ana","real_name":"Ana","password":"secret"}

{"real_name":"Bo","login_name":"bo","password":null,"id":"1","has_password":true,"etag":"7","create_time":"t","create_address":"a","update_time":"t","update_address":"a"}
{"login_name":"cy","real_name":"Cy"}"#,
    );
    let read: Vec<_> = lines
        .into_iter()
        .map(|line| {
            line.map(|line| (line.number, line.content.unwrap()))
                .unwrap()
        })
        .collect();
    assert_eq!(
        read,
        [
            (1, account("ana", "Ana", Some("secret"))),
            (3, account("bo", "Bo", None)),
            (4, account("cy", "Cy", None)),
        ]
    );
}

#[test]
fn bad_json_lines_are_told_and_passed_over() {
    let long = format!("{{\"login_name\":\"{}\"}}", "x".repeat(70_000));
    let text = format!(
        "{{\"login_name\":\"ana\"}}\n{{\"login_name\":\"bo\",\"real_name\":\"Bo\",\"e-mail\":1}}\n\
         {{\"login_name\":\"cy\"\n[]\nnonsense\n{long}\n{{\"login_name\":\"eve\",\"real_name\":\"Eve\"}}\n"
    );
    let lines = read(FileFormat::Jsonl, text.as_bytes());
    let messages: Vec<_> = lines[..6]
        .iter()
        .map(|line| line.as_ref().unwrap().content.as_ref().unwrap_err())
        .collect();
    assert!(messages[0].message.contains("real_name"));
    assert_eq!(messages[0].login_name, "ana");
    assert!(messages[2].message.contains("EOF"));
    assert!(messages[3].message.contains("expected an object"));
    assert!(messages[1].message.contains("unknown key `e-mail`"));
    assert!(messages[5].message.contains("65,536"));
    let last = lines[6].as_ref().unwrap();
    assert_eq!(last.number, 7);
    assert_eq!(last.content, Ok(account("eve", "Eve", None)));
    assert_eq!(last.bytes, text.len() as u64);
}

#[test]
fn half_a_json_line_at_the_end_names_the_line() {
    let lines = read(
        FileFormat::Jsonl,
        b"{\"login_name\":\"ana\",\"real_name\":\"Ana\"}\n{\"login_name\":\"bo\",\"real",
    );
    assert!(lines[0].as_ref().unwrap().content.is_ok());
    let error = lines[1].as_ref().unwrap_err();
    assert_eq!((error.line, &error.cause), (2, &Cause::TruncatedFile));
    assert_eq!(lines.len(), 2);
}

#[test]
fn half_a_character_at_the_end_of_json_is_told_too() {
    let lines = read(FileFormat::Jsonl, b"{\"login_name\":\"\xc3");
    assert!(lines[0].is_err());
}

#[test]
fn keys_and_columns_of_other_names_are_read_as_the_fields_they_are_mapped_to() {
    let columns = columns(&[
        "Login=login_name",
        "First=given_name",
        "Last=family_name",
        "E-mail=mail",
        "Other mail=mail",
        "No=employee_number",
    ]);
    for (format, text) in [
        (
            FileFormat::Csv,
            "version:v1.0,,,,,\n\
             login, First ,last,e-mail,OTHER MAIL,no\n\
             ana,Ana,Lima,ana@example.org,\"a@example.org\nl@example.org\",17\n",
        ),
        (
            FileFormat::Jsonl,
            "{\"login\":\"ana\",\"First\":\"Ana\",\"LAST\":\"Lima\",\"no\":17,\
             \"attributes\":{\"e-mail\":[\"ana@example.org\"]},\
             \"other mail\":[\"a@example.org\",\"l@example.org\"]}\n",
        ),
    ] {
        let mut lines = Lines::open(text.as_bytes(), format, columns.clone()).unwrap();
        let mut line = lines.next().unwrap().unwrap().content.unwrap();
        assert_eq!(line.login_name, "ana");
        assert_eq!(line.new_real_name().as_deref(), Some("Ana Lima"));
        line.attributes.sort_by(|a, b| a.name.cmp(&b.name));
        let attributes: Vec<_> = line
            .attributes
            .iter()
            .map(|it| format!("{}={}", it.name, it.values.join("+")))
            .collect();
        assert_eq!(
            attributes,
            [
                "employee_number=17",
                "family_name=Lima",
                "given_name=Ana",
                "mail=ana@example.org+a@example.org+l@example.org",
            ]
        );
    }
}

#[test]
fn json_that_gives_a_single_value_twice_or_another_type_is_bad() {
    for (text, part) in [
        (
            r#"{"login_name":"a","real_name":"A","nick":"B"}"#,
            "real_name is given twice",
        ),
        (
            r#"{"login_name":"a","login_name":"b"}"#,
            "`login_name` is there twice",
        ),
        (
            r#"{"login_name":["a","b"],"real_name":"A"}"#,
            "2 values instead of one",
        ),
        (
            r#"{"login_name":{"a":1},"real_name":"A"}"#,
            "`login_name` must be a text",
        ),
        (
            r#"{"login_name":"a","real_name":"A","attributes":{"mail":[1.5]}}"#,
            "`mail` must be",
        ),
        (
            r#"{"login_name":"a","real_name":"A","attributes":["mail"]}"#,
            "`attributes`",
        ),
    ] {
        let columns = columns(&["nick=real_name"]);
        let mut lines = Lines::open(text.as_bytes(), FileFormat::Jsonl, columns).unwrap();
        let bad = lines.next().unwrap().unwrap().content.unwrap_err();
        assert_eq!(bad.cause, Cause::InvalidLine);
        assert!(bad.message.contains(part), "{text}: {}", bad.message);
    }
}

#[test]
fn ids_count_for_an_update_only_and_must_be_whole() {
    let text = "login_name,real_name,id\nana,Ana,0198f3a2-7c41-7d60-8a55-0d2f6b1c9e77\nbo,Bo,17\n";
    for update in [false, true] {
        let columns = Columns::new(Schema::builtin(), Vec::new(), Vec::new(), update).unwrap();
        let lines = Lines::open(text.as_bytes(), FileFormat::Csv, columns).unwrap();
        let lines: Vec<_> = lines.map(|line| line.unwrap().content).collect();
        assert_eq!(lines[0].as_ref().unwrap().id.is_some(), update);
        match update {
            true => assert!(lines[1].as_ref().unwrap_err().message.starts_with("id: ")),
            false => assert_eq!(lines[1], Ok(account("bo", "Bo", None))),
        }
    }
}
