//! How a product is cut: which part of b is packed at a time, and what the units of work are.

use super::super::matmul::Threads;
use super::super::shared::Shared;
use super::Job;
use super::element::Element;
use super::kernel::COLUMNS;
use super::memory::{PACKED_B, room};
use super::pack::MOST_WORDS;
use super::stage::Stage;
use super::way::Sizes;
use rayon::prelude::*;
use std::ops::Range;

/// Words of b that all threads pack together before they multiply: they lie in the cache that the threads share.
const STAGE_WORDS: usize = 1 << 20;
/// Columns below which a thread does not pack b for itself: a is packed once for each block of columns.
const FEWEST_COLUMNS: usize = 384;
/// Rows of a below which a unit is not cut for the sake of more threads: each reads its block of b again.
const FEWEST_ROWS: usize = 96;
/// Units for each thread: more than one, so that a thread that was held up does not hold up the rest.
const UNITS: usize = 2;

/// Computes a product.
///
/// # Safety
/// As for [`super::multiply`].
pub unsafe fn run<E: Element>(job: &Job<E>) {
    let (m, n, _) = job.product.size;
    if m == 0 || n == 0 {
        return;
    }
    let threads = if job.product.threads == Threads::All { rayon::current_num_threads() } else { 1 };
    let units = UNITS * threads;
    let packs_again = job.way.sizes().packs_again;
    // SAFETY: handed on to the caller.
    unsafe {
        // Where a is read across its rows, it is too slow to be packed for each block of columns.
        match threads > 1 && packs_again && n >= units * FEWEST_COLUMNS && job.a.column_stride == 1 {
            true => by_columns(job, units),
            false => stages(job, &Cut::new(job, STAGE_WORDS), 0..n, threads),
        }
    }
}

/// Cuts the columns: each thread packs what it multiplies with.
///
/// # Safety
/// As for [`run`].
unsafe fn by_columns<E: Element>(job: &Job<E>, units: usize) {
    let (_, n, _) = job.product.size;
    let widest = Cut::new(job, job.way.sizes().block_words);
    let width = n.div_ceil(n.div_ceil(widest.width).next_multiple_of(units)).next_multiple_of(COLUMNS);
    let cut = Cut { width, ..widest };
    (0..n.div_ceil(width)).into_par_iter().with_max_len(1).for_each(|block| {
        let columns = block * width..((block + 1) * width).min(n);
        // SAFETY: the columns are no other call's; the rest is handed on to the caller.
        unsafe { stages(job, &cut, columns, 1) };
    });
}

/// Some columns of the result, stage by stage.
///
/// # Safety
/// As for [`run`]; the columns must be this call's.
unsafe fn stages<E: Element>(job: &Job<E>, cut: &Cut, columns: Range<usize>, threads: usize) {
    let mut packed = PACKED_B.take();
    let out = Shared(room(&mut packed, cut.at_once * cut.room()));
    for start in columns.clone().step_by(cut.width) {
        for first in (0..cut.deep).step_by(cut.at_once) {
            let columns = start..(start + cut.width).min(columns.end);
            let blocks = first..(first + cut.at_once).min(cut.deep);
            // SAFETY: the memory has room for a stage and is this call's; the rest is handed on to the caller.
            unsafe { Stage { job, cut, columns, blocks, out }.run(threads) };
        }
    }
    PACKED_B.set(packed);
}

/// The blocks of b.
pub struct Cut {
    /// Elements along k in a block, which follow from k alone: so do the order of the sums, and the bits.
    pub depth: usize,
    pub sizes: Sizes,
    /// Words in a block.
    pub words: usize,
    /// Blocks along k, and how many of them are packed at a time.
    deep: usize,
    at_once: usize,
    /// Columns that are packed at a time.
    width: usize,
}

impl Cut {
    /// `room` words of b, or as few as possible, are packed at a time.
    fn new<E>(job: &Job<E>, room: usize) -> Self {
        let (_, n, k) = job.product.size;
        let sizes = job.way.sizes();
        let in_word = sizes.in_word;
        // A product over nothing is zero: one empty block.
        let deep = k.div_ceil(MOST_WORDS * in_word).max(1);
        let depth = k.div_ceil(deep).next_multiple_of(16 * in_word);
        let words = depth / in_word;
        let width = even(n, columns_in(room, words));
        let at_once = if width < n { 1 } else { (room / (width * words).max(1)).clamp(1, deep) };
        Self { depth, sizes, words, deep, at_once, width }
    }

    /// Words of memory of a packed block.
    pub fn room(&self) -> usize {
        self.width * self.words
    }
}

/// Columns of so many words each that there is room for.
fn columns_in(room: usize, words: usize) -> usize {
    room.checked_div(words).unwrap_or(usize::MAX).max(COLUMNS)
}

/// `columns` in as few parts as can be of at most `most`, all but the last of one width.
fn even(columns: usize, most: usize) -> usize {
    columns.div_ceil(columns.div_ceil(most)).next_multiple_of(COLUMNS)
}

/// The units of work that multiply with a stage: some rows of a with a block of columns each.
pub struct Units {
    rows: usize,
    columns: usize,
    /// Rows of a panel.
    panel: usize,
    /// Columns of a unit.
    width: usize,
    /// Units along the rows, and along the columns.
    down: usize,
    across: usize,
}

impl Units {
    pub fn new((rows, columns): (usize, usize), words: usize, sizes: Sizes, threads: usize) -> Self {
        let panel = sizes.rows;
        let width = even(columns, columns_in(sizes.block_words, words));
        let across = columns.div_ceil(width);
        let wanted = if threads == 1 { 1 } else { (UNITS * threads).div_ceil(across) };
        let down = wanted.min(rows.div_ceil(FEWEST_ROWS));
        Self { rows, columns, panel, width, down, across }
    }

    pub fn count(&self) -> usize {
        self.down * self.across
    }

    /// The rows of a unit, which are whole panels, and its columns.
    pub fn unit(&self, index: usize) -> (Range<usize>, Range<usize>) {
        let (down, across) = (index % self.down, index / self.down);
        let row = |part: usize| (part * self.rows.div_ceil(self.panel) / self.down * self.panel).min(self.rows);
        (row(down)..row(down + 1), across * self.width..((across + 1) * self.width).min(self.columns))
    }
}

#[cfg(test)]
mod tests {
    use super::super::way::Way;
    use super::*;

    const CASES: [(usize, usize, Way); 6] = [
        (0, 2, Way::Singles),
        (16, 1, Way::Singles),
        (512, 2, Way::Tiles),
        (512, 3, Way::Halves),
        (300, 64, Way::Halves),
        (300, 64, Way::Tiles),
    ];

    #[test]
    fn units_cover_every_row_and_column_once() {
        for (rows, columns) in [(1, 1), (12, 32), (13, 33), (96, 500), (200, 2000), (1000, 70)] {
            for (words, threads, way) in CASES {
                let sizes = way.sizes();
                let units = Units::new((rows, columns), words, sizes, threads);
                let mut covered = vec![0; rows * columns];
                for (rows, columns_of_unit) in (0..units.count()).map(|index| units.unit(index)) {
                    assert!(rows.start % sizes.rows == 0 && columns_of_unit.start % COLUMNS == 0, "{rows:?}");
                    for row in rows {
                        covered[row * columns..][columns_of_unit.clone()].iter_mut().for_each(|count| *count += 1);
                    }
                }
                assert!(covered.iter().all(|&count| count == 1), "{rows}×{columns}, {words} words, {threads} threads");
            }
        }
    }
}
