//! y = x Wᵀ (+ bias) (+ residual) over rows, and its gradients.

use super::super::Precision;
use super::matmul::{Matrix, Operand, Product, Write, multiply, product};
use super::{few_rows, simd, vector};
use rayon::prelude::*;

/// Rows that one task handles outside the matrix product.
const ROWS: usize = 64;

/// A weight, `width_out`×`width_in`, and how it is multiplied with.
#[derive(Clone, Copy)]
pub struct Weight<'a> {
    pub matrix: Operand<'a>,
    pub width_in: usize,
    pub width_out: usize,
    pub precision: Precision,
}

/// `x` is n×`width_in`; `bias`, `width_out`, and `residual`, n×`width_out`, are added. Returns n×`width_out`.
pub fn forward(x: &[f32], weight: Weight, bias: Option<&[f32]>, residual: Option<&[f32]>) -> Vec<f32> {
    let Weight { matrix, width_in, width_out, precision } = weight;
    let rows = x.len() / width_in;
    if rows <= few_rows::MOST_ROWS {
        // Other bits than a product of many rows gives; among themselves, few rows do not depend on their number.
        return few_rows::forward(x, weight, bias, residual);
    }
    let size = (rows, width_out, width_in);
    let what = Product::new(size).plus(bias, residual).operands(precision);
    product(Matrix::new(x, width_in), matrix.transposed(), what)
}

/// The gradient for the input: n×`width_in`.
pub fn backward_input(gradient: &[f32], weight: Weight) -> Vec<f32> {
    let Weight { matrix, width_in, width_out, precision } = weight;
    let size = (gradient.len() / width_out, width_in, width_out);
    product(Matrix::new(gradient, width_out), matrix, Product::new(size).operands(precision))
}

/// Adds the gradient of the weight, `width_out`×`width_in`, to `out`.
pub fn add_weight_gradient(gradient: &[f32], x: &[f32], out: &mut [f32], widths: (usize, usize), precision: Precision) {
    let (g, x, what) = weight_product(gradient, x, widths, precision);
    multiply(out, widths.0, g, x, what.write(Write::Add));
}

/// The gradient of the weight, `width_out`×`width_in`.
pub fn weight_gradient(gradient: &[f32], x: &[f32], widths: (usize, usize), precision: Precision) -> Vec<f32> {
    let (g, x, what) = weight_product(gradient, x, widths, precision);
    product(g, x, what)
}

fn weight_product<'a>(
    gradient: &'a [f32],
    x: &'a [f32],
    (width_in, width_out): (usize, usize),
    precision: Precision,
) -> (Matrix<'a>, Matrix<'a>, Product<'static>) {
    let size = (width_out, width_in, gradient.len() / width_out);
    let (g, x) = (Matrix::new(gradient, width_out).transposed(), Matrix::new(x, width_in));
    (g, x, Product::new(size).operands(precision))
}

/// Adds the sum over rows of `gradient` into `out`.
pub fn add_column_sums(gradient: &[f32], out: &mut [f32]) {
    let width = out.len();
    let partial: Vec<Vec<f32>> = gradient
        .par_chunks(width * 4 * ROWS)
        .map(|rows| {
            let mut sums = vec![0.0; width];
            simd!(rows.chunks_exact(width).for_each(|row| vector::add_assign(&mut sums, row)));
            sums
        })
        .collect();
    partial.iter().for_each(|sums| vector::add_assign(out, sums));
}
