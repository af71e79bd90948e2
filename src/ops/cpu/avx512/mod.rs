//! Matrix products of our own for processors with AVX-512: f32, or operands rounded to bfloat16 where the processor has
//! instructions for them, in vector registers or in tiles (no crate does the latter two). The scheme is that of Goto and van de Geijn (2008, *Anatomy of
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
pub use amx::{configured, is_available as has_tiles};
pub use element::Element;
pub use lines::{fold, transpose};
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

#[cfg(test)]
mod tests {
    use super::super::super::{Precision, check};
    use super::*;

    fn values(count: usize, seed: u64) -> Vec<f32> {
        check::values(&check::random(count, seed)).into_iter().map(|x| x as f32).collect()
    }

    /// The ways of this processor for operands in bfloat16.
    fn ways() -> Vec<Way> {
        let ways = [(Way::Halves, has_bf16()), (Way::Tiles, amx::is_available())];
        ways.into_iter().filter(|(_, is_here)| *is_here).map(|(way, _)| way).collect()
    }

    fn product(way: Way, a: Matrix, b: Matrix, product: Product) -> Vec<f32> {
        let (m, n, _) = product.size;
        let mut c = vec![0.0; m * n];
        // SAFETY: the processor has the way; `c` has m rows of n.
        unsafe { multiply_by(way, Target { pointer: c.as_mut_ptr(), stride: n }, a, b.into(), product) };
        c
    }

    /// Whichever the processor would choose: with small integers sums are exact in any order, and every layout, edge and
    /// block along k has to come to the same.
    #[test]
    fn every_way_comes_to_the_same_sums() {
        let integers = |count: usize, step: usize| (0..count).map(|i| (i * step % 11) as f32 - 5.0).collect::<Vec<_>>();
        for (m, n, k) in
            [(1, 1, 1), (16, 33, 31), (17, 32, 33), (33, 70, 64), (200, 40, 1100), (48, 50, 0), (65, 500, 300)]
        {
            let (a, b, residual, bias) = (integers(m * k, 3), integers(n * k, 7), integers(m * n, 2), integers(n, 5));
            for layout in 0..4 {
                let a = if layout & 1 == 0 { Matrix::new(&a, k) } else { Matrix::new(&a, m).transposed() };
                let b = if layout & 2 == 0 { Matrix::new(&b, n) } else { Matrix::new(&b, k).transposed() };
                let given = Product::new((m, n, k)).scaled(0.5).plus(Some(&bias), Some(&residual));
                let rounded = given.operands(Precision::Bf16);
                for way in ways() {
                    let got = product(way, a, b, rounded);
                    assert!(got == product(Way::Singles, a, b, given), "{way:?} {m}×{n}×{k}, layout {layout}");
                }
            }
        }
    }

    /// Operands are rounded to the nearest, and sums are f32: as one computes it with the rounded operands in f64.
    #[test]
    fn operands_are_rounded_and_sums_are_not() {
        let (m, n, k) = (40, 50, 700);
        let (a, b) = (values(m * k, 1), values(k * n, 2));
        let round = |x: &f32| half::bf16::from_f32(*x).to_f64();
        for way in ways() {
            let got =
                product(way, Matrix::new(&a, k), Matrix::new(&b, n), Product::new((m, n, k)).operands(Precision::Bf16));
            for (index, got) in got.iter().enumerate() {
                let (row, column) = (index / n, index % n);
                let want: f64 = (0..k).map(|p| round(&a[row * k + p]) * round(&b[p * n + column])).sum();
                assert!((*got as f64 - want).abs() < 1e-4, "{way:?}: {got} instead of {want}");
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_those_beside_it_in_any_way() {
        let (m, n, k) = (150, 200, 1300);
        let (a, b) = (values(m * k, 1), values(k * n, 2));
        for way in ways() {
            let of = |rows: std::ops::Range<usize>| {
                let given = Product::new((rows.len(), n, k)).operands(Precision::Bf16);
                product(way, Matrix::new(&a[rows.start * k..], k), Matrix::new(&b, n), given)
            };
            let whole = of(0..m);
            for rows in [0..1, 5..21, 30..63, 100..m] {
                assert!(of(rows.clone()) == whole[rows.start * n..rows.end * n], "{way:?}, rows {rows:?}");
            }
        }
    }
}
