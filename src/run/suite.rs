//! What is measured at an evaluation: held-out text or examples, kept from phase to phase.

use crate::Result;
use crate::corpus::batches::{HeldOutBatch, HeldOutWindows};
use crate::corpus::tokenizer::Tokenizer;
use crate::learn::evaluation::{self, TextScore};
use crate::model::Decoder;

/// A named set of held-out data.
pub struct Suite {
    pub name: String,
    pub kind: SuiteKind,
}

/// What a suite is made of.
pub enum SuiteKind {
    Text(HeldOutWindows),
    Examples(Vec<HeldOutBatch>),
}

/// What a suite says about a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    pub score: TextScore,
    /// The task's metric and its value, where the suite has one.
    pub metric: Option<(&'static str, f64)>,
}

impl Suite {
    pub fn measure(&self, decoder: &Decoder, tokenizer: &Tokenizer) -> Result<Measure> {
        let bytes_of = |token| tokenizer.token_bytes(token);
        match &self.kind {
            SuiteKind::Text(windows) => {
                let batches = (0..windows.batches()).map(|index| windows.batch(index));
                Ok(Measure { score: evaluation::text(decoder, batches, &bytes_of)?, metric: None })
            }
            SuiteKind::Examples(batches) => {
                let score = evaluation::examples(decoder, batches, &bytes_of)?;
                Ok(Measure { score: score.text, metric: Some(("exact_match", score.exact_match())) })
            }
        }
    }
}
