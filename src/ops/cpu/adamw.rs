//! One AdamW step over one parameter, in place, in one pass.

use super::simd;
use rayon::prelude::*;

const CHUNK: usize = 16_384;

/// The factors of a step, worked out once for a whole parameter.
#[derive(Clone, Copy, Debug)]
pub struct Factors {
    pub beta1: f32,
    pub beta2: f32,
    /// 1 / (1 − β₁ᵗ).
    pub correction1: f32,
    /// 1 / (1 − β₂ᵗ).
    pub correction2: f32,
    pub epsilon: f32,
    pub learning_rate: f32,
    /// 1 − learning rate · weight decay.
    pub shrink: f32,
    /// What every gradient is multiplied by first: clipping.
    pub gradient_scale: f32,
}

pub fn step(weights: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32], f: Factors) {
    let moments = first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK));
    weights.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK)).zip(moments).for_each(|((w, g), (m, v))| {
        simd(|| {
            for ((w, &g), (m, v)) in w.iter_mut().zip(g).zip(m.iter_mut().zip(v.iter_mut())) {
                let g = g * f.gradient_scale;
                *m = f.beta1 * *m + (1.0 - f.beta1) * g;
                *v = f.beta2 * *v + (1.0 - f.beta2) * g * g;
                *w = *w * f.shrink - f.learning_rate * (*m * f.correction1) / ((*v * f.correction2).sqrt() + f.epsilon);
            }
        });
    });
}
