//! Matrix products of our own for processors with AVX-512: f32, or operands rounded to bfloat16 where the processor has
//! instructions for them (no crate does the latter). The scheme is that of Goto and van de Geijn (2008, *Anatomy of
//! high-performance matrix multiplication*): blocks of b are packed so that each stays in the second-level cache of the thread
//! that multiplies with it; a few panels of a at a time are packed and run over it.
//!
//! An element of the result is the sum over k in order, in blocks whose size follows from k alone. It depends on its own
//! row of a and its own column of b, and neither on the number of threads nor on what else is computed beside it.

mod ahead;
mod amx;
mod claims;
mod element;
mod kernel;
mod lines;
mod memory;
mod pack;
mod plan;
mod stage;
mod way;
mod words;

use super::matmul::{Matrix, Operand, Product, Target};
pub use element::Element;
pub use lines::fold;
use way::Way;
pub use words::{Halves, Singles, Words, mask};

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
    way: Way,
}

/// c = a b (+ …), see [`Product`].
///
/// # Safety
/// [`is_available`] must hold, with operands in bfloat16 [`has_bf16`]. Operands must hold what the product reads, and
/// one of the strides of each must be 1. The target's elements must be valid for reads and writes, and nobody else's.
pub unsafe fn multiply(c: Target, a: Matrix<f32>, b: Operand, product: Product) {
    // SAFETY: handed on to the caller.
    unsafe { multiply_by(Way::of(product.precision), c, a, b, product) }
}

/// [`multiply`] in a way that the processor has.
///
/// # Safety
/// As for [`multiply`].
unsafe fn multiply_by(way: Way, c: Target, a: Matrix<f32>, b: Operand, product: Product) {
    // SAFETY: handed on to the caller.
    unsafe {
        match b {
            Operand::F32(b) => plan::run(&Job { c, a, b, product, way }),
            Operand::Bf16(b) => plan::run(&Job { c, a, b, product, way }),
            Operand::F16(b) => plan::run(&Job { c, a, b, product, way }),
        }
    }
}
