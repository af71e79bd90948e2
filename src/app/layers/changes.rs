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
    /// Steps after this one, up to the change, ran as the last of them did.
    since: u64,
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
    /// Whether the newest is still being measured.
    is_open: bool,
    last: Option<Seen>,
}

/// The last status that was looked at.
#[derive(Clone, Debug)]
struct Seen {
    step: u64,
    phase: Option<usize>,
    /// Steps done when the phase began.
    phase_start: u64,
    groups: Vec<Group>,
    trainable: Vec<bool>,
    /// The share of rows that came from the prefix cache.
    served: f64,
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
        let phase = status.phase.as_ref();
        let phase_start = phase.map_or(0, |phase| phase.first_step.saturating_sub(1));
        let (step, phase) = (status.step, phase.map(|phase| phase.index));
        let served = status.prefix.map_or(0.0, |prefix| prefix.served);
        let seen = Seen { step, phase, phase_start, groups, trainable, served };
        self.measure(&mirror.steps);
        match self.last.take() {
            Some(last) if last.phase == seen.phase && last.groups == seen.groups => {
                if last.trainable != seen.trainable {
                    self.push(&last, &seen, mirror);
                }
            }
            // Another phase has other batches: its times cannot be compared.
            _ => self.close(),
        }
        self.last = Some(seen);
    }

    fn push(&mut self, last: &Seen, seen: &Seen, mirror: &Mirror) {
        self.close();
        let since = self.newest().map_or(0, |earlier| *earlier.between.end()).max(last.phase_start);
        if self.changes.len() >= KEPT {
            self.changes.pop_front();
        }
        self.changes.push_back(change(last, seen, since, mirror));
        self.is_open = true;
    }

    /// Nothing that comes can be compared with the newest change any longer.
    fn close(&mut self) {
        self.is_open = false;
        if let Some(Change { measured: measured @ Measured::Waiting(_), .. }) = self.changes.back_mut() {
            *measured = Measured::Never;
        }
    }

    fn measure(&mut self, steps: &StepRecords) {
        let Some(newest) = self.changes.back_mut().filter(|_| self.is_open) else { return };
        let records_from = |step: u64| steps.step.partition_point(|other| *other <= step);
        let before = rates(steps, records_from(newest.since)..records_from(*newest.between.start()), true);
        let after = rates(steps, records_from(*newest.between.end())..steps.len(), false);
        let counted = after.len();
        newest.measured = match (median(before), median(after)) {
            (Some(before), Some(after)) => Measured::Ratio(before / after),
            (None, _) => Measured::Never,
            (_, None) => Measured::Waiting(counted),
        };
    }
}

fn change(last: &Seen, seen: &Seen, since: u64, mirror: &Mirror) -> Change {
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
    let before: Cost = predict(&mirror.facts, &last.trainable, last.served);
    // Where the line moved the prefix cache begins anew, and what is measured next is measured without it.
    let cold: Cost = predict(&mirror.facts, &seen.trainable, 0.0);
    let stays = cold.frost_line == before.frost_line;
    let now = if stays { predict(&mirror.facts, &seen.trainable, last.served) } else { cold };
    Change {
        what: parts.join(", "),
        between: last.step..=seen.step.max(last.step),
        since,
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
