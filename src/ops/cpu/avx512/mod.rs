//! Matrix products of our own for processors with AVX-512: f32, or operands rounded to bfloat16 where the processor has
//! instructions for them (no crate does the latter). The scheme is that of Goto and van de Geijn (2008, *Anatomy of
//! high-performance matrix multiplication*): a block of b is packed so that it stays in the second-level cache, and
//! panels of a run over it.
//!
//! An element of the result is the sum over k in order, in blocks whose size follows from k alone. It depends on its own
//! row of a and its own column of b, and neither on the number of threads nor on what else is computed beside it.

mod element;
pub mod few_rows;
mod kernel;
mod pack;
mod words;

use super::super::Precision;
use super::matmul::{Matrix, Operand, Product, Target, Threads};
pub use element::Element;
use kernel::{Base, COLUMNS, ROWS, Tile};
use pack::{A_PANEL, MOST_WORDS, pack_a, pack_b};
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;
use words::{Halves, Singles, Words};

/// Columns of b that a task packs at once: with [`MOST_WORDS`] they fill three quarters of a megabyte.
const BLOCK_COLUMNS: usize = 384;
/// Panels of a that are packed at once: where a is read across its rows, whole cache lines are used.
const GROUP: usize = 4;
/// Rows below which a task is not cut for the sake of more threads: each cut packs its block of b again.
const FEWEST_ROWS: usize = 96;
/// Tasks for each thread: more than one, so that a thread that was held up does not hold up the rest.
const TASKS: usize = 2;

/// Whether products in f32 can run here.
pub fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl")
}

/// Whether products with operands in bfloat16 can.
pub fn has_bf16() -> bool {
    is_available() && is_x86_feature_detected!("avx512bf16")
}

/// One product, its operands checked.
#[derive(Clone, Copy)]
struct Job<'a, E> {
    c: Target,
    a: Matrix<'a, f32>,
    b: Matrix<'a, E>,
    product: Product<'a>,
}

/// c = a b (+ …), see [`Product`].
///
/// # Safety
/// [`is_available`] must hold, with operands in bfloat16 [`has_bf16`]. Operands must hold what the product reads, and
/// one of the strides of each must be 1. The target's elements must be valid for reads and writes, and nobody else's.
pub unsafe fn multiply(c: Target, a: Matrix<f32>, b: Operand, product: Product) {
    // SAFETY: handed on to the caller.
    unsafe {
        match b {
            Operand::F32(b) => spread(Job { c, a, b, product }),
            Operand::Bf16(b) => spread(Job { c, a, b, product }),
            Operand::F16(b) => spread(Job { c, a, b, product }),
        }
    }
}

/// Cuts the result into tasks and runs them.
///
/// # Safety
/// As for [`multiply`].
unsafe fn spread<E: Element>(job: Job<E>) {
    let (m, n, _) = job.product.size;
    if m == 0 || n == 0 {
        return;
    }
    let threads = if job.product.threads == Threads::All { rayon::current_num_threads() } else { 1 };
    let wanted = if threads > 1 { TASKS * threads } else { 1 };
    let width = n.div_ceil(n.div_ceil(BLOCK_COLUMNS)).next_multiple_of(COLUMNS);
    let across = n.div_ceil(width);
    let down = wanted.div_ceil(across).min(m.div_ceil(FEWEST_ROWS)).max(1);
    let height = m.div_ceil(down).next_multiple_of(ROWS);
    let down = m.div_ceil(height);
    let part = |index: usize, size: usize, end: usize| index * size..((index + 1) * size).min(end);
    let task = |index: usize| {
        let (rows, columns) = (part(index % down, height, m), part(index / down, width, n));
        // SAFETY: the parts lie inside the result and do not overlap; the rest is handed on to the caller.
        PACKED.with_borrow_mut(|packed| unsafe {
            match job.product.precision {
                Precision::Bf16 => task_of_halves(&job, rows, columns, packed),
                Precision::F32 => task_of_singles(&job, rows, columns, packed),
            }
        });
    };
    match threads {
        1 => (0..down * across).for_each(task),
        _ => (0..down * across).into_par_iter().with_max_len(1).for_each(task),
    }
}

/// # Safety
/// As for [`multiply`]; `rows` and `columns` must be inside the result, and no other task's.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn task_of_singles<E: Element>(job: &Job<E>, rows: Range<usize>, columns: Range<usize>, packed: &mut Vec<Line>) {
    // SAFETY: handed on to the caller.
    unsafe { task::<Singles, E>(job, rows, columns, packed) }
}

/// # Safety
/// As for [`task_of_singles`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn task_of_halves<E: Element>(job: &Job<E>, rows: Range<usize>, columns: Range<usize>, packed: &mut Vec<Line>) {
    // SAFETY: handed on to the caller.
    unsafe { task::<Halves, E>(job, rows, columns, packed) }
}

/// A vector register's worth of packed words: panels are aligned to cache lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[allow(dead_code, reason = "read through pointers")] [f32; 16]);

thread_local! {
    /// The packed block of b, then the packed group of panels of a; kept from product to product.
    static PACKED: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// # Safety
/// As for [`task_of_singles`]; the processor must have what `W` needs. Everything below is always inlined, so that it is
/// compiled for the processor that the callers above name.
#[inline(always)]
unsafe fn task<W: Words, E: Element>(job: &Job<E>, rows: Range<usize>, columns: Range<usize>, packed: &mut Vec<Line>) {
    let (_, _, k) = job.product.size;
    let blocks = k.div_ceil(MOST_WORDS * W::DEPTH).max(1);
    let depth = k.div_ceil(blocks).next_multiple_of(16 * W::DEPTH);
    let b_size = columns.len().next_multiple_of(COLUMNS) * depth.div_ceil(W::DEPTH);
    let lines = (b_size + GROUP * A_PANEL).div_ceil(16);
    if packed.len() < lines {
        packed.resize(lines, Line([0.0; 16]));
    }
    let b_panels = packed.as_mut_ptr().cast::<f32>();
    let a_panels = b_panels.wrapping_add(b_size);
    // A product over nothing is zero: one empty block.
    for index in 0..blocks {
        let block = index * depth..((index + 1) * depth).min(k);
        // SAFETY: both areas lie inside `packed`, as large as the packers say; the rest is handed on to the caller.
        unsafe {
            pack_b::<W, E>(job.b, block.clone(), columns.clone(), b_panels);
            run_block::<W, E>(job, rows.clone(), columns.clone(), block, (a_panels, b_panels));
        }
    }
}

/// All rows of a task against one packed block of b.
///
/// # Safety
/// As for [`task`]; the first pointer must have room for a group of panels, the second hold the packed block.
#[inline(always)]
unsafe fn run_block<W: Words, E: Element>(
    job: &Job<E>,
    rows: Range<usize>,
    columns: Range<usize>,
    block: Range<usize>,
    (a_panels, b_panels): (*mut f32, *const f32),
) {
    let words = block.len().div_ceil(W::DEPTH);
    let panels = columns.len().div_ceil(COLUMNS);
    for start in rows.clone().step_by(ROWS * GROUP) {
        let group = start..(start + ROWS * GROUP).min(rows.end);
        let next = group.end..(group.end + ROWS * GROUP).min(rows.end);
        // SAFETY: the group lies inside a; tiles lie inside the result, and prefetching touches no memory.
        unsafe {
            pack_a::<W>(job.a, group.clone(), block.clone(), a_panels);
            for (place, row) in group.clone().step_by(ROWS).enumerate() {
                let a = a_panels.wrapping_add(place * A_PANEL);
                for panel in 0..panels {
                    pack::prefetch(job.a, &next, &block, place * panels + panel, GROUP * panels);
                    let column = columns.start + panel * COLUMNS;
                    let size = (ROWS.min(group.end - row), COLUMNS.min(columns.end - column));
                    let tile = Tile { size, base: Base::new(job.c, &job.product, row, column, block.start) };
                    let b = b_panels.wrapping_add(panel * COLUMNS * words);
                    match job.a.column_stride == 1 {
                        true => kernel::run::<W, true>(words, a, b, tile),
                        false => kernel::run::<W, false>(words, a, b, tile),
                    }
                }
            }
        }
    }
}
