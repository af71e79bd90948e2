//! Where rows begin and end, told from the bytes around a place alone.
//!
//! A row ends with a line break. A line that is longer than a block is cut where a multiple of the block falls into
//! it, if it began at least a block before: rows are therefore shorter than two blocks, whoever looks from wherever
//! finds the same ones, and looking takes no more than two blocks.

use super::files::Opened;
use crate::Result;
use memchr::{memchr, memrchr};
use std::ops::Range;

/// Lines of text are cut to less than twice this many bytes.
const LINE_BLOCK: u64 = 8 << 10;
/// A record of JSON can only be read whole.
const RECORD_BLOCK: u64 = 1 << 20;
/// Bytes read at a time while looking for a line break.
const STEP: u64 = 16 << 10;

/// How the bytes of a file become rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Lines of text.
    Lines,
    /// Lines that each hold a record.
    Records,
    /// Pieces of equal size, for UTF-16, in which a byte says nothing by itself.
    Pieces { is_little_endian: bool },
    /// The whole file is one row that is never shown: it is binary.
    Whole,
}

impl Shape {
    /// Bytes between the places where long lines may be cut.
    pub fn block(self) -> u64 {
        match self {
            Shape::Lines | Shape::Pieces { .. } => LINE_BLOCK,
            Shape::Records => RECORD_BLOCK,
            Shape::Whole => u64::MAX,
        }
    }

    fn has_lines(self) -> bool {
        matches!(self, Shape::Lines | Shape::Records)
    }

    /// The first place after `start` where a row that begins there may be cut.
    fn first_cut(self, start: u64) -> u64 {
        start.saturating_add(self.block()).checked_next_multiple_of(self.block()).unwrap_or(u64::MAX)
    }

    /// How many rows begin within or right after a stretch that begins at a multiple of the block: `bytes` lie at
    /// `at` of a file of `size` bytes.
    pub fn count(self, bytes: &[u8], at: u64, size: u64) -> u64 {
        let mut rows = 0;
        self.blocks(bytes, at, size, |_, begun, is_cut| {
            rows += if is_cut { 1 } else { memchr::memchr_iter(b'\n', begun).count() as u64 };
            true
        });
        // Nothing begins after the last byte of a file.
        let ends_file = at + bytes.len() as u64 == size;
        if ends_file && self.has_lines() && bytes.last() == Some(&b'\n') { rows - 1 } else { rows }
    }

    /// Goes block by block, for as long as `each` wants: where it begins, its bytes, and whether a row is cut at its
    /// end.
    pub fn blocks(self, bytes: &[u8], at: u64, size: u64, mut each: impl FnMut(u64, &[u8], bool) -> bool) {
        if self == Shape::Whole {
            return;
        }
        let block = self.block() as usize;
        for (index, part) in bytes.chunks(block).enumerate() {
            let begin = at + (index * block) as u64;
            let is_whole = part.len() == block && begin + (block as u64) < size;
            let is_cut = is_whole && !(self.has_lines() && memchr(b'\n', part).is_some());
            let counted = if self.has_lines() { part } else { &[][..] };
            if !each(begin, counted, is_cut) {
                return;
            }
        }
    }

    /// The rows of a stretch that begins where a row begins, `at` bytes into the file, and ends where one ends.
    pub fn rows_of(self, bytes: &[u8], at: u64) -> impl Iterator<Item = Range<usize>> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let end = self.row_end(bytes.get(start..)?, at + start as u64)?;
            let row = start..start + end;
            start = row.end;
            Some(row)
        })
    }

    /// Where the row ends that `bytes` begin with, `at` bytes into the file; `None` of no bytes.
    fn row_end(self, bytes: &[u8], at: u64) -> Option<usize> {
        if bytes.is_empty() {
            return None;
        }
        let cut = usize::try_from(self.first_cut(at) - at).unwrap_or(usize::MAX);
        if let Shape::Pieces { .. } = self {
            // Pieces have no lines to belong to: the first multiple of the block ends them.
            return Some(((self.block() - at % self.block()) as usize).min(bytes.len()));
        }
        let newline = if self.has_lines() { memchr(b'\n', &bytes[..cut.min(bytes.len())]) } else { None };
        match newline {
            Some(newline) => Some(newline + 1),
            None if cut < bytes.len() => Some(character_start(bytes, cut)),
            None => Some(bytes.len()),
        }
    }
}

/// Where the character begins that the byte at `at` belongs to; `at` itself where that is no UTF-8.
fn character_start(bytes: &[u8], at: usize) -> usize {
    let is_continuation = |byte: u8| byte & 0xc0 == 0x80;
    if !is_continuation(bytes[at]) {
        return at;
    }
    for back in 1..=3.min(at) {
        let byte = bytes[at - back];
        if !is_continuation(byte) {
            let length = match byte {
                0xc0..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xff => 4,
                _ => 1,
            };
            return if length > back { at - back } else { at };
        }
    }
    at
}

impl Opened {
    /// Where the row begins that holds byte `at`.
    pub fn row_start(&self, at: u64) -> Result<u64> {
        let block = self.shape.block();
        match self.shape {
            Shape::Whole => return Ok(0),
            Shape::Pieces { .. } => return Ok(at / block * block),
            Shape::Lines | Shape::Records => {}
        }
        let begin = at / block * block;
        if let Some(newline) = self.last_newline(begin, at)? {
            return Ok(newline + 1);
        }
        // A cut moves back to the beginning of a character, so the next one may lie before this byte.
        let next = begin.saturating_add(block);
        if at + 3 >= next && next < self.size() && self.last_newline(at, next)?.is_none() {
            let cut = self.cut(next)?;
            if cut <= at {
                return Ok(cut);
            }
        }
        if begin == 0 {
            return Ok(0);
        }
        match self.last_newline(begin - block, begin)? {
            Some(newline) => Ok(newline + 1),
            None => self.cut(begin),
        }
    }

    /// Where the row ends that begins at `start`, its line break included.
    pub fn row_end(&self, start: u64) -> Result<u64> {
        let cut = match self.shape {
            Shape::Whole => return Ok(self.size()),
            Shape::Pieces { .. } => {
                return Ok((start + self.shape.block() - start % self.shape.block()).min(self.size()));
            }
            Shape::Lines | Shape::Records => self.shape.first_cut(start),
        };
        match self.first_newline(start, cut)? {
            Some(newline) => Ok(newline + 1),
            None if cut < self.size() => self.cut(cut),
            None => Ok(self.size()),
        }
    }

    /// Where rows that begin at `start` are numbered: a cut that moved back counts as lying where it came from.
    pub fn nominal(&self, start: u64) -> Result<u64> {
        if start == 0 || !self.shape.has_lines() || start.is_multiple_of(self.shape.block()) {
            return Ok(start);
        }
        match self.read(start - 1, 1)?.first() {
            Some(b'\n') => Ok(start),
            _ => Ok(start.next_multiple_of(self.shape.block())),
        }
    }

    /// The multiple of a block `at`, moved back to the beginning of a character.
    fn cut(&self, at: u64) -> Result<u64> {
        let begin = at.saturating_sub(3);
        let around = self.read(begin, 4)?;
        let within = (at - begin) as usize;
        match within < around.len() {
            true => Ok(begin + character_start(&around, within) as u64),
            false => Ok(at),
        }
    }

    fn first_newline(&self, from: u64, to: u64) -> Result<Option<u64>> {
        let (mut at, to) = (from, to.min(self.size()));
        let mut bytes = Vec::new();
        while at < to {
            self.read_into(at, STEP.min(to - at), &mut bytes)?;
            if let Some(found) = memchr(b'\n', &bytes) {
                return Ok(Some(at + found as u64));
            }
            at += bytes.len() as u64;
        }
        Ok(None)
    }

    fn last_newline(&self, from: u64, to: u64) -> Result<Option<u64>> {
        let mut end = to.min(self.size());
        let mut bytes = Vec::new();
        while end > from {
            let begin = end.saturating_sub(STEP).max(from);
            self.read_into(begin, end - begin, &mut bytes)?;
            if let Some(found) = memrchr(b'\n', &bytes) {
                return Ok(Some(begin + found as u64));
            }
            end = begin;
        }
        Ok(None)
    }
}
