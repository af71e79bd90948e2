//! Looking into a source of any size, at any place: pages of rows, row numbers, search, lengths.
//!
//! Nothing is read beyond what an answer needs. A row is a line of a text file or one record of JSONL; what a row is
//! can be told from the bytes around it ([`rows`]), so that no place is further away than another. How many rows lie
//! before a place is counted in the background ([`index`]).
//!
//! Kinds fall back so: a `.json` file is shown as its lines, and a line that holds one whole object is read as a
//! record; HTML is shown as it is written, markup included; UTF-16 is shown in pieces of equal size; a binary file
//! found in a folder is one row that says so.

mod files;
mod index;
mod lengths;
mod page;
mod record;
mod rows;
mod search;
mod tokens;

pub use record::Reading;
pub use search::Pattern;
pub use tokens::{row_tokens, token_views};

use crate::Result;
use crate::corpus::source::Source;
use crate::protocol::SourceFacts;
use files::Files;
use index::Index;
use std::sync::Arc;

/// An open source. It may be asked from several threads at once.
pub struct View {
    name: String,
    files: Arc<Files>,
    index: Index,
    reading: Reading,
}

impl View {
    /// Opens `source` at once; `name` is what answers call it. Counting rows begins in the background and ends with
    /// the view.
    pub fn open(name: &str, source: &Source, reading: Reading) -> View {
        let files = Arc::new(Files::new(source));
        View { name: name.into(), index: Index::begin(files.clone()), files, reading }
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.size()
    }

    /// What the source is, as far as is known now.
    pub fn facts(&self) -> SourceFacts {
        let counted = self.index.counted();
        SourceFacts {
            source: self.name.clone(),
            files: self.files.count() as u64,
            bytes: self.size(),
            rows: counted.estimate(self.size()),
            indexed: counted.bytes,
        }
    }

    /// An error where a file is not what it was when the source was opened.
    fn check(&self, files: impl IntoIterator<Item = usize>) -> Result<()> {
        files.into_iter().try_for_each(|file| self.files.check(file))
    }
}

#[cfg(test)]
mod tests;
