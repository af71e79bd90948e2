//! Products by the crate `gemm` (AVX2, NEON, picked at run time), on processors that we have no kernels for.

use super::matmul::{Matrix, Operand, Product, Target, Threads, Write};
use super::narrow::Narrow;
use gemm::Parallelism;
use rayon::prelude::*;
use std::cell::Cell;
use std::ops::Range;

/// Elements of a narrow operand that are in f32 at a time.
const WIDE: usize = 1 << 20;
/// Columns of b that are widened at once at least, and a divisor of their number: whole tiles of every kernel.
const FEWEST_COLUMNS: usize = 64;
/// Rows that a thread widens at a time at least.
const FEWEST_ROWS: usize = 16;

thread_local! {
    /// Whoever uses it takes it and puts it back.
    static WIDENED: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// c = a b (+ …), see [`Product`].
///
/// # Safety
/// Operands must hold what the product reads. The target's elements must be valid for reads and writes, and nobody else's.
pub unsafe fn multiply(c: Target, a: Matrix, b: Operand, product: Product) {
    // SAFETY: handed on to the caller.
    unsafe {
        let is_prefilled = prefill(c, product);
        let product = if is_prefilled { product.write(Write::Add) } else { product };
        match b {
            Operand::F32(b) => call(c, a, b, product),
            Operand::Bf16(b) => by_parts(c, a, b, product),
            Operand::F16(b) => by_parts(c, a, b, product),
        }
    }
}

/// Widens some columns of b at a time.
///
/// # Safety
/// As for [`multiply`].
unsafe fn by_parts<E: Narrow>(c: Target, a: Matrix, b: Matrix<E>, product: Product) {
    let (m, n, k) = product.size;
    let width = (WIDE / k.max(1)).max(1).next_multiple_of(FEWEST_COLUMNS);
    let mut memory = WIDENED.take();
    for start in (0..n).step_by(width) {
        let columns = start..(start + width).min(n);
        let pointer = c.pointer.wrapping_add(start);
        let part = Product { size: (m, columns.len(), k), ..product };
        // SAFETY: these columns of the target are inside it; the rest is handed on to the caller.
        unsafe { call(Target { pointer, ..c }, a, widened(b, k, columns, &mut memory, product.threads), part) };
    }
    WIDENED.set(memory);
}

/// Some columns of b, which has `k` rows, in f32 and in the order in which b holds them.
fn widened<'a, E: Narrow>(
    b: Matrix<E>,
    k: usize,
    columns: Range<usize>,
    memory: &'a mut Vec<f32>,
    threads: Threads,
) -> Matrix<'a> {
    let is_by_rows = b.column_stride == 1;
    // What follows each other in memory: rows of b, or columns.
    let (lines, length) = if is_by_rows { (k, columns.len()) } else { (columns.len(), k) };
    if memory.len() < lines * length {
        memory.resize(lines * length, 0.0);
    }
    let wide = &mut memory[..lines * length];
    if length > 0 {
        let line = |(line, to): (usize, &mut [f32])| {
            let start = match is_by_rows {
                true => line * b.row_stride + columns.start,
                false => (columns.start + line) * b.column_stride,
            };
            E::widen(&b.elements()[start..][..length], to);
        };
        match threads {
            Threads::All => wide.par_chunks_mut(length).enumerate().with_min_len(FEWEST_ROWS).for_each(line),
            Threads::One => wide.chunks_mut(length).enumerate().for_each(line),
        }
    }
    let wide = Matrix::new(wide, length);
    if is_by_rows { wide } else { wide.transposed() }
}

/// # Safety
/// As for [`multiply`].
unsafe fn call(c: Target, a: Matrix, b: Matrix, product: Product) {
    let Product { size: (m, n, k), scale, write, threads, .. } = product;
    let parallelism = match threads {
        Threads::All => Parallelism::Rayon(0),
        Threads::One => Parallelism::None,
    };
    // SAFETY: handed on to the caller.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.pointer,
            1,
            c.stride as isize,
            write == Write::Add,
            a.start(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.start(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Writes what the product is added to; false where there is nothing.
///
/// # Safety
/// As for [`multiply`].
unsafe fn prefill(c: Target, product: Product) -> bool {
    let Product { size: (m, n, _), write, bias, residual, .. } = product;
    if bias.is_none() && residual.is_none() {
        return false;
    }
    let fill = |row: usize| {
        let c = c.row(row);
        for column in 0..n {
            // SAFETY: elements of the target, each row of them in one thread alone.
            unsafe {
                let old = match write {
                    Write::Add => c.add(column).read(),
                    Write::Replace => residual.map_or(0.0, |residual| residual[row * n + column]),
                };
                c.add(column).write(old + bias.map_or(0.0, |bias| bias[column]));
            }
        }
    };
    match product.threads {
        Threads::All => (0..m).into_par_iter().with_min_len(16).for_each(fill),
        Threads::One => (0..m).for_each(fill),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::super::check;
    use super::*;
    use half::{bf16, f16};

    fn values(count: usize, seed: u64) -> Vec<f32> {
        check::values(&check::random(count, seed)).into_iter().map(|x| x as f32).collect()
    }

    fn product(a: Matrix, b: Operand, product: Product) -> Vec<f32> {
        let (m, n, _) = product.size;
        let mut c = vec![0.0; m * n];
        // SAFETY: `c` has m rows of n.
        unsafe { multiply(Target { pointer: c.as_mut_ptr(), stride: n }, a, b, product) };
        c
    }

    /// In several parts; small integers, so that sums are exact whatever their order, which the crate chooses by the width.
    #[test]
    fn narrow_operands_are_what_they_stand_for_part_by_part() {
        let (m, n, k) = (20, 1050, 4100);
        assert!(n * k > 4 * WIDE);
        let integers = |count: usize, step: usize| (0..count).map(|i| (i * step % 11) as f32 - 5.0).collect::<Vec<_>>();
        let (a, b, residual, bias) = (integers(m * k, 3), integers(n * k, 7), integers(m * n, 2), integers(n, 5));
        let bf16: Vec<bf16> = b.iter().map(|&x| bf16::from_f32(x)).collect();
        let f16: Vec<f16> = b.iter().map(|&x| f16::from_f32(x)).collect();
        let a = Matrix::new(&a, k);
        for given in [Product::new((m, n, k)), Product::new((m, n, k)).plus(Some(&bias), Some(&residual)).here()] {
            for (stride, is_transposed) in [(n, false), (k, true)] {
                let of = |b: Operand| product(a, if is_transposed { b.transposed() } else { b }, given);
                let want = of(Operand::F32(Matrix::new(&b, stride)));
                assert!(of(Operand::Bf16(Matrix::new(&bf16, stride))) == want);
                assert!(of(Operand::F16(Matrix::new(&f16, stride))) == want);
            }
        }
    }

    /// The crate's products, which stand in elsewhere, have this too: among more rows than take the way of few rows.
    #[test]
    fn a_row_of_the_crate_s_products_does_not_depend_on_many_rows_beside_it() {
        let few = super::super::few_rows::MOST_ROWS;
        for (m, n, k) in [(250, 800, 700), (100, 384, 1536), (70, 33, 64)] {
            let (a, b) = (values(m * k, 1), values(k * n, 2));
            let of = |rows: std::ops::Range<usize>, b: Matrix, threads: Threads| {
                let mut c = vec![0.0; rows.len() * n];
                let product = Product { threads, ..Product::new((rows.len(), n, k)) };
                let target = Target { pointer: c.as_mut_ptr(), stride: n };
                // SAFETY: `c` has as many rows of n as the product.
                unsafe { multiply(target, Matrix::new(&a[rows.start * k..], k), b.into(), product) };
                c
            };
            for b in [Matrix::new(&b, n), Matrix::new(&b, k).transposed()] {
                let whole = of(0..m, b, Threads::One);
                assert_eq!(of(0..m, b, Threads::All), whole, "{m}x{n}x{k}");
                for rows in [0..few + 1, 7..30, 13..64, 19..m] {
                    assert_eq!(
                        of(rows.clone(), b, Threads::All),
                        whole[rows.start * n..rows.end * n],
                        "{rows:?} {n}x{k}"
                    );
                }
            }
        }
    }
}
