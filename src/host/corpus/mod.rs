//! Answers questions about text: pages of any source, searches, tokens with their surprise, the rows of a batch.
//!
//! It trains nothing and samples nothing itself: whoever has the weights lends them as a [`Scorer`], whoever has the
//! data of the phase as a [`BatchSource`].

mod batch;
mod scoring;
mod service;

pub use batch::{batch_view, masked_batch_view};
pub use scoring::surprises;
pub use service::CorpusService;

use crate::Result;
use crate::protocol::{BatchView, Lane};

/// Makes the rows that a step, counted through the run, learned from or will learn from.
pub trait BatchSource: Send + Sync {
    fn batch(&self, step: u64) -> Result<BatchView>;
}

impl<F: Fn(u64) -> Result<BatchView> + Send + Sync> BatchSource for F {
    fn batch(&self, step: u64) -> Result<BatchView> {
        self(step)
    }
}

/// Lends weights to score text with.
pub trait Scorer: Send {
    /// What the weights are called (`live, step 1240`), and the surprise of each token but the first, nats.
    fn score(&mut self, lane: &Lane, tokens: &[u32]) -> Result<(String, Vec<f32>)>;
}

impl<F: FnMut(&Lane, &[u32]) -> Result<(String, Vec<f32>)> + Send> Scorer for F {
    fn score(&mut self, lane: &Lane, tokens: &[u32]) -> Result<(String, Vec<f32>)> {
        self(lane, tokens)
    }
}

#[cfg(test)]
mod tests;
