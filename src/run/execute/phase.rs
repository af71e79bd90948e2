//! One phase being carried out: the loop of steps, and what may be asked of it between two of them.

use super::super::data::PhaseData;
use super::super::device;
use super::super::plan::{PhasePlan, Plan};
use super::super::steering::{Courses, Steering};
use super::fisher::Consolidation;
use super::guard::Guard;
use super::often::Often;
use super::standing::Ring;
use super::start::First;
use super::steer::Held;
use super::watch::Watch;
use super::{Run, prefix};
use crate::Result;
use crate::learn::{AdamWSettings, Learner, StepReport};
use crate::model::{Decoder, Group, cost};
use crate::ops::adamw;
use crate::protocol::{
    self, Event, GroupFacts, GroupReports, GroupState, Notice, PhaseStarted, PrefixState, State, Step, Unfreeze,
};
use crate::run::checkpoint::Reason;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a phase that stands still looks around, where its observer does not wait.
const LOOK: Duration = Duration::from_millis(50);

/// A phase between its first weights and its last.
pub struct PhaseRun<'r, 'a> {
    pub(super) run: &'r mut Run<'a>,
    pub(super) plan: &'r PhasePlan,
    pub(super) index: usize,
    pub(super) data: Arc<PhaseData>,
    pub(super) watch: Watch,
    pub(super) learner: Learner,
    pub(super) groups: Vec<Group>,
    pub(super) steering: Steering,
    /// Shares of a mixture's sources, from which step of the phase on.
    pub(super) courses: Courses,
    /// What they are by the plan.
    pub(super) planned_shares: Vec<f64>,
    /// The name of the checkpoint that the phase started from, and its weights where they are kept.
    pub(super) base: Option<String>,
    pub(super) base_weights: Option<Arc<Decoder>>,
    pub(super) consolidation: Consolidation,
    pub(super) often: Often,
    /// Steps of this phase that are done, and all of them.
    pub(super) done: u64,
    pub(super) steps: u64,
    pub(super) first_step: u64,
    /// Positions that were read, and lines of the journal, before the phase.
    pub(super) first_tokens: u64,
    pub(super) first_line: u64,
    pub(super) is_paused: bool,
    pub(super) held: Option<Held>,
    pub(super) guard: Guard,
    /// The next batch changes nothing.
    pub(super) skips_next: bool,
    /// States to go back to.
    pub(super) ring: Ring,
    /// The share of the phase's rows that its prefix cache has room for; 0 without one.
    pub(super) prefix_share: f64,
    /// The rate of the last step.
    pub(super) learning_rate: f64,
    /// The step at which everything was measured last.
    pub(super) evaluated: Option<u64>,
}

impl<'r, 'a> PhaseRun<'r, 'a> {
    /// A phase at its beginning; `first` are its weights.
    pub(super) fn new(run: &'r mut Run<'a>, index: usize, phases: &[Arc<PhaseData>], first: First) -> Result<Self> {
        let plan: &'a Plan = run.request.plan;
        let (phase, data) = (&plan.phases[index], phases[index].clone());
        let frozen = super::prepare::selectors(phase)?;
        let steps = length(phase, &data);
        let cache = prefix::settings(phase, &data, steps, run.request.home);
        let prefix_share = cache.as_ref().map_or(0.0, |cache| prefix::share(cache, &data, &first.decoder));
        let keeps_base =
            phase.pull.strengths().is_on() || run.observer.as_ref().is_some_and(|observer| observer.keeps_base());
        let groups = first.decoder.parameters.groups();
        let mut learner = Learner::new(first.decoder, &frozen, settings(phase))?;
        learner.cache_prefix(cache);
        let base_weights = keeps_base.then(|| first.base_weights.unwrap_or_else(|| learner.share()));
        // The data may be shared with a phase that was carried out before, and mixed then.
        if !data.batches.sources().is_empty() {
            data.batches.mix(&[])?;
        }
        let sources = data.batches.sources();
        let planned_shares = sources.iter().map(|(_, share)| *share).collect();
        let steering = Steering::of_phase(groups.clone(), phase, sources, steps, unfreeze(phase, &data));
        learner.set_trainable(|group| steering.trains(group))?;
        learner.set_multipliers(|group| steering.multiplier(group));
        Ok(Self {
            plan: phase,
            index,
            watch: Watch::new(plan, index, phases),
            learner,
            prefix_share,
            groups,
            steering,
            courses: Vec::new(),
            planned_shares,
            base: first.base,
            base_weights,
            consolidation: Consolidation::on(plan.parent(index).map(|parent| phases[parent].clone())),
            often: Often::default(),
            done: 0,
            steps,
            first_step: run.step + 1,
            first_tokens: run.tokens,
            first_line: run.position(),
            is_paused: false,
            held: None,
            guard: Guard::default(),
            skips_next: false,
            ring: Ring::new(plan.snapshots.bytes()),
            learning_rate: 0.0,
            evaluated: None,
            data,
            run,
        })
    }

    /// As the plan has it.
    pub(super) fn planned_steering(&self) -> Steering {
        let names = self.data.batches.sources().into_iter().map(|(name, _)| name);
        let sources = names.zip(self.planned_shares.iter().copied()).collect();
        Steering::of_phase(self.groups.clone(), self.plan, sources, self.steps, unfreeze(self.plan, &self.data))
    }

    /// Goes through all steps; returns the checkpoint at the end.
    pub(super) fn carry_out(&mut self) -> Result<PathBuf> {
        self.foresee_start()?;
        self.apply_pull()?;
        self.announce();
        self.begins();
        self.keep_cheap_base();
        self.evaluate(true)?;
        self.go_through()
    }

    /// The same from a state that was restored before.
    pub(super) fn go_on(&mut self) -> Result<PathBuf> {
        self.foresee_start()?;
        self.read_cheap_base();
        self.begins();
        // Whoever stopped the run may have done so before these.
        if let Some(end) = self.after_step()? {
            return Ok(end);
        }
        self.go_through()
    }

    fn go_through(&mut self) -> Result<PathBuf> {
        loop {
            self.tell_standstill();
            self.between_steps()?;
            if self.run.is_cancelled() || self.run.is_far_enough() {
                return self.interrupt();
            }
            if !self.train_step()? {
                continue;
            }
            if self.run.is_cancelled() {
                return self.interrupt();
            }
            if let Some(end) = self.after_step()? {
                return Ok(end);
            }
        }
    }

    /// Measures and saves what is due after the step that was done; returns the checkpoint of the phase's end.
    fn after_step(&mut self) -> Result<Option<PathBuf>> {
        let last = self.done == self.steps;
        let due = |every: u64| every > 0 && self.done > 0 && self.done.is_multiple_of(every);
        let (evaluation_due, checkpoint_due) =
            (last || due(self.plan.evaluation.every), due(self.plan.checkpoint_every));
        let keeps_standing = due(self.plan.guard.every);
        let is_measured = self.evaluated == Some(self.run.step);
        let was_crossed = self.is_bound_crossed();
        let measures = evaluation_due && !is_measured;
        let loss = if measures { self.evaluate(false)? } else { None };
        let is_known = measures || self.measure_often()?;
        if is_known && !last {
            self.keep_bound(was_crossed)?;
        }
        if last {
            self.account_often();
            return self.save_end(loss).map(Some);
        }
        if checkpoint_due {
            self.begin_save(Reason::Due, loss);
        }
        let bytes = self.learner.state_bytes();
        if keeps_standing && self.ring.has_room(bytes) {
            let standing = self.standing();
            self.ring.keep(standing, bytes);
        }
        Ok(None)
    }

    fn begins(&mut self) {
        if let Some(observer) = self.run.observer.take() {
            observer.phase_begins(self);
            self.run.observer = Some(observer);
        }
    }

    /// Does what is due, and lets the observer steer, for as long as it has something to say or the phase stands still.
    fn between_steps(&mut self) -> Result<()> {
        loop {
            self.settle_saves();
            self.retry_save();
            self.retry_records();
            self.follow_script()?;
            // The observer is given the phase, so meanwhile the phase does not have it: what happens is told afterwards.
            let Some(observer) = self.run.observer.take() else { return Ok(()) };
            let outcome = observer.between_steps(self);
            self.run.observer = Some(observer);
            self.run.tell_the_rest();
            let again = outcome? || self.stands_still();
            if !again || self.run.is_cancelled() {
                return Ok(());
            }
            self.tell_standstill();
            if self.stands_still() && !self.run.observer_waits {
                std::thread::sleep(LOOK);
            }
        }
    }

    /// Whether no step is made: a person paused the run, or something holds it.
    pub fn stands_still(&self) -> bool {
        self.is_paused || self.held.is_some()
    }

    fn tell_standstill(&mut self) {
        self.state(if self.stands_still() { State::Paused } else { State::Training });
    }

    /// Steps done in the whole run.
    pub fn step(&self) -> u64 {
        self.run.step
    }

    /// The weights as they are now, which training no longer changes while they are held. What is frozen is not copied,
    /// and nothing is while the phase is paused; what trains is copied here, so that whoever asks can tell what it costs.
    pub fn weights(&mut self) -> Result<Arc<Decoder>> {
        let weights = self.learner.share();
        if !self.stands_still() {
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

    pub(super) fn state(&mut self, state: State) {
        if let Some(observer) = &mut self.run.observer {
            observer.state(state);
        }
    }

    fn announce(&mut self) {
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
            unfreeze: unfreeze(self.plan, &self.data).map(|unfreeze| unfreeze.to_string()),
            loss_unit: self.plan.objective.loss_unit(),
        };
        self.run.emit(Event::Phase(started));
        let about_products = device::products(self.run.request.device, self.plan.precision).1;
        let data = self.data.clone();
        about_products.iter().chain(&data.notices).for_each(|text| self.notice(text.clone()));
        self.foresee_unfreezing();
    }

    pub(super) fn notice(&mut self, text: String) {
        let (phase, step) = (Some(self.plan.name.clone()), self.run.step);
        self.run.emit(Event::Notice(Notice { phase, step, text }));
    }

    /// Makes one step; `false` where it went wrong and the phase stands somewhere else now, or the batch is to be skipped.
    fn train_step(&mut self) -> Result<bool> {
        let started = Instant::now();
        let learning_rate = self.plan.optimizer.learning_rate * self.steering.factor(self.done);
        let batches = self.data.batches.batch(self.done)?.split(self.plan.accumulate);
        let stopped = self.stopped();
        let pass = self.learner.pass(&batches).map_err(|error| error.within(stopped.clone()))?;
        let (loss, gradient_norm, tokens) = (pass.loss, pass.gradient_norm, pass.tokens);
        let pull = pass.pull;
        let is_skipped = std::mem::take(&mut self.skips_next);
        let report = if is_skipped {
            StepReport { loss, gradient_norm, tokens, pull, missing: Vec::new(), notices: self.learner.take_notices() }
        } else if let Some(why) = self.guard.judge(&pass, &self.plan.guard) {
            return self.rescue(&why).map(|()| false);
        } else {
            self.learner.update(pass, learning_rate).map_err(|error| error.within(stopped))?
        };
        device::synchronize(self.run.request.device)?;
        self.learning_rate = learning_rate;
        (self.done, self.run.step, self.run.tokens) =
            (self.done + 1, self.run.step + 1, self.run.tokens + report.tokens);
        self.tell_step(report, started);
        if !is_skipped {
            self.watch_health(loss)?;
        }
        self.advance()?;
        Ok(true)
    }

    /// A step that is done again has to come out as it did; once it does not, that is said.
    fn compare_with_record(&mut self, loss: f64) {
        let step = self.run.step;
        let Some(recorded) = self.run.recorded.remove(&step) else { return };
        if recorded.to_bits() != (loss as f32).to_bits() && !(recorded.is_nan() && loss.is_nan()) {
            self.run.recorded.clear();
            self.notice(format!(
                "step {step} came out otherwise than before, loss {loss} instead of {recorded}: another processor, number \
                 of threads or version computes other last bits, and the run goes on from what it has now"
            ));
        }
    }

    fn stopped(&self) -> String {
        let (run, step, phase) = (&self.run.folder.name, self.done + 1, &self.plan.name);
        format!("the run {run} stopped at step {step} of phase {phase}")
    }

    fn tell_step(&mut self, report: StepReport, started: Instant) {
        if !report.missing.is_empty() {
            let names = report.missing.join(", ");
            self.notice(format!("these parameters train but got no gradient: {names}"));
        }
        report.notices.into_iter().for_each(|text| self.notice(text));
        self.compare_with_record(report.loss);
        self.run.emit(Event::Step(Step {
            phase: self.plan.name.clone(),
            step: self.run.step,
            loss: report.loss,
            learning_rate: self.learning_rate,
            gradient_norm: report.gradient_norm,
            tokens_per_second: report.tokens as f64 / started.elapsed().as_secs_f64(),
            seconds: self.run.seconds(),
            changes: self.run.folder.journal.changes(),
            pull: report.pull,
        }));
        let cache = self.learner.prefix().filter(|_| self.done == self.steps);
        let account = cache.and_then(|cache| prefix::account(&cache.totals()));
        account.into_iter().for_each(|text| self.notice(text));
    }
}

/// A phase's optimizer.
pub(in crate::run) fn settings(phase: &PhasePlan) -> AdamWSettings {
    let plan = &phase.optimizer;
    AdamWSettings {
        moments: adamw::Settings { beta1: plan.beta1, beta2: plan.beta2, epsilon: plan.epsilon },
        weight_decay: plan.weight_decay,
        largest_norm: (plan.clip > 0.0).then_some(plan.clip),
    }
}

/// The plan's order of unfreezing, in steps.
fn unfreeze(phase: &PhasePlan, data: &PhaseData) -> Option<Unfreeze> {
    let (rows_per_epoch, rows) = (data.batches.rows_per_epoch(), data.batches.rows() as u64);
    phase.unfreeze.as_ref().map(|plan| plan.in_steps(rows_per_epoch, rows))
}

fn length(phase: &PhasePlan, data: &PhaseData) -> u64 {
    let rows = phase.epochs.unwrap_or(1.0) * data.batches.rows_per_epoch() as f64;
    phase.steps.unwrap_or_else(|| (rows / data.batches.rows() as f64).ceil().max(1.0) as u64)
}

#[cfg(test)]
#[path = "phase_tests.rs"]
mod tests;
