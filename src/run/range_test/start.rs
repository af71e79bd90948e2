//! What a range test starts from: the phase, its data, and the weights that it begins with.

use super::Request;
use crate::model::{Decoder, cost};
use crate::run::checkpoint::{self, Reason, State};
use crate::run::data::PhaseData;
use crate::run::execute::{self, Prepared, Start};
use crate::run::memory;
use crate::run::plan::{PhasePlan, Plan};
use crate::{Error, Result};
use candle_core::DType;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A phase at its beginning.
pub(super) struct Beginning {
    /// Its place in the plan.
    pub index: usize,
    pub data: Arc<PhaseData>,
    pub decoder: Decoder,
    /// The folder that the weights are from; `None` for new ones.
    pub name: Option<String>,
}

/// Finds the phase and its weights before any data is prepared, so that what can be refused is refused at once.
pub(super) fn find(request: &Request) -> Result<Beginning> {
    let plan = request.plan;
    let ends = ends(request.run)?;
    let from = request.checkpoint.map(|path| (path.to_path_buf(), checkpoint::state(path)));
    let index = match request.phase {
        Some(name) => named(plan, name)?,
        None => next(plan, &ends, from.as_ref().and_then(|(_, state)| state.as_ref())),
    };
    let weights = match (from, plan.parent(index)) {
        (Some((path, _)), _) => Some(path),
        (None, Some(parent)) => Some(end_of(plan, &ends, index, parent)?),
        (None, None) => None,
    };
    let run = execute::Request {
        plan,
        name: None,
        device: request.device,
        home: request.home,
        progress: request.progress,
        cancel: request.cancel,
        until: None,
    };
    let prepared = Prepared::new(&run)?;
    let data = prepared.preparations.phases[index].clone();
    let (decoder, name) = match (weights, prepared.model) {
        (Some(path), _) | (None, Start::Checkpoint(path)) => {
            (checkpoint::weights(&path, request.device)?, Some(path.display().to_string()))
        }
        (None, Start::Preset(config)) => (Decoder::random(config, plan.seed, DType::F32, request.device)?, None),
    };
    let decoder = match &data.score {
        Some(score) => decoder.with_score(score, plan.seed)?,
        None => decoder,
    };
    let phase = &plan.phases[index];
    let decoder = execute::stored_as_planned(execute::computing_as_planned(decoder, phase, request.device), phase)?;
    check_memory(phase, &decoder)?;
    Ok(Beginning { index, data, decoder, name })
}

/// The checkpoints at the ends of a run's phases.
fn ends(run: Option<&Path>) -> Result<Vec<(PathBuf, State)>> {
    let Some(run) = run else { return Ok(Vec::new()) };
    let is_end = |state: &State| state.progress.as_ref().is_some_and(|progress| progress.reason == Reason::End);
    Ok(checkpoint::list(run)?.into_iter().filter(|(_, state)| is_end(state)).collect())
}

fn named(plan: &Plan, name: &str) -> Result<usize> {
    plan.phases.iter().position(|phase| phase.name == name).ok_or_else(|| {
        let names: Vec<&str> = plan.phases.iter().map(|phase| phase.name.as_str()).collect();
        Error::new(format!("there is no phase \"{name}\" in the plan {}", plan.name))
            .next(format!("its phases are {}", names.join(", ")))
    })
}

/// Without a name: the phase that a checkpoint lies in, or the one behind its end; else the first that is not done.
fn next(plan: &Plan, ends: &[(PathBuf, State)], from: Option<&State>) -> usize {
    let last = plan.phases.len() - 1;
    let place = |name: &str| plan.phases.iter().position(|phase| phase.name == name);
    if let Some(state) = from
        && let Some(own) = place(&state.phase)
    {
        let is_end = state.progress.as_ref().is_some_and(|progress| progress.reason == Reason::End);
        let behind = (0..=last).find(|index| is_end && plan.parent(*index) == Some(own));
        return behind.unwrap_or(own);
    }
    let is_done = |index: &usize| ends.iter().any(|(_, state)| state.phase == plan.phases[*index].name);
    (0..=last).find(|index| !is_done(index)).unwrap_or(last)
}

fn end_of(plan: &Plan, ends: &[(PathBuf, State)], index: usize, parent: usize) -> Result<PathBuf> {
    let (own, parent) = (&plan.phases[index].name, &plan.phases[parent].name);
    let found = ends.iter().rfind(|(_, state)| &state.phase == parent).map(|(path, _)| path.clone());
    found.ok_or_else(|| {
        Error::new(format!("the phase {own} has no weights to start from yet"))
            .because(format!("it starts from the end of phase {parent}, and no checkpoint of that end is there"))
            .next("give a run that has carried that phase out, or --phase with the plan's first")
    })
}

/// Refuses a test that needs more memory than there is: gradients, moments, and what is kept for the way back.
pub(super) fn check_memory(phase: &PhasePlan, decoder: &Decoder) -> Result<()> {
    let rows = phase.batch.div_ceil(phase.accumulate.max(1)) as u64;
    let facts = cost::facts(&decoder.config, &decoder.parameters, decoder.recompute, rows, phase.context as u64);
    let needed: u64 = facts.iter().map(|fact| fact.training_bytes + fact.kept_bytes).sum();
    match memory::available_bytes().filter(|available| needed > *available) {
        None => Ok(()),
        Some(available) => Err(Error::new("the test needs more memory than there is")
            .because(format!("about {:.1} GB, and {:.1} GB are free", needed as f64 / 1e9, available as f64 / 1e9))
            .next("take fewer rows at once: --set phase.NAME.batch or more of accumulate")),
    }
}
