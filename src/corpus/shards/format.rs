//! The layout of a shard file: a header of 64 bytes, then tokens, all little-endian.

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};

pub(super) const HEADER_BYTES: usize = 64;
const MAGIC: [u8; 8] = *b"FROSTTOK";
/// Part of the cache's key too: a new layout never meets old files.
pub(super) const VERSION: u32 = 1;

/// ```text
/// 0 magic   8 version u32   12 width u32   16 tokens u64   24 documents u64
/// 32 bytes u64   40 vocabulary u32   44 zero   56 checksum of the bytes before
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of a token: 2 or 4.
    pub(super) width: u32,
    pub(super) tokens: u64,
    pub(super) documents: u64,
    /// Bytes of text.
    pub(super) bytes: u64,
    pub(super) vocabulary: u32,
}

impl Header {
    /// Bytes that a token of a vocabulary takes.
    pub(super) fn width_for(vocabulary: usize) -> u32 {
        if vocabulary <= 1 << 16 { 2 } else { 4 }
    }

    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.width.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.tokens.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.documents.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.vocabulary.to_le_bytes());
        let checksum = xxh3_64(&bytes[..56]);
        bytes[56..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the header at the start of `file`.
    pub(super) fn parse(file: &[u8]) -> Result<Header> {
        let header: &[u8; HEADER_BYTES] =
            file.first_chunk().ok_or_else(|| Error::new("the file is too short for a header"))?;
        let u32_at = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let u64_at = |at: usize| u32_at(at) as u64 | (u32_at(at + 4) as u64) << 32;
        if header[..8] != MAGIC || u32_at(8) != VERSION {
            return Err(Error::new("the file is no token shard of this version"));
        }
        if u64_at(56) != xxh3_64(&header[..56]) || !matches!(u32_at(12), 2 | 4) {
            return Err(Error::new("the header is damaged"));
        }
        let (width, tokens, documents, bytes) = (u32_at(12), u64_at(16), u64_at(24), u64_at(32));
        Ok(Header { width, tokens, documents, bytes, vocabulary: u32_at(40) })
    }

    /// How long the files of tokens and of documents have to be; `None` for more than any file could hold.
    pub(super) fn file_lengths(&self) -> Option<(u64, u64)> {
        let tokens = self.tokens.checked_mul(self.width as u64)?.checked_add(HEADER_BYTES as u64)?;
        Some((tokens, self.documents.checked_mul(8)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_damage_is_seen() {
        let header = Header { width: 2, tokens: 7, documents: 2, bytes: 30, vocabulary: 512 };
        let bytes = header.to_bytes();
        assert_eq!(Header::parse(&bytes).unwrap(), header);
        assert_eq!(header.file_lengths(), Some((78, 16)));
        for at in 0..HEADER_BYTES {
            let mut damaged = bytes;
            damaged[at] ^= 1;
            assert!(Header::parse(&damaged).is_err(), "byte {at}");
        }
        assert!(Header::parse(&bytes[..63]).is_err());
        let lying = Header { tokens: u64::MAX, ..header };
        assert_eq!(lying.file_lengths(), None);
    }
}
