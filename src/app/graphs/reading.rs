//! The figures beside the charts: at the cursor, or the newest.

use super::Graphs;
use super::history::{MarkKind, Points, Suite};
use super::metric::{Metric, Series};
use super::trace::Curve;
use crate::app::Mirror;
use crate::protocol::SAMPLED;
use std::cmp::Ordering;

/// Steps whose mean is compared with that of as many before them, for the arrow.
const TREND: usize = 50;

/// Where a figure goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    Up,
    Down,
    Steady,
}

/// A value, and where it goes; `None` before it was measured.
type Figure = Option<(f64, Trend)>;

/// A figure in the line below the charts.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub label: String,
    /// The chart that it belongs to.
    pub metric: Metric,
    pub text: String,
    pub trend: Trend,
}

/// What the cursor is on.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub step: u64,
    pub seconds: Option<f64>,
    pub phase: Option<String>,
    /// The nearest mark, where one is near.
    pub mark: Option<(u64, MarkKind, String)>,
}

impl Graphs {
    /// The step that figures are of.
    pub fn figure_step(&self) -> u64 {
        self.cursor.unwrap_or(self.history.newest)
    }

    /// A line's value where figures are read, and the measured one beside it where that is another.
    pub fn figures(&self, series: &Series) -> Option<(f64, Option<f64>)> {
        self.figures_at(series, self.figure_step())
    }

    fn figures_at(&self, series: &Series, step: u64) -> Option<(f64, Option<f64>)> {
        let raw = series.raw.and_then(|raw| raw.at(step)).map(|(_, value)| value);
        let (at, value) = series.curve.at(step)?;
        // A line of steps may leave out phases, and then has no figure in them.
        let is_of_phase = series.phases.is_some() || self.history.phase_of(at) == self.history.phase_of(step);
        is_of_phase.then_some((value, raw))
    }

    /// What the cursor is on; `None` without a cursor.
    pub fn reading(&self, mirror: &Mirror) -> Option<Reading> {
        let step = self.cursor?;
        let timeline = self.timeline(mirror);
        let window = self.window(mirror);
        let marks = &self.history.marks;
        let after = marks.partition_point(|mark| mark.step < step);
        let beside = marks[after.saturating_sub(1)..].iter().take(2);
        let nearest = beside.min_by_key(|mark| mark.step.abs_diff(step));
        let is_near = |at: u64| (window.share(timeline.place(at)) - window.share(timeline.place(step))).abs() < 0.05;
        Some(Reading {
            step,
            seconds: timeline.seconds_at(step),
            phase: self.history.phase_of(step).map(|phase| self.history.phases[phase].name.clone()),
            mark: nearest.filter(|mark| is_near(mark.step)).map(|mark| (mark.step, mark.kind, mark.label.clone())),
        })
    }

    /// The line of figures, the most important first. What was never measured is left out; what was not measured yet at
    /// the cursor keeps its place.
    pub fn entries(&self, mirror: &Mirror) -> Vec<Entry> {
        let entry = |label: &str, metric: Metric, of: &dyn Fn(u64) -> Figure| {
            let unknown = || of(u64::MAX).map(|_| (f64::NAN, Trend::Steady));
            let (value, trend) = of(self.figure_step()).or_else(unknown)?;
            let trend = if value.is_finite() { trend } else { Trend::Steady };
            Some(Entry { label: label.to_string(), metric, text: metric.text(value), trend })
        };
        let own = |step| newest(&Curve::plain(&self.own_suite(step)?.loss), step);
        let perplexity = |step| match self.own_suite(step) {
            Some(suite) if suite.token_loss.steps.is_empty() => None,
            Some(suite) => newest(&Curve::plain(&suite.token_loss), step).map(|(loss, trend)| (loss.exp(), trend)),
            None => self.train(mirror, Metric::Perplexity, step),
        };
        let mut entries = vec![
            entry("train", Metric::Loss, &|step| self.train(mirror, Metric::Loss, step)),
            entry("valid", Metric::Loss, &own),
            entry("ppl", Metric::Perplexity, &perplexity),
            entry("retention", Metric::Retention, &|step| self.retained(step)),
        ];
        entries.extend((0..self.history.tasks.len()).map(|task| {
            let metric = Metric::Task(task);
            entry(&self.metric_name(metric), metric, &|step| self.task(task, step))
        }));
        let every_step =
            [("lr", Metric::LearningRate), ("grad", Metric::GradientNorm), ("tok/s", Metric::TokensPerSecond)];
        entries
            .extend(every_step.map(|(label, metric)| entry(label, metric, &|step| self.train(mirror, metric, step))));
        entries.into_iter().flatten().collect()
    }

    /// A task's metric, of the suite that measured it last.
    fn task(&self, task: usize, step: u64) -> Figure {
        let name = self.history.tasks.get(task)?;
        let of_task = self.history.suites.iter().filter_map(|suite| suite.value(name));
        let latest = of_task.filter_map(|points| Some((latest_step(points, step)?, points))).max_by_key(|(at, _)| *at);
        newest(&Curve::plain(latest?.1), step)
    }

    /// Value and trend of a figure of every step.
    fn train(&self, mirror: &Mirror, metric: Metric, step: u64) -> Figure {
        let series = self.series(mirror, metric).into_iter().find(|series| series.phases.is_none())?;
        let raw = series.raw.unwrap_or(series.curve);
        let end = raw.steps.partition_point(|other| *other <= step);
        let (value, _) = self.figures_at(&series, step)?;
        let mean = |from: usize, to: usize| {
            let finite = raw.values.get(from..to)?.iter().filter(|value| value.is_finite());
            let (sum, count) = finite.fold((0.0, 0u32), |(sum, count), value| (sum + f64::from(*value), count + 1));
            (count > 0).then(|| sum / f64::from(count))
        };
        let length = TREND.min(end / 2);
        let trend = mean(end - 2 * length, end - length).zip(mean(end - length, end));
        Some((value, trend.map_or(Trend::Steady, |(before, now)| direction(before, now))))
    }

    /// The suite of the phase's own text: measured last, with nothing to be compared with.
    fn own_suite(&self, step: u64) -> Option<&Suite> {
        let phase = self.history.phases.iter().rposition(|phase| phase.first_step <= step.max(1));
        let own = |suite: &&Suite| {
            let last = |steps: &[u64]| steps.partition_point(|other| *other <= step).checked_sub(1);
            let measured = last(&suite.loss.steps);
            let at = |steps: &[u64]| last(steps).and_then(|at| steps.get(at).copied());
            let in_phase = measured.and_then(|at| suite.loss.phases.get(at).copied()) == phase;
            measured.is_some() && in_phase && at(&suite.loss.steps) != at(&suite.retention.steps)
        };
        // Where several are own, the first of them is the phase's: the others are probes or further sources.
        let suites = self.history.suites.iter();
        suites.filter(own).rev().max_by_key(|suite| latest_step(&suite.loss, step))
    }

    /// The mean over what is retained, as of a step.
    fn retained(&self, step: u64) -> Figure {
        // A part that is measured between evaluations counts by its whole.
        let whole = self.history.suites.iter().filter(|suite| !suite.name.ends_with(SAMPLED));
        let found: Vec<(f64, Trend)> =
            whole.filter_map(|suite| newest(&Curve::plain(&suite.retention), step)).collect();
        let (_, trend) = *found.first()?;
        let mean = found.iter().map(|(value, _)| value).sum::<f64>() / found.len() as f64;
        let all_agree = found.iter().all(|(_, other)| *other == trend);
        Some((mean, if all_agree { trend } else { Trend::Steady }))
    }
}

fn latest_step(points: &Points, step: u64) -> Option<u64> {
    let steps = &points.steps;
    steps.partition_point(|other| *other <= step).checked_sub(1).map(|index| steps[index])
}

/// The newest point that is not after a step, and where it went from the one before.
fn newest(curve: &Curve, step: u64) -> Figure {
    let index = curve.steps.partition_point(|other| *other <= step).checked_sub(1)?;
    let value = curve.value(index)?;
    let before = index.checked_sub(1).filter(|_| curve.starts.binary_search(&index).is_err());
    let trend = before.and_then(|before| curve.value(before)).map(|before| direction(before, value));
    Some((value, trend.unwrap_or(Trend::Steady)))
}

/// Half a percent is no change.
fn direction(before: f64, now: f64) -> Trend {
    let slack = 0.005 * before.abs().max(now.abs());
    match (now - before).partial_cmp(&0.0) {
        Some(Ordering::Greater) if now - before > slack => Trend::Up,
        Some(Ordering::Less) if before - now > slack => Trend::Down,
        _ => Trend::Steady,
    }
}
