//! The objectives: cross-entropy where a position has a token to learn (causal pretraining learns every position,
//! supervised fine-tuning only those of the completion), and the losses of texts that are scored as a whole.

use super::prefix::PrefixCache;
use super::pull::Teacher;
use crate::Result;
use crate::corpus::batches::{Batch, IGNORE};
use crate::model::units::Scored;
use crate::model::{Decoder, Gradients, Input, Target, Thaw};
use crate::ops::{self, cross_entropy::RowLoss};
use candle_core::Tensor;

/// What each loss is multiplied by before all are added up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Of the loss of a token, nats.
    pub token: f64,
    /// Of the loss of a text that is scored: nats of its class, or squared error.
    pub text: f64,
    /// Of what a teacher says at a position of such a text, nats.
    pub read: f64,
}

impl From<f64> for Scale {
    /// The same for both.
    fn from(scale: f64) -> Self {
        Self { token: scale, text: scale, read: scale }
    }
}

impl Scale {
    /// What makes the loss of batches the mean over what is learned in all of them; `None` where nothing is. Where rows
    /// with tokens to learn stand beside rows of texts to score, each kind has its own mean, and counts by its share of
    /// these rows: a row of running text has a loss for each of its tokens, one of texts only a few. A teacher's answers to
    /// texts have their mean over the positions of these, with the weight of their scores.
    pub fn of(batches: &[Batch]) -> Option<Self> {
        let (mut tokens, mut texts, mut read) = (0, 0, 0);
        let (mut token_rows, mut text_rows) = (0u64, 0u64);
        for batch in batches {
            (tokens, texts) = (tokens + batch.learned(), texts + batch.labelled.len());
            read += batch.positions_of_texts().len();
            let rows = batch.targets.chunks(batch.context.max(1));
            token_rows += rows.filter(|row| row.iter().any(|&target| target != IGNORE)).count() as u64;
            let mut scored: Vec<usize> =
                batch.labelled.iter().map(|labelled| labelled.position as usize / batch.context).collect();
            scored.dedup();
            text_rows += scored.len() as u64;
        }
        let share = |rows: u64| rows as f64 / (token_rows + text_rows) as f64;
        let mean = |share: f64, count: usize| share / count as f64;
        match (tokens, texts) {
            (0, 0) => None,
            (tokens, 0) => Some(Self::from(1.0 / tokens as f64)),
            (0, texts) => Some(Self { read: mean(1.0, read), ..Self::from(1.0 / texts as f64) }),
            _ => {
                let (token, text) = (share(token_rows), share(text_rows));
                Some(Self { token: mean(token, tokens), text: mean(text, texts), read: mean(text, read) })
            }
        }
    }
}

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

/// The positions that texts are scored at, and their targets.
fn labelled(batch: &Batch) -> (Vec<u32>, Vec<Target>) {
    batch.labelled.iter().map(|labelled| (labelled.position, labelled.target)).unzip()
}

/// Hidden states of the learned positions alone: positions without loss need no logits.
pub(super) fn pick(hidden: &Tensor, positions: &[u32]) -> Result<Tensor> {
    match positions.len() == hidden.dim(0)? {
        true => Ok(hidden.clone()),
        false => Ok(ops::embedding::forward(hidden, positions)?),
    }
}

/// The way back of [`pick`]: adds the gradients of picked positions to those of all `count`.
fn put_back(picked: Tensor, positions: &[u32], count: usize, all: &mut Option<Tensor>) -> Result<()> {
    if all.is_none() && positions.len() == count {
        *all = Some(picked);
        return Ok(());
    }
    Ok(ops::embedding::backward(&picked, positions, count, all)?)
}

/// Losses of the learned positions, in order, without gradients.
pub fn losses(decoder: &Decoder, batch: &Batch) -> Result<Vec<RowLoss>> {
    let (positions, targets) = learned(batch);
    let hidden = decoder.forward(&input(batch), None)?.hidden;
    decoder.losses(&pick(&hidden, &positions)?, &targets)
}

/// KL(live ‖ base) at each learned position, nats.
pub fn divergences(live: &Decoder, base: &Decoder, batch: &Batch) -> Result<Vec<f32>> {
    let (positions, _) = learned(batch);
    let hidden = |decoder: &Decoder| pick(&decoder.forward(&input(batch), None)?.hidden, &positions);
    let (own, other) = (hidden(live)?, hidden(base)?);
    // The divergence is weighed by the first: here the live model is the teacher.
    let (own, other) = (live.answers(&own)?, base.answers(&other)?);
    Ok(ops::distill::divergences(&other, &own, 1.0, live.parameters.precision)?)
}

/// What the texts of a batch are scored as, in order, without gradients.
pub fn scores(decoder: &Decoder, batch: &Batch) -> Result<Vec<Scored>> {
    let (positions, targets) = labelled(batch);
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    let hidden = decoder.forward(&input(batch), None)?.hidden;
    decoder.score_losses(&pick(&hidden, &positions)?, &targets)
}

/// Goes forward and backward: adds the gradients of the sum of the losses, each times its `scale`, and returns that sum.
/// What is frozen below is taken from `prefix` where it has it.
pub fn accumulate(
    decoder: &Decoder,
    batch: &Batch,
    thaw: &Thaw,
    prefix: Option<&mut PrefixCache>,
    scale: impl Into<Scale>,
    gradients: &mut Gradients,
) -> Result<f64> {
    accumulate_taught(decoder, batch, thaw, prefix, None, scale, gradients).map(|(loss, _)| loss)
}

/// The same with a pull towards the answers of a `teacher`: its loss over the learned tokens and the texts that are scored
/// is added too, and its sum is returned beside the other, with its strength and the scale in it, nats.
pub fn accumulate_taught(
    decoder: &Decoder,
    batch: &Batch,
    thaw: &Thaw,
    prefix: Option<&mut PrefixCache>,
    teacher: Option<&mut Teacher>,
    scale: impl Into<Scale>,
    gradients: &mut Gradients,
) -> Result<(f64, f64)> {
    let (scale, input) = (scale.into(), input(batch));
    let hidden = prefix.map(|prefix| prefix.hidden(decoder, thaw, &input)).transpose()?.flatten();
    let pass = match hidden {
        Some((layer, hidden)) => decoder.forward_from(layer, hidden, &input, Some(thaw))?,
        None => decoder.forward(&input, Some(thaw))?,
    };
    let (mut loss, mut d_hidden) = (0.0, None);
    let (positions, targets) = learned(batch);
    if !positions.is_empty() {
        let picked = pick(&pass.hidden, &positions)?;
        let (rows, d_picked) = decoder.losses_and_gradients(&picked, &targets, scale.token, gradients)?;
        loss += rows.iter().map(|row| row.loss as f64).sum::<f64>() * scale.token;
        put_back(d_picked, &positions, batch.targets.len(), &mut d_hidden)?;
    }
    let (positions, targets) = labelled(batch);
    if !positions.is_empty() {
        let picked = pick(&pass.hidden, &positions)?;
        let (texts, d_picked) = decoder.score_losses_and_gradients(&picked, &targets, scale.text, gradients)?;
        loss += texts.iter().map(|text| text.loss).sum::<f64>() * scale.text;
        put_back(d_picked, &positions, batch.targets.len(), &mut d_hidden)?;
    }
    let taught = match teacher {
        Some(teacher) => teach(teacher, decoder, batch, (&pass.hidden, &mut d_hidden), scale, gradients)?,
        None => 0.0,
    };
    if let Some(d_hidden) = d_hidden {
        decoder.backward(pass, &d_hidden, &input, thaw, gradients)?;
    }
    Ok((loss, taught))
}

/// Adds a teacher's pull on what a batch asks for: its tokens where they are learned, and the words of its texts where these
/// are scored, of which the head for tokens says what it said before (the old task's answers to the new inputs). Takes the
/// live model's hidden states and adds to the gradient for them.
fn teach(
    teacher: &mut Teacher,
    decoder: &Decoder,
    batch: &Batch,
    (hidden, d_hidden): (&Tensor, &mut Option<Tensor>),
    scale: Scale,
    gradients: &mut Gradients,
) -> Result<f64> {
    let asked = [(learned(batch).0, scale.token), (batch.positions_of_texts(), scale.read)];
    if asked.iter().all(|(positions, _)| positions.is_empty()) {
        return Ok(0.0);
    }
    let (base, mut sum) = (teacher.read(&input(batch))?, 0.0);
    for (positions, scale) in asked.iter().filter(|(positions, _)| !positions.is_empty()) {
        let picked = pick(hidden, positions)?;
        let (pull, d_pull) = teacher.pull(decoder, &picked, &pick(&base, positions)?, *scale, gradients)?;
        sum += pull * scale;
        put_back(d_pull, positions, batch.targets.len(), d_hidden)?;
    }
    Ok(sum)
}
