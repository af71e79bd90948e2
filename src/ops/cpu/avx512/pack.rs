//! Copying operands into panels, in the order in which the kernel reads them.
//!
//! A panel of b is words × [`COLUMNS`]. A panel of a is [`ROWS`] rows of words where a's rows are consecutive in memory,
//! and words × 16 where its columns are (four places of each sixteen stay unused).

use super::super::matmul::Matrix;
use super::element::Element;
use super::kernel::{COLUMNS, ROWS};
use super::words::{Words, mask};
use std::arch::x86_64::*;
use std::ops::Range;

/// Words along k in a block.
pub const MOST_WORDS: usize = 512;
/// From a row of an a panel to the next: no power of two, which would put all rows into the same few cache lines.
pub const A_STRIDE: usize = MOST_WORDS + 16;
/// Room for an a panel of either kind.
pub const A_PANEL: usize = 16 * MOST_WORDS;

/// Packs rows `block` and columns `columns` of b into panels one after the other; columns past the end become zeros.
///
/// # Safety
/// The processor must have what `W` needs, the elements must be inside b, and `out` must have room for the panels and
/// be aligned to 64 bytes.
#[inline(always)]
pub unsafe fn pack_b<W: Words, E: Element>(b: Matrix<E>, block: Range<usize>, columns: Range<usize>, out: *mut f32) {
    let words = block.len().div_ceil(W::DEPTH);
    let place =
        |group: usize, word: usize| out.wrapping_add(group / 2 * COLUMNS * words + word * COLUMNS + group % 2 * 16);
    let groups = columns.len().div_ceil(COLUMNS) * 2;
    // Where a group has no columns nothing is read: its mask is empty.
    let width = |group: usize| columns.len().saturating_sub(group * 16);
    // SAFETY: masked loads read the elements of their mask alone, all of them inside b; stores go to `out`.
    unsafe {
        if b.column_stride == 1 {
            for word in 0..words {
                let row = b.at(block.start + word * W::DEPTH, columns.start);
                let left = block.len() - word * W::DEPTH;
                for group in 0..groups {
                    let load = |row_below: usize| {
                        E::load(row.wrapping_add(row_below * b.row_stride + group * 16), mask(width(group)))
                    };
                    _mm512_store_ps(place(group, word), W::across(left, load));
                }
            }
            return;
        }
        for group in 0..groups {
            for word in (0..words).step_by(16) {
                let left = block.len() - word * W::DEPTH;
                let mut lines = [_mm512_setzero_ps(); 16];
                for (column, line) in lines.iter_mut().enumerate().take(width(group)) {
                    let from = b.at(block.start + word * W::DEPTH, columns.start + group * 16 + column);
                    *line = W::along(left, |offset, mask| E::load(from.wrapping_add(offset), mask));
                }
                transpose(&mut lines);
                for (offset, line) in lines.iter().enumerate().take(words - word) {
                    _mm512_store_ps(place(group, word + offset), *line);
                }
            }
        }
    }
}

/// Packs rows `rows` and columns `block` of a into panels [`A_PANEL`] apart. Rows past the end keep whatever they hold:
/// what comes of them is not written.
///
/// # Safety
/// As for [`pack_b`]; `out` must have room for `A_PANEL` elements for every [`ROWS`] rows.
#[inline(always)]
pub unsafe fn pack_a<W: Words>(a: Matrix<f32>, rows: Range<usize>, block: Range<usize>, out: *mut f32) {
    let words = block.len().div_ceil(W::DEPTH);
    // SAFETY: as in `pack_b`. A row's last store may pass its words by fifteen, into the gap before the next row.
    unsafe {
        if a.column_stride == 1 {
            for (place, row) in rows.enumerate() {
                let to = out.wrapping_add(place / ROWS * A_PANEL + place % ROWS * A_STRIDE);
                for word in (0..words).step_by(16) {
                    let from = a.at(row, block.start + word * W::DEPTH);
                    let left = block.len() - word * W::DEPTH;
                    let line = W::along(left, |offset, mask| f32::load(from.wrapping_add(offset), mask));
                    _mm512_storeu_ps(to.wrapping_add(word), line);
                }
            }
            return;
        }
        for word in 0..words {
            let column = a.at(rows.start, block.start + word * W::DEPTH);
            let left = block.len() - word * W::DEPTH;
            for panel in 0..rows.len().div_ceil(ROWS) {
                let mask = mask(ROWS.min(rows.len() - panel * ROWS));
                let load = |right: usize| f32::load(column.wrapping_add(right * a.column_stride + panel * ROWS), mask);
                _mm512_storeu_ps(out.wrapping_add(panel * A_PANEL + word * 16), W::across(left, load));
            }
        }
    }
}

/// Asks for slice `index` of `count` of what [`pack_a`] will read next: between two tiles, so that packing finds it near.
#[inline(always)]
pub fn prefetch(a: Matrix<f32>, rows: &Range<usize>, block: &Range<usize>, index: usize, count: usize) {
    const LINE: usize = 16;
    let (outer, inner) = match a.column_stride == 1 {
        true => (rows.clone(), block.clone()),
        false => (block.clone(), rows.clone()),
    };
    let stride = a.row_stride.max(a.column_stride);
    let lines = inner.len().div_ceil(LINE);
    let slice = |index: usize| index * outer.len() * lines / count;
    for line in slice(index)..slice(index + 1) {
        let place = (outer.start + line / lines) * stride + inner.start + line % lines * LINE;
        // SAFETY: a prefetch touches no memory that the program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(a.start().wrapping_add(place).cast()) };
    }
}

/// Transposes 16 × 16 words.
#[inline(always)]
unsafe fn transpose(lines: &mut [__m512; 16]) {
    // SAFETY: shuffles of registers; the processor has them, which the caller vouches for.
    unsafe {
        let mut pairs = [_mm512_setzero_ps(); 16];
        for i in 0..8 {
            pairs[2 * i] = _mm512_unpacklo_ps(lines[2 * i], lines[2 * i + 1]);
            pairs[2 * i + 1] = _mm512_unpackhi_ps(lines[2 * i], lines[2 * i + 1]);
        }
        let low = |a, b| _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
        let high = |a, b| _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
        for quad in pairs.chunks_exact_mut(4).zip(lines.chunks_exact_mut(4)) {
            let (pairs, lines) = quad;
            lines[0] = low(pairs[0], pairs[2]);
            lines[1] = high(pairs[0], pairs[2]);
            lines[2] = low(pairs[1], pairs[3]);
            lines[3] = high(pairs[1], pairs[3]);
        }
        // Now lane L of line 4i + c holds column 4L + c of rows 4i to 4i + 3.
        for c in 0..4 {
            let top = (
                _mm512_shuffle_f32x4::<0x88>(lines[c], lines[4 + c]),
                _mm512_shuffle_f32x4::<0xdd>(lines[c], lines[4 + c]),
            );
            let bottom = (
                _mm512_shuffle_f32x4::<0x88>(lines[8 + c], lines[12 + c]),
                _mm512_shuffle_f32x4::<0xdd>(lines[8 + c], lines[12 + c]),
            );
            lines[c] = _mm512_shuffle_f32x4::<0x88>(top.0, bottom.0);
            lines[8 + c] = _mm512_shuffle_f32x4::<0xdd>(top.0, bottom.0);
            lines[4 + c] = _mm512_shuffle_f32x4::<0x88>(top.1, bottom.1);
            lines[12 + c] = _mm512_shuffle_f32x4::<0xdd>(top.1, bottom.1);
        }
    }
}
