//! What was learned against what was forgotten: every evaluation as a point, and those that no other one beats.

use super::Graphs;
use super::history::{MarkKind, Points};
use super::metric::Metric;
use crate::protocol::{KL_BASE, MetricFacts};

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
        let tasks = chosen.into_iter().chain(0..self.history.tasks.len()).filter(is_task).map(Some);
        let points_of = |task| {
            let evaluated = self.history.evaluated.iter();
            evaluated.filter_map(|&(step, phase)| self.point(step, phase, task)).collect::<Vec<Point>>()
        };
        // A task of a phase that retained nothing has no place here.
        let mut found =
            tasks.chain([None]).map(|task| (task, points_of(task))).filter(|(_, points)| !points.is_empty());
        let (task, mut points) = found.next()?;
        let name = task.and_then(|task| self.history.tasks.get(task));
        let higher_is_better = name.is_some_and(|name| MetricFacts::of(name).higher_is_better);
        mark_front(&mut points, higher_is_better);
        let task_name =
            task.map_or_else(|| "loss on its own text".to_string(), |task| self.metric_name(Metric::Task(task)));
        Some(Plane { task: task_name, higher_is_better, points })
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
    use crate::app::App;
    use crate::app::graphs::testing::{evaluation, phase};
    use crate::protocol::{Evaluation, Event, Message, MetricValue};
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

    /// A phase that forgets as it goes, measured by two figures.
    fn measured(names: [&str; 2], values: [[f64; 2]; 2]) -> App {
        let mut app = App::new();
        let mut events = vec![
            phase("one", 1, 10),
            Event::Evaluation(with(evaluation("one", 10, "one", 2.0), &[("masked_accuracy", 0.2)])),
        ];
        events.push(phase("two", 11, 20));
        for (step, values) in [(20, values[0]), (30, values[1])] {
            let named = [(names[0], values[0]), (names[1], values[1])];
            let old = evaluation("two", step, "one", 2.0 + step as f64 / 100.0);
            events.push(Event::Evaluation(with(evaluation("two", step, "two", 1.0), &named)));
            events.push(Event::Evaluation(Evaluation { retention: Some(step as f64 / 100.0), ..old }));
        }
        app.message(Message::Events { start: 0, events });
        app
    }

    fn with(of: Evaluation, values: &[(&str, f64)]) -> Evaluation {
        let named = |(name, value): &(&str, f64)| MetricValue { name: name.to_string(), value: *value };
        Evaluation { metrics: values.iter().map(named).collect(), ..of }
    }

    #[test]
    fn the_direction_of_a_metric_is_its_own() {
        let mut app = measured(["pearson", "pseudo_perplexity"], [[0.5, 8.0], [0.7, 9.0]]);
        let said = |app: &App| {
            let plane = app.graphs.plane().unwrap();
            let front: Vec<u64> = plane.points.iter().filter(|point| point.is_front).map(|point| point.step).collect();
            (plane.task, plane.higher_is_better, front)
        };
        // What the first phase alone is measured by has no points, and gives way.
        assert_eq!(said(&app), ("pearson".to_string(), true, vec![20, 30]));
        app.graphs.metric = Metric::Task(2);
        assert_eq!(said(&app), ("pseudo perplexity".to_string(), false, vec![20]));
    }
}
