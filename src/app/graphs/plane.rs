//! What was learned against what was forgotten: every evaluation as a point, and those that no other one beats.

use super::Graphs;
use super::history::{MarkKind, Points};
use super::metric::Metric;
use crate::protocol::KL_BASE;

/// One evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub step: u64,
    /// By its place in the history's phases.
    pub phase: usize,
    /// Nats per token, the mean over what is retained.
    pub retention: f64,
    /// The task's metric, or the loss on the phase's own held-out text.
    pub task: f64,
    /// No other point has retained more and learned more.
    pub is_front: bool,
    /// A checkpoint of this step is on disk.
    pub is_saved: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// What the task axis says.
    pub task: String,
    pub higher_is_better: bool,
    /// As they were measured.
    pub points: Vec<Point>,
}

impl Graphs {
    /// The plane of the chosen task metric, of the first one, or without any of the loss on the phase's own text;
    /// `None` before retention was measured beside it.
    pub fn plane(&self) -> Option<Plane> {
        let chosen = if let Metric::Task(task) = self.metric { Some(task) } else { None };
        // How far the answers went from the base's is no task.
        let is_task = |task: &usize| self.history.tasks.get(*task).is_some_and(|name| name != KL_BASE);
        let task = chosen.filter(is_task).or_else(|| (0..self.history.tasks.len()).find(is_task));
        let mut points: Vec<Point> =
            self.history.evaluated.iter().filter_map(|&(step, phase)| self.point(step, phase, task)).collect();
        mark_front(&mut points, task.is_some());
        let task_name =
            task.map_or_else(|| "loss on its own text".to_string(), |task| self.metric_name(Metric::Task(task)));
        (!points.is_empty()).then_some(Plane { task: task_name, higher_is_better: task.is_some(), points })
    }

    fn point(&self, step: u64, phase: usize, task: Option<usize>) -> Option<Point> {
        let suites = || self.history.suites.iter();
        let retention = mean(suites().filter_map(|suite| measured(&suite.retention, step, phase)))?;
        // What is retained and what is probed is no task of this phase.
        let own = suites().filter(|suite| measured(&suite.retention, step, phase).is_none());
        let learned = match task {
            Some(task) => {
                let name = self.history.tasks.get(task)?;
                mean(own.filter_map(|suite| measured(suite.value(name)?, step, phase)))
            }
            None => mean(own.filter_map(|suite| measured(&suite.loss, step, phase))),
        };
        let marks = &self.history.marks;
        let from = marks.partition_point(|mark| mark.step < step);
        let here = marks[from..].iter().take_while(|mark| mark.step == step);
        let is_saved = here.into_iter().any(|mark| mark.kind == MarkKind::Checkpoint);
        Some(Point { step, phase, retention, task: learned?, is_front: false, is_saved })
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    Some(sum / count).filter(|mean: &f64| mean.is_finite())
}

/// What was measured at a step within a phase, the last time.
fn measured(points: &Points, step: u64, phase: usize) -> Option<f64> {
    let end = points.steps.partition_point(|other| *other <= step);
    let start = points.steps.partition_point(|other| *other < step);
    let index = (start..end).rev().find(|index| points.phases.get(*index) == Some(&phase))?;
    points.values.get(index).map(|value| f64::from(*value))
}

/// Marks what no other point beats: from the least forgetting on, each that learned more than all before it.
fn mark_front(points: &mut [Point], higher_is_better: bool) {
    let score = |point: &Point| if higher_is_better { point.task } else { -point.task };
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|one, other| {
        let (one, other) = (&points[*one], &points[*other]);
        one.retention.total_cmp(&other.retention).then(score(other).total_cmp(&score(one)))
    });
    let mut best = f64::NEG_INFINITY;
    for index in order {
        let own = score(&points[index]);
        if own > best {
            best = own;
            points[index].is_front = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_front_is_what_nothing_beats(
            values in prop::collection::vec((-4i32..8, 0i32..8), 1..40), higher_is_better: bool,
        ) {
            let at = |&(retention, task): &(i32, i32)| Point {
                step: 0, phase: 0, retention: f64::from(retention), task: f64::from(task), is_front: false, is_saved: false,
            };
            let mut points: Vec<Point> = values.iter().map(at).collect();
            mark_front(&mut points, higher_is_better);
            let gain = |point: &Point| if higher_is_better { point.task } else { -point.task };
            for point in &points {
                let beaten = points.iter().any(|other| {
                    (other.retention < point.retention && gain(other) >= gain(point))
                        || (other.retention <= point.retention && gain(other) > gain(point))
                });
                let twin = points.iter().any(|other| {
                    other.is_front && (other.retention, other.task) == (point.retention, point.task)
                });
                prop_assert_eq!(twin, !beaten);
            }
        }
    }
}
