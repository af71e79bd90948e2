//! What is known before the first step, and refused where it does not fit.

use super::super::data::{self, PhaseData};
use super::super::home::Home;
use super::super::plan::{PhasePlan, Plan};
use super::super::{checkpoint, tokenizer};
use super::Request;
use crate::corpus::tokenizer::Tokenizer;
use crate::model::group::check_selectors;
use crate::model::{Config, Group, Kind, Layer, Selector, folder, preset};
use crate::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;

/// What others may hold on to while the run goes on.
#[derive(Clone)]
pub struct Preparations {
    pub tokenizer: Arc<Tokenizer>,
    /// In the order of the plan.
    pub phases: Vec<Arc<PhaseData>>,
}

/// Everything that is there before the first step.
pub(in crate::run) struct Prepared {
    /// The run's first weights: a checkpoint's folder, or a shape.
    pub model: Start,
    pub preparations: Preparations,
}

pub(in crate::run) enum Start {
    Checkpoint(PathBuf),
    Preset(Config),
}

impl Prepared {
    pub fn new(request: &Request) -> Result<Self> {
        let plan = request.plan;
        let (home, progress, cancel) = (request.home, request.progress, request.cancel);
        let context = data::Context { home, config: None, seed: plan.seed, progress, cancel };
        let from = plan.model.from.as_deref().map(|name| checkpoint::resolve(name, home)).transpose()?;
        let checked = from.as_deref().map(folder::check).transpose()?;
        let tokenizer = tokenizer::of_plan(plan, from.as_deref(), &context)?;
        let config = match checked {
            Some(config) => config,
            None => preset_config(plan, tokenizer.vocabulary_size())?,
        };
        checkpoint::check_vocabulary(&tokenizer, &config)?;
        check_plan(plan, &config)?;
        let context = data::Context { config: Some(&config), ..context };
        let phases = data::load(plan, &tokenizer, &context)?;
        let model = from.map_or_else(|| Start::Preset(config.clone()), Start::Checkpoint);
        Ok(Self { model, preparations: Preparations { phases, tokenizer: Arc::new(tokenizer) } })
    }
}

fn preset_config(plan: &Plan, vocabulary: usize) -> Result<Config> {
    let name = plan.model.preset.as_deref().unwrap_or_default();
    let preset = preset::find(name).ok_or_else(|| Error::new(format!("there is no model preset \"{name}\"")))?;
    let mut config = preset.config(vocabulary, plan.model.context.unwrap_or(preset.context));
    config.tied = plan.model.tied.unwrap_or(true);
    config.validate()?;
    Ok(config)
}

/// Refuses a plan that names a corpus or a checkpoint that is not there: quick, and before anything is prepared.
pub fn check_names(plan: &Plan, home: &Home) -> Result<()> {
    if let Some(name) = &plan.model.from {
        folder::check(&checkpoint::resolve(name, home)?)?;
    }
    for phase in &plan.phases {
        let sources = phase.corpus.iter().map(|corpus| &corpus.path).chain(&phase.probes);
        for path in sources.filter(|path| !path.starts_with("world:")) {
            data::open_source(path, phase.skip_broken, home)
                .map_err(|error| error.within(format!("the phase {} cannot start", phase.name)))?;
        }
    }
    Ok(())
}

/// Rows must fit the model's context, and what a phase freezes must be in the model.
pub fn check_plan(plan: &Plan, config: &Config) -> Result<()> {
    match plan.phases.iter().find(|phase| phase.context > config.context) {
        None => (0..plan.phases.len()).try_for_each(|index| check_frozen(plan, index, config)),
        Some(phase) => Err(Error::new(format!("the phase {} does not fit the model", phase.name))
            .because(format!("its context is {}, and the model's {}", phase.context, config.context))
            .next(format!("set phase.{}.context to {} or less", phase.name, config.context))),
    }
}

/// What a phase freezes must be there, and must leave something to train.
fn check_frozen(plan: &Plan, index: usize, config: &Config) -> Result<()> {
    let phase = &plan.phases[index];
    let (frozen, mut groups) = (selectors(phase)?, config.groups());
    let score = Group::new(Layer::Head, Kind::Score);
    if plan.scores(index) && !groups.contains(&score) {
        groups.push(score);
    }
    let checked = check_selectors(&groups, &frozen).and_then(|()| {
        match groups.iter().all(|group| frozen.iter().any(|selector| selector.matches(*group))) {
            true => Err(Error::new("nothing is left to train").next("leave some layer out of `frozen`")),
            false => Ok(()),
        }
    });
    checked.map_err(|error| error.within(format!("the phase {} cannot start", phase.name)))
}

pub(super) fn selectors(phase: &PhasePlan) -> Result<Vec<Selector>> {
    phase.frozen.iter().map(|selector| selector.parse()).collect()
}
