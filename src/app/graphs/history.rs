//! The run's figures as charts need them, grown with the mirror: extents of the columns of its step records, and the
//! evaluations, phases and marks out of its events.

use super::pyramid::Pyramid;
use super::smooth::Smoothed;
use super::token_loss::TokenLoss;
use crate::app::Mirror;
use crate::protocol::{Evaluation, Event, LossUnit, StepRecords};

/// One figure of every step: the values are in the mirror.
#[derive(Debug, Default)]
pub struct StepCurve {
    pub pyramid: Pyramid,
    pub smoothed: Smoothed,
}

/// A figure that is measured now and then.
#[derive(Debug, Default)]
pub struct Points {
    pub steps: Vec<u64>,
    pub values: Vec<f32>,
    /// The phase in which each was measured, by its place in [`History::phases`].
    pub phases: Vec<usize>,
    pub pyramid: Pyramid,
    /// Where another phase begins.
    pub starts: Vec<usize>,
}

impl Points {
    pub(super) fn push(&mut self, step: u64, phase: usize, value: f64) {
        if self.phases.last().is_some_and(|last| *last != phase) {
            self.starts.push(self.values.len());
        }
        self.steps.push(step);
        self.phases.push(phase);
        self.values.push(value as f32);
        self.pyramid.extend(&self.values);
    }
}

/// Held-out data that is measured again and again.
#[derive(Debug, Default)]
pub struct Suite {
    pub name: String,
    pub loss: Points,
    /// The losses that are in nats per token, and so have a perplexity.
    pub token_loss: Points,
    pub bits_per_byte: Points,
    pub retention: Points,
    /// The task's metrics by name.
    pub values: Vec<(String, Points)>,
}

impl Suite {
    pub(super) fn push(&mut self, evaluation: &Evaluation, phase: usize) {
        self.loss.push(evaluation.step, phase, evaluation.loss);
        // A loss that is no number has no perplexity either, whatever its unit.
        if !evaluation.perplexity.is_nan() || evaluation.loss.is_nan() {
            self.token_loss.push(evaluation.step, phase, evaluation.loss);
        }
        let sometimes =
            [(&mut self.bits_per_byte, evaluation.bits_per_byte), (&mut self.retention, evaluation.retention)];
        for (points, value) in sometimes {
            if let Some(value) = value {
                points.push(evaluation.step, phase, value);
            }
        }
        for (name, value) in metrics_of(evaluation) {
            let place = self.values.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                // On a branch no line leads to the first point, whatever was measured.
                let starts = self.loss.starts.iter().copied().filter(|start| *start == 0).collect();
                self.values.push((name.to_string(), Points { starts, ..Points::default() }));
                self.values.len() - 1
            });
            self.values[place].1.push(evaluation.step, phase, value);
        }
    }

    /// A metric of its task.
    pub fn value(&self, name: &str) -> Option<&Points> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, points)| points)
    }
}

/// Every metric that an evaluation has.
fn metrics_of(evaluation: &Evaluation) -> impl Iterator<Item = (&str, f64)> {
    let only = evaluation.metric.as_deref().zip(evaluation.value).filter(|_| evaluation.metrics.is_empty());
    evaluation.metrics.iter().map(|metric| (metric.name.as_str(), metric.value)).chain(only)
}

/// A phase, as charts know it.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseSpan {
    pub name: String,
    pub first_step: u64,
    /// As planned.
    pub steps: u64,
    /// Of its training loss.
    pub unit: LossUnit,
}

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    Phase,
    /// A change made by hand.
    Steered,
    Notice,
    Checkpoint,
    /// The run went back to here.
    Rewound,
    /// A guard stepped in.
    Guarded,
}

/// Something that happened, at its place among the steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Steps done when it happened.
    pub step: u64,
    pub kind: MarkKind,
    pub label: String,
}

#[derive(Debug, Default)]
pub struct History {
    pub loss: StepCurve,
    pub token_loss: TokenLoss,
    pub gradient_norm: StepCurve,
    pub pull: StepCurve,
    pub tokens_per_second: StepCurve,
    pub learning_rate: StepCurve,
    /// Indices of step records at which phases begin.
    pub starts: Vec<usize>,
    pub suites: Vec<Suite>,
    /// Names of tasks' metrics, as they came.
    pub tasks: Vec<String>,
    pub phases: Vec<PhaseSpan>,
    /// Ascending by step.
    pub marks: Vec<Mark>,
    /// Steps and phases at which something was evaluated, as they came.
    pub evaluated: Vec<(u64, usize)>,
    /// The newest step that anything is known of.
    pub newest: u64,
    steps_taken: usize,
    events_taken: usize,
    /// Which beginning of the mirror's histories this is of.
    beginning: u64,
}

impl History {
    /// Takes in what is new in the mirror; a mirror that began again begins again here.
    pub fn refresh(&mut self, mirror: &Mirror, beta: f64) {
        let is_shorter = mirror.steps.len() < self.steps_taken || mirror.events.len() < self.events_taken;
        if is_shorter || mirror.beginnings != self.beginning {
            *self = History { beginning: mirror.beginnings, ..History::default() };
        }
        for event in &mirror.events[self.events_taken..] {
            self.take(event, &mirror.steps);
        }
        self.events_taken = mirror.events.len();
        self.extend(&mirror.steps, beta);
        self.token_loss.refresh(&self.phases, &mirror.steps, beta);
    }

    /// Takes in step records, and smooths them.
    pub fn extend(&mut self, records: &StepRecords, beta: f64) {
        let from = self.steps_taken.min(records.len());
        for phase in &self.phases {
            let start = records.step.partition_point(|step| *step < phase.first_step);
            if (from..records.len()).contains(&start) && self.starts.last().is_none_or(|last| *last < start) {
                self.starts.push(start);
            }
        }
        self.steps_taken = records.len();
        self.newest = self.newest.max(records.step.last().copied().unwrap_or(0));
        let columns = [
            (&mut self.loss, &records.loss, beta),
            (&mut self.gradient_norm, &records.gradient_norm, beta),
            (&mut self.pull, &records.pull, beta),
            (&mut self.tokens_per_second, &records.tokens_per_second, beta),
            // A schedule is exact; there is nothing to smooth.
            (&mut self.learning_rate, &records.learning_rate, 0.0),
        ];
        for (curve, values, beta) in columns {
            curve.pyramid.extend(values);
            curve.smoothed.extend(values, &self.starts, beta);
        }
    }

    fn take(&mut self, event: &Event, records: &StepRecords) {
        let (step, kind, label) = match event {
            Event::Phase(phase) => {
                let (name, first_step, steps) = (phase.phase.clone(), phase.first_step, phase.steps);
                let span = PhaseSpan { name, first_step, steps, unit: phase.loss_unit };
                self.begin(span, records);
                (phase.first_step.saturating_sub(1), MarkKind::Phase, phase.phase.clone())
            }
            Event::Steered(steered) => (steered.step, MarkKind::Steered, steered.change.effect.clone()),
            Event::Notice(notice) => (notice.step, MarkKind::Notice, notice.text.clone()),
            Event::Checkpoint(saved) => (saved.step, MarkKind::Checkpoint, "saved".to_string()),
            Event::Evaluation(evaluation) => return self.evaluate(evaluation),
            Event::Guarded(guarded) => {
                (guarded.step, MarkKind::Guarded, format!("{}: {}", guarded.why, guarded.effect))
            }
            Event::Rewound(rewound) => (rewound.to_step, MarkKind::Rewound, rewound.why.clone()),
            Event::Resumed(resumed) => (resumed.step, MarkKind::Notice, "resumed".to_string()),
            Event::Begun(_) | Event::Step(_) | Event::Failed(_) | Event::Finished(_) => return,
        };
        // A guard may speak of a step that never counted.
        if kind != MarkKind::Guarded {
            self.newest = self.newest.max(step);
        }
        let place = self.marks.partition_point(|mark| mark.step <= step);
        self.marks.insert(place, Mark { step, kind, label });
    }

    /// A phase begins, perhaps at a step whose record came before this was said.
    fn begin(&mut self, span: PhaseSpan, records: &StepRecords) {
        let start = records.step.partition_point(|step| *step < span.first_step);
        self.phases.push(span);
        if start >= self.steps_taken {
            return;
        }
        if let Err(place) = self.starts.binary_search(&start) {
            self.starts.insert(place, start);
        }
        for curve in [&mut self.loss, &mut self.gradient_norm, &mut self.pull, &mut self.tokens_per_second] {
            curve.smoothed.restart_at(start);
        }
    }

    fn evaluate(&mut self, evaluation: &Evaluation) {
        let (step, phase) = (evaluation.step, self.phase_named(&evaluation.phase));
        self.newest = self.newest.max(step);
        if self.evaluated.last() != Some(&(step, phase)) {
            self.evaluated.push((step, phase));
        }
        for (name, _) in metrics_of(evaluation) {
            if !self.tasks.iter().any(|known| known == name) {
                self.tasks.push(name.to_string());
            }
        }
        self.suite_named(&evaluation.suite).push(evaluation, phase);
    }

    /// The latest phase of a name; the latest of all where none has it.
    fn phase_named(&self, name: &str) -> usize {
        let newest = self.phases.len().saturating_sub(1);
        self.phases.iter().rposition(|phase| phase.name == name).unwrap_or(newest)
    }

    fn suite_named(&mut self, name: &str) -> &mut Suite {
        let place = self.suites.iter().position(|suite| suite.name == name).unwrap_or_else(|| {
            self.suites.push(Suite { name: name.to_string(), ..Suite::default() });
            self.suites.len() - 1
        });
        &mut self.suites[place]
    }

    /// Whether every phase learns tokens, so that all of the training loss has a perplexity.
    pub fn is_per_token(&self) -> bool {
        self.phases.iter().all(|phase| phase.unit.is_per_token())
    }

    /// The phase that a step belongs to.
    pub fn phase_of(&self, step: u64) -> Option<usize> {
        self.phases.iter().rposition(|phase| phase.first_step <= step)
    }
}
