//! What is measured in a phase, and measuring it.

use super::phase::PhaseRun;
use crate::Result;
use crate::protocol::{Evaluation, Event, State};
use crate::run::data::PhaseData;
use crate::run::plan::Plan;
use crate::run::suite::{Measure, Suite};
use std::collections::HashMap;
use std::sync::Arc;

/// What is measured in a phase: its own held-out data first, then what its ancestors left behind.
pub(super) struct Watch {
    /// (whose suite it is, its place there): those of the phase itself come first.
    own: Vec<SuiteAt>,
    /// Suites whose loss is compared with the base's.
    retained: Vec<SuiteAt>,
    /// The base's loss on each of them.
    pub base: HashMap<String, f64>,
    /// What was measured last: the loss on each of them minus the base's.
    pub retention: Vec<(String, f64)>,
}

/// A suite that a phase's data holds.
struct SuiteAt {
    data: Arc<PhaseData>,
    place: usize,
    is_probe: bool,
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
        for suite in of_ancestors.chain(all_probes) {
            // A probe that several phases ask for is measured once.
            if !retained.iter().any(|other| other.get().name == suite.get().name) {
                retained.push(suite);
            }
        }
        Self { own: held_out(data), retained, base: HashMap::new(), retention: Vec::new() }
    }
}

fn suites(data: &Arc<PhaseData>, count: usize, is_probe: bool) -> Vec<SuiteAt> {
    (0..count).map(|place| SuiteAt { data: data.clone(), place, is_probe }).collect()
}

impl PhaseRun<'_, '_> {
    /// Measures everything that is watched and returns the loss on the phase's own (first) held-out data. The first
    /// time, what is found is the base that later losses are compared with.
    pub(super) fn evaluate(&mut self, first: bool) -> Result<Option<f64>> {
        self.state(State::Evaluating);
        let tokenizer = self.run.prepared.preparations.tokenizer.clone();
        let mut own_loss = None;
        for place in 0..self.watch.own.len() {
            let suite = self.watch.own[place].get();
            let (name, measure) = (suite.name.clone(), suite.measure(&self.learner.decoder, &tokenizer)?);
            own_loss = own_loss.or(Some(measure.score.loss()));
            self.report(name, measure, None);
        }
        self.watch.retention.clear();
        for place in 0..self.watch.retained.len() {
            let suite = self.watch.retained[place].get();
            let (name, measure) = (suite.name.clone(), suite.measure(&self.learner.decoder, &tokenizer)?);
            let loss = measure.score.loss();
            // New weights know nothing that could be forgotten.
            if first && self.base.is_some() {
                self.watch.base.insert(name.clone(), loss);
            }
            let base = self.watch.base.get(&name).copied();
            let retention = base.map(|base| loss - base);
            self.watch.retention.extend(retention.map(|retention| (name.clone(), retention)));
            self.report(name, measure, retention);
        }
        self.evaluated = Some(self.run.step);
        Ok(own_loss)
    }

    fn report(&mut self, suite: String, measure: Measure, retention: Option<f64>) {
        self.run.emit(Event::Evaluation(Evaluation {
            phase: self.plan.name.clone(),
            step: self.run.step,
            suite,
            loss: measure.score.loss(),
            perplexity: measure.score.perplexity(),
            bits_per_byte: measure.score.bits_per_byte(),
            metric: measure.metric.map(|(name, _)| name.to_string()),
            value: measure.metric.map(|(_, value)| value),
            retention,
        }));
    }
}
