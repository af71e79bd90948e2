//! A run that nobody trains any more: its last checkpoint is read, so that its layers can be seen and it can answer.

use super::history::Shared;
use super::orders::Weights;
use super::server::Service;
use super::service::{Parts, Work, spawn};
use super::trainer::{SharedShelf, lock};
use crate::Result;
use crate::corpus::progress::Silent;
use crate::corpus::tokenizer::Tokenizer;
use crate::model::{Config, Decoder, cost};
use crate::protocol::{self, Event, Notice};
use crate::run::data::{self, PhaseData};
use crate::run::execute::Preparations;
use crate::run::{Plan, checkpoint, steering};
use candle_core::DType;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

/// Reads the last checkpoint in a thread of its own.
pub fn start(parts: Parts) -> Result<Vec<JoinHandle<Result<()>>>> {
    // Nobody reads orders: who asks for weights is sent to the shelf at once.
    let Parts { work, plan, shared, shelf, cancel, service, .. } = parts;
    let reopened = Reopened { work, plan, shared, shelf, cancel, service };
    let reading = spawn("reading", move || {
        if let Err(error) = reopened.read() {
            reopened.say(format!("the run cannot be read in full: {error}"));
        }
        reopened.service.training_is_over();
        Ok(())
    })?;
    Ok(vec![reading])
}

/// A run that is shown as it is.
struct Reopened {
    work: Work,
    plan: Plan,
    shared: Arc<Shared>,
    shelf: SharedShelf,
    cancel: Arc<AtomicBool>,
    service: Arc<Service>,
}

impl Reopened {
    fn read(&self) -> Result<()> {
        self.describe_phase();
        let Some((path, state)) = checkpoint::list(&self.work.run)?.pop() else { return Ok(()) };
        let (live, tokenizer) = checkpoint::open(&path, &self.work.device)?;
        self.show_groups(&state.phase, &live);
        let config = live.config.clone();
        let (base, tokenizer) = (self.base(state.base.as_deref(), &live), Arc::new(tokenizer));
        {
            let mut shelf = lock(&self.shelf);
            shelf.base = base;
            shelf.last = Some(Weights { live: Arc::new(live), step: state.step });
            shelf.preparations = Some(Preparations { tokenizer: tokenizer.clone(), phases: Vec::new() });
        }
        self.service.corpus.set_tokenizer(tokenizer.clone());
        self.service.training_is_over();
        let phases = self.data(&tokenizer, &config)?;
        self.service.corpus.set_chats(phases.iter().map(|phase| phase.chat.chat.clone()).collect());
        lock(&self.shelf).preparations = Some(Preparations { tokenizer, phases });
        Ok(())
    }

    fn say(&self, text: String) {
        let mut history = self.shared.lock();
        let step = history.status.step;
        history.push(Event::Notice(Notice { phase: None, step, text }));
    }

    /// The phase that began last, as its records have it.
    fn describe_phase(&self) {
        let begun = self.shared.lock().events.iter().rev().find_map(|event| match event {
            Event::Phase(phase) => Some(phase.clone()),
            _ => None,
        });
        let rate = self.shared.lock().steps.learning_rate.last().map_or(0.0, |rate| *rate as f64);
        let place = begun.as_ref().and_then(|begun| self.plan.phases.iter().position(|own| own.name == begun.phase));
        let Some((begun, index)) = begun.zip(place) else { return };
        let plan = &self.plan.phases[index];
        let phase = protocol::Phase {
            name: begun.phase,
            index,
            first_step: begun.first_step,
            steps: begun.steps,
            base: begun.base,
            objective: plan.objective.name().into(),
            context: plan.context as u64,
            batch: plan.batch as u64,
            // Nothing trains any longer.
            prefix_share: 0.0,
        };
        self.service.change_status(|status| (status.phase, status.learning_rate) = (Some(phase), rate));
    }

    /// What the layers cost, and what trained in the end.
    fn show_groups(&self, phase: &str, live: &Decoder) {
        let Some(phase) = self.plan.phases.iter().find(|own| own.name == phase) else { return };
        let rows = phase.batch.div_ceil(phase.accumulate.max(1)) as u64;
        let facts = cost::facts(&live.config, &live.parameters, phase.recompute, rows, phase.context as u64);
        let step = self.shared.lock().steps.step.last().copied().unwrap_or(0);
        let steering = steering::from_records(live.parameters.groups(), phase, &self.shared.lock().events, step);
        self.shared.lock().set_facts(facts);
        let factor = steering.settings().rate_factor;
        self.service.change_status(|status| (status.groups, status.rate_factor) = (steering.states(), factor));
    }

    /// What the phase started from: a checkpoint, where it is still there, or the run's first weights again.
    fn base(&self, path: Option<&str>, live: &Decoder) -> Option<Arc<Decoder>> {
        let device = &self.work.device;
        let base = match path {
            Some(path) => checkpoint::weights(Path::new(path), device),
            None => Decoder::random(live.config.clone(), self.plan.seed, DType::F32, device),
        };
        base.ok().map(Arc::new)
    }

    /// The data of every phase again, so that batches can be looked at; mostly out of the cache.
    fn data(&self, tokenizer: &Tokenizer, config: &Config) -> Result<Vec<Arc<PhaseData>>> {
        let (home, seed, cancel) = (&self.work.home, self.plan.seed, &*self.cancel);
        let context = data::Context { home, config: Some(config), seed, progress: &Silent, cancel };
        data::load(&self.plan, tokenizer, &context)
    }
}
