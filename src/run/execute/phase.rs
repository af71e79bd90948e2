//! One phase being carried out: the loop of steps, and what may be asked of it between two of them.

use super::super::data::PhaseData;
use super::super::device;
use super::super::plan::{PhasePlan, Plan};
use super::super::steering::Steering;
use super::super::suite::{Measure, Suite};
use super::prepare::selectors;
use super::{Run, interrupted, prefix};
use crate::Result;
use crate::learn::{AdamWSettings, Learner};
use crate::model::{Decoder, Group, Parameter, cost};
use crate::ops::adamw;
use crate::protocol::{
    self, By, Change, Command, Evaluation, Event, GroupFacts, GroupReports, GroupState, Notice, PhaseStarted,
    PrefixState, State, Steered, Step,
};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// A phase between its first weights and its last.
pub struct PhaseRun<'r, 'a> {
    run: &'r mut Run<'a>,
    plan: &'r PhasePlan,
    index: usize,
    data: Arc<PhaseData>,
    watch: Watch,
    learner: Learner,
    groups: Vec<Group>,
    steering: Steering,
    /// The name of the checkpoint that the phase started from, and its weights where they are kept.
    base: Option<String>,
    base_weights: Option<Arc<Decoder>>,
    /// Steps of this phase that are done, and all of them.
    done: u64,
    steps: u64,
    first_step: u64,
    is_paused: bool,
    /// The share of the phase's rows that its prefix cache has room for; 0 without one.
    prefix_share: f64,
    /// The rate of the last step.
    learning_rate: f64,
    /// The step at which everything was measured last.
    evaluated: Option<u64>,
}

/// What is measured in a phase: its own held-out data first, then what its ancestors left behind.
struct Watch {
    /// (whose suite it is, its place there): those of the phase itself come first.
    own: Vec<SuiteAt>,
    /// Suites whose loss is compared with the base's.
    retained: Vec<SuiteAt>,
    /// The base's loss on each of them.
    base: HashMap<String, f64>,
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

impl<'r, 'a> PhaseRun<'r, 'a> {
    pub(super) fn new(
        run: &'r mut Run<'a>,
        index: usize,
        phases: &[Arc<PhaseData>],
        mut decoder: Decoder,
        base: Option<String>,
    ) -> Result<Self> {
        let plan: &'a Plan = run.request.plan;
        let (phase, data) = (&plan.phases[index], phases[index].clone());
        let frozen = selectors(phase)?;
        decoder.parameters.precision = device::products(run.request.device, phase.precision).0;
        decoder.recompute = phase.recompute;
        let is_frozen = |parameter: &Parameter| frozen.iter().any(|selector| selector.matches(parameter.group));
        decoder.store(phase.frozen_weights, is_frozen)?;
        let steps = length(phase, &data);
        let cache = prefix::settings(phase, &data, steps, run.request.home);
        let prefix_share = cache.as_ref().map_or(0.0, |cache| prefix::share(cache, &data, &decoder));
        let keeps_base = run.observer.as_ref().is_some_and(|observer| observer.keeps_base());
        let groups = decoder.parameters.groups();
        let mut learner = Learner::new(decoder, &frozen, settings(phase))?;
        learner.cache_prefix(cache);
        let base_weights = keeps_base.then(|| learner.share());
        let steering = Steering::new(groups.clone(), &frozen, phase.optimizer.learning_rate);
        Ok(Self {
            plan: phase,
            index,
            watch: watch(plan, index, phases),
            learner,
            prefix_share,
            groups,
            steering,
            base,
            base_weights,
            done: 0,
            steps,
            first_step: run.step + 1,
            is_paused: false,
            learning_rate: 0.0,
            evaluated: None,
            data,
            run,
        })
    }

    /// Goes through all steps; returns the checkpoint at the end.
    pub(super) fn carry_out(&mut self) -> Result<PathBuf> {
        self.announce()?;
        self.begins();
        self.evaluate(true)?;
        loop {
            self.state(if self.is_paused { State::Paused } else { State::Training });
            self.between_steps()?;
            if self.run.is_cancelled() {
                return self.interrupt();
            }
            self.train_step()?;
            let last = self.done == self.steps;
            let due = |every: u64| every > 0 && self.done.is_multiple_of(every);
            let (evaluation_due, checkpoint_due) =
                (last || due(self.plan.evaluation.every), last || due(self.plan.checkpoint_every));
            if self.run.is_cancelled() {
                return self.interrupt();
            }
            let loss = if evaluation_due { self.evaluate(false)? } else { None };
            match if checkpoint_due { Some(self.save(loss)) } else { None } {
                Some(saved) if last => return saved,
                // One that comes in between is not worth the run: what was learned is in memory still.
                Some(Err(error)) => drop(self.notice(format!("no checkpoint at step {}: {error}", self.run.step))),
                _ => {}
            }
        }
    }

    fn begins(&mut self) {
        if let Some(observer) = self.run.observer.take() {
            observer.phase_begins(self);
            self.run.observer = Some(observer);
        }
    }

    /// Lets the observer steer, for as long as it has something to say or the phase is paused.
    fn between_steps(&mut self) -> Result<()> {
        // The observer is given the phase, so meanwhile the phase does not have it: what happens is told afterwards.
        while let Some(observer) = self.run.observer.take() {
            let outcome = observer.between_steps(self);
            self.run.observer = Some(observer);
            self.run.tell_the_rest();
            let again = outcome? || self.is_paused;
            if !again || self.run.is_cancelled() {
                break;
            }
        }
        Ok(())
    }

    /// Carries out a command, and says what came of it. Changes are in the journal before they take effect.
    pub fn steer(&mut self, command: &Command) -> Result<String> {
        let effect = match (self.steering.propose(command)?, command) {
            (Some(proposal), _) => {
                let effect = proposal.effect.clone();
                if proposal.settings != *self.steering.settings() {
                    self.journal(command, &effect)?;
                    self.steering.take(proposal);
                    self.apply_steering()?;
                }
                effect
            }
            (None, Command::Pause) => self.pause(true, command)?,
            (None, Command::Continue) => self.pause(false, command)?,
            (None, Command::Checkpoint) => format!("saved {}", self.save(None)?.display()),
            (None, _) if self.evaluated == Some(self.run.step) => "measured already".into(),
            (None, _) => match self.evaluate(false)? {
                Some(loss) => format!("held-out loss {loss:.4}"),
                None => "measured".into(),
            },
        };
        Ok(effect)
    }

    fn pause(&mut self, is_paused: bool, command: &Command) -> Result<String> {
        if self.is_paused == is_paused {
            return Ok(if is_paused { "paused already" } else { "training already" }.into());
        }
        let effect = if is_paused { "paused" } else { "went on" };
        self.journal(command, effect)?;
        self.is_paused = is_paused;
        Ok(effect.into())
    }

    fn journal(&mut self, command: &Command, effect: &str) -> Result<()> {
        let change = Change { command: command.to_string(), effect: effect.to_string() };
        let (phase, step) = (self.plan.name.clone(), self.run.step);
        self.run.emit(Event::Steered(Steered { phase, step, change, by: By::Person }))
    }

    fn apply_steering(&mut self) -> Result<()> {
        let steering = &self.steering;
        self.learner.set_trainable(|group| steering.trains(group))?;
        self.learner.set_multipliers(|group| steering.multiplier(group));
        Ok(())
    }

    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Steps done in the whole run.
    pub fn step(&self) -> u64 {
        self.run.step
    }

    /// The weights as they are now, which training no longer changes while they are held. What is frozen is not copied,
    /// and nothing is while the phase is paused; what trains is copied here, so that whoever asks can tell what it costs.
    pub fn weights(&mut self) -> Result<Arc<Decoder>> {
        let weights = self.learner.share();
        if !self.is_paused {
            self.learner.unshare()?;
        }
        Ok(weights)
    }

    /// The weights that the phase started from, where they are kept.
    pub fn base(&self) -> Option<Arc<Decoder>> {
        self.base_weights.clone()
    }

    pub fn describe(&self) -> protocol::Phase {
        protocol::Phase {
            name: self.plan.name.clone(),
            index: self.index,
            first_step: self.first_step,
            steps: self.steps,
            base: self.base.clone(),
            objective: self.plan.objective.name().into(),
            context: self.plan.context as u64,
            batch: self.plan.batch as u64,
            prefix_share: self.prefix_share,
        }
    }

    /// How the prefix cache stands; `None` while it keeps nothing.
    pub fn prefix(&self) -> Option<PrefixState> {
        self.learner.prefix()?.report().map(|report| prefix::state(&report, &self.learner.decoder))
    }

    /// The groups as they are trained now.
    pub fn groups(&self) -> Vec<GroupState> {
        self.steering.states()
    }

    pub fn facts(&self) -> Vec<GroupFacts> {
        let decoder = &self.learner.decoder;
        let rows = self.plan.batch.div_ceil(self.plan.accumulate.max(1));
        cost::facts(&decoder.config, &decoder.parameters, decoder.recompute, rows as u64, self.plan.context as u64)
    }

    /// (rate of the last step, what the schedule is multiplied by)
    pub fn rates(&self) -> (f64, f64) {
        (self.learning_rate, self.steering.settings().rate_factor)
    }

    /// Measures every group: see [`Learner::measure`].
    pub fn measure(&self) -> Result<GroupReports> {
        let base = self.base_weights.as_ref().map(|base| &base.parameters);
        Ok(GroupReports { step: self.run.step, groups: self.learner.measure(&self.groups, base)? })
    }

    pub(super) fn into_weights(self) -> Decoder {
        self.learner.decoder
    }

    fn state(&mut self, state: State) {
        if let Some(observer) = &mut self.run.observer {
            observer.state(state);
        }
    }

    fn announce(&mut self) -> Result<()> {
        let parameters = &self.learner.decoder.parameters;
        let started = PhaseStarted {
            phase: self.plan.name.clone(),
            base: self.base.clone(),
            first_step: self.first_step,
            steps: self.steps,
            parameters: parameters.count() as u64,
            trainable: self.learner.thaw().count(parameters) as u64,
            precision: parameters.precision.to_string(),
            data: self.data.batches.describe(),
        };
        self.run.emit(Event::Phase(started))?;
        let about_products = device::products(self.run.request.device, self.plan.precision).1;
        let data = self.data.clone();
        about_products.iter().chain(&data.notices).try_for_each(|text| self.notice(text.clone()))
    }

    fn notice(&mut self, text: String) -> Result<()> {
        let (phase, step) = (Some(self.plan.name.clone()), self.run.step);
        self.run.emit(Event::Notice(Notice { phase, step, text }))
    }

    fn train_step(&mut self) -> Result<()> {
        let started = Instant::now();
        let schedule = self.plan.schedule.factor(self.done, self.steps) * self.steering.settings().rate_factor;
        self.learning_rate = self.plan.optimizer.learning_rate * schedule;
        let batches = self.data.batches.batch(self.done)?.split(self.plan.accumulate);
        let (run, step, phase) = (&self.run.folder.name, self.done + 1, &self.plan.name);
        let stopped = || format!("the run {run} stopped at step {step} of phase {phase}");
        let report = self.learner.step(&batches, self.learning_rate).map_err(|error| error.within(stopped()))?;
        device::synchronize(self.run.request.device)?;
        self.done += 1;
        self.run.step += 1;
        self.run.tokens += report.tokens;
        if !report.missing.is_empty() {
            let names = report.missing.join(", ");
            self.notice(format!("these parameters train but got no gradient: {names}"))?;
        }
        report.notices.into_iter().try_for_each(|text| self.notice(text))?;
        self.run.emit(Event::Step(Step {
            phase: self.plan.name.clone(),
            step: self.run.step,
            loss: report.loss,
            learning_rate: self.learning_rate,
            gradient_norm: report.gradient_norm,
            tokens_per_second: report.tokens as f64 / started.elapsed().as_secs_f64(),
            seconds: self.run.started.elapsed().as_secs_f64(),
            changes: 0,
        }))?;
        let cache = self.learner.prefix().filter(|_| self.done == self.steps);
        let account = cache.and_then(|cache| prefix::account(&cache.totals()));
        account.map_or(Ok(()), |text| self.notice(text))
    }

    /// Measures everything that is watched and returns the loss on the phase's own (first) held-out data. The first
    /// time, what is found is the base that later losses are compared with.
    fn evaluate(&mut self, first: bool) -> Result<Option<f64>> {
        self.state(State::Evaluating);
        let tokenizer = self.run.prepared.preparations.tokenizer.clone();
        let mut own_loss = None;
        for place in 0..self.watch.own.len() {
            let suite = self.watch.own[place].get();
            let (name, measure) = (suite.name.clone(), suite.measure(&self.learner.decoder, &tokenizer)?);
            own_loss = own_loss.or(Some(measure.score.loss()));
            self.report(name, measure, None)?;
        }
        for place in 0..self.watch.retained.len() {
            let suite = self.watch.retained[place].get();
            let (name, measure) = (suite.name.clone(), suite.measure(&self.learner.decoder, &tokenizer)?);
            let loss = measure.score.loss();
            // New weights know nothing that could be forgotten.
            if first && self.base.is_some() {
                self.watch.base.insert(name.clone(), loss);
            }
            let base = self.watch.base.get(&name).copied();
            self.report(name, measure, base.map(|base| loss - base))?;
        }
        self.evaluated = Some(self.run.step);
        Ok(own_loss)
    }

    fn report(&mut self, suite: String, measure: Measure, retention: Option<f64>) -> Result<()> {
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
        }))
    }

    fn save(&mut self, loss: Option<f64>) -> Result<PathBuf> {
        self.state(State::Saving);
        self.run.save(&self.learner.decoder, &self.plan.name, loss, self.base.clone())
    }

    fn interrupt(&mut self) -> Result<PathBuf> {
        if self.run.step == 0 {
            return Err(interrupted(0, None));
        }
        let saved = self.save(None)?;
        Err(interrupted(self.run.step, Some(&saved)))
    }
}

fn settings(phase: &PhasePlan) -> AdamWSettings {
    let plan = &phase.optimizer;
    AdamWSettings {
        moments: adamw::Settings { beta1: plan.beta1, beta2: plan.beta2, epsilon: plan.epsilon },
        weight_decay: plan.weight_decay,
        largest_norm: (plan.clip > 0.0).then_some(plan.clip),
    }
}

fn length(phase: &PhasePlan, data: &PhaseData) -> u64 {
    let rows = phase.epochs.unwrap_or(1.0) * data.batches.rows_per_epoch() as f64;
    phase.steps.unwrap_or_else(|| (rows / data.batches.rows() as f64).ceil().max(1.0) as u64)
}

fn watch(plan: &Plan, index: usize, phases: &[Arc<PhaseData>]) -> Watch {
    let data = &phases[index];
    let held_out = |data: &Arc<PhaseData>| suites(data, data.held_out.len(), false);
    let probes = |data: &Arc<PhaseData>| suites(data, data.probes.len(), true);
    let ancestors: Vec<&Arc<PhaseData>> = plan.ancestors(index).into_iter().map(|ancestor| &phases[ancestor]).collect();
    let of_ancestors = ancestors.iter().flat_map(|data| held_out(data));
    let all_probes = std::iter::once(data).chain(ancestors.iter().copied()).flat_map(probes);
    let mut retained: Vec<SuiteAt> = Vec::new();
    for suite in of_ancestors.chain(all_probes) {
        // A probe that several phases ask for is measured once.
        if !retained.iter().any(|other| other.get().name == suite.get().name) {
            retained.push(suite);
        }
    }
    Watch { own: held_out(data), retained, base: HashMap::new() }
}

fn suites(data: &Arc<PhaseData>, count: usize, is_probe: bool) -> Vec<SuiteAt> {
    (0..count).map(|place| SuiteAt { data: data.clone(), place, is_probe }).collect()
}

#[cfg(test)]
#[path = "phase_tests.rs"]
mod tests;
