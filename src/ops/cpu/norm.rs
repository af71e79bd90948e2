//! Layer norm (Ba et al. 2016, arXiv 1607.06450) and RMS norm (Zhang and Sennrich 2019, arXiv 1910.07467) over rows.

use super::{fresh, simd, vector};
use rayon::prelude::*;
use std::mem::MaybeUninit;

const ROWS: usize = 64;

/// Which of the two norms, and how it is kept from dividing by zero.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    /// Subtract the mean first (layer norm).
    pub centered: bool,
    pub epsilon: f32,
}

impl Norm {
    /// (mean, 1 / √(variance + ε)) of a row; the mean is 0 where the norm does not center.
    #[inline(always)]
    fn moments(self, x: &[f32]) -> (f32, f32) {
        let width = x.len() as f32;
        let mean = if self.centered { vector::sum(x) / width } else { 0.0 };
        (mean, 1.0 / (vector::sum_squares(x, mean) / width + self.epsilon).sqrt())
    }

    #[inline(always)]
    fn forward_row(self, x: &[f32], weight: &[f32], bias: Option<&[f32]>, y: &mut [MaybeUninit<f32>]) {
        let (mean, scale) = self.moments(x);
        let normed = x.iter().zip(weight).map(|(x, w)| (x - mean) * scale * w);
        match bias {
            Some(bias) => y.iter_mut().zip(normed.zip(bias)).for_each(|(y, (x, b))| {
                y.write(x + b);
            }),
            None => y.iter_mut().zip(normed).for_each(|(y, x)| {
                y.write(x);
            }),
        }
    }
}

/// `x` is n×width with width = `weight.len()`.
pub fn forward(norm: Norm, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let width = weight.len();
    let is_whole = x.len().is_multiple_of(width) && bias.is_none_or(|bias| bias.len() == width);
    assert!(is_whole, "a norm was given rows or a bias of another width");
    let fill = |index: usize, y: &mut [MaybeUninit<f32>]| {
        let x = &x[index * width * ROWS..][..y.len()];
        simd!({
            for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                norm.forward_row(x, weight, bias, y);
            }
        });
    };
    // SAFETY: chunks are whole rows; weight and bias have an element for each of a row's, and each is written.
    unsafe { fresh::filled(x.len(), width * ROWS, fill) }
}

/// Scratch of one task of the backward pass.
struct Scratch {
    weighted: Vec<f32>,
    normed: Vec<f32>,
    weight_gradient: Vec<f32>,
    bias_gradient: Vec<f32>,
}

/// Returns (gradient for x, plus `residual` where given; gradient of the weight; gradient of the bias, which callers
/// without a bias ignore).
pub fn backward(
    norm: Norm,
    x: &[f32],
    weight: &[f32],
    gradient: &[f32],
    residual: Option<&[f32]>,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let width = weight.len();
    let chunk = width * ROWS;
    let is_whole = gradient.len() == x.len() && residual.is_none_or(|residual| residual.len() == x.len());
    assert!(is_whole, "a norm was given a gradient or a residual of another size");
    let mut dx = match residual {
        Some(residual) => fresh::map(residual, chunk, |x| x),
        None => fresh::zeros(x.len()),
    };
    let partial: Vec<Scratch> = dx
        .par_chunks_mut(chunk)
        .zip(x.par_chunks(chunk).zip(gradient.par_chunks(chunk)))
        .map(|(dx, (x, gradient))| {
            let zeros = || vec![0.0; width];
            let mut scratch =
                Scratch { weighted: zeros(), normed: zeros(), weight_gradient: zeros(), bias_gradient: zeros() };
            simd!({
                let rows = dx.chunks_exact_mut(width).zip(x.chunks_exact(width).zip(gradient.chunks_exact(width)));
                for (dx, (x, gradient)) in rows {
                    backward_row(norm, x, weight, gradient, dx, &mut scratch);
                }
            });
            scratch
        })
        .collect();
    let (mut weight_gradient, mut bias_gradient) = (vec![0.0; width], vec![0.0; width]);
    for part in &partial {
        vector::add_assign(&mut weight_gradient, &part.weight_gradient);
        vector::add_assign(&mut bias_gradient, &part.bias_gradient);
    }
    (dx, weight_gradient, bias_gradient)
}

#[inline(always)]
fn backward_row(norm: Norm, x: &[f32], weight: &[f32], gradient: &[f32], dx: &mut [f32], scratch: &mut Scratch) {
    let width = x.len();
    let (mean, scale) = norm.moments(x);
    let (weighted, normed) = (&mut scratch.weighted[..width], &mut scratch.normed[..width]);
    let (dw, db) = (&mut scratch.weight_gradient[..width], &mut scratch.bias_gradient[..width]);
    let (weight, gradient) = (&weight[..width], &gradient[..width]);
    for i in 0..width {
        normed[i] = (x[i] - mean) * scale;
        weighted[i] = gradient[i] * weight[i];
        dw[i] += gradient[i] * normed[i];
        db[i] += gradient[i];
    }
    let along_mean = if norm.centered { vector::sum(weighted) / width as f32 } else { 0.0 };
    let along_normed = vector::dot(weighted, normed) / width as f32;
    for i in 0..width {
        dx[i] += (weighted[i] - along_mean - normed[i] * along_normed) * scale;
    }
}
