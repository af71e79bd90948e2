//! Memory that is asked for while the processor multiplies, so that packing finds it near.

use super::super::matmul::Matrix;
use std::arch::x86_64::*;
use std::ops::Range;

/// f32 in a line of the cache.
const LINE: usize = 16;

/// The lines of a part of a matrix that have not been asked for yet, in memory's order.
pub struct Ahead {
    /// The next line.
    at: *const f32,
    /// Lines that are left in its row, and in each of those that follow.
    in_row: usize,
    per_row: usize,
    /// From the last line of a row to the first of the next.
    jump: usize,
    left: usize,
    /// Lines that are asked for at a time.
    at_once: usize,
}

impl Ahead {
    /// Rows `rows` and columns `columns` of a matrix, all of it by the time that [`Ahead::ask`] has been called `calls`
    /// times.
    #[inline(always)]
    pub fn new(matrix: Matrix<f32>, rows: Range<usize>, columns: Range<usize>, calls: usize) -> Self {
        let at = matrix.at(rows.start, columns.start);
        let (stride, outer, inner) = match matrix.column_stride == 1 {
            true => (matrix.row_stride, rows.len(), columns.len()),
            false => (matrix.column_stride, columns.len(), rows.len()),
        };
        let per_row = inner.div_ceil(LINE);
        let left = outer * per_row;
        let jump = stride.wrapping_sub(per_row.saturating_sub(1) * LINE);
        Self { at, in_row: per_row, per_row, jump, left, at_once: left.div_ceil(calls.max(1)) }
    }

    /// Asks for the next few lines.
    #[inline(always)]
    pub fn ask(&mut self) {
        for _ in 0..self.at_once.min(self.left) {
            // SAFETY: a prefetch touches no memory that the program could see.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(self.at.cast()) };
            self.in_row -= 1;
            let step = if self.in_row == 0 { self.jump } else { LINE };
            self.in_row = if self.in_row == 0 { self.per_row } else { self.in_row };
            self.at = self.at.wrapping_add(step);
        }
        self.left = self.left.saturating_sub(self.at_once);
    }
}
