//! CSV by RFC 4180, strictly enough to notice a file that was cut off.
//!
//! The `csv` crate takes a quote that is never closed for a long last field; an import must
//! not. Fields are kept byte for byte. Records are bounded, so that a stray quote cannot take
//! all memory.

use std::io::{self, BufRead};

/// Longest record, bytes. A line of bounded names and a password is far shorter.
const RECORD_BYTES_MAX: usize = 64 * 1024;

/// One record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CsvRecord {
    /// The number of its first line, from 1.
    pub(super) line: u64,
    /// Its fields, or what is wrong with it alone.
    pub(super) fields: Result<Vec<Vec<u8>>, &'static str>,
    /// Whether the input ended before its line did.
    pub(super) at_end: bool,
}

/// Why nothing further can be read.
#[derive(Debug)]
pub(super) enum CsvError {
    /// A quoted field, opened in this line, doesn't end.
    OpenQuote { line: u64, too_long: bool },
    /// The input failed.
    Io { line: u64, error: io::Error },
}

pub(super) struct CsvReader<R> {
    input: R,
    line: u64,
    bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// Behind a quote in a quoted field: the field's end, or the first of a pair.
    QuoteInQuoted,
    /// The record is bad: what is left of its line is skipped.
    Skip,
}

impl<R: BufRead> CsvReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            line: 1,
            bytes: 0,
        }
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next record that isn't an empty line; None at the end.
    pub(super) fn next_record(&mut self) -> Result<Option<CsvRecord>, CsvError> {
        let mut record = Building::new(self.line);
        loop {
            let Some(byte) = self.next_byte()? else {
                return match record.state {
                    State::Quoted => Err(CsvError::OpenQuote {
                        line: record.quote_line,
                        too_long: false,
                    }),
                    State::FieldStart if record.is_empty() => Ok(None),
                    State::FieldStart | State::Plain | State::QuoteInQuoted | State::Skip => {
                        Ok(Some(record.finish(true)))
                    }
                };
            };
            let ends_line = byte == b'\n';
            if ends_line {
                self.line += 1;
            }
            if ends_line && record.state != State::Quoted {
                if record.is_blank() {
                    record = Building::new(self.line);
                    continue;
                }
                return Ok(Some(record.finish(false)));
            }
            record.push(byte, self.line);
            if record.length > RECORD_BYTES_MAX {
                if record.state == State::Quoted {
                    return Err(CsvError::OpenQuote {
                        line: record.quote_line,
                        too_long: true,
                    });
                }
                record.fail("the line is longer than 65,536 bytes");
            }
        }
    }

    fn next_byte(&mut self) -> Result<Option<u8>, CsvError> {
        let byte = loop {
            match self.input.fill_buf() {
                Ok(buffer) => break buffer.first().copied(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(CsvError::Io {
                        line: self.line,
                        error,
                    });
                }
            }
        };
        if byte.is_some() {
            self.input.consume(1);
            self.bytes += 1;
        }
        Ok(byte)
    }
}

/// A record as it is read.
struct Building {
    line: u64,
    state: State,
    quote_line: u64,
    fields: Vec<Vec<u8>>,
    field: Vec<u8>,
    error: Option<&'static str>,
    length: usize,
}

impl Building {
    fn new(line: u64) -> Self {
        Self {
            line,
            state: State::FieldStart,
            quote_line: line,
            fields: Vec::new(),
            field: Vec::new(),
            error: None,
            length: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Nothing in the line but what ends lines on other systems.
    fn is_blank(&self) -> bool {
        self.fields.is_empty()
            && self.state != State::QuoteInQuoted
            && (self.field.is_empty() || self.field == b"\r")
            && self.error.is_none()
    }

    fn push(&mut self, byte: u8, line: u64) {
        self.length += 1;
        match (self.state, byte) {
            (State::FieldStart, b'"') => {
                self.state = State::Quoted;
                self.quote_line = line;
            }
            (State::FieldStart | State::Plain, b',') | (State::QuoteInQuoted, b',') => {
                self.end_field();
            }
            (State::FieldStart | State::Plain, byte) => {
                self.state = State::Plain;
                self.field.push(byte);
            }
            (State::Quoted, b'"') => self.state = State::QuoteInQuoted,
            (State::Quoted, byte) => self.field.push(byte),
            (State::QuoteInQuoted, b'"') => {
                self.state = State::Quoted;
                self.field.push(b'"');
            }
            // The carriage return of a line's end.
            (State::QuoteInQuoted, b'\r') => {}
            (State::QuoteInQuoted, _) => {
                self.fail("a closing quote is followed by something other than a comma");
            }
            (State::Skip, _) => {}
        }
    }

    fn end_field(&mut self) {
        self.fields.push(std::mem::take(&mut self.field));
        self.state = State::FieldStart;
    }

    fn fail(&mut self, error: &'static str) {
        self.error.get_or_insert(error);
        self.state = State::Skip;
        self.length = 1;
        self.field.clear();
    }

    fn finish(mut self, at_end: bool) -> CsvRecord {
        if self.state == State::Plain && self.field.last() == Some(&b'\r') {
            self.field.pop();
        }
        self.end_field();
        CsvRecord {
            line: self.line,
            fields: self.error.map_or(Ok(self.fields), Err),
            at_end,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(u64, Result<Vec<String>, &'static str>)> {
        // A tiny buffer, so that every boundary between two fillings is met.
        let mut reader = CsvReader::new(io::BufReader::with_capacity(1, text.as_bytes()));
        let mut records = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            let fields = record.fields.map(|fields| {
                fields
                    .into_iter()
                    .map(|field| String::from_utf8(field).unwrap())
                    .collect()
            });
            records.push((record.line, fields));
        }
        assert_eq!(reader.bytes(), text.len() as u64);
        records
    }

    fn good(line: u64, fields: &[&str]) -> (u64, Result<Vec<String>, &'static str>) {
        (
            line,
            Ok(fields.iter().map(|field| (*field).to_owned()).collect()),
        )
    }

    #[test]
    fn fields_are_kept_exactly() {
        for (text, fields) in [
            ("a,b", &["a", "b"][..]),
            ("a,b\n", &["a", "b"]),
            ("a,b\r\n", &["a", "b"]),
            ("\"a\",\"b\"\r\n", &["a", "b"]),
            ("\"a,b\",\"c\"\"d\"", &["a,b", "c\"d"]),
            (",", &["", ""]),
            ("\"\",", &["", ""]),
            (" a , b ", &[" a ", " b "]),
            ("=1+1,@x", &["=1+1", "@x"]),
            ("a\"b,c", &["a\"b", "c"]),
            ("\"\"", &[""]),
            ("a\rb,c", &["a\rb", "c"]),
        ] {
            assert_eq!(read(text), [good(1, fields)], "{text:?}");
        }
    }

    #[test]
    fn records_know_their_first_line() {
        assert_eq!(
            read("a,b\n\n\r\n\"c\nd\",e\nf,g"),
            [
                good(1, &["a", "b"]),
                good(4, &["c\nd", "e"]),
                good(6, &["f", "g"])
            ]
        );
    }

    #[test]
    fn bad_record_does_not_harm_the_next() {
        let records = read("\"a\"b,c\nd,e\n");
        assert!(records[0].1.is_err());
        assert_eq!(records[1], good(2, &["d", "e"]));
        let long = format!("{}\nd,e", "x".repeat(RECORD_BYTES_MAX * 3));
        let records = read(&long);
        assert!(records[0].1.as_ref().unwrap_err().contains("65,536"));
        assert_eq!(records[1], good(2, &["d", "e"]));
    }

    #[test]
    fn quote_that_is_never_closed_names_its_line() {
        for (text, expected) in [("a,b\nc,\"d\ne,f\n", 2), ("\"", 1), ("a\n\"b\"\"", 2)] {
            let mut reader = CsvReader::new(text.as_bytes());
            let error = loop {
                match reader.next_record() {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{text:?} was read to its end"),
                    Err(error) => break error,
                }
            };
            let CsvError::OpenQuote { line, too_long } = error else {
                panic!("{error:?}");
            };
            assert_eq!((line, too_long), (expected, false), "{text:?}");
        }
    }

    #[test]
    fn stray_quote_does_not_take_all_memory() {
        let text = format!("a,\"{}", "x\n".repeat(RECORD_BYTES_MAX));
        let mut reader = CsvReader::new(text.as_bytes());
        let error = reader.next_record().unwrap_err();
        assert!(matches!(
            error,
            CsvError::OpenQuote {
                line: 1,
                too_long: true
            }
        ));
    }

    #[test]
    fn last_line_without_a_line_break_is_told() {
        let mut reader = CsvReader::new("a\nb".as_bytes());
        assert!(!reader.next_record().unwrap().unwrap().at_end);
        assert!(reader.next_record().unwrap().unwrap().at_end);
        assert!(reader.next_record().unwrap().is_none());
    }
}
