//! GELU in its tanh form (Hendrycks and Gimpel 2016, arXiv 1606.08415) and SwiGLU (Shazeer 2020, arXiv 2002.05202).

use super::simd;
use super::vector::sigmoid;
use rayon::prelude::*;

/// Elements that one task handles.
const CHUNK: usize = 16_384;
const SQRT_2_OVER_PI: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

/// x · ½(1 + tanh u) with u = √(2/π)(x + 0.044715 x³), written as x · σ(2u).
pub fn gelu(x: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| {
        simd(|| {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = x * sigmoid(2.0 * SQRT_2_OVER_PI * (x + CUBIC * x * x * x));
            }
        });
    });
    y
}

/// The gradient for the input of [`gelu`].
pub fn gelu_backward(x: &[f32], gradient: &[f32]) -> Vec<f32> {
    let mut dx = vec![0.0; x.len()];
    dx.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK).zip(gradient.par_chunks(CHUNK))).for_each(
        |(dx, (x, gradient))| {
            simd(|| {
                for ((dx, &x), &g) in dx.iter_mut().zip(x).zip(gradient) {
                    let square = x * x;
                    let s = sigmoid(2.0 * SQRT_2_OVER_PI * (x + CUBIC * x * square));
                    let slope = 2.0 * SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * square);
                    *dx = g * (s + x * s * (1.0 - s) * slope);
                }
            });
        },
    );
    dx
}

/// Rows of `x` hold [gate | up], each `width` wide; returns gate · σ(gate) · up, n×`width`.
pub fn swiglu(x: &[f32], width: usize) -> Vec<f32> {
    let mut y = vec![0.0; x.len() / 2];
    y.par_chunks_mut(width).zip(x.par_chunks(2 * width)).with_min_len(rows(width)).for_each(|(y, x)| {
        let (gate, up) = x.split_at(width);
        simd(|| {
            for ((y, &gate), &up) in y.iter_mut().zip(gate).zip(up) {
                *y = gate * sigmoid(gate) * up;
            }
        });
    });
    y
}

/// The gradient for the packed input of [`swiglu`].
pub fn swiglu_backward(x: &[f32], gradient: &[f32], width: usize) -> Vec<f32> {
    let mut dx = vec![0.0; x.len()];
    let rows_of_input = x.par_chunks(2 * width).zip(gradient.par_chunks(width));
    dx.par_chunks_mut(2 * width).zip(rows_of_input).with_min_len(rows(width)).for_each(|(dx, (x, gradient))| {
        let (gate, up) = x.split_at(width);
        let (d_gate, d_up) = dx.split_at_mut(width);
        simd(|| {
            let inputs = gate.iter().zip(up).zip(gradient);
            for ((d_gate, d_up), ((&gate, &up), &g)) in d_gate.iter_mut().zip(d_up).zip(inputs) {
                let s = sigmoid(gate);
                *d_gate = g * up * (s + gate * s * (1.0 - s));
                *d_up = g * gate * s;
            }
        });
    });
    dx
}

/// Rows that make a task large enough to be worth handing over.
fn rows(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1)
}
