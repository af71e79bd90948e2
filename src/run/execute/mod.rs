//! Carrying a plan out: phase after phase, to the checkpoint at the end of each, watched and steered on the way.

mod phase;
mod prefix;
mod prepare;
#[cfg(test)]
mod testing;

pub use phase::PhaseRun;
pub use prepare::{Preparations, check_names, check_plan};

use super::checkpoint::{self, State as CheckpointState};
use super::data::PhaseData;
use super::folder::{Metrics, RunFolder};
use super::home::Home;
use super::memory;
use super::plan::Plan;
use crate::corpus::progress::Progress;
use crate::error::Kind;
use crate::model::{Decoder, folder};
use crate::protocol::{CheckpointSaved, Event, Failed, Finished, State};
use crate::{Error, Result};
use candle_core::{DType, Device};
use prepare::{Prepared, Start};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Is told what happens, as it happens, on the training thread; and may steer between steps. What it is told it must
/// take without waiting: training goes on when it returns.
pub trait Observer {
    fn event(&mut self, event: &Event);

    /// All data is there, and nothing trains yet.
    fn prepared(&mut self, _preparations: &Preparations) {}

    /// What the run is doing now.
    fn state(&mut self, _state: State) {}

    /// A phase is about to begin; its first evaluation comes next.
    fn phase_begins(&mut self, _phase: &PhaseRun) {}

    /// Whether the weights that a phase starts from are kept in memory, to measure drift and to answer beside the live
    /// ones.
    fn keeps_base(&self) -> bool {
        false
    }

    /// May take over the writing of steps and evaluations.
    fn metrics(&mut self, metrics: Metrics) -> Option<Metrics> {
        Some(metrics)
    }

    /// A phase stands ready before its first step, and between any two steps. Here commands take effect.
    /// Returns whether it wants to be asked again before the next step; while the phase is paused it always is.
    fn between_steps(&mut self, _phase: &mut PhaseRun) -> Result<bool> {
        Ok(false)
    }

    /// A phase is over, whatever ended it; these are its last weights.
    fn phase_ended(&mut self, _weights: Decoder, _step: u64) {}
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
    let prepared = Prepared::new(request)?;
    let folder = RunFolder::create(request.home, request.name, request.plan)?;
    carry_out(request, prepared, folder, observer, started)
}

/// The same in a folder that was made before, by someone who wants to show what is being prepared.
pub fn execute_in(mut folder: RunFolder, request: &Request, observer: &mut dyn Observer) -> Result<Finished> {
    let started = Instant::now();
    let prepared = Prepared::new(request).inspect_err(|error| {
        // Whether that can be written or not, the error is what there is to say.
        let _ = failed(error, 0).map(|event| folder.record(&event));
    })?;
    carry_out(request, prepared, folder, observer, started)
}

fn carry_out(
    request: &Request,
    prepared: Prepared,
    mut folder: RunFolder,
    observer: &mut dyn Observer,
    started: Instant,
) -> Result<Finished> {
    observer.prepared(&prepared.preparations);
    if let Some(metrics) = folder.take_metrics().and_then(|metrics| observer.metrics(metrics)) {
        folder.give_metrics(metrics);
    }
    let phases = prepared.preparations.phases.clone();
    let mut run = Run {
        request,
        prepared,
        folder,
        observer: Some(observer),
        untold: Vec::new(),
        ends: Vec::new(),
        step: 0,
        tokens: 0,
        started,
        saved: None,
    };
    for index in 0..phases.len() {
        run.phase(index, &phases).inspect_err(|error| {
            let _ = failed(error, run.step).map(|event| run.emit(event));
        })?;
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

/// A run being carried out.
struct Run<'a> {
    request: &'a Request<'a>,
    prepared: Prepared,
    folder: RunFolder,
    /// `None` while the observer steers.
    observer: Option<&'a mut dyn Observer>,
    /// What happened meanwhile.
    untold: Vec<Event>,
    /// The checkpoint at the end of each phase that is done.
    ends: Vec<PathBuf>,
    /// Steps done in all phases together.
    step: u64,
    tokens: u64,
    started: Instant,
    /// The checkpoint that was written last, and after how many steps.
    saved: Option<(u64, PathBuf)>,
}

impl Run<'_> {
    fn emit(&mut self, event: Event) -> Result<()> {
        self.folder.record(&event)?;
        match &mut self.observer {
            Some(observer) => observer.event(&event),
            None => self.untold.push(event),
        }
        Ok(())
    }

    /// Tells the observer what happened while it steered.
    fn tell_the_rest(&mut self) {
        if let Some(observer) = &mut self.observer {
            self.untold.drain(..).for_each(|event| observer.event(&event));
        }
    }

    fn is_cancelled(&self) -> bool {
        self.request.cancel.load(Ordering::Relaxed)
    }

    fn phase(&mut self, index: usize, phases: &[Arc<PhaseData>]) -> Result<()> {
        if self.is_cancelled() {
            return Err(interrupted(self.step, self.ends.last()));
        }
        let (decoder, base) = self.first_weights(self.request.plan.parent(index))?;
        let mut phase = PhaseRun::new(self, index, phases, decoder, base)?;
        let outcome = phase.carry_out();
        let weights = phase.into_weights();
        let end = self.step;
        if let Some(observer) = &mut self.observer {
            observer.phase_ended(weights, end);
        }
        self.ends.push(outcome?);
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

    /// Writes a checkpoint of this step, unless it is there already.
    fn save(&mut self, decoder: &Decoder, phase: &str, loss: Option<f64>, base: Option<String>) -> Result<PathBuf> {
        if let Some((_, path)) = self.saved.as_ref().filter(|(step, _)| *step == self.step) {
            return Ok(path.clone());
        }
        let (run, step, precision) = (self.folder.name.clone(), self.step, decoder.parameters.precision);
        let state = CheckpointState { run, phase: phase.to_string(), step, loss, base, precision, progress: None };
        let snapshot = checkpoint::Snapshot { decoder: Arc::new(decoder.clone()), moments: Vec::new(), state };
        let path = checkpoint::save(&self.folder.path, &snapshot, &self.prepared.preparations.tokenizer)
            .map_err(|error| error.next("make room there; checkpoints written before are whole"))?;
        let saved = CheckpointSaved { phase: phase.to_string(), step, path: path.display().to_string() };
        self.emit(Event::Checkpoint(saved))?;
        self.saved = Some((step, path.clone()));
        Ok(path)
    }
}

/// The event of an error; an interruption is none.
fn failed(error: &Error, step: u64) -> Option<Event> {
    (error.kind != Kind::Interrupted).then(|| Event::Failed(Failed { step, error: error.to_string() }))
}

fn interrupted(step: u64, saved: Option<&PathBuf>) -> Error {
    let error = Error { kind: Kind::Interrupted, ..Error::new(format!("interrupted after step {step}")) };
    match saved {
        Some(path) => error.next(format!("the checkpoint is whole, in {}", path.display())),
        None => error.next("nothing was trained yet: start again when you like"),
    }
}
