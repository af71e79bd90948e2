//! Signs that a phase is not well, from what its steps leave behind: a rate that is too high, and groups that get no
//! gradient. Each is said once in a phase, and again after somebody changed something and it is still so. What was counted is in
//! the checkpoints, so that going on neither forgets nor repeats.
//!
//! Looking is cheap: the gradient's squares are there after every step, and the changes of the weights are worked out from
//! weights and moments every [`EVERY`] steps, which costs about one pass of the optimizer. Nothing is changed by it.

use super::phase::PhaseRun;
use crate::Result;
use crate::model::Group;
use crate::run::steering::Made;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Steps from one look at the update-to-weight ratios to the next.
const EVERY: u64 = 10;
/// Looks in a row at which a group's ratio is too high before it is said.
const IN_A_ROW: u32 = 3;
/// The highest ratio of a step's change to the weights that leaves what was learned before standing; a thousandth is usual.
const HIGHEST_RATIO: f64 = 1e-2;

/// Steps in a row without a gradient after which a group that trains is called dead.
const SILENT: u64 = 20;

/// How much of the running means of the loss, and of what it changes from step to step, a step leaves.
const KEPT: f64 = 0.95;
/// Steps that they are made of before they are believed.
const WARM: u64 = 20;
/// A loss leaps where it is above its mean by so many times what it usually changes, and so many nats at least.
const LEAP: (f64, f64) = (6.0, 0.3);
/// So many leaps within so many steps are said.
const LEAPS: (usize, u64) = (3, 100);

/// What was seen of a phase so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Health {
    /// The step that was seen last, and the last change before it.
    step: u64,
    change: Option<Made>,
    /// Looks in a row that found a group's ratio too high.
    #[serde(with = "pairs")]
    high: BTreeMap<Group, u32>,
    /// Steps in a row in which a group trained and got nothing.
    #[serde(with = "pairs")]
    silent: BTreeMap<Group, u64>,
    losses: Losses,
    leaps: VecDeque<u64>,
    said: Said,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Said {
    high: bool,
    leaps: bool,
    silent: bool,
}

/// Running means of the loss and of how much it changes from step to step, which a steady fall does not move.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Losses {
    mean: f64,
    spread: f64,
    last: f64,
    steps: u64,
}

impl Losses {
    /// How far above its mean a loss lies, where it leaps; takes it in. A leap moves the means as its mean would.
    fn leap(&mut self, loss: f64) -> Option<f64> {
        let above = loss - self.mean;
        let most = (LEAP.0 * self.spread).max(LEAP.1);
        let leaps = self.steps >= WARM && above > most;
        let taken = if leaps { self.mean } else { loss };
        // The first losses are their own mean.
        let kept = KEPT.min(self.steps as f64 / (self.steps + 1) as f64);
        self.spread = kept * self.spread + (1.0 - kept) * (taken - self.last).abs() * f64::from(self.steps > 0);
        self.last = taken;
        self.mean = kept * self.mean + (1.0 - kept) * taken;
        self.steps += 1;
        leaps.then_some(above)
    }
}

impl Health {
    /// Begins anew where a step does not follow on the last, or something was changed.
    fn follow(&mut self, step: u64, change: Option<Made>) {
        if self.step + 1 != step || self.change != change {
            *self = Self { change, ..Self::default() };
        }
        self.step = step;
    }

    /// What is to be said of the loss of a step.
    fn judge_loss(&mut self, loss: f64) -> Option<String> {
        let above = self.losses.leap(loss)?;
        self.leaps.push_back(self.step);
        self.leaps.retain(|step| step + LEAPS.1 > self.step);
        if self.leaps.len() < LEAPS.0 || std::mem::replace(&mut self.said.leaps, true) {
            return None;
        }
        let steps: Vec<String> = self.leaps.iter().map(u64::to_string).collect();
        Some(format!(
            "the loss leaps again and again, at steps {}, the last time by {above:.2} nats: the rate may be too high; try \
             rate x0.5, a longer warm-up (schedule cosine 50 warms up again), or clipping at a smaller norm",
            steps.join(", ")
        ))
    }

    /// What is to be said of the groups' update-to-weight ratios; NaN for those that do not train.
    fn judge_ratios(&mut self, ratios: &[(Group, f64)]) -> Option<String> {
        for (group, ratio) in ratios {
            let count = self.high.entry(*group).or_default();
            *count = if *ratio > HIGHEST_RATIO { *count + 1 } else { 0 };
        }
        let is_high = |(group, _): &&(Group, f64)| self.high.get(group).is_some_and(|count| *count >= IN_A_ROW);
        let high: Vec<&(Group, f64)> = ratios.iter().filter(is_high).collect();
        let (worst, ratio) = high.iter().max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|high| **high)?;
        if std::mem::replace(&mut self.said.high, true) {
            return None;
        }
        let trained = ratios.iter().filter(|(_, ratio)| !ratio.is_nan()).count();
        let factor = suggested(ratio);
        let (others, what) = match high.len() {
            1 => (String::new(), format!("rate {worst} x{factor}")),
            more => (format!(" and {} more of {trained} groups", more - 1), format!("rate x{factor}")),
        };
        Some(format!(
            "the rate is too high for {worst}{others}: for {} steps each changed its weights by more than {:.0}%, the last by \
             {:.1}% (update-to-weight ratio {ratio:.3}, usual is 0.001), and overwrites what the base knew; try {what}",
            EVERY * u64::from(IN_A_ROW),
            100.0 * HIGHEST_RATIO,
            100.0 * ratio,
        ))
    }

    /// What is to be said of groups that trained in this step and got no gradient.
    fn judge_silent(&mut self, silent: &[Group]) -> Option<String> {
        self.silent.retain(|group, _| silent.contains(group));
        silent.iter().for_each(|group| *self.silent.entry(*group).or_default() += 1);
        let dead: Vec<String> =
            silent.iter().filter(|group| self.silent[*group] >= SILENT).map(Group::to_string).collect();
        if dead.is_empty() || std::mem::replace(&mut self.said.silent, true) {
            return None;
        }
        Some(format!(
            "no gradient has reached {} for {SILENT} steps, though it trains: its units may be dead, and it learns nothing; \
             go back to a checkpoint before it died and lower the rate, or freeze it (freeze {}) to save its time",
            dead.join(", "),
            dead.join(" ")
        ))
    }
}

/// A factor of one digit that brings a ratio below the highest.
fn suggested(ratio: f64) -> f64 {
    let factor = HIGHEST_RATIO / ratio;
    let digit = 10f64.powf(factor.log10().floor());
    let rounded = ((factor / digit).floor() * digit).max(1e-3);
    // As short as it is written.
    (rounded * 1e6).round() / 1e6
}

impl PhaseRun<'_, '_> {
    /// Looks at the step that was just made, before its weights and gradients are gone.
    pub(super) fn watch_health(&mut self, loss: f64) -> Result<()> {
        let (step, change) = (self.run.step, self.steering.last_change().map(|(made, _)| made));
        self.watch.signs.health.follow(step, change);
        let silent = self.learner.silent_groups();
        let leaps = self.watch.signs.health.judge_loss(loss);
        let dead = self.watch.signs.health.judge_silent(&silent);
        // New weights are there to be overwritten.
        let looks = self.base.is_some() && self.done.is_multiple_of(EVERY) && !self.watch.signs.health.said.high;
        let high = if looks { self.look_at_ratios()? } else { None };
        [leaps, dead, high].into_iter().flatten().for_each(|text| self.notice(text));
        Ok(())
    }

    fn look_at_ratios(&mut self) -> Result<Option<String>> {
        let reports = self.learner.measure(&self.groups, None)?;
        let ratios = self.groups.iter().zip(reports).map(|(group, report)| (*group, f64::from(report.update_ratio)));
        let ratios: Vec<(Group, f64)> = ratios.collect();
        Ok(self.watch.signs.health.judge_ratios(&ratios))
    }
}

/// A table by groups as a list: JSON has texts alone for keys.
mod pairs {
    use crate::model::Group;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub fn serialize<S: Serializer, T: Serialize>(table: &BTreeMap<Group, T>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(table)
    }

    pub fn deserialize<'d, D: Deserializer<'d>, T: Deserialize<'d>>(from: D) -> Result<BTreeMap<Group, T>, D::Error> {
        Ok(Vec::<(Group, T)>::deserialize(from)?.into_iter().collect())
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
