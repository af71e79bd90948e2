//! What is measured in a phase, and measuring it.

use super::phase::PhaseRun;
use super::warnings::Signs;
use crate::Result;
use crate::protocol::{Evaluation, Event, MetricValue, State};
use crate::run::data::PhaseData;
use crate::run::plan::{Objective, Plan};
use crate::run::suite::{Measure, Suite, SuiteKind};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What is measured in a phase: its own held-out data first, then what its ancestors left behind.
pub(super) struct Watch {
    /// (whose suite it is, its place there): those of the phase itself come first.
    own: Vec<SuiteAt>,
    /// Suites whose loss is compared with the base's.
    retained: Vec<SuiteAt>,
    /// The base's loss on each of them.
    pub base: HashMap<String, f64>,
    /// What was measured last, if only a part of it: the loss on each of them minus the base's.
    pub retention: Vec<(String, f64)>,
    pub signs: Signs,
    /// The name of the held-out text of the phase that this one starts from, where both read text.
    pub own_text_of_base: Option<String>,
}

/// A suite that a phase's data holds.
struct SuiteAt {
    data: Arc<PhaseData>,
    place: usize,
    is_probe: bool,
}

/// What a suite said.
struct Measured {
    name: String,
    measure: Measure,
    kl_base: Option<MetricValue>,
    /// It is compared with what the base had.
    is_retained: bool,
}

impl SuiteAt {
    fn get(&self) -> &Suite {
        if self.is_probe { &self.data.probes[self.place] } else { &self.data.held_out[self.place] }
    }
}

impl Watch {
    pub fn new(plan: &Plan, index: usize, phases: &[Arc<PhaseData>]) -> Self {
        let data = &phases[index];
        let held_out = |data: &Arc<PhaseData>| suites(data, data.held_out.len(), false);
        let probes = |data: &Arc<PhaseData>| suites(data, data.probes.len(), true);
        let ancestors: Vec<&Arc<PhaseData>> =
            plan.ancestors(index).into_iter().map(|ancestor| &phases[ancestor]).collect();
        let of_ancestors = ancestors.iter().flat_map(|data| held_out(data));
        let all_probes = std::iter::once(data).chain(ancestors.iter().copied()).flat_map(probes);
        let mut retained: Vec<SuiteAt> = Vec::new();
        // Of another head than this phase's nothing can be said.
        let suits = |suite: &SuiteAt| suite.get().suits(data.score.as_ref());
        for suite in of_ancestors.chain(all_probes).filter(suits) {
            // A probe that several phases ask for is measured once.
            if !retained.iter().any(|other| other.get().name == suite.get().name) {
                retained.push(suite);
            }
        }
        let objective = |index: usize| plan.phases[index].objective;
        let reads_text = matches!(objective(index), Objective::Clm | Objective::Mlm);
        let base = plan.parent(index).filter(|parent| reads_text && objective(*parent) == objective(index));
        let own_text_of_base = base.map(|parent| plan.phases[parent].name.clone());
        Self {
            own: held_out(data),
            retained,
            base: HashMap::new(),
            retention: Vec::new(),
            signs: Signs::default(),
            own_text_of_base,
        }
    }
}

impl Watch {
    pub fn retained(&self) -> impl Iterator<Item = &Suite> {
        self.retained.iter().map(SuiteAt::get)
    }

    /// Whether any suite is running text.
    pub fn has_text(&self) -> bool {
        let mut all = self.own.iter().chain(&self.retained);
        all.any(|suite| matches!(suite.get().kind, SuiteKind::Text(_)))
    }

    /// What was found of a suite now.
    pub fn retained_now(&mut self, suite: &str, retention: f64) {
        match self.retention.iter_mut().find(|(name, _)| name == suite) {
            Some((_, known)) => *known = retention,
            None => self.retention.push((suite.to_string(), retention)),
        }
    }
}

fn suites(data: &Arc<PhaseData>, count: usize, is_probe: bool) -> Vec<SuiteAt> {
    (0..count).map(|place| SuiteAt { data: data.clone(), place, is_probe }).collect()
}

impl PhaseRun<'_, '_> {
    /// Measures everything that is watched and due, and returns the loss on the phase's own (first) held-out data. The
    /// first time, what is found is the base that later losses are compared with. An evaluation that is cancelled on its
    /// way counts for nothing: whoever goes on with the run makes it whole.
    pub(super) fn evaluate(&mut self, first: bool) -> Result<Option<f64>> {
        self.state(State::Evaluating);
        let Some(measured) = self.measure_due(first)? else { return Ok(None) };
        let mut own_loss = None;
        self.watch.retention.clear();
        for Measured { name, measure, kl_base, is_retained } in measured {
            let loss = measure.score.loss();
            if !is_retained {
                own_loss = own_loss.or(Some(loss));
                self.report(name, measure, kl_base, None);
                continue;
            }
            // New weights know nothing that could be forgotten.
            if first && self.base.is_some() {
                self.watch.base.insert(name.clone(), loss);
            }
            let base = self.watch.base.get(&name).copied();
            let retention = base.map(|base| loss - base);
            self.watch.retention.extend(retention.map(|retention| (name.clone(), retention)));
            self.report(name, measure, kl_base, retention);
        }
        self.evaluated = Some(self.run.step);
        if first {
            self.sample_retained(true)?;
        }
        if let Some(loss) = own_loss {
            if first {
                self.watch_domain(loss);
            }
            self.watch_overfitting(loss);
        }
        Ok(own_loss)
    }

    /// What the suites that are due say, the phase's own first; `None` where it was cancelled. A phase's first and last
    /// evaluations measure everything, and so does one that is asked for beside those of the plan.
    fn measure_due(&mut self, first: bool) -> Result<Option<Vec<Measured>>> {
        let (every, last) = (self.plan.evaluation.every, self.done == self.steps);
        let is_partial = !first && !last && every > 0 && self.done.is_multiple_of(every);
        // The last of a phase, and the first of a later one, are not made up for by whoever goes on.
        let never = AtomicBool::new(false);
        let cancel = if last || (first && self.run.step > 0) { &never } else { self.run.request.cancel };
        let weights = self.learner.share();
        let own = self.watch.own.iter().map(|suite| (suite, false));
        let all = own.chain(self.watch.retained.iter().map(|suite| (suite, true)));
        let mut measured = Vec::new();
        for (suite, is_retained) in all.map(|(suite, is_retained)| (suite.get(), is_retained)) {
            if is_partial && !suite.is_due(self.done) {
                continue;
            }
            let measure = suite.measure(&weights, &self.run.prepared.preparations.tokenizer, cancel)?;
            let Some(measure) = measure else { return Ok(None) };
            let kl_base = self.kl_base(suite, &weights)?;
            measured.push(Measured { name: suite.name.clone(), measure, kl_base, is_retained });
        }
        Ok(Some(measured))
    }

    fn report(&mut self, suite: String, measure: Measure, kl_base: Option<MetricValue>, retention: Option<f64>) {
        let (name, value) = measure.metric.map(|(name, value)| (name.to_string(), value)).unzip();
        let first = measure.metrics.first();
        self.run.emit(Event::Evaluation(Evaluation {
            phase: self.plan.name.clone(),
            step: self.run.step,
            suite,
            loss: measure.score.loss(),
            perplexity: measure.perplexity(),
            bits_per_byte: measure.score.bits_per_byte(),
            metric: name.or(first.map(|metric| metric.name.clone())),
            value: value.or(first.map(|metric| metric.value)),
            metrics: measure.metrics.into_iter().chain(kl_base).collect(),
            retention,
        }));
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "masked_tests.rs"]
mod masked_tests;
