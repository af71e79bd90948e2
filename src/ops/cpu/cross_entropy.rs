//! Softmax cross-entropy over rows of logits.

use super::{simd, vector};
use rayon::prelude::*;

/// What one row of logits says about its target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowLoss {
    /// −ln p(target), nats.
    pub loss: f32,
    /// The target has the highest logit (of equal ones the first).
    pub hit: bool,
}

/// Turns each row of `logits` (n×vocabulary) into the gradient of `scale` × its loss, and returns the losses.
pub fn losses_and_gradient(logits: &mut [f32], vocabulary: usize, targets: &[u32], scale: f32) -> Vec<RowLoss> {
    logits
        .par_chunks_exact_mut(vocabulary)
        .zip(targets)
        .map(|(row, &target)| {
            simd(|| {
                let highest = vector::max(row);
                let (at_target, hit) = inspect_target(row, target as usize, highest);
                row.iter_mut().for_each(|x| *x = vector::exp(*x - highest));
                let total = vector::sum(row);
                let factor = scale / total;
                row.iter_mut().for_each(|x| *x *= factor);
                row[target as usize] -= scale;
                RowLoss { loss: total.ln() + highest - at_target, hit }
            })
        })
        .collect()
}

/// The losses alone; `logits` is left as scratch.
pub fn losses(logits: &mut [f32], vocabulary: usize, targets: &[u32]) -> Vec<RowLoss> {
    logits
        .par_chunks_exact_mut(vocabulary)
        .zip(targets)
        .map(|(row, &target)| {
            simd(|| {
                let highest = vector::max(row);
                let (at_target, hit) = inspect_target(row, target as usize, highest);
                row.iter_mut().for_each(|x| *x = vector::exp(*x - highest));
                RowLoss { loss: vector::sum(row).ln() + highest - at_target, hit }
            })
        })
        .collect()
}

/// (logit of the target, whether greedy decoding would pick it).
#[inline(always)]
fn inspect_target(row: &[f32], target: usize, highest: f32) -> (f32, bool) {
    let at_target = row[target];
    (at_target, at_target == highest && !row[..target].contains(&highest))
}
