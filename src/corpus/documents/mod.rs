//! Documents out of files: a reader cuts files into raw parts in one thread, and what is costly (decoding, HTML, JSON)
//! is done for each part on any thread. Memory is bounded by the size of a part, never by that of a file.

mod cut;
mod decode;
mod html;
mod reader;
mod rows;
mod stream;

pub(crate) use decode::{lossy, open_text};
pub use reader::{Parsed, Raw, Reader};
pub(crate) use rows::{Lines, Row, SKIP_ADVICE, Values, field_names};
pub use stream::{Counts, for_each, for_each_batch};

/// One document, or one stretch of a text that is too long to be a single one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub text: String,
    /// Bytes that were not valid UTF-8 and stand as U+FFFD in the text.
    pub replaced_bytes: u64,
    /// Index of its file in the source's list.
    pub file: usize,
    /// Whether it goes on where the document before it in the same file ended.
    pub continues: bool,
}
