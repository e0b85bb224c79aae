//! The lines of an import file, in either format, one account each.

use std::{
    fmt,
    io::{self, BufRead, Chain, Cursor, Read as _},
};

use quorid_api::Attribute;
use quorid_directory::{LOGIN_NAME, REAL_NAME};
use uuid::Uuid;

use super::{
    FileFormat,
    columns::{Columns, Field, Header},
    csv_reader::{CsvError, CsvReader, CsvRecord},
    json,
};
use crate::{
    errors::Cause,
    record::{PERSON, SERVICE},
    reverse_lookup::parse_uuid,
};

/// Longest line of JSON, bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The attribute that the directory's counter may fill in.
pub(super) const POSIX_NUMBER_NAME: &str = "posix_number";

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
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NewLine {
    /// By which an update finds the account.
    pub(super) id: Option<Uuid>,
    /// Empty where the line gives none.
    pub(super) login_name: String,
    pub(super) real_name: Option<String>,
    /// Whether it is the account of a program; None: the line gives no kind.
    pub(super) service: Option<bool>,
    pub(super) attributes: Vec<Attribute>,
    /// Whether the account gets the directory's next number for POSIX systems, if it has none.
    pub(super) assign_posix_number: bool,
    pub(super) password: Option<String>,
    /// In place of the password, a hash that another program made of it.
    pub(super) password_hash: Option<String>,
}

impl NewLine {
    /// The whole line: a number that the directory is to give is no value, and of a password and its
    /// hash there may be one.
    pub(super) fn whole(mut self) -> Result<Self, String> {
        if self.password.is_some() && self.password_hash.is_some() {
            return Err("password and password_hash are both given; give one of them".to_owned());
        }
        let is_auto = |it: &Attribute| {
            it.name == POSIX_NUMBER_NAME
                && matches!(it.values.as_slice(), [value] if value.trim().eq_ignore_ascii_case("auto"))
        };
        let before = self.attributes.len();
        self.attributes.retain(|attribute| !is_auto(attribute));
        self.assign_posix_number = self.attributes.len() < before;
        Ok(self)
    }

    /// Takes what the line says of a field. Several columns may give values to one attribute.
    pub(super) fn put(&mut self, field: Field, values: Vec<String>) -> Result<(), String> {
        let single = |values: Vec<String>| match <[String; 1]>::try_from(values) {
            Ok([value]) => Ok(value),
            Err(values) => Err(format!(
                "{} has {} values instead of one",
                field.name(),
                values.len()
            )),
        };
        let twice = || Err(format!("{} is given twice", field.name()));
        match field {
            Field::Attribute(attribute) if attribute.number == LOGIN_NAME => {
                if !self.login_name.is_empty() {
                    return twice();
                }
                self.login_name = single(values)?;
            }
            Field::Attribute(attribute) if attribute.number == REAL_NAME => {
                if self.real_name.replace(single(values)?).is_some() {
                    return twice();
                }
            }
            Field::Attribute(attribute) => {
                let mut known = self.attributes.iter_mut();
                match known.find(|known| known.name == attribute.name) {
                    Some(_) if field.is_single() => return twice(),
                    Some(known) => known.values.extend(values),
                    None => self.attributes.push(Attribute {
                        name: attribute.name.to_string(),
                        values,
                    }),
                }
            }
            Field::Id => {
                let id = parse_uuid(&single(values)?).map_err(|why| format!("id: {why}"))?;
                if self.id.replace(id).is_some() {
                    return twice();
                }
            }
            Field::Kind => {
                let kind = single(values)?;
                self.service = match kind.trim() {
                    PERSON => Some(false),
                    SERVICE => Some(true),
                    _ => return Err(format!("`{kind}` is no kind; give {PERSON} or {SERVICE}")),
                };
            }
            Field::PasswordHash => {
                let hash = single(values)?.trim().to_owned();
                if self.password_hash.replace(hash).is_some() {
                    return twice();
                }
            }
            Field::Password => {
                if self.password.replace(single(values)?).is_some() {
                    return twice();
                }
            }
        }
        Ok(())
    }

    /// Whether it makes the account of a program, if it makes one.
    pub(super) fn is_new_service(&self) -> bool {
        self.service.unwrap_or_default()
    }

    /// The real name; where the line gives none, made of the given name and the family name.
    pub(super) fn new_real_name(&self) -> Option<String> {
        let of = |name: &str| {
            let attribute = self.attributes.iter().find(|it| it.name == name)?;
            attribute.values.first().map(|value| value.trim())
        };
        if self.is_new_service() {
            return self.real_name.clone().or(Some(String::new()));
        }
        let parts = [of("given_name"), of("family_name")];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        let made = (!parts.is_empty()).then(|| parts.join(" "));
        self.real_name.clone().or(made)
    }
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
    pub(super) fn invalid(login_name: &str, message: impl Into<String>) -> Self {
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
        header: Header,
        /// Bytes before what the reader reads.
        skipped: u64,
    },
    Json {
        input: Unmarked<R>,
        line: u64,
        bytes: u64,
        columns: Columns,
    },
}

impl<R: BufRead> Lines<R> {
    /// Reads the header, where the format has one.
    pub(super) fn open(input: R, format: FileFormat, columns: Columns) -> Result<Self, String> {
        let (skipped, input) = skip_byte_order_mark(input).map_err(|error| error.to_string())?;
        let format = match format {
            FileFormat::Csv => {
                let mut reader = CsvReader::new(input);
                let header = read_header(&mut reader, &columns)?;
                Format::Csv {
                    reader,
                    header,
                    skipped,
                }
            }
            FileFormat::Jsonl => Format::Json {
                input,
                line: 0,
                bytes: skipped,
                columns,
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
                header,
                skipped,
            } => next_csv(reader, header, *skipped),
            Format::Json {
                input,
                line,
                bytes,
                columns,
            } => next_json(input, line, bytes, columns),
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

/// The record that names the columns. A first line with nothing but its first field, such as
/// `version:v1.0`, says what the file is.
fn read_header<R: BufRead>(reader: &mut CsvReader<R>, columns: &Columns) -> Result<Header, String> {
    let mut next = || match reader.next_record() {
        Ok(Some(record)) => record
            .fields
            .map_err(|error| format!("line {}: {error}", record.line)),
        Ok(None) => Err("the file ends before a line names its columns".to_owned()),
        Err(error) => Err(unreadable(error).to_string()),
    };
    let mut fields = next()?;
    if fields.len() > 1 && fields.iter().skip(1).all(Vec::is_empty) {
        fields = next()?;
    }
    columns.of_header(&fields)
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
    header: &Header,
    skipped: u64,
) -> Result<Option<Line>, Unreadable> {
    let Some(record) = reader.next_record().map_err(unreadable)? else {
        return Ok(None);
    };
    let number = record.line;
    if let (Ok(fields), true) = (&record.fields, record.at_end)
        && fields.len() < header.count
    {
        return Err(Unreadable::truncated(
            number,
            format!(
                "the file ends in the middle of this line, after {} of {} fields: is it cut off?",
                fields.len(),
                header.count
            ),
        ));
    }
    Ok(Some(Line {
        number,
        bytes: skipped + reader.bytes(),
        content: csv_line(record, header),
    }))
}

fn csv_line(record: CsvRecord, header: &Header) -> Result<NewLine, BadLine> {
    let fields = record.fields.map_err(|error| BadLine::invalid("", error))?;
    let login_name = header.login_name().and_then(|index| fields.get(index));
    let login_name = login_name.map(|field| String::from_utf8_lossy(field).into_owned());
    let bad =
        |message: String| BadLine::invalid(login_name.as_deref().unwrap_or_default(), message);
    if fields.len() != header.count {
        return Err(bad(format!(
            "{} fields instead of {}; a field with a comma needs quotes",
            fields.len(),
            header.count
        )));
    }
    let mut line = NewLine::default();
    for (field, index) in &header.fields {
        let text = str::from_utf8(&fields[*index])
            .map_err(|_| bad("the line is not valid UTF-8".to_owned()))?;
        let values = match field.is_single() {
            true => vec![text.to_owned()],
            false => text.lines().map(str::to_owned).collect(),
        };
        if !text.is_empty() {
            line.put(*field, values).map_err(bad)?;
        }
    }
    line.whole().map_err(bad)
}

fn next_json<R: BufRead>(
    input: &mut R,
    line: &mut u64,
    bytes: &mut u64,
    columns: &Columns,
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
            match json::parse(&text) {
                Ok(members) => json::line(members, columns),
                Err(error) if error.is_eof() && !complete => {
                    return Err(Unreadable::truncated(
                        *line,
                        format!(
                            "the file ends in the middle of this line ({error}): is it cut off?"
                        ),
                    ));
                }
                Err(error) => Err(json::bad_line(&error)),
            }
        };
        return Ok(Some(Line {
            number: *line,
            bytes: *bytes,
            content,
        }));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests;
