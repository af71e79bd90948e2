//! Carrying a plan out: phase after phase, to the checkpoint at the end of each.

use super::checkpoint::{self, State};
use super::data::{self, PhaseData};
use super::folder::RunFolder;
use super::home::Home;
use super::plan::{PhasePlan, Plan};
use super::suite::{Measure, Suite};
use super::{memory, tokenizer};
use crate::corpus::progress::Progress;
use crate::corpus::tokenizer::Tokenizer;
use crate::error::Kind;
use crate::learn::{AdamWSettings, Learner};
use crate::model::group::check_selectors;
use crate::model::{Decoder, Selector, folder, preset};
use crate::ops::adamw;
use crate::protocol::{CheckpointSaved, Evaluation, Event, Finished, Notice, PhaseStarted, Step};
use crate::{Error, Result};
use candle_core::{DType, Device};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Is told what happens, as it happens.
pub trait Observer {
    fn event(&mut self, event: &Event);
}

/// What is to be carried out, and where.
pub struct Request<'a> {
    pub plan: &'a Plan,
    /// The run's name; the plan's where `None`.
    pub name: Option<&'a str>,
    pub device: &'a Device,
    pub home: &'a Home,
    pub progress: &'a dyn Progress,
    /// Set by whoever wants the run to stop: the step is finished and a checkpoint saved.
    pub cancel: &'a AtomicBool,
}

/// Carries the plan out. Everything that can be refused is refused before the run's folder is made; from then on a
/// failure leaves what was written whole. An interruption is an error of its kind that says where the checkpoint is.
pub fn execute(request: &Request, observer: &mut dyn Observer) -> Result<Finished> {
    let started = Instant::now();
    RunFolder::check(request.home, request.name)?;
    let mut prepared = Prepared::new(request)?;
    let folder = RunFolder::create(request.home, request.name, request.plan)?;
    let phases = std::mem::take(&mut prepared.phases);
    let mut run = Run { request, prepared, folder, observer, ends: Vec::new(), step: 0, tokens: 0 };
    let mut earlier: Vec<PhaseData> = Vec::new();
    for (index, data) in phases.into_iter().enumerate() {
        run.phase(index, &data, &earlier)?;
        earlier.push(data);
    }
    let finished = Finished {
        run: run.folder.name.clone(),
        path: run.folder.path.display().to_string(),
        steps: run.step,
        seconds: started.elapsed().as_secs_f64(),
        tokens: run.tokens,
        peak_rss_bytes: memory::peak_rss_bytes(),
    };
    run.emit(Event::Finished(finished.clone()))?;
    Ok(finished)
}

/// What is known before the first step.
struct Prepared {
    tokenizer: Tokenizer,
    /// The run's first weights: a checkpoint's folder, or a shape.
    model: Start,
    phases: Vec<PhaseData>,
}

enum Start {
    Checkpoint(PathBuf),
    Preset(crate::model::Config),
}

impl Prepared {
    fn new(request: &Request) -> Result<Self> {
        let plan = request.plan;
        let (home, progress, cancel) = (request.home, request.progress, request.cancel);
        let context = data::Context { home, seed: plan.seed, progress, cancel };
        let from = plan.model.from.as_deref().map(|name| checkpoint::resolve(name, home)).transpose()?;
        let checked = from.as_deref().map(folder::check).transpose()?;
        let tokenizer = tokenizer::of_plan(plan, from.as_deref(), &context)?;
        let config = match checked {
            Some(config) => config,
            None => preset_config(plan, tokenizer.vocabulary_size())?,
        };
        let model = from.map_or_else(|| Start::Preset(config.clone()), Start::Checkpoint);
        check_fit(plan, &tokenizer, &config)?;
        let phases = plan.phases.iter().map(|phase| data::load(phase, &tokenizer, &context)).collect::<Result<_>>()?;
        Ok(Self { tokenizer, model, phases })
    }
}

fn preset_config(plan: &Plan, vocabulary: usize) -> Result<crate::model::Config> {
    let name = plan.model.preset.as_deref().unwrap_or_default();
    let preset = preset::find(name).ok_or_else(|| Error::new(format!("there is no model preset \"{name}\"")))?;
    let mut config = preset.config(vocabulary, plan.model.context.unwrap_or(preset.context));
    config.tied = plan.model.tied.unwrap_or(true);
    config.validate()?;
    Ok(config)
}

/// The tokenizer's ids must be in the model's vocabulary, and rows within its context.
fn check_fit(plan: &Plan, tokenizer: &Tokenizer, config: &crate::model::Config) -> Result<()> {
    checkpoint::check_vocabulary(tokenizer, config)?;
    match plan.phases.iter().find(|phase| phase.context > config.context) {
        None => plan.phases.iter().try_for_each(|phase| check_frozen(phase, config)),
        Some(phase) => Err(Error::new(format!("the phase {} does not fit the model", phase.name))
            .because(format!("its context is {}, and the model's {}", phase.context, config.context))
            .next(format!("set phase.{}.context to {} or less", phase.name, config.context))),
    }
}

/// What a phase freezes must be there, and must leave something to train.
fn check_frozen(phase: &PhasePlan, config: &crate::model::Config) -> Result<()> {
    let (frozen, groups) = (selectors(phase)?, config.groups());
    let checked = check_selectors(&groups, &frozen).and_then(|()| {
        match groups.iter().all(|group| frozen.iter().any(|selector| selector.matches(*group))) {
            true => Err(Error::new("nothing is left to train").next("leave some layer out of `frozen`")),
            false => Ok(()),
        }
    });
    checked.map_err(|error| error.within(format!("the phase {} cannot start", phase.name)))
}

fn selectors(phase: &PhasePlan) -> Result<Vec<Selector>> {
    phase.frozen.iter().map(|selector| selector.parse()).collect()
}

/// A run being carried out.
struct Run<'a> {
    request: &'a Request<'a>,
    prepared: Prepared,
    folder: RunFolder,
    observer: &'a mut dyn Observer,
    /// The checkpoint at the end of each phase that is done.
    ends: Vec<PathBuf>,
    /// Steps done in all phases together.
    step: u64,
    tokens: u64,
}

/// What is measured in a phase: its own held-out data first, then what its ancestors left behind.
struct Watch<'a> {
    own: &'a [Suite],
    /// Suites whose loss is compared with the base's.
    retained: Vec<&'a Suite>,
    /// The base's loss on each of them.
    base: HashMap<String, f64>,
}

impl Run<'_> {
    fn emit(&mut self, event: Event) -> Result<()> {
        self.observer.event(&event);
        self.folder.record(&event)
    }

    fn notice(&mut self, phase: &PhasePlan, text: String) -> Result<()> {
        self.emit(Event::Notice(Notice { phase: Some(phase.name.clone()), step: self.step, text }))
    }

    fn phase(&mut self, index: usize, data: &PhaseData, earlier: &[PhaseData]) -> Result<()> {
        let plan = self.request.plan;
        let phase = &plan.phases[index];
        if self.request.cancel.load(Ordering::Relaxed) {
            return Err(interrupted(self.step, self.ends.last()));
        }
        let (decoder, base) = self.first_weights(plan.parent(index))?;
        let mut learner = Learner::new(decoder, &selectors(phase)?, settings(phase))?;
        let steps = length(phase, data);
        self.announce(phase, &learner, data, base.clone(), steps)?;
        let mut watch = watch(plan, index, data, earlier);
        self.evaluate(phase, &learner.decoder, &mut watch, true)?;
        for step in 0..steps {
            self.train_step(phase, &mut learner, data, step, steps)?;
            let last = step + 1 == steps;
            let stopping = self.request.cancel.load(Ordering::Relaxed);
            let due = |every: u64| every > 0 && (step + 1).is_multiple_of(every);
            let mut loss = None;
            if (last || due(phase.evaluation.every)) && !stopping {
                loss = self.evaluate(phase, &learner.decoder, &mut watch, false)?;
            }
            if last || stopping || due(phase.checkpoint_every) {
                let saved = self.save(phase, &learner.decoder, loss, base.clone())?;
                if stopping {
                    return Err(interrupted(self.step, Some(&saved)));
                }
                if last {
                    self.ends.push(saved);
                }
            }
        }
        Ok(())
    }

    /// The weights that a phase starts from, and the name of their checkpoint.
    fn first_weights(&self, parent: Option<usize>) -> Result<(Decoder, Option<String>)> {
        let device = self.request.device;
        let path = match (parent, &self.prepared.model) {
            (Some(parent), _) => &self.ends[parent],
            (None, Start::Checkpoint(path)) => path,
            (None, Start::Preset(config)) => {
                return Ok((Decoder::random(config.clone(), self.request.plan.seed, DType::F32, device)?, None));
            }
        };
        Ok((folder::load(path, DType::F32, device)?, Some(path.display().to_string())))
    }

    fn announce(
        &mut self,
        phase: &PhasePlan,
        learner: &Learner,
        data: &PhaseData,
        base: Option<String>,
        steps: u64,
    ) -> Result<()> {
        let parameters = &learner.decoder.parameters;
        self.emit(Event::Phase(PhaseStarted {
            phase: phase.name.clone(),
            base,
            first_step: self.step + 1,
            steps,
            parameters: parameters.count() as u64,
            trainable: learner.thaw().count(parameters) as u64,
            data: data.batches.describe(),
        }))?;
        data.notices.iter().try_for_each(|text| self.notice(phase, text.clone()))
    }

    fn train_step(
        &mut self,
        phase: &PhasePlan,
        learner: &mut Learner,
        data: &PhaseData,
        step: u64,
        steps: u64,
    ) -> Result<()> {
        let started = Instant::now();
        let learning_rate = phase.optimizer.learning_rate * phase.schedule.factor(step, steps);
        let batches = data.batches.batch(step)?.split(phase.accumulate);
        let report = learner.step(&batches, learning_rate).map_err(|error| {
            error.within(format!("the run {} stopped at step {} of phase {}", self.folder.name, step + 1, phase.name))
        })?;
        super::device::synchronize(self.request.device)?;
        self.step += 1;
        self.tokens += report.tokens;
        if !report.missing.is_empty() {
            let names = report.missing.join(", ");
            self.notice(phase, format!("these parameters train but got no gradient: {names}"))?;
        }
        self.emit(Event::Step(Step {
            phase: phase.name.clone(),
            step: self.step,
            loss: report.loss,
            learning_rate,
            gradient_norm: report.gradient_norm,
            tokens_per_second: report.tokens as f64 / started.elapsed().as_secs_f64(),
        }))
    }

    /// Measures everything that is watched and returns the loss on the phase's own (first) held-out data. The first time, what
    /// is found is the base that later losses are compared with.
    fn evaluate(
        &mut self,
        phase: &PhasePlan,
        decoder: &Decoder,
        watch: &mut Watch,
        first: bool,
    ) -> Result<Option<f64>> {
        let mut own_loss = None;
        for suite in watch.own {
            let measure = suite.measure(decoder, &self.prepared.tokenizer)?;
            own_loss = own_loss.or(Some(measure.score.loss()));
            self.report(phase, &suite.name, measure, None)?;
        }
        for suite in &watch.retained {
            let measure = suite.measure(decoder, &self.prepared.tokenizer)?;
            let loss = measure.score.loss();
            if first {
                watch.base.insert(suite.name.clone(), loss);
            }
            let base = watch.base.get(&suite.name).copied();
            self.report(phase, &suite.name, measure, base.map(|base| loss - base))?;
        }
        Ok(own_loss)
    }

    fn report(&mut self, phase: &PhasePlan, suite: &str, measure: Measure, retention: Option<f64>) -> Result<()> {
        self.emit(Event::Evaluation(Evaluation {
            phase: phase.name.clone(),
            step: self.step,
            suite: suite.to_string(),
            loss: measure.score.loss(),
            perplexity: measure.score.perplexity(),
            bits_per_byte: measure.score.bits_per_byte(),
            metric: measure.metric.map(|(name, _)| name.to_string()),
            value: measure.metric.map(|(_, value)| value),
            retention,
        }))
    }

    fn save(
        &mut self,
        phase: &PhasePlan,
        decoder: &Decoder,
        loss: Option<f64>,
        base: Option<String>,
    ) -> Result<PathBuf> {
        let (run, step) = (self.folder.name.clone(), self.step);
        let state = State { run, phase: phase.name.clone(), step, loss, base };
        let path = checkpoint::save(&self.folder.path, decoder, &self.prepared.tokenizer, &state)
            .map_err(|error| error.next("make room there; checkpoints written before are whole"))?;
        let saved = CheckpointSaved { phase: phase.name.clone(), step, path: path.display().to_string() };
        self.emit(Event::Checkpoint(saved))?;
        Ok(path)
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

fn watch<'a>(plan: &Plan, index: usize, data: &'a PhaseData, earlier: &'a [PhaseData]) -> Watch<'a> {
    let mut retained: Vec<&Suite> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let of_ancestors = plan.ancestors(index).into_iter().map(|ancestor| &earlier[ancestor]);
    let held_out = of_ancestors.clone().flat_map(|ancestor| &ancestor.held_out);
    let probes = std::iter::once(data).chain(of_ancestors).flat_map(|phase| &phase.probes);
    for suite in held_out.chain(probes) {
        // A probe that several phases ask for is measured once.
        if !names.contains(&suite.name.as_str()) {
            names.push(&suite.name);
            retained.push(suite);
        }
    }
    Watch { own: &data.held_out, retained, base: HashMap::new() }
}

fn interrupted(step: u64, saved: Option<&PathBuf>) -> Error {
    let error = Error { kind: Kind::Interrupted, ..Error::new(format!("interrupted after step {step}")) };
    match saved {
        Some(path) => error.next(format!("the checkpoint is whole, in {}", path.display())),
        None => error.next("nothing was trained yet: start again when you like"),
    }
}
