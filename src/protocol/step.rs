//! The record of a step: of fixed size, so that it goes through a ring without taking memory.

use serde::{Deserialize, Serialize};

/// What one optimizer step measured. What was not measured is NaN.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Counted through the whole run, from 1.
    pub step: u64,
    /// Nats per learned token, before the step.
    pub loss: f32,
    pub learning_rate: f32,
    /// Before clipping.
    pub gradient_norm: f32,
    /// Positions read a second.
    pub tokens_per_second: f32,
    /// Since the run began, evaluations and pauses included.
    pub seconds: f64,
    /// Changes that the journal held by then.
    #[serde(default)]
    pub changes: u32,
}

impl From<&super::Step> for StepRecord {
    fn from(step: &super::Step) -> Self {
        Self {
            step: step.step,
            loss: step.loss as f32,
            learning_rate: step.learning_rate as f32,
            gradient_norm: step.gradient_norm as f32,
            tokens_per_second: step.tokens_per_second as f32,
            seconds: step.seconds,
            changes: step.changes.min(u32::MAX.into()) as u32,
        }
    }
}

/// Steps in a row, by column: a million go over the socket quickly.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepRecords {
    /// Index of the first record in the run's history, counting from 0.
    pub start: u64,
    pub step: Vec<u64>,
    pub loss: Vec<f32>,
    pub learning_rate: Vec<f32>,
    pub gradient_norm: Vec<f32>,
    pub tokens_per_second: Vec<f32>,
    pub seconds: Vec<f64>,
}

impl StepRecords {
    pub fn len(&self) -> usize {
        self.step.len()
    }

    pub fn is_empty(&self) -> bool {
        self.step.is_empty()
    }

    pub fn push(&mut self, record: StepRecord) {
        self.step.push(record.step);
        self.loss.push(record.loss);
        self.learning_rate.push(record.learning_rate);
        self.gradient_norm.push(record.gradient_norm);
        self.tokens_per_second.push(record.tokens_per_second);
        self.seconds.push(record.seconds);
    }

    /// Record number `index`, counted within these; `None` past the shortest column.
    pub fn get(&self, index: usize) -> Option<StepRecord> {
        Some(StepRecord {
            step: *self.step.get(index)?,
            loss: *self.loss.get(index)?,
            learning_rate: *self.learning_rate.get(index)?,
            gradient_norm: *self.gradient_norm.get(index)?,
            tokens_per_second: *self.tokens_per_second.get(index)?,
            seconds: *self.seconds.get(index)?,
            changes: 0,
        })
    }

    /// Leaves out everything after this step: the run went back to it.
    pub fn cut_after(&mut self, step: u64) {
        let kept = self.step.partition_point(|own| *own <= step);
        self.step.truncate(kept);
        let columns = [&mut self.loss, &mut self.learning_rate, &mut self.gradient_norm, &mut self.tokens_per_second];
        columns.into_iter().for_each(|column| column.truncate(kept));
        self.seconds.truncate(kept);
    }

    /// Up to `count` records from index `from` of these.
    pub fn slice(&self, from: usize, count: usize) -> StepRecords {
        let mut cut = StepRecords { start: self.start + from as u64, ..StepRecords::default() };
        (from..from.saturating_add(count)).map_while(|index| self.get(index)).for_each(|record| cut.push(record));
        cut
    }
}
