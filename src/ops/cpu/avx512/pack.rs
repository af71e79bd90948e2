//! Copying operands into panels, in the order in which the kernel reads them.
//!
//! A panel of b is words × [`COLUMNS`]. A panel of a is rows of words, or words × [`ROWS`] for vector registers where a's
//! columns are consecutive in memory.

use super::super::matmul::Matrix;
use super::super::shared::Shared;
use super::element::Element;
use super::kernel::{COLUMNS, ROWS};
use super::lines::transpose;
use super::words::{Words, mask};
use std::arch::x86_64::*;
use std::ops::Range;

/// Words along k in a block.
pub const MOST_WORDS: usize = 512;
/// From a row of an a panel to the next: no power of two, which would put all rows into the same few cache lines.
pub const A_STRIDE: usize = MOST_WORDS + 16;

/// Words by which rows of b are asked for before they are packed.
const AHEAD: usize = 8;

/// Rows `block` and columns `columns` of b, which are packed into panels one after the other.
pub struct PackedB<'a, E> {
    pub b: Matrix<'a, E>,
    pub block: Range<usize>,
    pub columns: Range<usize>,
    /// Of 32 bits, along k; past the end of the block they become zeros.
    pub words: usize,
    /// Has room for the panels and is aligned to 64 bytes.
    pub out: Shared,
}

impl<E: Element> PackedB<'_, E> {
    /// Into how many parts the packing can be cut, along the memory of b: sixteen words of all panels each, or half a panel.
    pub fn parts(&self) -> usize {
        match self.b.column_stride == 1 {
            true => self.words.div_ceil(16),
            false => self.groups(),
        }
    }

    /// Sixteen columns each; the last panel is always whole.
    fn groups(&self) -> usize {
        self.columns.len().div_ceil(COLUMNS) * 2
    }

    /// Packs some of the parts; columns past the end become zeros.
    ///
    /// # Safety
    /// The processor must have what `W` needs, the elements must be inside b, and nobody else may touch the parts.
    #[inline(always)]
    pub unsafe fn pack<W: Words>(&self, parts: Range<usize>) {
        // SAFETY: handed on to the caller.
        unsafe {
            match self.b.column_stride == 1 {
                true => self.pack_rows::<W>(parts),
                false => self.pack_columns::<W>(parts),
            }
        }
    }

    /// Where a panel starts.
    #[inline(always)]
    pub fn panel(&self, index: usize) -> *mut f32 {
        self.out.at(index * self.words * COLUMNS)
    }

    /// Columns of a group; where it has none nothing is read, because its mask is empty.
    #[inline(always)]
    fn width(&self, group: usize) -> usize {
        self.columns.len().saturating_sub(group * 16)
    }

    #[inline(always)]
    fn place(&self, group: usize, word: usize) -> *mut f32 {
        self.panel(group / 2).wrapping_add(word * COLUMNS + group % 2 * 16)
    }

    /// # Safety
    /// As for [`PackedB::pack`].
    #[inline(always)]
    unsafe fn pack_rows<W: Words>(&self, parts: Range<usize>) {
        let Self { b, block, columns, words, .. } = self;
        for word in parts.start * 16..(parts.end * 16).min(*words) {
            let row = b.at(block.start + word * W::DEPTH, columns.start);
            let left = block.len().saturating_sub(word * W::DEPTH);
            for group in 0..self.groups() {
                let mask = mask(self.width(group));
                // SAFETY: masked loads read the elements of their mask alone, all of them inside b; the rest is handed on
                // to the caller.
                unsafe {
                    let load = |below: usize| E::load(row.wrapping_add(below * b.row_stride + group * 16), mask);
                    for below in 0..W::DEPTH {
                        _mm_prefetch::<_MM_HINT_T1>(
                            row.wrapping_add((AHEAD * W::DEPTH + below) * b.row_stride + group * 16).cast(),
                        );
                    }
                    _mm512_store_ps(self.place(group, word), W::across(left, load));
                }
            }
        }
    }

    /// # Safety
    /// As for [`PackedB::pack`].
    #[inline(always)]
    unsafe fn pack_columns<W: Words>(&self, groups: Range<usize>) {
        let Self { b, block, columns, words, .. } = self;
        for group in groups {
            for word in (0..*words).step_by(16) {
                let left = block.len().saturating_sub(word * W::DEPTH);
                // SAFETY: as above.
                unsafe {
                    let mut lines = [_mm512_setzero_ps(); 16];
                    for (column, line) in lines.iter_mut().enumerate().take(self.width(group)) {
                        let from = b.at(block.start + word * W::DEPTH, columns.start + group * 16 + column);
                        *line = W::along(left, |offset, mask| E::load(from.wrapping_add(offset), mask));
                        // The same words of the next group's columns.
                        for line in 0..W::DEPTH {
                            _mm_prefetch::<_MM_HINT_T1>(from.wrapping_add(16 * b.column_stride + line * 16).cast());
                        }
                    }
                    transpose(&mut lines);
                    for (offset, line) in lines.iter().enumerate().take(words - word) {
                        _mm512_store_ps(self.place(group, word + offset), *line);
                    }
                }
            }
        }
    }
}

/// Rows `rows` and columns `block` of a. The functions need what [`Kernel::pack_a`](super::kernel::Kernel::pack_a) says.
pub struct PackedA<'a> {
    pub a: Matrix<'a>,
    pub rows: Range<usize>,
    pub block: Range<usize>,
}

impl PackedA<'_> {
    /// Whether the rows are consecutive in memory.
    #[inline(always)]
    pub fn is_by_rows(&self) -> bool {
        self.a.column_stride == 1
    }

    /// Of rows that are consecutive in memory: panels of R rows, `panel` apart. Words past the last are zeros up to a
    /// multiple of sixteen, in the gap before the next row.
    #[inline(always)]
    pub unsafe fn pack_rows<W: Words, const R: usize>(&self, out: *mut f32, panel: usize) {
        let words = self.block.len().div_ceil(W::DEPTH);
        for (place, row) in self.rows.clone().enumerate() {
            let to = out.wrapping_add(place / R * panel + place % R * A_STRIDE);
            for word in (0..words).step_by(16) {
                let from = self.a.at(row, self.block.start + word * W::DEPTH);
                let left = self.block.len() - word * W::DEPTH;
                // SAFETY: as in [`PackedB::pack_rows`].
                unsafe {
                    let line = W::along(left, |offset, mask| f32::load(from.wrapping_add(offset), mask));
                    _mm512_storeu_ps(to.wrapping_add(word), line);
                }
            }
        }
    }

    /// Of columns that are consecutive in memory: panels of words × [`ROWS`].
    #[inline(always)]
    pub unsafe fn pack_across<W: Words>(&self, out: *mut f32) {
        let Self { a, rows, block } = self;
        for word in 0..block.len().div_ceil(W::DEPTH) {
            let column = a.at(rows.start, block.start + word * W::DEPTH);
            let left = block.len() - word * W::DEPTH;
            for panel in 0..rows.len().div_ceil(ROWS) {
                let mask = mask(ROWS.min(rows.len() - panel * ROWS));
                // SAFETY: as above.
                unsafe {
                    let load =
                        |right: usize| f32::load(column.wrapping_add(right * a.column_stride + panel * ROWS), mask);
                    let to = out.wrapping_add(panel * 16 * MOST_WORDS + word * ROWS);
                    _mm512_storeu_ps(to, W::across(left, load));
                }
            }
        }
    }

    /// Of columns that are consecutive in memory: panels of R rows, `panel` apart, as [`PackedA::pack_rows`] makes them.
    #[inline(always)]
    pub unsafe fn pack_turned<W: Words, const R: usize>(&self, out: *mut f32, panel: usize) {
        let Self { a, rows, block } = self;
        for word in (0..block.len().div_ceil(W::DEPTH)).step_by(16) {
            for first in (0..rows.len()).step_by(16) {
                let mask = mask(rows.len() - first);
                // SAFETY: as above; sixteen rows lie inside a panel.
                unsafe {
                    let mut lines = [_mm512_setzero_ps(); 16];
                    for (index, line) in lines.iter_mut().enumerate() {
                        let start = (word + index) * W::DEPTH;
                        let column = a.at(rows.start + first, block.start + start);
                        let left = block.len().saturating_sub(start);
                        *line = W::across(left, |right| f32::load(column.wrapping_add(right * a.column_stride), mask));
                    }
                    transpose(&mut lines);
                    let to = out.wrapping_add(first / R * panel + first % R * A_STRIDE + word);
                    for (row, line) in lines.iter().enumerate() {
                        _mm512_storeu_ps(to.wrapping_add(row * A_STRIDE), *line);
                    }
                }
            }
        }
    }
}
