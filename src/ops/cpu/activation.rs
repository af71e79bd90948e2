//! GELU in its tanh and its exact form (Hendrycks and Gimpel 2016, arXiv 1606.08415), and SwiGLU (Shazeer 2020, arXiv 2002.05202).

use super::vector::{exp, normal_cdf, sigmoid};
use super::{fresh, simd};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Elements that one task handles.
const CHUNK: usize = 16_384;
const SQRT_2_OVER_PI: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;
const INVERSE_SQRT_2PI: f32 = 0.398_942_3;

/// x · ½(1 + tanh u) with u = √(2/π)(x + 0.044715 x³), written as x · σ(2u).
pub fn gelu(x: &[f32]) -> Vec<f32> {
    fresh::map(x, CHUNK, |x| x * sigmoid(2.0 * SQRT_2_OVER_PI * (x + CUBIC * x * x * x)))
}

/// Turns the gradient at the output of [`gelu`] into that for its input `x`.
pub fn gelu_backward(x: &[f32], gradient: &mut [f32]) {
    assert_eq!(x.len(), gradient.len(), "GELU was given a gradient of another size");
    gradient.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(gradient, x)| {
        simd!({
            for (g, &x) in gradient.iter_mut().zip(x) {
                let square = x * x;
                let s = sigmoid(2.0 * SQRT_2_OVER_PI * (x + CUBIC * x * square));
                let slope = 2.0 * SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * square);
                *g *= s + x * s * (1.0 - s) * slope;
            }
        });
    });
}

/// x · Φ(x).
pub fn gelu_exact(x: &[f32]) -> Vec<f32> {
    fresh::map(x, CHUNK, |x| x * normal_cdf(x))
}

/// Turns the gradient at the output of [`gelu_exact`] into that for its input `x`: times Φ(x) + x φ(x).
pub fn gelu_exact_backward(x: &[f32], gradient: &mut [f32]) {
    assert_eq!(x.len(), gradient.len(), "GELU was given a gradient of another size");
    gradient.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(gradient, x)| {
        simd!({
            for (g, &x) in gradient.iter_mut().zip(x) {
                *g *= normal_cdf(x) + x * INVERSE_SQRT_2PI * exp(-0.5 * x * x);
            }
        });
    });
}

/// Rows of `x` hold [gate | up], each `width` wide; returns gate · σ(gate) · up, n×`width`.
pub fn swiglu(x: &[f32], width: usize) -> Vec<f32> {
    assert!(x.len().is_multiple_of(2 * width), "SwiGLU was given rows of another width");
    let chunk = rows(width) * width;
    let fill = |index: usize, y: &mut [MaybeUninit<f32>]| {
        let x = &x[2 * index * chunk..][..2 * y.len()];
        for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(2 * width)) {
            let (gate, up) = x.split_at(width);
            simd!({
                for ((y, &gate), &up) in y.iter_mut().zip(gate).zip(up) {
                    y.write(gate * sigmoid(gate) * up);
                }
            });
        }
    };
    // SAFETY: chunks are whole rows, and each element of a row is written.
    unsafe { fresh::filled(x.len() / 2, chunk, fill) }
}

/// The gradient for the packed input of [`swiglu`].
pub fn swiglu_backward(x: &[f32], gradient: &[f32], width: usize) -> Vec<f32> {
    assert!(
        x.len().is_multiple_of(2 * width) && gradient.len() == x.len() / 2,
        "SwiGLU was given rows of another width"
    );
    let chunk = 2 * rows(width) * width;
    let fill = |index: usize, dx: &mut [MaybeUninit<f32>]| {
        let (x, gradient) = (&x[index * chunk..][..dx.len()], &gradient[index * chunk / 2..][..dx.len() / 2]);
        let inputs = x.chunks_exact(2 * width).zip(gradient.chunks_exact(width));
        for (dx, (x, gradient)) in dx.chunks_exact_mut(2 * width).zip(inputs) {
            let (gate, up) = x.split_at(width);
            let (d_gate, d_up) = dx.split_at_mut(width);
            simd!({
                let inputs = gate.iter().zip(up).zip(gradient);
                for ((d_gate, d_up), ((&gate, &up), &g)) in d_gate.iter_mut().zip(d_up).zip(inputs) {
                    let s = sigmoid(gate);
                    d_gate.write(g * up * (s + gate * s * (1.0 - s)));
                    d_up.write(g * gate * s);
                }
            });
        }
    };
    // SAFETY: as above.
    unsafe { fresh::filled(x.len(), chunk, fill) }
}

/// Rows that make a task large enough to be worth handing over.
fn rows(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1)
}
