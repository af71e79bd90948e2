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
        simd!({
            for ((w, &g), (m, v)) in w.iter_mut().zip(g).zip(m.iter_mut().zip(v.iter_mut())) {
                let g = g * f.gradient_scale;
                *m = f.beta1 * *m + (1.0 - f.beta1) * g;
                *v = f.beta2 * *v + (1.0 - f.beta2) * g * g;
                *w = *w * f.shrink - f.learning_rate * (*m * f.correction1) / ((*v * f.correction2).sqrt() + f.epsilon);
            }
        });
    });
}

/// The factors that a step's change follows from.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub correction1: f32,
    pub correction2: f32,
    pub epsilon: f32,
    pub learning_rate: f32,
    pub shrink: f32,
}

impl Change {
    /// Σ Δ², from weights and moments after the step. Chunks are added in order.
    pub fn sum_of_squares(self, weights: &[f32], first: &[f32], second: &[f32]) -> f64 {
        let moments = first.par_chunks(CHUNK).zip(second.par_chunks(CHUNK));
        let parts: Vec<f64> = weights.par_chunks(CHUNK).zip(moments).map(|(w, (m, v))| self.chunk(w, m, v)).collect();
        parts.iter().sum()
    }

    fn chunk(self, weights: &[f32], first: &[f32], second: &[f32]) -> f64 {
        let mut changes = vec![0.0; weights.len()];
        simd!({
            for ((change, &w), (&m, &v)) in changes.iter_mut().zip(weights).zip(first.iter().zip(second)) {
                let direction = (m * self.correction1) / ((v * self.correction2).sqrt() + self.epsilon);
                // The weights before were (w + rate · direction) / shrink: this form loses no digits.
                *change = (w * (self.shrink - 1.0) - self.learning_rate * direction) / self.shrink;
            }
        });
        simd!(super::vector::sum_squares(&changes, 0.0)) as f64
    }
}
