//! A row as a person reads it: its bytes as text, a record as what a model reads and learns of it.

use super::rows::Shape;
use crate::corpus::chat::{Chat, Segment};
use crate::corpus::documents::lossy;
use crate::corpus::examples::{self, Template};
use crate::corpus::kind::Kind;
use crate::protocol::RowSegment;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// Longer text of a record is cut, bytes.
const LONGEST_TEXT: usize = 16 << 10;

/// What the records of a source are to a model.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Makes prompt and completion of a record's fields.
    pub template: Option<Template>,
    /// How conversations are spelled; the built-in format without it.
    pub chat: Option<Arc<Chat>>,
    /// Whether records are examples, even where they have a field `text`.
    pub is_supervised: bool,
}

/// What a row says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub segments: Vec<RowSegment>,
    pub is_cut: bool,
    pub broken: Option<String>,
}

impl Text {
    fn plain(text: String) -> Text {
        Text { segments: vec![RowSegment { text, learned: true }], is_cut: false, broken: None }
    }
}

fn joined(segments: &[RowSegment]) -> String {
    segments.iter().map(|segment| segment.text.as_str()).collect()
}

/// All that a row says, also where it is too long to be shown.
pub(super) fn whole_text(bytes: &[u8], is_first: bool, shape: Shape, kind: Kind, reading: &Reading) -> String {
    if shape == Shape::Records {
        let line = trimmed(unmarked(bytes, is_first));
        return match (reading.is_supervised, serde_json::from_slice::<TextRecord>(line)) {
            (false, Ok(TextRecord { text: Some(text) })) => text.into_owned(),
            _ => {
                let value = serde_json::from_slice::<Value>(line).map_err(|error| error.to_string());
                let segments = value.and_then(|value| segments(value, reading));
                segments.map_or_else(|_| lossy(line.to_vec()).0, |segments| joined(&segments))
            }
        };
    }
    joined(&read(bytes, is_first, shape, kind, reading).segments)
}

/// The one field of most records, read without the others.
#[derive(Deserialize)]
struct TextRecord<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

/// The bytes of a row without its line break.
pub(super) fn trimmed(bytes: &[u8]) -> &[u8] {
    match bytes.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => bytes,
    }
}

/// The bytes without the mark that may begin a file in UTF-8.
fn unmarked(bytes: &[u8], is_first: bool) -> &[u8] {
    if is_first { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) } else { bytes }
}

/// What the row with these `bytes` says; `is_first` is for the first one of its file.
pub(super) fn read(bytes: &[u8], is_first: bool, shape: Shape, kind: Kind, reading: &Reading) -> Text {
    let bytes = unmarked(bytes, is_first);
    match shape {
        Shape::Whole => {
            let broken = Some("the file is binary: it is left out".into());
            Text { segments: Vec::new(), is_cut: false, broken }
        }
        Shape::Pieces { is_little_endian } => Text::plain(utf16(bytes, is_little_endian)),
        Shape::Records => record(trimmed(bytes), reading, false),
        Shape::Lines if kind == Kind::Json => record(element(trimmed(bytes)), reading, true),
        Shape::Lines => Text::plain(lossy(trimmed(bytes).to_vec()).0),
    }
}

fn utf16(bytes: &[u8], is_little_endian: bool) -> String {
    let unit = |pair: &[u8; 2]| if is_little_endian { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) };
    let (pairs, _) = bytes.as_chunks::<2>();
    let text: String =
        char::decode_utf16(pairs.iter().map(unit)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text)
}

/// A line of a JSON array without what joins it to the lines around it, where it then is a whole object.
fn element(line: &[u8]) -> &[u8] {
    let inner = line.trim_ascii();
    let inner = inner.strip_prefix(b"[").unwrap_or(inner).trim_ascii_start();
    let inner = inner.strip_suffix(b"]").unwrap_or(inner).trim_ascii_end();
    let inner = inner.strip_suffix(b",").unwrap_or(inner).trim_ascii_end();
    if inner.starts_with(b"{") && inner.ends_with(b"}") { inner } else { line }
}

/// A record as an example or a text; what is neither stands as it is written. With `is_lenient`, lines need not be
/// records at all.
fn record(line: &[u8], reading: &Reading, is_lenient: bool) -> Text {
    let (line, _) = lossy(line.to_vec());
    if line.trim().is_empty() {
        return Text::plain(line);
    }
    let parsed = serde_json::from_str::<Value>(&line).map_err(|error| format!("it is not JSON: {error}"));
    match parsed.and_then(|value| segments(value, reading)) {
        Ok(segments) => cut(segments),
        Err(_) if is_lenient => cut(vec![RowSegment { text: line, learned: true }]),
        Err(why) => Text { broken: Some(why), ..cut(vec![RowSegment { text: line, learned: false }]) },
    }
}

fn segments(value: Value, reading: &Reading) -> Result<Vec<RowSegment>, String> {
    let value = match value {
        Value::String(text) => return Ok(vec![RowSegment { text, learned: true }]),
        Value::Object(mut fields) if !reading.is_supervised && matches!(fields.get("text"), Some(Value::String(_))) => {
            let text = fields.get_mut("text").map(Value::take);
            let text = text.and_then(|text| if let Value::String(text) = text { Some(text) } else { None });
            return Ok(vec![RowSegment { text: text.unwrap_or_default(), learned: true }]);
        }
        other => other,
    };
    let example = examples::of_record(value, reading.template.as_ref(), reading.chat.as_deref())?;
    // Cut where training cuts it, so that the view shows the same tokens.
    let pieces = |segment: &Segment| {
        let learned = segment.learned;
        segment.pieces().map(|piece| RowSegment { text: piece.into(), learned }).collect::<Vec<_>>()
    };
    Ok(example.segments.iter().flat_map(pieces).collect())
}

/// No more text than can be shown.
fn cut(mut segments: Vec<RowSegment>) -> Text {
    let (mut room, mut is_cut) = (LONGEST_TEXT, false);
    for segment in &mut segments {
        if segment.text.len() > room {
            let end = (0..=room).rev().find(|&at| segment.text.is_char_boundary(at)).unwrap_or(0);
            segment.text.truncate(end);
            is_cut = true;
        }
        room -= segment.text.len();
    }
    segments.retain(|segment| !segment.text.is_empty());
    Text { segments, is_cut, broken: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str, reading: &Reading) -> Text {
        read(line.as_bytes(), false, Shape::Records, Kind::Jsonl, reading)
    }

    #[test]
    fn records_are_what_a_model_learns_of_them() {
        let plain = Reading::default();
        assert_eq!(of("{\"text\": \"a\\nb\"}\n", &plain), Text::plain("a\nb".into()));
        let pair = of("{\"prompt\": \"a\", \"completion\": \"b\"}", &plain);
        let expected = [("a", false), ("b", true)].map(|(text, learned)| RowSegment { text: text.into(), learned });
        assert_eq!(pair.segments, expected);
        let broken = of("{\"text\": \"a\"", &plain);
        assert!(broken.broken.unwrap().contains("not JSON") && !broken.segments[0].learned);
        assert!(of("{\"title\": \"a\"}", &plain).broken.unwrap().contains("its fields are title"));
        let template = Template::new("{text}?", " {label}").unwrap();
        let reading = Reading { template: Some(template), is_supervised: true, ..Reading::default() };
        assert_eq!(joined(&of("{\"text\": \"a\", \"label\": 1}", &reading).segments), "a? 1");
    }

    #[test]
    fn lines_of_an_array_are_read_where_they_are_whole() {
        let of = |line: &str| read(line.as_bytes(), false, Shape::Lines, Kind::Json, &Reading::default());
        for line in ["[{\"text\": \"a\"},\n", "  {\"text\": \"a\"},", "{\"text\": \"a\"}]"] {
            assert_eq!(joined(&of(line).segments), "a", "{line}");
        }
        assert_eq!(of("  \"text\": \"a\",\n"), Text::plain("  \"text\": \"a\",".into()));
    }

    #[test]
    fn marks_go_and_long_texts_are_cut_at_a_character() {
        assert_eq!(
            joined(&read(b"\xef\xbb\xbfa\r\n", true, Shape::Lines, Kind::Text, &Reading::default()).segments),
            "a"
        );
        let shape = Shape::Pieces { is_little_endian: true };
        assert_eq!(joined(&read(b"\xff\xfeh\0i\0", true, shape, Kind::Text, &Reading::default()).segments), "hi");
        let long = of(&format!("{{\"text\": \"a{}\"}}", "é".repeat(LONGEST_TEXT)), &Reading::default());
        assert!(long.is_cut && joined(&long.segments).len() <= LONGEST_TEXT);
    }
}
