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
mod lines;
mod memory;
mod pack;
mod plan;
mod words;

use super::super::Precision;
use super::matmul::{Matrix, Operand, Product, Target};
pub use element::Element;
use kernel::{Base, COLUMNS, ROWS, Tile};
use pack::{A_PANEL, PackedB, pack_a};
use std::ops::Range;
use words::{Halves, Singles, Words};

/// Panels of a that are packed at once: where a is read across its rows, whole cache lines are used.
const GROUP: usize = 4;

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
            Operand::F32(b) => plan::run(&Job { c, a, b, product }),
            Operand::Bf16(b) => plan::run(&Job { c, a, b, product }),
            Operand::F16(b) => plan::run(&Job { c, a, b, product }),
        }
    }
}

/// What a thread does at a time.
enum Task<'a, E> {
    /// Packs some parts of a block of b.
    Pack(&'a PackedB<'a, E>, Range<usize>),
    /// Multiplies rows of a with blocks that are packed and follow each other along k.
    Multiply(Range<usize>, &'a [PackedB<'a, E>]),
}

impl<E: Element> Task<'_, E> {
    /// # Safety
    /// As for [`multiply`]; no other thread may have the same part, or the same rows and columns of the result.
    unsafe fn run(self, job: &Job<E>) {
        // SAFETY: handed on to the caller.
        unsafe {
            match job.product.precision {
                Precision::F32 => self.singles(job),
                Precision::Bf16 => self.halves(job),
            }
        }
    }

    /// # Safety
    /// As for [`Task::run`].
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn singles(self, job: &Job<E>) {
        // SAFETY: handed on to the caller.
        unsafe { self.work::<Singles>(job) }
    }

    /// # Safety
    /// As for [`Task::run`].
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn halves(self, job: &Job<E>) {
        // SAFETY: handed on to the caller.
        unsafe { self.work::<Halves>(job) }
    }

    /// # Safety
    /// As for [`Task::run`]; the processor must have what `W` needs. Everything below is always inlined, so that it is
    /// compiled for the processor that the callers above name.
    #[inline(always)]
    unsafe fn work<W: Words>(self, job: &Job<E>) {
        // SAFETY: handed on to the caller.
        unsafe {
            match self {
                Self::Pack(block, parts) => block.pack::<W>(parts),
                Self::Multiply(rows, blocks) => {
                    let mut packed = memory::PACKED_A.take();
                    let a_panels = memory::room(&mut packed, GROUP * A_PANEL);
                    for block in blocks {
                        run_block::<W, E>(job, rows.clone(), block, a_panels);
                    }
                    memory::PACKED_A.set(packed);
                }
            }
        }
    }
}

/// Some rows against one packed block of b.
///
/// # Safety
/// As for [`Task::run`]; `a_panels` must have room for a group of panels.
#[inline(always)]
unsafe fn run_block<W: Words, E: Element>(job: &Job<E>, rows: Range<usize>, b: &PackedB<E>, a_panels: *mut f32) {
    let (block, columns) = (&b.block, &b.columns);
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
                    if !next.is_empty() {
                        pack::prefetch(job.a, &next, block, place * panels + panel, GROUP * panels);
                    }
                    let column = columns.start + panel * COLUMNS;
                    let size = (ROWS.min(group.end - row), COLUMNS.min(columns.end - column));
                    let tile = Tile { size, base: Base::new(job.c, &job.product, row, column, block.start) };
                    match job.a.column_stride == 1 {
                        true => kernel::run::<W, true>(b.words, a, b.panel(panel), tile),
                        false => kernel::run::<W, false>(b.words, a, b.panel(panel), tile),
                    }
                }
            }
        }
    }
}
