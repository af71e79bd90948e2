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
    /// What pulls towards the base would add to the loss, nats.
    #[serde(default)]
    pub pull: Option<f32>,
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
            pull: step.pull.map(|pull| pull as f32),
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
    /// NaN where nothing pulled.
    #[serde(default)]
    pub pull: Vec<f32>,
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
        self.pull.push(record.pull.unwrap_or(f32::NAN));
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
            pull: self.pull.get(index).copied().filter(|pull| !pull.is_nan()),
        })
    }

    /// Leaves out everything after this step: the run went back to it.
    pub fn cut_after(&mut self, step: u64) {
        let kept = self.step.partition_point(|own| *own <= step);
        self.step.truncate(kept);
        let columns = [&mut self.loss, &mut self.learning_rate, &mut self.gradient_norm, &mut self.tokens_per_second];
        self.pull.truncate(kept);
        columns.into_iter().for_each(|column| column.truncate(kept));
        self.seconds.truncate(kept);
    }

    /// At most so many of these, spread over all of them: of every stretch its ends, its lowest and its highest loss, and
    /// the first loss that is no number.
    pub fn thinned(&self, most: usize) -> StepRecords {
        const OF_STRETCH: usize = 5;
        if self.len() <= most {
            return self.clone();
        }
        let stretches = (most / OF_STRETCH).max(1);
        let border = |stretch: usize| self.len() * stretch / stretches;
        let mut thin = StepRecords { start: self.start, ..StepRecords::default() };
        for stretch in 0..stretches {
            let (first, end) = (border(stretch), border(stretch + 1));
            let loss = |index: &usize| self.loss.get(*index).copied().unwrap_or(f32::NAN);
            let finite = || (first..end).filter(|index| loss(index).is_finite());
            let by_loss = |one: &usize, other: &usize| loss(one).total_cmp(&loss(other));
            let broken = (first..end).find(|index| !loss(index).is_finite());
            let mut kept: Vec<usize> = [Some(first), finite().min_by(by_loss), finite().max_by(by_loss), broken]
                .into_iter()
                .flatten()
                .chain(end.checked_sub(1))
                .collect();
            kept.sort_unstable();
            kept.dedup();
            kept.into_iter().filter_map(|index| self.get(index)).for_each(|record| thin.push(record));
        }
        thin
    }

    /// Up to `count` records from index `from` of these.
    pub fn slice(&self, from: usize, count: usize) -> StepRecords {
        let mut cut = StepRecords { start: self.start + from as u64, ..StepRecords::default() };
        (from..from.saturating_add(count)).map_while(|index| self.get(index)).for_each(|record| cut.push(record));
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinned_records_keep_every_extreme() {
        let mut records = StepRecords::default();
        for step in 1..=100_000 {
            let loss = match step {
                70_001 => 9.0,
                70_002 => f32::NAN,
                70_003 => 0.5,
                _ => 2.0,
            };
            records.push(StepRecord {
                step,
                loss,
                learning_rate: 0.1,
                gradient_norm: 1.0,
                tokens_per_second: 9.0,
                seconds: step as f64,
                changes: 0,
                pull: None,
            });
        }
        let thin = records.thinned(1_000);
        assert!(thin.len() <= 1_000 && thin.step.is_sorted(), "{}", thin.len());
        assert_eq!((thin.step.first(), thin.step.last()), (Some(&1), Some(&100_000)));
        assert!([70_001, 70_002, 70_003].iter().all(|step| thin.step.contains(step)));
        assert_eq!(records.thinned(100_000).step, records.step);
    }
}
