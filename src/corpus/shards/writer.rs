//! Appends documents to a shard that is not complete yet.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::Path;

use crate::corpus::shards::format::{HEADER_BYTES, Header};
use crate::error::{Context, Result};

/// One side of a corpus, being written.
pub(super) struct ShardWriter {
    tokens: BufWriter<File>,
    starts: BufWriter<File>,
    header: Header,
    /// Put between documents.
    end_of_text: Option<u32>,
    /// File and order of the document written last, to know whether the next one goes on from it.
    last: Option<(usize, u64)>,
    scratch: Vec<u8>,
}

/// A document as tokens, on its way into a shard.
pub(super) struct Encoded {
    pub(super) tokens: Vec<u32>,
    /// Bytes of its text.
    pub(super) bytes: u64,
    /// Index of its file.
    pub(super) file: usize,
    /// Whether it goes on where the document before it in the corpus ended.
    pub(super) continues: bool,
}

impl ShardWriter {
    pub(super) fn create(folder: &Path, name: &str, vocabulary: usize, end_of_text: Option<u32>) -> Result<Self> {
        let create = |extension: &str| {
            let path = folder.join(format!("{name}.{extension}"));
            File::create_new(&path).map(BufWriter::new).what(|| format!("cannot create {}", path.display()))
        };
        let width = Header::width_for(vocabulary);
        let header = Header { width, tokens: 0, documents: 0, bytes: 0, vocabulary: vocabulary as u32 };
        let mut tokens = create("tokens")?;
        tokens.write_all(&[0; HEADER_BYTES]).what(failed)?;
        Ok(Self { tokens, starts: create("documents")?, header, end_of_text, last: None, scratch: Vec::new() })
    }

    /// Appends a document, the `order`-th of the corpus. One that goes on from the document right before it follows
    /// without a mark; any other is set apart by one.
    pub(super) fn append(&mut self, document: &Encoded, order: u64) -> Result<()> {
        let follows = order.checked_sub(1).map(|before| (document.file, before));
        if self.last.is_some() && !(document.continues && self.last == follows) {
            self.end_document()?;
        }
        self.starts.write_all(&self.header.tokens.to_le_bytes()).what(failed)?;
        self.push(&document.tokens)?;
        self.header.documents += 1;
        self.header.bytes += document.bytes;
        self.last = Some((document.file, order));
        Ok(())
    }

    fn end_document(&mut self) -> Result<()> {
        self.end_of_text.map_or(Ok(()), |mark| self.push(&[mark]))
    }

    fn push(&mut self, tokens: &[u32]) -> Result<()> {
        self.scratch.clear();
        match self.header.width {
            2 => self.scratch.extend(tokens.iter().flat_map(|&token| (token as u16).to_le_bytes())),
            _ => self.scratch.extend(tokens.iter().flat_map(|&token| token.to_le_bytes())),
        }
        self.tokens.write_all(&self.scratch).what(failed)?;
        self.header.tokens += tokens.len() as u64;
        Ok(())
    }

    /// Ends the last document, writes the header and makes sure that all is on disk; the number of documents.
    pub(super) fn finish(mut self) -> Result<u64> {
        if self.last.is_some() {
            self.end_document()?;
        }
        self.tokens.rewind().what(failed)?;
        self.tokens.write_all(&self.header.to_bytes()).what(failed)?;
        for file in [self.tokens, self.starts] {
            let file = file.into_inner().map_err(|error| error.into_error()).what(failed)?;
            file.sync_all().what(failed)?;
        }
        Ok(self.header.documents)
    }
}

fn failed() -> String {
    "cannot write the token shard".into()
}
