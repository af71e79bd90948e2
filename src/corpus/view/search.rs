//! The next row, or the one before, that matches a regular expression.
//!
//! Text is searched in large pieces, all lines at once; a match is then looked at again within its own row, so that
//! none goes over a line break. Records are read first: what is searched is what they say, not how JSON spells it.

use super::View;
use super::files::{Opened, Spot};
use super::record;
use super::rows::Shape;
use crate::corpus::kind::Kind;
use crate::corpus::progress::check;
use crate::protocol::SearchHit;
use crate::{Error, Result};
use memchr::{memchr, memrchr};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use regex_automata::{Input, Match};
use regex_syntax::hir::Look;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Bytes searched at a time: more than a row, and little enough to stay near the processor.
const CHUNK: u64 = 1 << 20;
const RECORD_CHUNK: u64 = 4 << 20;
/// The first piece when searching backwards: the row that is wanted is often near.
const FIRST_BACK: u64 = 64 << 10;
/// Compiled patterns may take this much memory, bytes.
const PATTERN_BYTES: usize = 16 << 20;
/// Time between two reports of where a search stands.
const REPORT: Duration = Duration::from_millis(100);

/// What is searched for: a regular expression in the syntax of Rust's `regex`, where `^` and `$` are the ends of lines.
/// Without a capital letter in it, case does not matter.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    /// Whether what it matches in a line does not depend on where the text around the line begins and ends.
    is_local: bool,
}

impl Pattern {
    /// Errors: a pattern that cannot be read, with a mark below where, or one that takes too much memory.
    pub fn new(pattern: &str) -> Result<Pattern> {
        let refused = |why: &dyn std::fmt::Display| {
            // The last line of a long explanation says it.
            let why = why.to_string();
            let last = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_string();
            Error::new(format!("\"{pattern}\" is no pattern to search for"))
                .because(last)
                .next("write a regular expression; a backslash before . * + ? ( ) [ ] { } | ^ $ makes it plain text")
        };
        let ignores_case = !pattern.chars().any(char::is_uppercase);
        let syntax = syntax::Config::new().multi_line(true).crlf(true).case_insensitive(ignores_case);
        let hir = syntax::parse_with(pattern, &syntax).map_err(|error| refused(&error))?;
        let looks = hir.properties().look_set();
        let is_local = !looks.contains(Look::Start) && !looks.contains(Look::End);
        let config = Regex::config().nfa_size_limit(Some(PATTERN_BYTES)).utf8_empty(false);
        let regex = Regex::builder().configure(config).build_from_hir(&hir).map_err(|error| refused(&error))?;
        Ok(Pattern { regex, is_local })
    }

    pub(super) fn find(&self, text: &[u8]) -> Option<Match> {
        self.regex.find(Input::new(text))
    }
}

impl View {
    /// The first row that begins at `from` or after it and matches; or, `backwards`, the last one that begins before
    /// it. `progress` is told how many bytes of how many are done.
    pub fn search(
        &self,
        pattern: &Pattern,
        from: u64,
        backwards: bool,
        cancel: &AtomicBool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Option<SearchHit>> {
        let mut reported = Instant::now();
        let total = if backwards { from.min(self.size()) } else { self.size().saturating_sub(from) };
        let mut bytes = Vec::new();
        let mut next = if backwards { self.chunk_before(from, FIRST_BACK)? } else { self.chunk_from(from)? };
        let mut size = FIRST_BACK;
        while let Some((file, range)) = next {
            check(cancel, "the search")?;
            if reported.elapsed() >= REPORT {
                reported = Instant::now();
                let at = self.files.offset(Spot { file, at: if backwards { range.end } else { range.start } });
                progress(from.abs_diff(at), total);
            }
            let opened = self.files.open(file)?;
            opened.read_into(range.start, range.end - range.start, &mut bytes)?;
            let chunk = Chunk { bytes: &bytes, at: range.start, opened: &opened, file };
            let found = if backwards { self.last_in(&chunk, pattern) } else { self.first_in(&chunk, pattern) };
            if let Some((at, start, end)) = found {
                self.files.check(file)?;
                return Ok(Some(SearchHit { offset: self.files.offset(Spot { file, at }), start, end }));
            }
            size = (size * 4).min(CHUNK);
            next = match backwards {
                true => self.chunk_before(self.files.offset(Spot { file, at: range.start }), size)?,
                false => self.chunk_from(self.files.offset(Spot { file, at: range.end }))?,
            };
        }
        progress(total, total);
        Ok(None)
    }

    /// The rows that begin at `offset` or after it, in a file.
    fn chunk_from(&self, offset: u64) -> Result<Option<(usize, Range<u64>)>> {
        if offset >= self.size() {
            return Ok(None);
        }
        let Spot { mut file, at } = self.files.spot(offset);
        let mut opened = self.files.open(file)?;
        let mut start = opened.row_start(at)?;
        if start < at {
            start = opened.row_end(start)?;
        }
        while opened.shape == Shape::Whole || start >= opened.size() {
            (file, start) = (file + 1, 0);
            if file >= self.files.count() {
                return Ok(None);
            }
            opened = self.files.open(file)?;
        }
        let length = if opened.shape == Shape::Records { RECORD_CHUNK } else { CHUNK };
        let end = start + length;
        let end = if end >= opened.size() { opened.size() } else { opened.row_start(end)? };
        Ok(Some((file, start..end)))
    }

    /// Rows that begin before `offset`, in a file, of about `size` bytes.
    fn chunk_before(&self, offset: u64, size: u64) -> Result<Option<(usize, Range<u64>)>> {
        let mut end = offset.min(self.size());
        while end > 0 {
            let last = self.files.spot(end - 1);
            let opened = self.files.open(last.file)?;
            if opened.shape == Shape::Whole {
                end = self.files.offset(Spot { at: 0, ..last });
                continue;
            }
            let whole = opened.row_end(opened.row_start(last.at)?)?;
            return Ok(Some((last.file, opened.row_start(last.at.saturating_sub(size))?..whole)));
        }
        Ok(None)
    }

    /// Where in the file the first row that matches begins, and the match in its text.
    fn first_in(&self, chunk: &Chunk, pattern: &Pattern) -> Option<(u64, u64, u64)> {
        let found = match chunk.is_plain(self.files.kind(chunk.file)) && pattern.is_local {
            true => chunk.next_line(pattern, 0).map(|(row, hit)| (row.start, hit)),
            false => self.rows_in(chunk, pattern).next().map(|(row, hit)| (row.start, hit)),
        };
        found.map(|(start, hit)| (chunk.at + start as u64, hit.start, hit.end))
    }

    fn last_in(&self, chunk: &Chunk, pattern: &Pattern) -> Option<(u64, u64, u64)> {
        let found = match chunk.is_plain(self.files.kind(chunk.file)) && pattern.is_local {
            true => {
                let next = |from: &Range<usize>| chunk.next_line(pattern, from.end);
                std::iter::successors(chunk.next_line(pattern, 0), |(row, _)| next(row)).last()
            }
            false => self.rows_in(chunk, pattern).last(),
        };
        found.map(|(row, hit)| (chunk.at + row.start as u64, hit.start, hit.end))
    }

    /// The rows of a chunk that match, one at a time.
    fn rows_in<'a>(
        &'a self,
        chunk: &'a Chunk,
        pattern: &'a Pattern,
    ) -> impl Iterator<Item = (Range<usize>, Range<u64>)> + 'a {
        let Chunk { bytes, at, opened, file } = *chunk;
        opened.shape.rows_of(bytes, at).filter_map(move |row| {
            let is_first = at + row.start as u64 == 0;
            let kind = self.files.kind(file);
            if opened.shape == Shape::Lines && kind != Kind::Json {
                let mark = if is_first && bytes.starts_with(MARK) { MARK.len() } else { 0 };
                return match_in_line(&bytes[row.start + mark..row.end], pattern).map(|hit| (row, hit));
            }
            let text = record::whole_text(&bytes[row.clone()], is_first, opened.shape, kind, &self.reading);
            pattern.find(text.as_bytes()).map(|found| (row, found.start() as u64..found.end() as u64))
        })
    }
}

/// Marks UTF-8 at the beginning of a file, and is no text.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Whole rows of one file.
#[derive(Clone, Copy)]
struct Chunk<'a> {
    bytes: &'a [u8],
    at: u64,
    opened: &'a Opened,
    file: usize,
}

impl Chunk<'_> {
    /// Whether each of its lines is one row of plain text.
    fn is_plain(&self, kind: Kind) -> bool {
        let has_mark = self.at == 0 && self.bytes.starts_with(MARK);
        let is_text = self.opened.shape == Shape::Lines && kind != Kind::Json && !has_mark;
        // A line that is cut fills a block; one that fills a stretch this long might be.
        let block = (self.opened.shape.block() / 2).max(1) as usize;
        is_text && self.bytes.chunks_exact(block).all(|part| memchr(b'\n', part).is_some())
    }

    /// The next line that matches, at or after byte `from`, which begins one.
    fn next_line(&self, pattern: &Pattern, from: usize) -> Option<(Range<usize>, Range<u64>)> {
        let mut from = from;
        while from < self.bytes.len() {
            let found = pattern.regex.find(Input::new(self.bytes).span(from..self.bytes.len()))?;
            let start = memrchr(b'\n', &self.bytes[..found.start()]).map_or(0, |newline| newline + 1);
            if start >= self.bytes.len() {
                return None;
            }
            let rest = &self.bytes[found.start()..];
            let end = memchr(b'\n', rest).map_or(self.bytes.len(), |newline| found.start() + newline + 1);
            if let Some(hit) = match_in_line(&self.bytes[start..end], pattern) {
                return Some((start..end, hit));
            }
            from = end;
        }
        None
    }
}

/// The match in a row of plain text, counted in bytes of it as it is shown: what is not UTF-8 takes up more there.
fn match_in_line(line: &[u8], pattern: &Pattern) -> Option<Range<u64>> {
    let line = record::trimmed(line);
    let found = pattern.find(line)?;
    let shown = |end: usize| String::from_utf8_lossy(&line[..end]).len() as u64;
    Some(shown(found.start())..shown(found.end()))
}
