//! A run that nobody trains any more: its last checkpoint is read, so that its layers can be seen and it can answer.

use super::orders::Weights;
use super::service::{Parts, spawn};
use super::trainer::lock;
use crate::Result;
use crate::corpus::progress::Silent;
use crate::corpus::tokenizer::Tokenizer;
use crate::model::{Decoder, Selector, cost, folder};
use crate::protocol::GroupState;
use crate::run::data::{self, PhaseData};
use crate::run::execute::Preparations;
use crate::run::{Plan, checkpoint};
use candle_core::{DType, Device};
use std::path::Path;
use std::sync::Arc;

/// Reads the last checkpoint in a thread of its own.
pub fn start(parts: Parts) -> Result<Vec<std::thread::JoinHandle<()>>> {
    let reading = spawn("reading", move || {
        if let Err(error) = read(&parts) {
            let text = format!("the run cannot be read in full: {error}");
            let mut history = parts.shared.lock();
            let step = history.status.step;
            history.events.push(crate::protocol::Event::Notice(crate::protocol::Notice { phase: None, step, text }));
        }
        parts.service.training_is_over();
    })?;
    Ok(vec![reading])
}

fn read(parts: &Parts) -> Result<()> {
    let Some((path, state)) = checkpoint::list(&parts.work.run)?.pop() else { return Ok(()) };
    let (live, tokenizer) = checkpoint::open(&path, &parts.work.device)?;
    let base = state.base.as_deref().and_then(|base| open_base(Path::new(base), &parts.work.device));
    let phase = parts.plan.phases.iter().find(|phase| phase.name == state.phase);
    let (rows, columns) = phase.map_or((1, 1), |phase| (phase.batch as u64, phase.context as u64));
    let facts = cost::facts(&live.config, &live.parameters, rows, columns);
    let groups = groups(&parts.plan, &state.phase, &live);
    lock(&parts.shelf).last = Some(Weights { live: Arc::new(live), base, step: state.step });
    let tokenizer = Arc::new(tokenizer);
    parts.service.corpus.set_tokenizer(tokenizer.clone());
    lock(&parts.shelf).preparations = Some(Preparations { tokenizer: tokenizer.clone(), phases: Vec::new() });
    parts.shared.lock().set_facts(facts);
    parts.service.change_status(|status| status.groups = groups);
    parts.service.training_is_over();
    let phases = data(parts, &tokenizer)?;
    lock(&parts.shelf).preparations = Some(Preparations { tokenizer, phases });
    Ok(())
}

/// The data of every phase again, so that batches can be looked at; mostly out of the cache.
fn data(parts: &Parts, tokenizer: &Tokenizer) -> Result<Vec<Arc<PhaseData>>> {
    let (home, seed, cancel) = (&parts.work.home, parts.plan.seed, &*parts.cancel);
    let context = data::Context { home, seed, progress: &Silent, cancel };
    parts.plan.phases.iter().map(|phase| data::load(phase, tokenizer, &context).map(Arc::new)).collect()
}

/// The base, where it is still there.
fn open_base(path: &Path, device: &Device) -> Option<Arc<Decoder>> {
    folder::load(path, DType::F32, device).ok().map(Arc::new)
}

/// What trained at the start of the phase, as the plan has it.
fn groups(plan: &Plan, phase: &str, decoder: &Decoder) -> Vec<GroupState> {
    let phase = plan.phases.iter().find(|own| own.name == phase);
    let frozen: Vec<Selector> = phase.map_or(Vec::new(), |phase| phase.frozen.iter().flat_map(|s| s.parse()).collect());
    let state = |group| {
        let trainable = !frozen.iter().any(|selector| selector.matches(group));
        GroupState { group, trainable, multiplier: 1.0 }
    };
    decoder.parameters.groups().into_iter().map(state).collect()
}
