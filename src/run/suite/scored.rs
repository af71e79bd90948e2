//! Texts that are scored as a whole: their loss, and how often or how nearly the score is right.

use crate::corpus::batches::{Batch, held_out_examples};
use crate::corpus::examples::EncodedExample;
use crate::learn::evaluation::TextScore;
use crate::learn::objective;
use crate::metrics;
use crate::model::units::Scored;
use crate::model::{Answers, Decoder, Score, Target};
use crate::protocol::{LossUnit, MetricValue};
use crate::run::suite::Measure;
use crate::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};

/// Held-out texts with their labels, for models that have this score.
pub struct ScoredTexts {
    score: Score,
    batches: Vec<Batch>,
}

impl ScoredTexts {
    /// Errors: a text that is longer than `context`.
    pub fn new(
        score: Score,
        texts: &[EncodedExample],
        context: usize,
        rows: usize,
        padding: u32,
    ) -> Result<ScoredTexts> {
        let batches = held_out_examples(texts, context, rows, padding)?.into_iter().map(|held| held.batch).collect();
        Ok(ScoredTexts { score, batches })
    }

    /// Whether a model with this score can be measured.
    pub fn suits(&self, score: Option<&Score>) -> bool {
        score == Some(&self.score)
    }

    /// `None` where it was cancelled. The loss is the mean over the texts: nats of a class, squared error of a number.
    pub fn measure(&self, decoder: &Decoder, cancel: &AtomicBool) -> Result<Option<Measure>> {
        if !self.suits(decoder.config.score.as_ref()) {
            return Err(Error::new("these texts cannot be measured").because("the model's head has other labels"));
        }
        let Some(found) = self.scored(decoder, cancel)? else { return Ok(None) };
        let total = found.iter().map(|(_, scored)| scored.loss).sum();
        let score = TextScore { total, tokens: found.len() as u64, ..TextScore::default() };
        let unit = match self.score.answers {
            Answers::Classes(_) => LossUnit::NatsPerText,
            Answers::Number => LossUnit::SquaredError,
        };
        Ok(Some(Measure { score, metric: None, metrics: measures(&self.score.answers, &found), unit }))
    }

    /// What each text should be scored as and what it is scored as, in their order; `None` where it was cancelled.
    pub fn scored(&self, decoder: &Decoder, cancel: &AtomicBool) -> Result<Option<Vec<(Target, Scored)>>> {
        let mut found = Vec::new();
        for batch in &self.batches {
            if cancel.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let scored = objective::scores(decoder, batch)?;
            found.extend(scored.into_iter().zip(&batch.labelled).map(|(scored, labelled)| (labelled.target, scored)));
        }
        Ok(Some(found))
    }
}

/// The measures of a score, the one that stands for all first.
pub fn measures(answers: &Answers, found: &[(Target, Scored)]) -> Vec<MetricValue> {
    let measured = match answers {
        Answers::Classes(_) => {
            let pair = |(target, scored): &(Target, Scored)| match target {
                Target::Class(class) => Some((*class as usize, Some(scored.best()))),
                Target::Number(_) => None,
            };
            let pairs: Vec<(usize, Option<usize>)> = found.iter().filter_map(pair).collect();
            vec![("accuracy", metrics::accuracy(&pairs)), ("macro_f1", metrics::macro_f1(&pairs))]
        }
        Answers::Number => {
            let pair = |(target, scored): &(Target, Scored)| match target {
                Target::Number(number) => Some((f64::from(*number), scored.scores[0])),
                Target::Class(_) => None,
            };
            let pairs: Vec<(f64, f64)> = found.iter().filter_map(pair).collect();
            let error = ("mse", metrics::mean_squared_error(&pairs));
            vec![("pearson", metrics::pearson(&pairs)), ("spearman", metrics::spearman(&pairs)), error]
        }
    };
    measured.into_iter().map(|(name, value)| MetricValue { name: name.into(), value }).collect()
}
