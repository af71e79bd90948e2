//! Rows of data files, one at a time: the lines of JSONL, the values of a JSON array.

use std::io::{self, BufRead};

use serde_json::{Map, Value};

use crate::corpus::documents::lossy;

/// No row may be longer: it has to fit in memory, several times over.
pub(crate) const MAX_ROW_BYTES: usize = 64 << 20;

/// How to leave broken rows out, for messages to people.
pub(crate) const SKIP_ADVICE: &str = "to leave such rows out and count them, set skip_broken = true in the phase of \
                                      the plan, or give --skip-broken to `frostline corpus`";

/// One row, not parsed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Empty where the row is longer than [`MAX_ROW_BYTES`].
    pub(crate) bytes: Vec<u8>,
    /// The line of the file that it begins on, from 1.
    pub(crate) line: u64,
    /// Whether it is longer than [`MAX_ROW_BYTES`]: a broken row, none of which is kept.
    pub(crate) too_long: bool,
}

impl Row {
    fn too_long(line: u64) -> Row {
        Row { bytes: Vec::new(), line, too_long: true }
    }

    /// The value of the row, and how many of its bytes were not UTF-8 and were replaced; why it has none.
    pub(crate) fn parse(self) -> Result<(Value, u64), String> {
        if self.too_long {
            return Err(format!("it is longer than {} MiB", MAX_ROW_BYTES >> 20));
        }
        if self.bytes.is_empty() {
            return Err("the file ends too early".into());
        }
        let (text, replaced_bytes) = lossy(self.bytes);
        parse(&text).map(|value| (value, replaced_bytes))
    }
}

/// Parses a row; the error says what is wrong at which column, since the row's own line is known already.
fn parse(row: &str) -> Result<Value, String> {
    serde_json::from_str(row).map_err(|error| {
        let text = error.to_string();
        let position = format!(" at line {} column {}", error.line(), error.column());
        match text.strip_suffix(&position) {
            Some(what) if error.line() == 1 => format!("{what} at column {}", error.column()),
            _ => text,
        }
    })
}

/// The names of a row's fields, for messages to people: not all of very many, and without control characters.
pub(crate) fn field_names(fields: &Map<String, Value>) -> String {
    let names: Vec<String> = fields.keys().take(20).map(|name| name.escape_debug().to_string()).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// The lines of a file that hold anything.
pub(crate) struct Lines<R> {
    reader: R,
    line: u64,
    /// Whether the rest of a line that is too long is still to be passed over.
    within_line: bool,
    failed: bool,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, line: 0, within_line: false, failed: false }
    }

    /// The next line without its end, or `None` at the end of the file. What is too long is passed over only when
    /// the line after it is asked for: whoever refuses it need not wait for its end.
    fn line(&mut self) -> io::Result<Option<Row>> {
        if std::mem::take(&mut self.within_line) {
            self.reader.skip_until(b'\n')?;
        }
        let mut bytes = Vec::new();
        let limit = MAX_ROW_BYTES as u64 + 1;
        let read = io::Read::take(&mut self.reader, limit).read_until(b'\n', &mut bytes)?;
        self.line += 1;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        } else if bytes.len() > MAX_ROW_BYTES {
            self.within_line = true;
            return Ok(Some(Row::too_long(self.line)));
        }
        Ok((read > 0).then_some(Row { bytes, line: self.line, too_long: false }))
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            match self.line() {
                Ok(None) => return None,
                Ok(Some(row)) if row.bytes.trim_ascii().is_empty() && !row.too_long => {}
                Ok(Some(row)) => return Some(Ok(row)),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// The elements of a JSON array, or JSON values one after another.
///
/// Only strings and brackets are looked at, to find where a value ends; whether it is valid is for its parser to say.
/// A file that ends too early, or has something else between its values, yields rows that no parser accepts.
pub(crate) struct Values<R> {
    reader: R,
    line: u64,
    in_array: bool,
    /// Where reading stands in a value that is too long: the rest of it is still to be passed over.
    within_value: Option<Scan>,
    ended: bool,
}

impl<R: BufRead> Values<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, line: 1, in_array: false, within_value: None, ended: false }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.reader.fill_buf()?.first().copied())
    }

    fn advance(&mut self, byte: u8) {
        self.line += (byte == b'\n') as u64;
        self.reader.consume(1);
    }

    fn row(&mut self) -> io::Result<Option<Row>> {
        if let Some(scan) = self.within_value.take() {
            self.pass_over(scan)?;
        }
        while let Some(byte) = self.peek()? {
            match byte {
                b'[' if !self.in_array => self.in_array = true,
                b']' if self.in_array => self.in_array = false,
                b',' | b' ' | b'\t' | b'\r' | b'\n' => {}
                _ => return self.value().map(Some),
            }
            self.advance(byte);
        }
        // An array that was not closed: an empty row, which no parser accepts.
        let unclosed = std::mem::take(&mut self.in_array);
        Ok(unclosed.then(|| Row { bytes: Vec::new(), line: self.line, too_long: false }))
    }

    /// Takes one value, from its first byte to its last.
    fn value(&mut self) -> io::Result<Row> {
        let mut row = Row { bytes: Vec::new(), line: self.line, too_long: false };
        let mut scan = Scan::default();
        while let Some(byte) = self.peek()? {
            if scan.ends_before(byte) && !row.bytes.is_empty() {
                break;
            }
            self.advance(byte);
            row.bytes.push(byte);
            let ends = scan.ends_with(byte);
            if row.bytes.len() > MAX_ROW_BYTES {
                self.within_value = (!ends).then_some(scan);
                return Ok(Row::too_long(row.line));
            }
            if ends {
                break;
            }
        }
        Ok(row)
    }

    /// Moves on to the end of a value without keeping any of it.
    fn pass_over(&mut self, mut scan: Scan) -> io::Result<()> {
        while let Some(byte) = self.peek()? {
            if scan.ends_before(byte) {
                break;
            }
            self.advance(byte);
            if scan.ends_with(byte) {
                break;
            }
        }
        Ok(())
    }
}

/// Where in a value the bytes read so far have led.
#[derive(Debug, Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// Whether a number or a word ends before `byte`.
    fn ends_before(&self, byte: u8) -> bool {
        self.depth == 0 && !self.in_string && matches!(byte, b',' | b']' | b' ' | b'\t' | b'\r' | b'\n')
    }

    /// Takes in `byte`; whether a string, an object or an array ends with it.
    fn ends_with(&mut self, byte: u8) -> bool {
        if self.in_string {
            let closes = byte == b'"' && !self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
            self.in_string = !closes;
            return closes && self.depth == 0;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}

impl<R: BufRead> Iterator for Values<R> {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.row().transpose();
        self.ended = !matches!(row, Some(Ok(_)));
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, u64)> {
        let rows = Values::new(text.as_bytes()).map(|row| row.unwrap());
        rows.map(|row| (String::from_utf8(row.bytes).unwrap(), row.line)).collect()
    }

    fn row(bytes: &[u8], line: u64) -> Row {
        Row { bytes: bytes.to_vec(), line, too_long: false }
    }

    #[test]
    fn lines_carry_their_number_and_blank_ones_are_passed_over() {
        let rows: Vec<Row> = Lines::new(&b"a\r\n\n  \nb"[..]).map(|row| row.unwrap()).collect();
        assert_eq!(rows, [row(b"a\r", 1), row(b"b", 4)]);
    }

    #[test]
    fn messages_point_at_columns_and_carry_no_control_characters() {
        assert_eq!(parse("{\"a\": x}").unwrap_err(), "expected value at column 7");
        let Value::Object(fields) = parse("{\"a\\u001b[31m\": 1, \"b\": 2}").unwrap() else { panic!("an object") };
        assert_eq!(field_names(&fields), "a\\u{1b}[31m, b");
        assert_eq!(field_names(&Map::new()), "none");
    }

    /// `count` times `byte`, from nowhere.
    fn many(byte: u8, count: u64) -> impl io::Read {
        io::Read::take(io::repeat(byte), count)
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_what_follows_is_read() {
        let long = io::Read::chain(&b"a\n"[..], many(b'x', 3 * MAX_ROW_BYTES as u64));
        let rows: Vec<Row> = Lines::new(io::BufReader::new(io::Read::chain(long, &b"\nb"[..]))).flatten().collect();
        assert_eq!(rows, [row(b"a", 1), Row::too_long(2), row(b"b", 3)]);
        assert!(rows[1].clone().parse().unwrap_err().contains("longer than 64 MiB"));
        let most = io::Read::chain(many(b'x', MAX_ROW_BYTES as u64), &b"\nb"[..]);
        let rows: Vec<Row> = Lines::new(io::BufReader::new(most)).flatten().collect();
        assert_eq!((rows[0].bytes.len(), rows[0].too_long, &rows[1]), (MAX_ROW_BYTES, false, &row(b"b", 2)));
    }

    #[test]
    fn a_value_that_is_too_long_is_passed_over_and_what_follows_is_read() {
        let long = io::Read::chain(&b"[1,\n\"], "[..], many(b'x', MAX_ROW_BYTES as u64 + 9));
        let values = Values::new(io::BufReader::new(io::Read::chain(long, &b"\\\", \n2\", 3]"[..])));
        let rows: Vec<Row> = values.flatten().collect();
        assert_eq!(rows, [row(b"1", 1), Row::too_long(2), row(b"3", 3)]);
    }

    #[test]
    fn a_line_or_value_without_end_is_told_before_it_fills_memory_or_is_read_to_its_end() {
        let endless = || io::BufReader::new(many(b'x', 1 << 50));
        assert_eq!(Lines::new(endless()).next().unwrap().unwrap(), Row::too_long(1));
        assert_eq!(Values::new(endless()).next().unwrap().unwrap(), Row::too_long(1));
    }

    #[test]
    fn values_of_an_array_or_one_after_another() {
        let array = "[\n {\"a\": \"]}\\\"\", \"b\": [1, {}]},\n \"x, y\", 12,null]";
        let expected = [("{\"a\": \"]}\\\"\", \"b\": [1, {}]}", 2), ("\"x, y\"", 3), ("12", 3), ("null", 3)]
            .map(|(a, b)| (a.into(), b));
        assert_eq!(values(array), expected);
        assert_eq!(values("{\"a\":1}\n{\"b\":2}"), [("{\"a\":1}".into(), 1), ("{\"b\":2}".into(), 2)]);
        assert!(values(" [ ] ").is_empty());
    }

    #[test]
    fn a_truncated_array_ends_in_a_row_that_cannot_be_parsed() {
        assert_eq!(values("[{\"a\": 1}, {\"a\""), [("{\"a\": 1}".into(), 1), ("{\"a\"".into(), 1), (String::new(), 1)]);
        assert_eq!(values("[1\n"), [("1".into(), 1), (String::new(), 2)]);
        assert_eq!(values("]"), [("]".into(), 1)]);
    }
}
