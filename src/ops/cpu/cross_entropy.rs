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
    by_row(
        logits,
        vocabulary,
        targets,
        #[inline(always)]
        |row, target| {
            let (loss, total) = exponentiate(row, target);
            let factor = scale / total;
            row.iter_mut().for_each(|x| *x *= factor);
            row[target] -= scale;
            loss
        },
    )
}

/// The losses alone; `logits` is left as scratch.
pub fn losses(logits: &mut [f32], vocabulary: usize, targets: &[u32]) -> Vec<RowLoss> {
    by_row(
        logits,
        vocabulary,
        targets,
        #[inline(always)]
        |row, target| exponentiate(row, target).0,
    )
}

/// `work` must be `#[inline(always)]`: see [`simd`].
fn by_row(
    logits: &mut [f32],
    vocabulary: usize,
    targets: &[u32],
    work: impl Fn(&mut [f32], usize) -> RowLoss + Sync,
) -> Vec<RowLoss> {
    let rows = logits.par_chunks_exact_mut(vocabulary).zip(targets);
    rows.map(|(row, &target)| simd!(work(row, target as usize))).collect()
}

/// Logits become e^(logit − highest); returns the loss and their sum.
#[inline(always)]
fn exponentiate(row: &mut [f32], target: usize) -> (RowLoss, f32) {
    let highest = vector::max(row);
    let at_target = row[target];
    let hit = at_target == highest && !row[..target].contains(&highest);
    row.iter_mut().for_each(|x| *x = vector::exp(*x - highest));
    let total = vector::sum(row);
    (RowLoss { loss: total.ln() + highest - at_target, hit }, total)
}
