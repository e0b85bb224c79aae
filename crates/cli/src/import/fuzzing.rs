//! Import files: a byte for the format, one for the size of the pieces that are read, the file.

use std::io::{BufRead, BufReader};

use quorid_directory::Schema;
use serde_json::json;

use super::{
    FileFormat,
    columns::{Columns, mapping},
    lines::{Lines, NewLine},
};
use crate::export::csv_line;

/// Lines above this size are refused.
const LINE_BYTES_MAX: usize = 64 << 10;

/// The lines of a file are the same in whatever pieces it comes; each is where it says it is; and
/// what is accepted, written to a file again, is accepted again.
pub fn check(data: &[u8]) {
    let Some(([format, piece], file)) = data.split_first_chunk::<2>() else {
        return;
    };
    let format = match format % 2 {
        0 => FileFormat::Csv,
        _ => FileFormat::Jsonl,
    };
    let whole = read(file, format);
    let pieces = BufReader::with_capacity(usize::from(*piece).max(1), file);
    assert_eq!(shown(&read(pieces, format)), shown(&whole));
    let Ok(items) = whole else {
        return;
    };
    let (mut line_before, mut bytes_before) = (0, 0);
    for item in items {
        let Ok((number, bytes, content)) = item else {
            break;
        };
        assert!(number > line_before, "line {number} after {line_before}");
        assert!(bytes > bytes_before, "{bytes} bytes after {bytes_before}");
        (line_before, bytes_before) = (number, bytes);
        let end = usize::try_from(bytes).expect("no more than there are");
        assert!(
            end == file.len() || file[..end].ends_with(b"\n"),
            "line {number} ends after {end} bytes"
        );
        if let Ok(line) = content {
            assert_ne!(line.password.as_deref(), Some(""));
            if line.attributes.is_empty() && !line.assign_posix_number {
                written_again(&line, format);
            }
        }
    }
}

/// Number, bytes and content of each line, or why there are no more; or why there are none.
type Read = Result<Vec<Result<(u64, u64, Result<NewLine, String>), String>>, String>;

fn read(input: impl BufRead, format: FileFormat) -> Read {
    let maps = ["Name=real_name", "Name=given_name", "e-mail=mail"].map(mapping);
    let maps = maps.map(|it| it.expect("a mapping"));
    let columns = Columns::new(
        Schema::builtin(),
        maps.to_vec(),
        vec!["ignored".to_owned()],
        false,
    )?;
    let lines = Lines::open(input, format, columns)?;
    Ok(lines
        .map(|line| {
            let line = line.map_err(|error| format!("{error:?}: {error}"))?;
            let content = line.content.map_err(|bad| format!("{bad:?}"));
            Ok((line.number, line.bytes, content))
        })
        .collect())
}

fn shown(read: &Read) -> String {
    format!("{read:?}")
}

fn written_again(line: &NewLine, format: FileFormat) {
    let (header, text) = match format {
        FileFormat::Csv => {
            let password = line.password.as_deref().unwrap_or_default();
            let real_name = line.real_name.as_deref().unwrap_or_default();
            let values = [password, real_name, &line.login_name];
            let text = csv_line(&values);
            (b"password,real_name,login_name\n".to_vec(), text)
        }
        FileFormat::Jsonl => {
            let text = json!({
                "login_name": line.login_name,
                "real_name": line.real_name.clone().unwrap_or_default(),
                "password": line.password,
            });
            (Vec::new(), format!("{text}\n").into_bytes())
        }
    };
    // Quotes make it longer.
    if text.len() > LINE_BYTES_MAX {
        return;
    }
    let file = [header, text].concat();
    let again = read(file.as_slice(), format).expect("lines");
    let [Ok((_, _, Ok(again)))] = again.as_slice() else {
        panic!("{again:?} in place of {line:?}");
    };
    assert_eq!(again, line);
}

/// Files with good and with bad lines.
pub fn seeds() -> Vec<Vec<u8>> {
    const CSV: &str = "login_name,real_name,password,ignored\nana,Ana Lima,secret,1\n\
                       \"a, \"\"b\"\"\",\"two\nlines\",,\r\nben,Ben\n\"x\"y,z,,\n";
    const JSON: &str = r#"{"login_name":"ana","real_name":"Ana","password":"p","ignored":{"a":[1]}}
{"login_name":"ben","real_name":"\u00e9"}
{"login_name":"ben","unknown":1}
nonsense
"#;
    let seed = |format: u8, file: &str| [&[format, 7], file.as_bytes()].concat();
    vec![
        seed(0, CSV),
        seed(0, &format!("\u{feff}{CSV}")),
        seed(0, "real_name,login_name\nb,\"a"),
        seed(
            0,
            "version:1,,\nlogin_name,Name,E-mail\na,A B,a@example.org\n",
        ),
        seed(0, "id,etag,login_name,real_name\n0199,1f,a"),
        seed(1, JSON),
        seed(
            1,
            "{\"login_name\":\"a\",\"name\":\"A\",\"e-mail\":[\"a@example.org\"]}",
        ),
        seed(1, &format!("\u{feff}{JSON}")),
        seed(1, "{\"login_name\":\"a\""),
    ]
}
