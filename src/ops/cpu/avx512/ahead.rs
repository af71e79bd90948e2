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
            unsafe { _mm_prefetch::<_MM_HINT_T1>(self.step().cast()) };
        }
    }

    /// The next line, of those that are left.
    #[inline(always)]
    fn step(&mut self) -> *const f32 {
        let line = self.at;
        (self.left, self.in_row) = (self.left - 1, self.in_row - 1);
        let is_last = self.in_row == 0;
        self.in_row = if is_last { self.per_row } else { self.in_row };
        self.at = line.wrapping_add(if is_last { self.jump } else { LINE });
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every line of the part once, and nothing else, in as many calls as were said.
    #[test]
    fn the_lines_of_a_part_are_asked_for_once() {
        let values = vec![0.0; 100 * 64];
        let by_rows = Matrix::new(&values, 64);
        let cases = [
            (by_rows, 3..7, 16..64, 5, (3..7).flat_map(|row| [16, 32, 48].map(|column| row * 64 + column)).collect()),
            (by_rows.transposed(), 16..40, 2..5, 100, (2..5).flat_map(|row| [16, 32].map(|c| row * 64 + c)).collect()),
            (by_rows, 0..0, 0..64, 3, Vec::new()),
        ];
        for (matrix, rows, columns, calls, want) in cases {
            let mut ahead = Ahead::new(matrix, rows, columns, calls);
            let mut asked: Vec<usize> = Vec::new();
            for _ in 0..calls {
                for _ in 0..ahead.at_once.min(ahead.left) {
                    asked.push((ahead.step() as usize - values.as_ptr() as usize) / size_of::<f32>());
                }
            }
            assert_eq!(asked, want);
        }
    }
}
