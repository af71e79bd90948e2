//! Copying operands into panels, in the order in which the kernel reads them.
//!
//! A panel of b is words × [`COLUMNS`], one of a words × [`ROWS`].

use super::super::matmul::Matrix;
use super::super::shared::Shared;
use super::element::Element;
use super::kernel::{COLUMNS, ROWS};
use super::lines::transpose;
use super::plan::Cut;
use super::words::{Words, Work, mask};
use std::arch::x86_64::*;
use std::ops::Range;

/// Words along k in a block.
pub const MOST_WORDS: usize = 512;

/// Panels of a that are packed at once: where a is read across its rows, whole cache lines are used.
pub const GROUP: usize = 4;
/// Words by which rows of b are asked for before they are packed.
const AHEAD: usize = 8;

/// Rows `block` and columns `columns` of b, which are packed into panels one after the other.
pub struct PackedB<'a, E> {
    pub b: Matrix<'a, E>,
    pub block: Range<usize>,
    pub columns: Range<usize>,
    /// Of 32 bits, along k.
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
    /// As for [`PackParts`].
    #[inline(always)]
    unsafe fn pack_rows<W: Words>(&self, parts: Range<usize>) {
        let Self { b, block, columns, words, .. } = self;
        for word in parts.start * 16..(parts.end * 16).min(*words) {
            let row = b.at(block.start + word * W::DEPTH, columns.start);
            let left = block.len() - word * W::DEPTH;
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
    /// As for [`PackParts`].
    #[inline(always)]
    unsafe fn pack_columns<W: Words>(&self, groups: Range<usize>) {
        let Self { b, block, columns, words, .. } = self;
        for group in groups {
            for word in (0..*words).step_by(16) {
                let left = block.len() - word * W::DEPTH;
                // SAFETY: as above.
                unsafe {
                    let mut lines = [_mm512_setzero_ps(); 16];
                    for (column, line) in lines.iter_mut().enumerate().take(self.width(group)) {
                        let from = b.at(block.start + word * W::DEPTH, columns.start + group * 16 + column);
                        *line = W::along(left, |offset, mask| E::load(from.wrapping_add(offset), mask));
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

/// Packs some parts of a block of b; columns past the end become zeros. The elements must be inside b, and nobody else may
/// touch the parts.
pub struct PackParts<'a, E>(pub &'a PackedB<'a, E>, pub Range<usize>);

impl<E: Element> Work for PackParts<'_, E> {
    #[inline(always)]
    unsafe fn run<W: Words>(self) {
        let Self(block, parts) = self;
        // SAFETY: handed on to the caller.
        unsafe {
            match block.b.column_stride == 1 {
                true => block.pack_rows::<W>(parts),
                false => block.pack_columns::<W>(parts),
            }
        }
    }
}

/// From a panel of a to the next: more than its words, because the store of its last ones passes their end by four.
pub const fn a_panel(words: usize) -> usize {
    words * ROWS + 16
}

/// Packs rows `rows` and columns `block` of a into panels, [`a_panel`] apart. Rows past the end keep whatever they hold: what
/// comes of them is not written.
///
/// # Safety
/// The processor must have what `W` needs, the elements must be inside a, and `out` must have room for the panels.
#[inline(always)]
pub unsafe fn pack_a<W: Words>(a: Matrix<f32>, rows: Range<usize>, block: Range<usize>, out: *mut f32) {
    let words = block.len().div_ceil(W::DEPTH);
    let panel = |index: usize| out.wrapping_add(index * a_panel(words));
    // SAFETY: handed on to the caller.
    unsafe {
        match a.column_stride == 1 {
            true => {
                for (index, row) in rows.clone().step_by(ROWS).enumerate() {
                    pack_a_rows::<W>(a, row..(row + ROWS).min(rows.end), block.clone(), panel(index));
                }
            }
            false => {
                for word in 0..words {
                    let start = block.start + word * W::DEPTH;
                    for (index, row) in rows.clone().step_by(ROWS).enumerate() {
                        let (mask, left) = (mask(ROWS.min(rows.end - row)), block.end - start);
                        let load = |right: usize| f32::load(a.at(row, start + right), mask);
                        let line = W::across(left, load);
                        _mm512_storeu_ps(panel(index).wrapping_add(word * ROWS), line);
                    }
                }
            }
        }
    }
}

/// Packs up to [`ROWS`] rows whose elements are consecutive.
///
/// # Safety
/// As for [`pack_a`].
#[inline(always)]
unsafe fn pack_a_rows<W: Words>(a: Matrix<f32>, rows: Range<usize>, block: Range<usize>, out: *mut f32) {
    let words = block.len().div_ceil(W::DEPTH);
    for word in (0..words).step_by(16) {
        let start = block.start + word * W::DEPTH;
        // SAFETY: handed on to the caller.
        unsafe {
            let mut lines = [_mm512_setzero_ps(); 16];
            for (row, line) in rows.clone().zip(&mut lines) {
                let from = a.at(row, start);
                *line = W::along(block.end - start, |offset, mask| f32::load(from.wrapping_add(offset), mask));
            }
            transpose(&mut lines);
            for (offset, line) in lines.iter().enumerate().take(words - word) {
                _mm512_storeu_ps(out.wrapping_add((word + offset) * ROWS), *line);
            }
        }
    }
}

/// Rows of a that are packed once for all blocks of b.
pub struct PackedA<'a> {
    pub a: Matrix<'a, f32>,
    pub rows: Range<usize>,
    pub cut: &'a Cut,
    /// Has room for [`PackedA::room`] words: block after block along k.
    pub out: Shared,
}

impl PackedA<'_> {
    /// Words of memory that so many rows take.
    pub fn room(rows: usize, cut: &Cut) -> usize {
        rows.div_ceil(ROWS) * a_panel(cut.words) * cut.deep
    }

    /// Groups of panels, each of which can be packed by itself.
    pub fn groups(&self) -> usize {
        self.rows.len().div_ceil(GROUP * ROWS)
    }

    /// The panel in a block that begins with a row; those that follow stand behind it.
    #[inline(always)]
    pub fn panel(&self, row: usize, block: usize) -> *mut f32 {
        let whole = self.rows.len().div_ceil(ROWS) * a_panel(self.cut.words);
        self.out.at(block * whole + (row - self.rows.start) / ROWS * a_panel(self.cut.words_of(block)))
    }
}

/// Packs a group of panels of a. The elements must be inside a, and nobody else may touch the group.
pub struct PackGroup<'a>(pub &'a PackedA<'a>, pub usize);

impl Work for PackGroup<'_> {
    #[inline(always)]
    unsafe fn run<W: Words>(self) {
        let Self(PackedA { a, rows, cut, .. }, group) = self;
        let start = rows.start + group * GROUP * ROWS;
        let rows = start..(start + GROUP * ROWS).min(rows.end);
        for block in 0..cut.deep {
            // SAFETY: handed on to the caller.
            unsafe { pack_a::<W>(*a, rows.clone(), cut.block(block), self.0.panel(start, block)) }
        }
    }
}
