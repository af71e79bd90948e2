//! Pages: some rows in a row, from any place.

use super::View;
use super::files::{Opened, Spot};
use super::record;
use crate::protocol::{CorpusPage, CorpusRow, Place};
use crate::{Error, Result};
use std::time::Duration;

/// No page has more rows, or (after the first) more bytes on disk or of text.
const MOST_ROWS: u32 = 512;
const MOST_BYTES: u64 = 4 << 20;
const MOST_TEXT: usize = 1 << 20;
/// A small source is counted sooner than a person sees its first page.
const PATIENCE: Duration = Duration::from_millis(15);

impl View {
    /// Up to `rows` rows from `place` on, or before it. There may be fewer where they are very long.
    pub fn page(&self, place: Place, rows: u32) -> Result<CorpusPage> {
        self.index.wait(PATIENCE);
        let rows = rows.clamp(1, MOST_ROWS) as usize;
        let mut page = match place {
            Place::Before(offset) => self.backwards(offset, rows)?,
            Place::End => self.backwards(self.size(), rows)?,
            Place::Byte(offset) => self.forwards(self.files.spot(offset), rows)?,
            Place::Share(share) => self.forwards(self.files.spot(self.share(share)), rows)?,
            Place::Row(number) => self.forwards(self.row_place(number)?, rows)?,
        };
        let estimate_from = page.rows.iter().map(|row| row.bytes).sum::<u64>();
        if page.facts.indexed == 0 && estimate_from > 0 {
            page.facts.rows = (page.facts.bytes as f64 / estimate_from as f64 * page.rows.len() as f64).round() as u64;
        }
        Ok(page)
    }

    /// The row that begins at `offset`.
    pub fn row(&self, offset: u64) -> Result<CorpusRow> {
        let row = self.page(Place::Byte(offset), 1)?.rows.pop();
        row.ok_or_else(|| Error::new("the source has no rows"))
    }

    /// The end of the text before the row at `offset`, in the same file: what a model would have read. Of records
    /// there is none: each is a text of its own.
    pub fn text_before(&self, offset: u64, rows: u32, bytes: usize) -> Result<String> {
        let spot = self.files.spot(offset);
        if spot.at == 0 || self.files.kind(spot.file).is_rows() {
            return Ok(String::new());
        }
        let begin = self.files.offset(Spot { file: spot.file, at: 0 });
        let page = self.page(Place::Before(offset), rows)?;
        let mut text = String::new();
        for row in page.rows.iter().rev().filter(|row| row.offset >= begin) {
            if text.len() >= bytes {
                break;
            }
            let line: String = row.segments.iter().map(|segment| segment.text.as_str()).collect();
            text = format!("{line}{}{text}", if row.is_cut { "" } else { "\n" });
        }
        let wanted = text.len().saturating_sub(bytes);
        let cut = (wanted..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
        Ok(text.split_off(cut))
    }

    fn share(&self, share: f64) -> u64 {
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        (self.size() as f64 * share) as u64
    }

    /// Where a row is: exactly where rows are counted so far, else where it would be if all were equally long.
    fn row_place(&self, number: u64) -> Result<Spot> {
        let number = number.max(1);
        if let Some(found) = self.index.find(number)? {
            return Ok(found);
        }
        let rows = self.facts().rows.max(1);
        Ok(self.files.spot(self.share((number - 1) as f64 / rows as f64)))
    }

    /// The row that holds the byte at `from`, and those after it.
    fn forwards(&self, from: Spot, rows: usize) -> Result<CorpusPage> {
        let mut spot = Spot { file: from.file, at: self.files.open(from.file)?.row_start(from.at)? };
        let mut found = Rows::default();
        while found.has_room(rows) && spot.file < self.files.count() {
            let opened = self.files.open(spot.file)?;
            if spot.at >= opened.size() {
                spot = Spot { file: spot.file + 1, at: 0 };
                continue;
            }
            let end = opened.row_end(spot.at)?;
            found.push(self.read_row(&opened, spot, end)?);
            spot.at = end;
        }
        self.finish(found.rows)
    }

    /// The rows before the one that begins at `offset`.
    fn backwards(&self, offset: u64, rows: usize) -> Result<CorpusPage> {
        let mut end = if offset >= self.size() { self.size() } else { self.start_of_row(offset)? };
        let mut found = Rows::default();
        while found.has_room(rows) && end > 0 {
            let last = self.files.spot(end - 1);
            let opened = self.files.open(last.file)?;
            let start = Spot { file: last.file, at: opened.row_start(last.at)? };
            found.push(self.read_row(&opened, start, last.at + 1)?);
            end = self.files.offset(start);
        }
        found.rows.reverse();
        self.finish(found.rows)
    }

    /// Where the row begins that holds byte `offset`, through all files.
    pub(super) fn start_of_row(&self, offset: u64) -> Result<u64> {
        let spot = self.files.spot(offset);
        Ok(self.files.offset(Spot { file: spot.file, at: self.files.open(spot.file)?.row_start(spot.at)? }))
    }

    fn read_row(&self, opened: &Opened, start: Spot, end: u64) -> Result<CorpusRow> {
        let is_shown = opened.shape != super::rows::Shape::Whole;
        let bytes = opened.read(start.at, if is_shown { end - start.at } else { 0 })?;
        let kind = self.files.kind(start.file);
        let text = record::read(&bytes, start.at == 0, opened.shape, kind, &self.reading);
        let goes_on = is_shown && end < opened.size() && bytes.last() != Some(&b'\n');
        Ok(CorpusRow {
            offset: self.files.offset(start),
            bytes: end - start.at,
            number: None,
            file: self.files.name(start.file),
            segments: text.segments,
            is_cut: text.is_cut || goes_on,
            broken: text.broken,
        })
    }

    /// Numbers the rows, and makes sure that they are still what was read.
    fn finish(&self, mut rows: Vec<CorpusRow>) -> Result<CorpusPage> {
        let (first, last) = (rows.first().map(|row| row.offset), rows.last().map(|row| row.offset + row.bytes));
        if let (Some(first), Some(last)) = (first, last) {
            self.check(self.files.spot(first).file..=self.files.spot(last - 1).file)?;
            let number = self.index.number(self.files.spot(first))?;
            for (row, index) in rows.iter_mut().zip(0..) {
                row.number = number.map(|number| number + index);
            }
        }
        let at_start = first.is_none_or(|first| first == 0);
        let at_end = last.is_none_or(|last| last == self.size());
        Ok(CorpusPage { facts: self.facts(), rows, at_start, at_end })
    }
}

/// Rows of a page while it grows.
#[derive(Default)]
struct Rows {
    rows: Vec<CorpusRow>,
    bytes: u64,
    text: usize,
}

impl Rows {
    fn has_room(&self, rows: usize) -> bool {
        let is_small = self.bytes < MOST_BYTES && self.text < MOST_TEXT;
        self.rows.is_empty() || (self.rows.len() < rows && is_small)
    }

    fn push(&mut self, row: CorpusRow) {
        self.bytes += row.bytes;
        self.text += row.segments.iter().map(|segment| segment.text.len()).sum::<usize>();
        self.rows.push(row);
    }
}
