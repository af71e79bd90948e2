//! How a product is cut: which part of b is packed at a time, and what the units of work are.

use super::super::super::Precision;
use super::super::matmul::Threads;
use super::super::shared::Shared;
use super::Job;
use super::element::Element;
use super::kernel::{COLUMNS, ROWS};
use super::memory::{PACKED_A, PACKED_B, room};
use super::pack::{MOST_WORDS, PackGroup, PackedA};
use super::stage::Stage;
use super::words::{Halves, Singles, Words, work};
use rayon::prelude::*;
use std::ops::Range;

/// Words of b that stay in the second-level cache of a thread: three quarters of a megabyte.
const BLOCK_WORDS: usize = 384 * MOST_WORDS;
/// Words of b that all threads pack together before they multiply: they lie in the cache that the threads share.
const STAGE_WORDS: usize = 1 << 20;
/// Words of a that are packed for all blocks of b.
const SHARED_WORDS: usize = 1 << 21;
/// Columns below which a thread does not pack b for itself.
const FEWEST_COLUMNS: usize = 384;
/// Panels of a below which a unit is not cut for the sake of more threads: each reads its block of b again.
const FEWEST_PANELS: usize = 8;
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
    // SAFETY: handed on to the caller.
    unsafe {
        match threads {
            1 => Part { job, cut: &Cut::new(job, STAGE_WORDS), rows: 0..m, packed: None }.run(0..n, 1),
            _ => shared_out(job, threads),
        }
    }
}

/// By all threads.
///
/// # Safety
/// As for [`run`].
unsafe fn shared_out<E: Element>(job: &Job<E>, threads: usize) {
    let (m, n, _) = job.product.size;
    let by_columns = n >= UNITS * threads * FEWEST_COLUMNS;
    let cut = &if by_columns { Cut::for_units(job, UNITS * threads) } else { Cut::new(job, STAGE_WORDS) };
    // SAFETY: handed on to the caller.
    unsafe {
        if !by_columns && n <= columns_in(BLOCK_WORDS, cut.words) {
            return Part { job, cut, rows: 0..m, packed: None }.run(0..n, threads);
        }
        // a is packed once for all blocks of columns, as many rows at a time as there is room for.
        let most = (SHARED_WORDS / (cut.words * cut.deep).max(1)).max(1);
        let height = m.div_ceil(m.div_ceil(most)).next_multiple_of(ROWS);
        let mut memory = PACKED_A.take();
        let out = Shared(room(&mut memory, PackedA::room(height.min(m), cut)));
        for rows in (0..m).step_by(height).map(|start| start..(start + height).min(m)) {
            let packed = &PackedA { a: job.a, rows: rows.clone(), cut, out };
            (0..packed.groups())
                .into_par_iter()
                .for_each(|group| work(job.product.precision, PackGroup(packed, group)));
            let part = Part { job, cut, rows, packed: Some(packed) };
            match by_columns {
                true => (0..n.div_ceil(cut.width))
                    .into_par_iter()
                    .with_max_len(1)
                    .for_each(|block| part.run(block * cut.width..((block + 1) * cut.width).min(n), 1)),
                false => part.run(0..n, threads),
            }
        }
        PACKED_A.set(memory);
    }
}

/// Some rows of the result.
struct Part<'a, E> {
    job: &'a Job<'a, E>,
    cut: &'a Cut,
    rows: Range<usize>,
    packed: Option<&'a PackedA<'a>>,
}

impl<E: Element> Part<'_, E> {
    /// Some columns of them, stage by stage.
    ///
    /// # Safety
    /// As for [`run`]; the rows and columns must be this call's.
    unsafe fn run(&self, columns: Range<usize>, threads: usize) {
        let Self { job, cut, rows, packed } = self;
        let mut memory = PACKED_B.take();
        let out = Shared(room(&mut memory, cut.at_once * cut.room()));
        for start in columns.clone().step_by(cut.width) {
            for first in (0..cut.deep).step_by(cut.at_once) {
                let columns = start..(start + cut.width).min(columns.end);
                let blocks = first..(first + cut.at_once).min(cut.deep);
                let stage = Stage { job, cut, columns, blocks, rows: rows.clone(), packed: *packed, out };
                // SAFETY: the memory has room for a stage and is this call's; the rest is handed on to the caller.
                unsafe { stage.run(threads) };
            }
        }
        PACKED_B.set(memory);
    }
}

/// The blocks of b.
pub struct Cut {
    /// Elements along k, and those of a block, which follow from k alone: so do the order of the sums, and the bits.
    k: usize,
    depth: usize,
    /// Elements in a word of 32 bits, and words in a block.
    in_word: usize,
    pub words: usize,
    /// Blocks along k, and how many of them are packed at a time.
    pub deep: usize,
    at_once: usize,
    /// Columns that are packed at a time.
    width: usize,
}

impl Cut {
    /// `room` words of b, or as few as possible, are packed at a time.
    fn new<E>(job: &Job<E>, room: usize) -> Self {
        let (_, n, k) = job.product.size;
        let in_word = match job.product.precision {
            Precision::F32 => Singles::DEPTH,
            Precision::Bf16 => Halves::DEPTH,
        };
        // A product over nothing is zero: one empty block.
        let deep = k.div_ceil(MOST_WORDS * in_word).max(1);
        let depth = k.div_ceil(deep).next_multiple_of(16 * in_word);
        let words = depth / in_word;
        let width = even(n, columns_in(room, words));
        let at_once = if width < n { 1 } else { (room / (width * words).max(1)).clamp(1, deep) };
        Self { k, depth, in_word, words, deep, at_once, width }
    }

    /// At least so many blocks of columns, each for one thread's own cache.
    fn for_units<E>(job: &Job<E>, units: usize) -> Self {
        let (_, n, _) = job.product.size;
        let widest = Self::new(job, BLOCK_WORDS);
        let width = n.div_ceil(n.div_ceil(widest.width).next_multiple_of(units)).next_multiple_of(COLUMNS);
        Self { width, ..widest }
    }

    /// The part of k that a block is.
    pub fn block(&self, index: usize) -> Range<usize> {
        index * self.depth..((index + 1) * self.depth).min(self.k)
    }

    /// Words along k in a block: the last may be shorter.
    pub fn words_of(&self, block: usize) -> usize {
        self.block(block).len().div_ceil(self.in_word)
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
    rows: Range<usize>,
    columns: usize,
    /// Columns of a unit.
    width: usize,
    /// Units along the rows, and along the columns.
    down: usize,
    across: usize,
}

impl Units {
    pub fn new(rows: Range<usize>, columns: usize, words: usize, threads: usize) -> Self {
        let width = even(columns, columns_in(BLOCK_WORDS, words));
        let across = columns.div_ceil(width);
        let wanted = if threads == 1 { 1 } else { (UNITS * threads).div_ceil(across) };
        let down = wanted.min(rows.len().div_ceil(FEWEST_PANELS * ROWS));
        Self { rows, columns, width, down, across }
    }

    pub fn count(&self) -> usize {
        self.down * self.across
    }

    /// The rows of a unit, which are whole panels, and its columns.
    pub fn unit(&self, index: usize) -> (Range<usize>, Range<usize>) {
        let (down, across) = (index % self.down, index / self.down);
        let panels = self.rows.len().div_ceil(ROWS);
        let row = |part: usize| (self.rows.start + part * panels / self.down * ROWS).min(self.rows.end);
        (row(down)..row(down + 1), across * self.width..((across + 1) * self.width).min(self.columns))
    }
}
