//! The language-model objective: cross-entropy where a position has a target. Causal pretraining learns every
//! position, supervised fine-tuning only those of the completion.

use super::prefix::PrefixCache;
use super::pull::Teacher;
use crate::Result;
use crate::corpus::batches::{Batch, IGNORE};
use crate::model::{Decoder, Gradients, Input, Thaw};
use crate::ops::{self, cross_entropy::RowLoss};
use candle_core::Tensor;

/// A batch as the model reads it.
pub fn input(batch: &Batch) -> Input<'_> {
    // Rows that are one document each need no table of who sees whom.
    let first_visible = batch.first_visible.iter().any(|&first| first > 0).then_some(&batch.first_visible[..]);
    Input {
        rows: batch.rows,
        columns: batch.context,
        tokens: &batch.inputs,
        positions: &batch.positions,
        first_visible,
    }
}

/// The positions that have a target, and the targets.
pub(super) fn learned(batch: &Batch) -> (Vec<u32>, Vec<u32>) {
    let with_target = batch.targets.iter().enumerate().filter(|(_, target)| **target != IGNORE);
    with_target.map(|(position, &target)| (position as u32, target)).unzip()
}

/// Hidden states of the learned positions alone: positions without loss need no logits.
pub(super) fn pick(hidden: &Tensor, positions: &[u32]) -> Result<Tensor> {
    match positions.len() == hidden.dim(0)? {
        true => Ok(hidden.clone()),
        false => Ok(ops::embedding::forward(hidden, positions)?),
    }
}

/// Losses of the learned positions, in order, without gradients.
pub fn losses(decoder: &Decoder, batch: &Batch) -> Result<Vec<RowLoss>> {
    let (positions, targets) = learned(batch);
    let hidden = decoder.forward(&input(batch), None)?.hidden;
    decoder.losses(&pick(&hidden, &positions)?, &targets)
}

/// Goes forward and backward: adds the gradients of `scale` · (the sum of the losses), and returns that sum
/// (unscaled, nats). What is frozen below is taken from `prefix` where it has it.
pub fn accumulate(
    decoder: &Decoder,
    batch: &Batch,
    thaw: &Thaw,
    prefix: Option<&mut PrefixCache>,
    scale: f64,
    gradients: &mut Gradients,
) -> Result<f64> {
    accumulate_taught(decoder, batch, thaw, prefix, None, scale, gradients).map(|(loss, _)| loss)
}

/// The same with a pull towards the answers of a `teacher`: its loss is added too, and its sum over the learned positions
/// is returned beside the other (with the pull's strength in it, not with `scale`; nats).
pub fn accumulate_taught(
    decoder: &Decoder,
    batch: &Batch,
    thaw: &Thaw,
    prefix: Option<&mut PrefixCache>,
    teacher: Option<&mut Teacher>,
    scale: f64,
    gradients: &mut Gradients,
) -> Result<(f64, f64)> {
    let (positions, targets) = learned(batch);
    let input = input(batch);
    let hidden = prefix.map(|prefix| prefix.hidden(decoder, thaw, &input)).transpose()?.flatten();
    let pass = match hidden {
        Some((layer, hidden)) => decoder.forward_from(layer, hidden, &input, Some(thaw))?,
        None => decoder.forward(&input, Some(thaw))?,
    };
    let picked = pick(&pass.hidden, &positions)?;
    let (rows, mut d_picked) = decoder.losses_and_gradients(&picked, &targets, scale, gradients)?;
    let mut taught = 0.0;
    if let Some(teacher) = teacher {
        let (pull, d_pull) = teacher.pull(decoder, &input, (&picked, &positions), scale, gradients)?;
        taught = pull;
        ops::add_in_place(&mut d_picked, &d_pull)?;
    }
    let d_hidden = match positions.len() == batch.targets.len() {
        true => d_picked,
        false => {
            let mut slot = None;
            ops::embedding::backward(&d_picked, &positions, batch.targets.len(), &mut slot)?;
            slot.unwrap_or(d_picked)
        }
    };
    decoder.backward(pass, &d_hidden, &input, thaw, gradients)?;
    Ok((rows.iter().map(|row| row.loss as f64).sum(), taught))
}
