//! Walks the files of a source and hands out raw parts; each is parsed into documents on any thread.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::sync::Arc;

use serde_json::Value;

use crate::corpus::documents::cut::Pieces;
use crate::corpus::documents::html::HtmlText;
use crate::corpus::documents::{Document, Lines, Row, SKIP_ADVICE, Values, field_names, lossy, open_text};
use crate::corpus::kind::{HEAD, Kind, is_binary};
use crate::corpus::source::{OnBroken, SourceFile};
use crate::error::{Error, Result};

/// Files up to this size are read at once, and decoded and cut wherever the part is parsed; a larger one is cut as it
/// is read, so that all cores share its pieces.
const WHOLE_BYTES: u64 = 256 << 10;
/// The same for HTML, which takes longer to reduce than to read.
const WHOLE_HTML_BYTES: u64 = 1 << 20;
/// Text longer than about this many bytes is cut wherever it comes from, so that no single word takes up much memory.
const LONGEST_BYTES: usize = 1 << 20;
/// Bytes read from a large file at a time.
const READ_BYTES: usize = 1 << 20;

type Text = Box<dyn Read + Send>;

/// A part of a corpus as it was read, still to be parsed.
#[derive(Debug)]
pub struct Raw {
    /// Index of its file in the list.
    pub file: usize,
    /// How far reading it moved on in the files.
    pub source_bytes: u64,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// All bytes of a small file.
    Whole(Vec<u8>),
    /// A stretch of the text of a large file.
    Piece { bytes: Vec<u8>, continues: bool },
    /// A row of a data file.
    Row(Row),
}

/// What a [`Raw`] part turned out to hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    pub documents: Vec<Document>,
    /// Rows left out because they could not be read.
    pub broken_rows: u64,
}

/// Reads files in order, part by part, in constant memory.
pub struct Reader<'a> {
    files: &'a [SourceFile],
    /// The file to open next.
    next: usize,
    open: Option<Open>,
    /// Only every so many parts are handed out, the first among them.
    stride: u64,
    parts: u64,
    skipped_binaries: u64,
}

/// A file that is too large, or holds too many documents, to be read at once.
struct Open {
    handle: Arc<File>,
    /// Where reading stood when the last part was taken.
    position: u64,
    parts: Parts,
}

enum Parts {
    Pieces { pieces: Pieces<Text>, continues: bool },
    Lines(Lines<BufReader<Text>>),
    Values(Values<BufReader<Text>>),
}

impl<'a> Reader<'a> {
    pub fn new(files: &'a [SourceFile]) -> Self {
        Self::every(files, 1)
    }

    /// A reader of every `stride`-th part only: an evenly spaced sample.
    pub fn every(files: &'a [SourceFile], stride: u64) -> Self {
        Self { files, next: 0, open: None, stride: stride.max(1), parts: 0, skipped_binaries: 0 }
    }

    pub fn files(&self) -> &'a [SourceFile] {
        self.files
    }

    /// Files of folders passed over because they hold no text, so far.
    pub fn skipped_binaries(&self) -> u64 {
        self.skipped_binaries
    }

    /// Whether the part that comes now belongs to the sample.
    fn is_due(&mut self) -> bool {
        self.parts += 1;
        (self.parts - 1).is_multiple_of(self.stride)
    }

    /// Opens the next file: a small one becomes a part at once, of another the parts follow.
    fn open_next(&mut self, file: &SourceFile) -> Result<Option<Raw>> {
        let index = self.next - 1;
        let failed = |error: std::io::Error| {
            Error::new(format!("cannot read {}", file.path.display()))
                .because(error)
                .next("check that the file is there and that you may read it")
        };
        let mut handle = File::open(&file.path).map_err(failed)?;
        let mut head = Vec::with_capacity(HEAD);
        (&mut handle).take(HEAD as u64).read_to_end(&mut head).map_err(failed)?;
        if is_binary(&head) {
            return self.pass_over(file, index).map(Some);
        }
        let kind = actual_kind(file, &head);
        handle.rewind().map_err(failed)?;
        let whole_bytes = if kind == Kind::Html { WHOLE_HTML_BYTES } else { WHOLE_BYTES };
        if !kind.is_rows() && file.size <= whole_bytes {
            if !self.is_due() {
                return Ok(None);
            }
            let mut bytes = Vec::with_capacity(file.size as usize);
            handle.take(whole_bytes).read_to_end(&mut bytes).map_err(failed)?;
            return Ok(Some(Raw { file: index, source_bytes: file.size, body: Body::Whole(bytes) }));
        }
        let handle = Arc::new(handle);
        let text = open_text(BufReader::with_capacity(READ_BYTES, handle.clone())).map_err(failed)?;
        let parts = match kind {
            Kind::Jsonl => Parts::Lines(Lines::new(BufReader::with_capacity(READ_BYTES, text))),
            Kind::Json => Parts::Values(Values::new(BufReader::with_capacity(READ_BYTES, text))),
            Kind::Html => pieces(Box::new(HtmlText::new(text)), file.piece),
            Kind::Text | Kind::Markdown | Kind::Code => pieces(text, file.piece),
        };
        self.open = Some(Open { handle, position: 0, parts });
        Ok(None)
    }

    /// A binary file is left out where it was found in a folder, and refused where it was named.
    fn pass_over(&mut self, file: &SourceFile, index: usize) -> Result<Raw> {
        if file.named {
            return Err(Error::new(format!("{} is not text", file.path.display()))
                .because("its first bytes are those of a binary file")
                .next(
                    "give a text, Markdown, HTML, source code, JSON or JSONL file; unpack it first if it is an archive",
                ));
        }
        self.skipped_binaries += 1;
        Ok(Raw { file: index, source_bytes: file.size, body: Body::Whole(Vec::new()) })
    }

    /// The next part of the open file; at its end the file is closed.
    fn take_part(&mut self) -> Result<Option<Raw>> {
        let Some(open) = &mut self.open else { return Ok(None) };
        let index = self.next - 1;
        let body = match &mut open.parts {
            Parts::Pieces { pieces, continues } => pieces
                .next()
                .map(|piece| piece.map(|bytes| Body::Piece { bytes, continues: std::mem::replace(continues, true) })),
            Parts::Lines(lines) => lines.next().map(|row| row.map(Body::Row)),
            Parts::Values(values) => values.next().map(|row| row.map(Body::Row)),
        };
        let body = match body {
            Some(Ok(body)) => body,
            Some(Err(error)) => {
                self.open = None;
                return Err(Error::new(format!("cannot read {}", self.files[index].path.display()))
                    .because(error)
                    .next("check that the file and the disk that it is on are whole"));
            }
            None => {
                self.open = None;
                return Ok(None);
            }
        };
        let position = (&*open.handle).stream_position().unwrap_or(open.position);
        let source_bytes = position - std::mem::replace(&mut open.position, position);
        Ok(Some(Raw { file: index, source_bytes, body }))
    }

    fn step(&mut self) -> Result<Option<Raw>> {
        loop {
            if self.open.is_some() {
                match self.take_part()? {
                    Some(raw) if self.is_due() => return Ok(Some(raw)),
                    _ => continue,
                }
            }
            let Some(file) = self.files.get(self.next) else { return Ok(None) };
            self.next += 1;
            if let Some(raw) = self.open_next(file)? {
                return Ok(Some(raw));
            }
        }
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Raw>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            // Nothing comes after an error.
            self.next = self.files.len();
            self.open = None;
        }
        step.transpose()
    }
}

fn pieces(text: Text, target: usize) -> Parts {
    Parts::Pieces { pieces: Pieces::new(text, target.min(LONGEST_BYTES)), continues: false }
}

/// The kind by name, except that JSON found among other files is data only if it looks like rows with `text`.
fn actual_kind(file: &SourceFile, head: &[u8]) -> Kind {
    let is_rows = head.windows(6).any(|window| window == b"\"text\"");
    if file.kind == Kind::Json && !file.named && !is_rows { Kind::Code } else { file.kind }
}

impl Raw {
    /// Bytes that the part takes up in memory.
    pub fn size(&self) -> usize {
        match &self.body {
            Body::Whole(bytes) | Body::Piece { bytes, .. } | Body::Row(Row { bytes, .. }) => bytes.len(),
        }
    }

    /// The row of a data file; `None` for a part of any other file.
    pub(crate) fn into_row(self) -> Option<Row> {
        match self.body {
            Body::Row(row) => Some(row),
            _ => None,
        }
    }

    /// Decodes the part into its documents; `files` is the list that its reader was given. Text of nothing but white
    /// space is no document. Errors: a row that cannot be read, where the policy refuses it.
    pub fn parse(self, files: &[SourceFile], on_broken: OnBroken) -> Result<Parsed> {
        let file = &files[self.file];
        match self.body {
            Body::Whole(bytes) => whole(bytes, file, self.file),
            Body::Piece { bytes, continues } => {
                let documents = document(bytes, self.file, continues).into_iter().collect();
                Ok(Parsed { documents, broken_rows: 0 })
            }
            Body::Row(row) => {
                let line = row.line;
                let text = row.parse().and_then(|(row, replaced_bytes)| Ok((row_text(row)?, replaced_bytes)));
                match text {
                    Ok((text, replaced_bytes)) => {
                        Ok(Parsed { documents: row_documents(text, replaced_bytes, self.file), broken_rows: 0 })
                    }
                    Err(_) if on_broken == OnBroken::Skip => Ok(Parsed { documents: Vec::new(), broken_rows: 1 }),
                    Err(why) => Err(broken_row(file, line, &why)),
                }
            }
        }
    }
}

fn broken_row(file: &SourceFile, line: u64, why: &str) -> Error {
    Error::new(format!("{}:{line} is not a row with a text", file.path.display()))
        .because(why)
        .next(format!("mend or remove the row; {SKIP_ADVICE}"))
}

/// Decodes and cuts a small file.
fn whole(bytes: Vec<u8>, file: &SourceFile, index: usize) -> Result<Parsed> {
    let failed = |error| Error::new(format!("cannot read {}", file.path.display())).because(error);
    let mut text: Text = open_text(Cursor::new(bytes)).map_err(failed)?;
    if file.kind == Kind::Html {
        text = Box::new(HtmlText::new(text));
    }
    let mut parsed = Parsed::default();
    for (order, piece) in Pieces::new(text, file.piece).enumerate() {
        parsed.documents.extend(document(piece.map_err(failed)?, index, order > 0));
    }
    Ok(parsed)
}

/// The documents of a row's text: one, unless it is very long.
fn row_documents(text: String, replaced_bytes: u64, file: usize) -> Vec<Document> {
    if text.len() <= LONGEST_BYTES {
        let blank = text.trim().is_empty();
        return if blank { Vec::new() } else { vec![Document { text, replaced_bytes, file, continues: false }] };
    }
    // Reading from memory cannot fail, and cutting at characters keeps every piece valid.
    let pieces = Pieces::new(text.as_bytes(), LONGEST_BYTES).flatten().enumerate();
    let mut documents: Vec<Document> = pieces.filter_map(|(order, piece)| document(piece, file, order > 0)).collect();
    if let Some(first) = documents.first_mut() {
        first.replaced_bytes = replaced_bytes;
    }
    documents
}

/// The document of one stretch of text, unless it is blank.
fn document(bytes: Vec<u8>, file: usize, continues: bool) -> Option<Document> {
    let (text, replaced_bytes) = lossy(bytes);
    let blank = text.trim().is_empty();
    (!blank).then_some(Document { text, replaced_bytes, file, continues })
}

/// The text of a row: the row itself if it is a string, else its field `text`.
fn row_text(row: Value) -> Result<String, String> {
    match row {
        Value::String(text) => Ok(text),
        Value::Object(mut fields) => match fields.get_mut("text") {
            Some(Value::String(text)) => Ok(std::mem::take(text)),
            Some(_) => Err("its field `text` is not a string".into()),
            None => Err(format!("it has no field `text`, only: {}", field_names(&fields))),
        },
        _ => Err("it is neither an object nor a string".into()),
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
