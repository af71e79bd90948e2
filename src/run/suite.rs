//! What is measured at an evaluation: held-out text or examples, kept from phase to phase.

pub mod generated;
pub mod masked;
mod sample;
mod scored;

pub use generated::Generated;
pub use masked::Masked;
pub use scored::{ScoredTexts, measures};

use crate::Result;
use crate::corpus::batches::{HeldOutBatch, HeldOutWindows};
use crate::corpus::tokenizer::Tokenizer;
use crate::learn::evaluation::{self, TextScore};
use crate::model::{Decoder, Score};
use crate::protocol::{LossUnit, MetricValue};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A named set of held-out data.
pub struct Suite {
    pub name: String,
    pub kind: SuiteKind,
}

/// What a suite is made of.
pub enum SuiteKind {
    Text(HeldOutWindows),
    Examples(Vec<HeldOutBatch>),
    Masked(Masked),
    Generated(Generated),
    Scored(ScoredTexts),
}

/// What a suite says about a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    pub score: TextScore,
    /// The task's metric and its value, where the suite has one.
    pub metric: Option<(&'static str, f64)>,
    /// Where it has several, all of them, the most telling first.
    pub metrics: Vec<MetricValue>,
    /// What the loss is counted in.
    pub unit: LossUnit,
}

impl Measure {
    /// e to the loss; NaN where that is not one of tokens.
    pub fn perplexity(&self) -> f64 {
        if self.unit.is_per_token() { self.score.perplexity() } else { f64::NAN }
    }
}

impl Suite {
    /// Whether a model with this score can be measured by it.
    pub fn suits(&self, score: Option<&Score>) -> bool {
        match &self.kind {
            SuiteKind::Scored(texts) => texts.suits(score),
            _ => true,
        }
    }

    /// Whether an evaluation on the way, after `done` steps of a phase, measures it.
    pub fn is_due(&self, done: u64) -> bool {
        match &self.kind {
            SuiteKind::Generated(task) => task.is_due(done),
            _ => true,
        }
    }

    /// `None` where it was cancelled.
    pub fn measure(
        &self,
        decoder: &Arc<Decoder>,
        tokenizer: &Tokenizer,
        cancel: &AtomicBool,
    ) -> Result<Option<Measure>> {
        let bytes_of = |token| tokenizer.token_bytes(token);
        match &self.kind {
            SuiteKind::Text(windows) => {
                let batches = (0..windows.batches()).map(|index| windows.batch(index));
                let score = evaluation::text(decoder, batches, &bytes_of)?;
                Ok(Some(Measure { score, metric: None, metrics: Vec::new(), unit: LossUnit::NatsPerToken }))
            }
            SuiteKind::Examples(batches) => {
                let score = evaluation::examples(decoder, batches, &bytes_of)?;
                let metric = Some(("exact_match", score.exact_match()));
                Ok(Some(Measure { score: score.text, metric, metrics: Vec::new(), unit: LossUnit::NatsPerToken }))
            }
            SuiteKind::Masked(masked) => masked.measure(decoder, cancel),
            SuiteKind::Generated(task) => task.measure(decoder, tokenizer, cancel),
            SuiteKind::Scored(texts) => texts.measure(decoder, cancel),
        }
    }
}
