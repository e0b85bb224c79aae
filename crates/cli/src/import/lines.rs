//! The lines of an import file, in either format, one account each.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, BufRead, Chain, Cursor, Read as _},
};

use quorid_api::Attribute;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    FileFormat,
    csv_reader::{CsvError, CsvReader, CsvRecord},
};
use crate::{
    errors::Cause,
    record::{SERVERS_COLUMNS, attributes, has_own_field},
};

/// Longest line of JSON, bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One line.
#[derive(Debug)]
pub(super) struct Line {
    /// Number of the line, from 1, the header included.
    pub(super) number: u64,
    /// Bytes of the file up to its end.
    pub(super) bytes: u64,
    pub(super) content: Result<NewLine, BadLine>,
}

/// The account a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NewLine {
    pub(super) login_name: String,
    pub(super) real_name: String,
    pub(super) attributes: Vec<Attribute>,
    pub(super) password: Option<String>,
}

/// Why a line was rejected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// The login name, as far as it could be read.
    pub(super) login_name: String,
    pub(super) cause: Cause,
    pub(super) message: String,
}

impl BadLine {
    fn invalid(login_name: &str, message: impl Into<String>) -> Self {
        Self {
            login_name: login_name.to_owned(),
            cause: Cause::InvalidLine,
            message: message.into(),
        }
    }
}

/// Why the file cannot be read on from a line.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) line: u64,
    pub(super) cause: Cause,
    message: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl Unreadable {
    fn truncated(line: u64, message: impl Into<String>) -> Self {
        Self {
            line,
            cause: Cause::TruncatedFile,
            message: message.into(),
        }
    }

    fn io(line: u64, error: &io::Error) -> Self {
        Self {
            line,
            cause: Cause::Io,
            message: format!("cannot be read: {error}"),
        }
    }
}

/// The lines behind the header, to the end or to where the file cannot be read on.
pub(super) struct Lines<R> {
    format: Format<R>,
    ended: bool,
}

enum Format<R> {
    Csv {
        reader: CsvReader<Unmarked<R>>,
        columns: Columns,
        /// Bytes before what the reader reads.
        skipped: u64,
    },
    Json {
        input: Unmarked<R>,
        line: u64,
        bytes: u64,
        ignored: Vec<String>,
    },
}

impl<R: BufRead> Lines<R> {
    /// Reads the header, where the format has one. The columns `ignored` may be there.
    pub(super) fn open(input: R, format: FileFormat, ignored: Vec<String>) -> Result<Self, String> {
        let (skipped, input) = skip_byte_order_mark(input).map_err(|error| error.to_string())?;
        let format = match format {
            FileFormat::Csv => {
                let mut reader = CsvReader::new(input);
                let columns = read_header(&mut reader, &ignored)?;
                Format::Csv {
                    reader,
                    columns,
                    skipped,
                }
            }
            FileFormat::Jsonl => Format::Json {
                input,
                line: 0,
                bytes: skipped,
                ignored,
            },
        };
        Ok(Self {
            format,
            ended: false,
        })
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Line, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = match &mut self.format {
            Format::Csv {
                reader,
                columns,
                skipped,
            } => next_csv(reader, columns, *skipped),
            Format::Json {
                input,
                line,
                bytes,
                ignored,
            } => next_json(input, line, bytes, ignored),
        };
        self.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

/// An input after the byte order mark: what was read to look for one, then the rest.
type Unmarked<R> = Chain<Cursor<Vec<u8>>, R>;

/// At the very beginning, as Windows programs write it. Bytes of a pipe may come one by one.
fn skip_byte_order_mark<R: BufRead>(mut input: R) -> io::Result<(u64, Unmarked<R>)> {
    let mut beginning = Vec::new();
    let length = BYTE_ORDER_MARK.len() as u64;
    (&mut input).take(length).read_to_end(&mut beginning)?;
    let marked = beginning == BYTE_ORDER_MARK;
    if marked {
        beginning.clear();
    }
    let skipped = if marked { length } else { 0 };
    Ok((skipped, Cursor::new(beginning).chain(input)))
}

/// Which field is what.
#[derive(Debug)]
struct Columns {
    count: usize,
    login_name: usize,
    real_name: usize,
    /// Every other attribute that has a column.
    attributes: Vec<(&'static quorid_directory::Attribute, usize)>,
    password: Option<usize>,
}

fn read_header<R: BufRead>(
    reader: &mut CsvReader<R>,
    ignored: &[String],
) -> Result<Columns, String> {
    let what = "the first line must name the columns, as in login_name,real_name,password";
    let record = match reader.next_record() {
        Ok(Some(record)) => record,
        Ok(None) => return Err(format!("the file is empty; {what}")),
        Err(error) => return Err(unreadable(error).to_string()),
    };
    let fields = record
        .fields
        .map_err(|error| format!("line {}: {error}", record.line))?;
    let known = importable();
    let mut columns = vec![None; known.len()];
    for (index, field) in fields.iter().enumerate() {
        let name = String::from_utf8_lossy(field);
        if let Some(column) = known.iter().position(|known| *known == name) {
            if columns[column].replace(index).is_some() {
                return Err(format!("the column `{name}` is there twice"));
            }
        } else if !is_ignored(&name, ignored) {
            return Err(format!(
                "unknown column `{name}`; known are {}, and those that an export adds: {}; {what}; \
                 --ignore {name} passes it over",
                known.join(", "),
                SERVERS_COLUMNS.join(", ")
            ));
        }
    }
    let found = |name| {
        let column = known.iter().position(|known| *known == name)?;
        columns[column]
    };
    let needed =
        |name| found(name).ok_or_else(|| format!("the column `{name}` is missing; {what}"));
    let others = attributes().filter(|attribute| !has_own_field(attribute));
    Ok(Columns {
        count: fields.len(),
        login_name: needed("login_name")?,
        real_name: needed("real_name")?,
        attributes: others
            .filter_map(|attribute| Some((attribute, found(attribute.name)?)))
            .collect(),
        password: found("password"),
    })
}

/// The columns that are imported.
fn importable() -> Vec<&'static str> {
    let attributes = attributes().map(|attribute| attribute.name);
    attributes.chain(["password"]).collect()
}

/// Whether a column may be there without being imported.
fn is_ignored(name: &str, ignored: &[String]) -> bool {
    SERVERS_COLUMNS.contains(&name) || ignored.iter().any(|ignored| ignored == name)
}

fn unreadable(error: CsvError) -> Unreadable {
    match error {
        CsvError::OpenQuote { line, too_long } => Unreadable::truncated(
            line,
            if too_long {
                "a quote is opened here and not closed within 65,536 bytes"
            } else {
                "a quote is opened here and never closed: is the file cut off?"
            },
        ),
        CsvError::Io { line, error } => Unreadable::io(line, &error),
    }
}

fn next_csv<R: BufRead>(
    reader: &mut CsvReader<R>,
    columns: &Columns,
    skipped: u64,
) -> Result<Option<Line>, Unreadable> {
    let Some(record) = reader.next_record().map_err(unreadable)? else {
        return Ok(None);
    };
    let number = record.line;
    if let (Ok(fields), true) = (&record.fields, record.at_end)
        && fields.len() < columns.count
    {
        return Err(Unreadable::truncated(
            number,
            format!(
                "the file ends in the middle of this line, after {} of {} fields: is it cut off?",
                fields.len(),
                columns.count
            ),
        ));
    }
    Ok(Some(Line {
        number,
        bytes: skipped + reader.bytes(),
        content: csv_line(record, columns),
    }))
}

fn csv_line(record: CsvRecord, columns: &Columns) -> Result<NewLine, BadLine> {
    let mut fields = record.fields.map_err(|error| BadLine::invalid("", error))?;
    let lossy = |field: Option<&Vec<u8>>| {
        field.map_or_else(String::new, |field| {
            String::from_utf8_lossy(field).into_owned()
        })
    };
    let login_name = lossy(fields.get(columns.login_name));
    if fields.len() != columns.count {
        return Err(BadLine::invalid(
            &login_name,
            format!(
                "{} fields instead of {}; a field with a comma needs quotes",
                fields.len(),
                columns.count
            ),
        ));
    }
    let mut take = |index: usize| {
        String::from_utf8(std::mem::take(&mut fields[index]))
            .map_err(|_| BadLine::invalid(&login_name, "the line is not valid UTF-8"))
    };
    let real_name = take(columns.real_name)?;
    let password = columns.password.map(&mut take).transpose()?;
    let mut attributes = Vec::new();
    for (attribute, index) in &columns.attributes {
        let field = take(*index)?;
        if !field.is_empty() {
            attributes.push(Attribute {
                name: attribute.name.to_owned(),
                values: match attribute.values_max {
                    1 => vec![field],
                    _ => field.lines().map(str::to_owned).collect(),
                },
            });
        }
    }
    Ok(NewLine {
        login_name: take(columns.login_name)?,
        real_name,
        attributes,
        password: password.filter(|password| !password.is_empty()),
    })
}

/// A line of JSON: what can be imported, and whatever else there is.
#[derive(Deserialize)]
struct JsonLine {
    login_name: String,
    real_name: String,
    #[serde(default)]
    attributes: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    password: Option<String>,
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

impl JsonLine {
    fn accept(self, ignored: &[String]) -> Result<NewLine, BadLine> {
        if let Some(key) = self.others.keys().find(|key| !is_ignored(key, ignored)) {
            return Err(BadLine::invalid(
                &self.login_name,
                format!("unknown key `{key}`; --ignore {key} passes it over"),
            ));
        }
        Ok(NewLine {
            login_name: self.login_name,
            real_name: self.real_name,
            attributes: self
                .attributes
                .into_iter()
                .filter(|(_, values)| !values.is_empty())
                .map(|(name, values)| Attribute { name, values })
                .collect(),
            password: self.password.filter(|password| !password.is_empty()),
        })
    }
}

fn next_json<R: BufRead>(
    input: &mut R,
    line: &mut u64,
    bytes: &mut u64,
    ignored: &[String],
) -> Result<Option<Line>, Unreadable> {
    loop {
        *line += 1;
        let mut text = Vec::new();
        let read = |error: io::Error| Unreadable::io(*line, &error);
        let length = (&mut *input)
            .take(LINE_BYTES_MAX + 1)
            .read_until(b'\n', &mut text)
            .map_err(read)?;
        if length == 0 {
            return Ok(None);
        }
        *bytes += length as u64;
        let complete = text.last() == Some(&b'\n');
        let content = if !complete && length as u64 > LINE_BYTES_MAX {
            *bytes += input.skip_until(b'\n').map_err(read)? as u64;
            Err(BadLine::invalid("", "the line is longer than 65,536 bytes"))
        } else if text.trim_ascii().is_empty() {
            continue;
        } else {
            match serde_json::from_slice::<JsonLine>(&text) {
                Ok(account) => account.accept(ignored),
                Err(error) if error.is_eof() && !complete => {
                    return Err(Unreadable::truncated(
                        *line,
                        format!(
                            "the file ends in the middle of this line ({error}): is it cut off?"
                        ),
                    ));
                }
                Err(error) => Err(bad_json(&text, &error)),
            }
        };
        return Ok(Some(Line {
            number: *line,
            bytes: *bytes,
            content,
        }));
    }
}

fn bad_json(text: &[u8], error: &serde_json::Error) -> BadLine {
    let login_name = serde_json::from_slice::<serde_json::Value>(text)
        .ok()
        .and_then(|value| Some(value.get("login_name")?.as_str()?.to_owned()))
        .unwrap_or_default();
    // serde_json counts lines within the line.
    let message = error.to_string().replace("at line 1 column", "at column");
    BadLine::invalid(&login_name, message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests;
