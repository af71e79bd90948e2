//! Evaluation on held-out text and examples.

use super::objective;
use crate::Result;
use crate::corpus::batches::{Batch, HeldOutBatch, IGNORE};
use crate::model::Decoder;

/// Loss over held-out tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TextScore {
    /// Nats, over all tokens.
    pub total: f64,
    /// Tokens predicted.
    pub tokens: u64,
    /// Bytes of text that these tokens stand for.
    pub bytes: u64,
}

impl TextScore {
    /// Mean loss, nats per token.
    pub fn loss(&self) -> f64 {
        self.total / self.tokens as f64
    }

    pub fn perplexity(&self) -> f64 {
        self.loss().exp()
    }

    /// `None` where the tokens stand for no text. Comparable across tokenizers.
    pub fn bits_per_byte(&self) -> Option<f64> {
        (self.bytes > 0).then(|| self.total / self.bytes as f64 / std::f64::consts::LN_2)
    }

    fn add(&mut self, batch: &Batch, rows: &[crate::ops::cross_entropy::RowLoss], bytes_of: &dyn Fn(u32) -> usize) {
        self.total += rows.iter().map(|row| row.loss as f64).sum::<f64>();
        self.tokens += rows.len() as u64;
        let learned = batch.targets.iter().filter(|&&target| target != IGNORE);
        self.bytes += learned.map(|&target| bytes_of(target) as u64).sum::<u64>();
    }
}

/// How well completions are known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExampleScore {
    /// Over the completions' tokens.
    pub text: TextScore,
    pub examples: u64,
    /// Examples whose completion greedy decoding would write token for token: each of its tokens has the highest
    /// logit, given the ones before. One pass shows this, without generating.
    pub exact: u64,
}

impl ExampleScore {
    pub fn exact_match(&self) -> f64 {
        self.exact as f64 / self.examples as f64
    }
}

/// Loss over batches; `bytes_of` tells how many bytes of text a token stands for.
pub fn text(
    decoder: &Decoder,
    batches: impl Iterator<Item = Result<Batch>>,
    bytes_of: &dyn Fn(u32) -> usize,
) -> Result<TextScore> {
    let mut score = TextScore::default();
    for batch in batches {
        let batch = batch?;
        score.add(&batch, &objective::losses(decoder, &batch)?, bytes_of);
    }
    Ok(score)
}

/// KL(live ‖ base) over the learned positions of batches, nats per token: what the live model says, weighed by itself,
/// against what its base would have said.
pub fn divergence(live: &Decoder, base: &Decoder, batches: impl Iterator<Item = Result<Batch>>) -> Result<f64> {
    let (mut total, mut tokens) = (0.0, 0);
    for batch in batches {
        let rows = objective::divergences(live, base, &batch?)?;
        total += rows.iter().map(|row| *row as f64).sum::<f64>();
        tokens += rows.len();
    }
    Ok(total / tokens as f64)
}

/// Loss and exact matches over held-out examples.
pub fn examples(decoder: &Decoder, held_out: &[HeldOutBatch], bytes_of: &dyn Fn(u32) -> usize) -> Result<ExampleScore> {
    let mut score = ExampleScore::default();
    for held in held_out {
        let rows = objective::losses(decoder, &held.batch)?;
        score.text.add(&held.batch, &rows, bytes_of);
        let mut missed = vec![false; held.batch.targets.len()];
        let learned = held.batch.targets.iter().enumerate().filter(|(_, target)| **target != IGNORE);
        for ((position, _), row) in learned.zip(&rows) {
            missed[position] = !row.hit;
        }
        for span in &held.spans {
            let row = span.row * held.batch.context;
            score.exact += u64::from(!missed[row + span.start..row + span.end].contains(&true));
        }
        score.examples += held.spans.len() as u64;
    }
    Ok(score)
}
