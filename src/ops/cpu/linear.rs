//! y = x Wᵀ (+ bias) (+ residual) over rows, and its gradients.

use super::matmul::{Matrix, Product, Write, multiply};
use super::{few_rows, simd, vector};
use rayon::prelude::*;

/// Rows that one task handles outside the matrix product.
const ROWS: usize = 64;

/// `x` is n×`width_in`, `weight` is `width_out`×`width_in`; returns n×`width_out`.
pub fn forward(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    residual: Option<&[f32]>,
    (width_in, width_out): (usize, usize),
) -> Vec<f32> {
    let rows = x.len() / width_in;
    if rows <= few_rows::MOST_ROWS {
        // Other bits than a product of many rows gives; among themselves, few rows do not depend on their number.
        return few_rows::forward(x, weight, bias, residual, (width_in, width_out));
    }
    let mut y = vec![0.0; rows * width_out];
    let write = if prefill(&mut y, bias, residual, width_out) { Write::Add } else { Write::Replace };
    let weight = Matrix::new(weight, width_in).transposed();
    multiply(
        &mut y,
        width_out,
        Matrix::new(x, width_in),
        weight,
        Product::new((rows, width_out, width_in)).write(write),
    );
    y
}

/// Writes what the product is added to; false where there is nothing.
fn prefill(y: &mut [f32], bias: Option<&[f32]>, residual: Option<&[f32]>, width: usize) -> bool {
    if let Some(residual) = residual {
        y.par_chunks_mut(width * ROWS).zip(residual.par_chunks(width * ROWS)).for_each(|(y, r)| y.copy_from_slice(r));
    }
    if let Some(bias) = bias {
        y.par_chunks_mut(width * ROWS)
            .for_each(|rows| simd(|| rows.chunks_exact_mut(width).for_each(|row| vector::add_assign(row, bias))));
    }
    bias.is_some() || residual.is_some()
}

/// The gradient for the input: n×`width_in`.
pub fn backward_input(gradient: &[f32], weight: &[f32], (width_in, width_out): (usize, usize)) -> Vec<f32> {
    let rows = gradient.len() / width_out;
    let mut out = vec![0.0; rows * width_in];
    let (g, w) = (Matrix::new(gradient, width_out), Matrix::new(weight, width_in));
    multiply(&mut out, width_in, g, w, Product::new((rows, width_in, width_out)));
    out
}

/// Writes or adds the gradient of the weight, `width_out`×`width_in`, into `out`.
pub fn backward_weight(gradient: &[f32], x: &[f32], out: &mut [f32], write: Write, widths: (usize, usize)) {
    let (width_in, width_out) = widths;
    let rows = gradient.len() / width_out;
    let (g, x) = (Matrix::new(gradient, width_out).transposed(), Matrix::new(x, width_in));
    multiply(out, width_in, g, x, Product::new((width_out, width_in, rows)).write(write));
}

/// Adds the sum over rows of `gradient` into `out`.
pub fn add_column_sums(gradient: &[f32], out: &mut [f32]) {
    let width = out.len();
    let partial: Vec<Vec<f32>> = gradient
        .par_chunks(width * 4 * ROWS)
        .map(|rows| {
            let mut sums = vec![0.0; width];
            simd(|| rows.chunks_exact(width).for_each(|row| vector::add_assign(&mut sums, row)));
            sums
        })
        .collect();
    partial.iter().for_each(|sums| vector::add_assign(out, sums));
}
