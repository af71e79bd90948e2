//! Tokens of a corpus on disk: written once, memory-mapped from then on.

mod cache;
mod format;
mod prepare;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::corpus::shards::format::{HEADER_BYTES, Header};
use crate::error::{Context, Error, Result};

pub use prepare::{Preparation, Prepared, prepare};

/// The tokens of one side of a corpus, document after document, in their fixed order.
#[derive(Debug)]
pub struct Shard {
    path: PathBuf,
    header: Header,
    tokens: Mmap,
    /// Where each document begins.
    starts: Mmap,
}

impl Shard {
    /// Opens `NAME.tokens` and `NAME.documents` of `folder`. Errors: a file that is missing, shorter or longer than
    /// its header says, or that another program or version wrote.
    pub(crate) fn open(folder: &Path, name: &str) -> Result<Shard> {
        let (path, starts_path) = (folder.join(format!("{name}.tokens")), folder.join(format!("{name}.documents")));
        let failed = || format!("cannot open the token shard {}", path.display());
        let tokens = map(&path).what(failed)?;
        let header = Header::parse(&tokens).what(failed)?;
        let starts = map(&starts_path).what(failed)?;
        let lengths = (tokens.len() as u64, starts.len() as u64);
        if Some(lengths) != header.file_lengths() {
            return Err(Error::new(failed()).because("it is shorter or longer than its header says"));
        }
        Ok(Shard { path, header, tokens, starts })
    }

    /// How many tokens there are.
    pub fn tokens(&self) -> u64 {
        self.header.tokens
    }

    pub fn documents(&self) -> u64 {
        self.header.documents
    }

    /// Bytes of text that the tokens stand for, without marks between documents.
    pub fn bytes(&self) -> u64 {
        self.header.bytes
    }

    /// Ids are below this.
    pub fn vocabulary_size(&self) -> usize {
        self.header.vocabulary as usize
    }

    /// Fills `out` with the tokens from `start` on. Errors: there are not as many, or the file was damaged since it
    /// was written, so that a token lies outside the vocabulary.
    pub fn read(&self, start: u64, out: &mut [u32]) -> Result<()> {
        let width = self.header.width as usize;
        let range = usize::try_from(start).ok().and_then(|start| {
            let first = HEADER_BYTES.checked_add(start.checked_mul(width)?)?;
            Some(first..first.checked_add(out.len().checked_mul(width)?)?)
        });
        let Some(bytes) = range.and_then(|range| self.tokens.get(range)) else {
            return Err(Error::new(format!("cannot read {} tokens from {start} on", out.len())).because(format!(
                "{} holds {} tokens",
                self.path.display(),
                self.tokens()
            )));
        };
        match self.header.width {
            2 => copy(bytes, out, |bytes| u16::from_le_bytes(bytes) as u32),
            _ => copy(bytes, out, u32::from_le_bytes),
        }
        match out.iter().max() {
            Some(&token) if token >= self.header.vocabulary => Err(self.damaged(token)),
            _ => Ok(()),
        }
    }

    /// Where document `index` begins; the number of tokens for an index beyond the last.
    pub fn document_start(&self, index: u64) -> u64 {
        let first = usize::try_from(index).ok().and_then(|index| index.checked_mul(8));
        let bytes = first.and_then(|first| self.starts.get(first..)?.first_chunk());
        bytes.map_or(self.tokens(), |bytes| u64::from_le_bytes(*bytes).min(self.tokens()))
    }

    fn damaged(&self, token: u32) -> Error {
        Error::new(format!("the token shard {} is damaged", self.path.display()))
            .because(format!("token {token} lies outside its vocabulary of {}", self.header.vocabulary))
            .next("delete its folder: it is made again from the corpus")
    }
}

/// Converts little-endian tokens of `N` bytes each.
fn copy<const N: usize>(bytes: &[u8], out: &mut [u32], convert: impl Fn([u8; N]) -> u32) {
    let (tokens, _) = bytes.as_chunks::<N>();
    for (slot, token) in out.iter_mut().zip(tokens) {
        *slot = convert(*token);
    }
}

fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).what(|| format!("cannot open {}", path.display()))?;
    // SAFETY: the file is renamed into place complete and never written again; another program that truncates it
    // while it is mapped can only end this process, as it could with any mapped file.
    unsafe { Mmap::map(&file) }.what(|| format!("cannot map {}", path.display()))
}
