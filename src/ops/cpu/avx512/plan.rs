//! How a product is shared out: which blocks of b are packed, by whom, and who multiplies what with them.

use super::super::super::Precision;
use super::super::matmul::Threads;
use super::super::shared::Shared;
use super::element::Element;
use super::kernel::{COLUMNS, ROWS};
use super::memory::{PACKED_B, room};
use super::pack::{MOST_WORDS, PackedB};
use super::words::{Halves, Singles, Words};
use super::{Job, Task};
use rayon::prelude::*;
use std::ops::Range;
use std::slice;

/// Words of b that stay in the second-level cache: three quarters of a megabyte.
const BLOCK_WORDS: usize = 384 * MOST_WORDS;
/// Words of b that all threads pack together before they multiply: they lie in the cache that the threads share.
const STAGE_WORDS: usize = 1 << 20;
/// Columns below which a block is not made narrower so that there is one for each task: a is packed once for each block.
const FEWEST_COLUMNS: usize = 384;
/// Rows below which a task is not cut for the sake of more threads: each reads its block of b again.
const FEWEST_ROWS: usize = 96;
/// Tasks for each thread: more than one, so that a thread that was held up does not hold up the rest.
const TASKS: usize = 2;

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
    let cut = Cut::new(job, if threads > 1 { TASKS * threads } else { 1 });
    // SAFETY: each block of columns is one task's; the rest is handed on to the caller.
    unsafe {
        match threads {
            1 => (0..cut.across).for_each(|column| alone(job, &cut, column)),
            _ if cut.across >= cut.tasks => {
                (0..cut.across).into_par_iter().with_max_len(1).for_each(|column| alone(job, &cut, column));
            }
            _ => together(job, &cut),
        }
    }
}

/// The blocks of b.
struct Cut {
    /// Elements along k in a block, which follow from k alone: so do the order of the sums, and the bits.
    depth: usize,
    /// Elements in a word of 32 bits, and words in a block.
    in_word: usize,
    words: usize,
    /// Columns in a block.
    width: usize,
    /// Blocks along k, and along the columns.
    deep: usize,
    across: usize,
    /// Tasks that are wanted.
    tasks: usize,
}

impl Cut {
    fn new<E>(job: &Job<E>, tasks: usize) -> Self {
        let (_, n, k) = job.product.size;
        let in_word = match job.product.precision {
            Precision::F32 => Singles::DEPTH,
            Precision::Bf16 => Halves::DEPTH,
        };
        // A product over nothing is zero: one empty block.
        let deep = k.div_ceil(MOST_WORDS * in_word).max(1);
        let depth = k.div_ceil(deep).next_multiple_of(16 * in_word);
        let words = depth / in_word;
        let most = BLOCK_WORDS.checked_div(words).unwrap_or(n) / COLUMNS * COLUMNS;
        let least = n.div_ceil(most.max(COLUMNS));
        let wanted = if n >= tasks * FEWEST_COLUMNS { least.next_multiple_of(tasks) } else { least };
        let width = n.div_ceil(wanted).next_multiple_of(COLUMNS);
        Self { depth, in_word, words, width, deep, across: n.div_ceil(width), tasks }
    }

    /// Words of memory of a packed block.
    fn room(&self) -> usize {
        self.width * self.words
    }

    /// The block at a place along the columns and along k, packed at `out`.
    fn block<'a, E>(&self, job: &Job<'a, E>, column: usize, deep: usize, out: Shared) -> PackedB<'a, E> {
        let (_, n, k) = job.product.size;
        let block = part(deep, self.depth, k);
        let words = block.len().div_ceil(self.in_word);
        PackedB { b: job.b, block, columns: part(column, self.width, n), words, out }
    }
}

fn part(index: usize, size: usize, end: usize) -> Range<usize> {
    index * size..((index + 1) * size).min(end)
}

/// A block of columns by one thread, which packs what it multiplies with.
///
/// # Safety
/// As for [`run`]; the columns must be no other task's.
unsafe fn alone<E: Element>(job: &Job<E>, cut: &Cut, column: usize) {
    let mut packed = PACKED_B.take();
    let out = Shared(room(&mut packed, cut.room()));
    for deep in 0..cut.deep {
        let block = cut.block(job, column, deep, out);
        // SAFETY: the memory has room for a block and is this call's; the rest is handed on to the caller.
        unsafe {
            Task::Pack(&block, 0..block.parts()).run(job);
            Task::Multiply(0..job.product.size.0, slice::from_ref(&block)).run(job);
        }
    }
    PACKED_B.set(packed);
}

/// Where there are too few blocks of columns for the threads: all pack, then all multiply, stage by stage.
///
/// # Safety
/// As for [`run`].
unsafe fn together<E: Element>(job: &Job<E>, cut: &Cut) {
    let deep = cut.deep.min((STAGE_WORDS / cut.room().max(1)).max(1));
    let across = if deep == cut.deep { (STAGE_WORDS / (deep * cut.room()).max(1)).clamp(1, cut.across) } else { 1 };
    let mut packed = PACKED_B.take();
    let out = Shared(room(&mut packed, across * deep * cut.room()));
    for columns in (0..cut.across).step_by(across).map(|start| start..(start + across).min(cut.across)) {
        for blocks in (0..cut.deep).step_by(deep).map(|start| start..(start + deep).min(cut.deep)) {
            let places = columns.clone().flat_map(|column| blocks.clone().map(move |block| (column, block)));
            let place = |index: usize| Shared(out.at(index * cut.room()));
            let stage: Vec<_> =
                places.enumerate().map(|(i, (column, block))| cut.block(job, column, block, place(i))).collect();
            // SAFETY: the memory has room for the blocks of a stage; the rest is handed on to the caller.
            unsafe { run_stage(job, cut, &stage, blocks.len()) };
        }
    }
    PACKED_B.set(packed);
}

/// Packs blocks, and multiplies with them. There are `deep` of the same columns after each other.
///
/// # Safety
/// As for [`run`]; the blocks' memory must be this call's.
unsafe fn run_stage<E: Element>(job: &Job<E>, cut: &Cut, blocks: &[PackedB<E>], deep: usize) {
    let pieces = cut.tasks.div_ceil(blocks.len());
    (0..blocks.len() * pieces).into_par_iter().with_max_len(1).for_each(|index| {
        let block = &blocks[index / pieces];
        let (parts, piece) = (block.parts(), index % pieces);
        // SAFETY: each part is packed by one task; the rest is handed on to the caller.
        unsafe { Task::Pack(block, piece * parts / pieces..(piece + 1) * parts / pieces).run(job) }
    });
    let m = job.product.size.0;
    let down = cut.tasks.div_ceil(blocks.len() / deep).min(m.div_ceil(FEWEST_ROWS)).max(1);
    let height = m.div_ceil(down).next_multiple_of(ROWS);
    let down = m.div_ceil(height);
    (0..blocks.len() / deep * down).into_par_iter().with_max_len(1).for_each(|index| {
        let blocks = &blocks[index / down * deep..][..deep];
        // SAFETY: each task has its own rows and columns; the rest is handed on to the caller.
        unsafe { Task::Multiply(part(index % down, height, m), blocks).run(job) }
    });
}
