//! A small fixed part of a suite, and how far a model's answers on it are from another's.

use super::{Suite, SuiteKind};
use crate::Result;
use crate::corpus::batches::Batch;
use crate::corpus::tokenizer::Tokenizer;
use crate::learn::evaluation::{self, TextScore};
use crate::model::Decoder;

impl Suite {
    /// The loss on about `tokens` positions, at least one row: always the same windows, spread over the text, or the same
    /// first examples. `None` for tasks, whose answers are written, and for texts with
    /// labels.
    pub fn sample(&self, decoder: &Decoder, tokenizer: &Tokenizer, tokens: u64) -> Result<Option<TextScore>> {
        let Some(batches) = self.sampled(tokens) else { return Ok(None) };
        let bytes_of = |token| tokenizer.token_bytes(token);
        evaluation::text(decoder, batches.into_iter(), &bytes_of).map(Some)
    }

    /// KL(live ‖ base) on about `tokens` positions of running text, nats per token; `None` for other suites.
    pub fn divergence(&self, live: &Decoder, base: &Decoder, tokens: u64) -> Result<Option<f64>> {
        match &self.kind {
            SuiteKind::Text(_) => {
                let batches = self.sampled(tokens).unwrap_or_default();
                evaluation::divergence(live, base, batches.into_iter()).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn sampled(&self, tokens: u64) -> Option<Vec<Result<Batch>>> {
        match &self.kind {
            SuiteKind::Text(windows) => {
                let few = windows.sampled(tokens);
                Some((0..few.batches()).map(|index| few.batch(index)).collect())
            }
            SuiteKind::Examples(batches) => {
                let context = batches.first().map_or(1, |held| held.batch.context);
                let mut rows = (tokens / context.max(1) as u64).max(1) as usize;
                let few = batches.iter().map_while(|held| {
                    let taken = rows.min(held.batch.rows);
                    rows -= taken;
                    (taken > 0).then(|| Ok(held.batch.slice(0, taken)))
                });
                Some(few.collect())
            }
            SuiteKind::Generated(_) | SuiteKind::Scored(_) => None,
        }
    }
}
