//! Changes of what trains, by whomever: what each was to do to a step's time, and what it did.

use super::predict::{Cost, predict};
use super::selectors::in_words;
use crate::app::Mirror;
use crate::protocol::{Group, StepRecords};
use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// Steps on either side that a measurement needs, and that it uses where there are as many.
const FEWEST: usize = 10;
const MOST: usize = 40;
/// Changes that are kept.
const KEPT: usize = 64;

/// One change that took effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// `froze block.0–3`.
    pub what: String,
    /// It came into effect after one of these steps: the last that is known to have run without it, and the first
    /// status that shows it.
    pub between: RangeInclusive<u64>,
    /// Work of a step with it by that without it; `None` where costs are not known.
    pub predicted: Option<f64>,
    /// Bytes more with it than without it.
    pub bytes: i64,
    pub measured: Measured,
}

/// Step time with a change by that without it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measured {
    /// Steps that count so far, of those that are needed.
    Waiting(usize),
    /// From medians of at least ten steps on either side.
    Ratio(f64),
    /// The next change, or the beginning of the record, came too soon.
    Never,
}

impl Measured {
    pub const NEEDED: usize = FEWEST;
}

/// The newest last.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    changes: VecDeque<Change>,
    last: Option<Seen>,
}

/// The last status that was looked at.
#[derive(Clone, Debug)]
struct Seen {
    step: u64,
    phase: Option<usize>,
    groups: Vec<Group>,
    trainable: Vec<bool>,
}

impl Changes {
    pub fn newest(&self) -> Option<&Change> {
        self.changes.back()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.changes.iter()
    }

    /// Compares the newest status with the one before. Steps between the two count for neither side, so nothing needs
    /// to know the exact step.
    pub fn take_in(&mut self, mirror: &Mirror) {
        let (Some(status), Some(trainable)) = (&mirror.status, super::view::trainable(mirror)) else {
            // A new connection: what changed meanwhile is not known.
            self.last = None;
            return;
        };
        let groups: Vec<Group> = mirror.facts.iter().map(|facts| facts.group).collect();
        let phase = status.phase.as_ref().map(|phase| phase.index);
        let seen = Seen { step: status.step, phase, groups, trainable };
        self.measure(&mirror.steps);
        // Another phase has other batches: its times cannot be compared.
        if let Some(last) = self.last.take_if(|last| last.phase == seen.phase && last.groups == seen.groups)
            && last.trainable != seen.trainable
        {
            self.push(change(&last, &seen, mirror));
        }
        self.last = Some(seen);
    }

    fn push(&mut self, change: Change) {
        if let Some(Change { measured: measured @ Measured::Waiting(_), .. }) = self.changes.back_mut() {
            *measured = Measured::Never;
        }
        if self.changes.len() >= KEPT {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }

    /// Only the newest change can still get better: the one before ended when it came.
    fn measure(&mut self, steps: &StepRecords) {
        let from = self.changes.iter().rev().nth(1).map_or(0, |earlier| *earlier.between.end());
        let Some(newest) = self.changes.back_mut() else { return };
        let records_from = |step: u64| steps.step.partition_point(|other| *other <= step);
        let (start, end) = (records_from(from), records_from(*newest.between.start()));
        let before = rates(steps, start..end, true);
        let after = rates(steps, records_from(*newest.between.end())..steps.len(), false);
        newest.measured = match (median(before), median(after.clone())) {
            (Some(before), Some(after)) => Measured::Ratio(before / after),
            (None, _) => Measured::Never,
            (_, None) => Measured::Waiting(after.len()),
        };
    }
}

fn change(last: &Seen, seen: &Seen, mirror: &Mirror) -> Change {
    let changed = |to: bool| -> Vec<Group> {
        let flags = last.trainable.iter().zip(&seen.trainable).zip(&seen.groups);
        flags.filter(|((before, now), _)| before != now && **now == to).map(|(_, group)| *group).collect()
    };
    let part = |verb: &str, groups: Vec<Group>| {
        let names = in_words(&super::selectors_for(&groups, &seen.groups), 2);
        (!names.is_empty()).then(|| format!("{verb} {names}"))
    };
    let parts: Vec<String> =
        [part("froze", changed(false)), part("thawed", changed(true))].into_iter().flatten().collect();
    let before: Cost = predict(&mirror.facts, &last.trainable);
    let now: Cost = predict(&mirror.facts, &seen.trainable);
    Change {
        what: parts.join(", "),
        between: last.step..=seen.step.max(last.step),
        predicted: now.by(&before),
        bytes: now.bytes_above(&before),
        measured: Measured::Waiting(0),
    }
}

/// Measured rates of up to [`MOST`] steps, from the end or the start of a range.
fn rates(steps: &StepRecords, range: std::ops::Range<usize>, from_end: bool) -> Vec<f32> {
    let is_measured = |rate: &f32| rate.is_finite() && *rate > 0.0;
    let rates = range.start.min(range.end)..range.end.min(steps.tokens_per_second.len());
    let Some(rates) = steps.tokens_per_second.get(rates) else { return Vec::new() };
    let measured = rates.iter().copied();
    if from_end {
        measured.rev().filter(is_measured).take(MOST).collect()
    } else {
        measured.filter(is_measured).take(MOST).collect()
    }
}

/// The median, where there is enough: single slow steps, as while something is sampled, do not move it.
fn median(mut values: Vec<f32>) -> Option<f64> {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).filter(|_| values.len() >= FEWEST).map(|middle| f64::from(*middle))
}
