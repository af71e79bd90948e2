//! The learning-rate range test (Smith 2017, *Cyclical learning rates*, arXiv 1506.01186): on a copy in memory of the
//! weights that a phase starts from, the rate rises exponentially from step to step, and the loss shows at which rates the
//! model learns, and from which on it diverges.
//!
//! Batches, frozen groups, layer-wise rates, clipping and weight decay are the phase's; schedule, order of unfreezing and
//! pulls are left out, and the moments are new. What an order of unfreezing holds back trains here: the rate is for all.
//! Nothing of a run is written.

mod fork;
mod start;
mod suggest;

pub use fork::{Fork, test_fork};
pub use suggest::Suggestions;

use super::Home;
use super::data::PhaseData;
use super::execute::phase_settings;
use super::plan::{PhasePlan, Plan};
use super::steering::Steering;
use crate::corpus::progress::Progress;
use crate::error::Kind;
use crate::learn::Learner;
use crate::model::Decoder;
use crate::{Error, Result};
use candle_core::Device;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much of the running mean of the loss a step leaves.
const KEPT: f64 = 0.9;
/// A smoothed loss beyond so many times the lowest has diverged.
const DIVERGED: f64 = 4.0;

/// The rates that are gone through.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Range {
    pub from: f64,
    pub to: f64,
    /// Steps from one end to the other.
    pub steps: u64,
}

/// What is tested, and where things are.
pub struct Request<'a> {
    pub plan: &'a Plan,
    /// By its name; where `None`, the phase that comes next.
    pub phase: Option<&'a str>,
    /// A run of this plan, whose checkpoints are started from.
    pub run: Option<&'a std::path::Path>,
    /// One of its checkpoints, to start from instead.
    pub checkpoint: Option<&'a std::path::Path>,
    pub range: Range,
    pub home: &'a Home,
    pub device: &'a Device,
    pub progress: &'a dyn Progress,
    pub cancel: &'a AtomicBool,
}

/// One step of the test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    pub rate: f64,
    /// Nats per token, before the step.
    pub loss: f64,
    /// The running mean, without its bias towards the start.
    pub smoothed: f64,
}

/// How the test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// All rates were gone through.
    Done,
    /// The loss left its lowest far behind, or was no number.
    Diverged,
}

/// What the test found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub phase: String,
    /// What was started from: a checkpoint's folder; `None` for new weights.
    pub start: Option<String>,
    pub range: Range,
    pub ended: End,
    pub points: Vec<Point>,
    pub suggestions: Suggestions,
    /// The plan's peak rate, to compare with.
    pub planned: f64,
}

/// Runs the test, telling each point as it is measured.
pub fn range_test(request: &Request, mut told: impl FnMut(u64, &Point)) -> Result<Report> {
    check_range(&request.range)?;
    let start = start::find(request)?;
    let plan = &request.plan.phases[start.index];
    let mut test = Test::new(plan, start.data, start.decoder)?;
    let (points, ended) = test.sweep(&request.range, request.cancel, &mut told)?;
    let suggestions = Suggestions::of(&points, request.range.steps, ended);
    let (phase, planned) = (plan.name.clone(), plan.optimizer.learning_rate);
    Ok(Report { phase, start: start.name, range: request.range, ended, points, suggestions, planned })
}

impl Range {
    /// The rate of a step: as many times that of the step before, everywhere.
    pub fn rate(&self, step: u64) -> f64 {
        let share = step as f64 / self.steps.saturating_sub(1).max(1) as f64;
        self.from * (self.to / self.from).powf(share)
    }
}

fn check_range(range: &Range) -> Result<()> {
    let is_rate = |rate: f64| rate.is_finite() && rate > 0.0 && rate <= 100.0;
    if !is_rate(range.from) || !is_rate(range.to) || range.from >= range.to {
        return Err(Error::usage(format!("the rates cannot go from {} to {}", range.from, range.to))
            .next("give --from above 0 and --to above it, at most 100: --from 1e-7 --to 1"));
    }
    match range.steps {
        10..=100_000 => Ok(()),
        steps => Err(Error::usage(format!("{steps} steps make no curve")).next("give --steps from 10 to 100000")),
    }
}

/// A phase's learning without its run.
struct Test {
    data: Arc<PhaseData>,
    /// The batch of the first step, counted within the phase.
    first: u64,
    accumulate: usize,
    learner: Learner,
}

impl Test {
    fn new(plan: &PhasePlan, data: Arc<PhaseData>, decoder: Decoder) -> Result<Self> {
        let groups = decoder.parameters.groups();
        let frozen = plan.frozen.iter().map(|text| text.parse()).collect::<Result<Vec<_>>>()?;
        let mut learner = Learner::new(decoder, &frozen, phase_settings(plan))?;
        let steering = Steering::of_phase(groups, plan, Vec::new(), 0, None);
        learner.set_multipliers(|group| steering.multiplier(group));
        if !data.batches.sources().is_empty() {
            data.batches.mix(&[])?;
        }
        Ok(Self { data, first: 0, accumulate: plan.accumulate, learner })
    }

    /// Goes through the rates, until all are done or the loss diverges.
    fn sweep(
        &mut self,
        range: &Range,
        cancel: &AtomicBool,
        told: &mut dyn FnMut(u64, &Point),
    ) -> Result<(Vec<Point>, End)> {
        let mut points: Vec<Point> = Vec::new();
        for step in 0..range.steps {
            if cancel.load(Ordering::Relaxed) {
                return Err(Error { kind: Kind::Interrupted, ..Error::new("the test was interrupted") }
                    .next("the run and its plan are as they were: start the test again when you like"));
            }
            let Some(point) = self.step(step, range.rate(step), points.last())? else {
                return Ok((points, End::Diverged));
            };
            told(step, &point);
            points.push(point);
            let best = points.iter().map(|point| point.smoothed).fold(f64::INFINITY, f64::min);
            if point.smoothed > DIVERGED * best {
                return Ok((points, End::Diverged));
            }
        }
        Ok((points, End::Done))
    }

    /// Measures a batch and moves the weights at a rate; `None` where loss or gradient are no numbers.
    fn step(&mut self, step: u64, rate: f64, before: Option<&Point>) -> Result<Option<Point>> {
        let batches = self.data.batches.batch(self.first + step)?.split(self.accumulate);
        let pass = self.learner.pass(&batches)?;
        if !pass.is_finite() {
            return Ok(None);
        }
        let loss = pass.loss;
        self.learner.update(pass, rate)?;
        // The mean so far, with its bias, from the smoothed value that is without.
        let done = 1.0 - KEPT.powf(step as f64);
        let mean = KEPT * before.map_or(0.0, |point| point.smoothed * done) + (1.0 - KEPT) * loss;
        let smoothed = mean / (1.0 - KEPT.powf(step as f64 + 1.0));
        Ok(smoothed.is_finite().then_some(Point { rate, loss, smoothed }))
    }
}

#[cfg(test)]
mod tests;
