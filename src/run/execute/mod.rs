//! Carrying a plan out: phase after phase, to the checkpoint at the end of each, watched and steered on the way.

mod bound;
mod divergence;
#[cfg(test)]
mod encoder_label_tests;
mod ending;
mod fisher;
mod foresee;
mod guard;
#[cfg(test)]
mod label_tests;
mod health;
mod often;
mod phase;
mod prefix;
mod prepare;
mod pull;
mod rescue;
mod save;
mod script;
mod standing;
mod start;
mod steer;
#[cfg(test)]
pub(in crate::run) mod testing;
mod unfreeze;
mod warnings;
mod watch;

pub use phase::PhaseRun;
pub(super) use phase::settings as phase_settings;
pub use prepare::{Preparations, check_names, check_plan};
pub(super) use prepare::{Prepared, Start};
pub use start::{Beginning, find_beginning};
pub(super) use start::{computing_as_planned, stored_as_planned};
pub use steer::Outcome;

use super::checkpoint::{self, Writer};
use super::folder::{Metrics, RunFolder};
use super::home::Home;
use super::plan::{ChangePlan, Plan};
use super::{HostPlace, Lock, memory};
use crate::corpus::progress::Progress;
use crate::error::Kind;
use crate::model::Decoder;
use crate::protocol::{By, Event, Failed, Finished, Origin, State, Steered};
use crate::{Error, Result};
use candle_core::{DType, Device};
use script::Script;
use start::First;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
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

    /// Whether somebody may say `continue` to a run that stands still. Where nobody can, pauses are passed over.
    fn waits(&self) -> bool {
        false
    }

    /// Where the observer writes the metrics: tells when everything up to now is on the disk, and how long the file is
    /// then.
    fn metrics_on_disk(&mut self) -> Option<Receiver<Result<u64>>> {
        None
    }

    /// The checkpoint of this step could not be written, and why.
    fn not_saved(&mut self, _step: u64, _why: &str) {}

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
    /// Steps after which it is to stop, saved, as if somebody had said so.
    pub until: Option<u64>,
}

/// Carries the plan out in a new run. Everything that can be refused is refused before the run's folder is made; from then
/// on a failure leaves what was written whole. An interruption is an error of its kind that says where the checkpoint is.
pub fn execute(request: &Request, observer: &mut dyn Observer, origin: Option<Origin>) -> Result<Finished> {
    let started = Instant::now();
    RunFolder::check(request.home, request.name)?;
    let prepared = Prepared::new(request)?;
    let folder = RunFolder::create(request.home, request.name, request.plan, origin)?;
    let place = HostPlace::of(&folder.path);
    place.create()?;
    let _lock = Lock::take(&place)?;
    carry_out(request, prepared, folder, Beginning::default(), observer, started)
}

/// Carries the plan of a run out whose folder is there, from where it stands: its beginning, or a checkpoint. The caller
/// holds the run's lock.
pub fn go_on(
    mut folder: RunFolder,
    beginning: Beginning,
    request: &Request,
    observer: &mut dyn Observer,
) -> Result<Finished> {
    let started = Instant::now();
    let prepared = Prepared::new(request).inspect_err(|error| {
        // Whether that can be written or not, the error is what there is to say.
        let _ = failed(error, 0).map(|event| folder.note(&event));
    })?;
    carry_out(request, prepared, folder, beginning, observer, started)
}

fn carry_out(
    request: &Request,
    prepared: Prepared,
    mut folder: RunFolder,
    beginning: Beginning,
    observer: &mut dyn Observer,
    started: Instant,
) -> Result<Finished> {
    observer.prepared(&prepared.preparations);
    if let Some(metrics) = folder.take_metrics().and_then(|metrics| observer.metrics(metrics)) {
        folder.give_metrics(metrics);
    }
    let mut run = Run::new(request, prepared, folder, observer, started);
    let outcome = run.all_phases(beginning);
    if let Err(error) = outcome {
        failed(&error, run.step).into_iter().for_each(|event| run.emit(event));
        return Err(error);
    }
    let transfer = run.transfer();
    let finished = Finished {
        run: run.folder.name.clone(),
        path: run.folder.path.display().to_string(),
        steps: run.step,
        seconds: run.seconds(),
        tokens: run.tokens,
        peak_rss_bytes: memory::peak_rss_bytes(),
        transfer,
    };
    run.emit(Event::Finished(finished.clone()));
    Ok(finished)
}

/// A run being carried out.
struct Run<'a> {
    request: &'a Request<'a>,
    prepared: Prepared,
    folder: RunFolder,
    /// `None` while the observer steers.
    observer: Option<&'a mut dyn Observer>,
    /// Whether somebody can say `continue`.
    observer_waits: bool,
    /// What happened meanwhile.
    untold: Vec<Event>,
    unsaved: Vec<(u64, String)>,
    /// The checkpoint at the end of each phase that is done, by the phase's place.
    ends: HashMap<usize, PathBuf>,
    /// Steps done in all phases together.
    step: u64,
    tokens: u64,
    started: Instant,
    /// Of the run before this process took it up.
    seconds_before: f64,
    /// Commands that took effect and still count, each with its line of the journal.
    steered: Vec<(u64, Steered)>,
    /// Changes of the plan that a person took back.
    dropped: Vec<ChangePlan>,
    script: Script,
    /// The loss of each step that will be done again, as it was.
    recorded: HashMap<u64, f32>,
    /// Steps that a fork has in common with the run that it came from.
    in_common: u64,
    writer: Writer,
    /// The step that was handed to the writer last, and the checkpoint that was written last.
    saved: Option<u64>,
    saved_path: Option<(u64, PathBuf)>,
    /// When a checkpoint could not be written, and when the journal or the metrics could not, since then.
    saves_failed: Option<Instant>,
    records_failed: Option<Instant>,
    /// Why the last checkpoint could not be written, as it was said.
    said_unsaved: Option<String>,
}

impl<'a> Run<'a> {
    fn new(
        request: &'a Request<'a>,
        prepared: Prepared,
        folder: RunFolder,
        observer: &'a mut dyn Observer,
        started: Instant,
    ) -> Self {
        let writer = Writer::new(folder.path.clone(), prepared.preparations.tokenizer.clone());
        let mut run = Self {
            request,
            prepared,
            folder,
            observer_waits: observer.waits(),
            observer: Some(observer),
            untold: Vec::new(),
            unsaved: Vec::new(),
            ends: HashMap::new(),
            step: 0,
            tokens: 0,
            started,
            seconds_before: 0.0,
            steered: Vec::new(),
            dropped: Vec::new(),
            script: Script::default(),
            recorded: HashMap::new(),
            in_common: 0,
            writer,
            saved: None,
            saved_path: None,
            saves_failed: None,
            records_failed: None,
            said_unsaved: None,
        };
        run.plan_ahead();
        run
    }

    /// Phase after phase, from where the run begins.
    fn all_phases(&mut self, beginning: Beginning) -> Result<()> {
        let phases = self.prepared.preparations.phases.clone();
        let first = self.begin(beginning)?;
        for index in first.index..phases.len() {
            if self.is_cancelled() {
                return Err(interrupted(self.step, self.saved_path.as_ref().map(|(_, path)| path)));
            }
            let tokenizer = phases[index].chat.tokenizer_or(&self.prepared.preparations.tokenizer).clone();
            self.writer.set_tokenizer(tokenizer);
            let resumed = first.checkpoint.as_ref().filter(|_| index == first.index);
            let mut phase = match resumed {
                Some((path, state)) => PhaseRun::resume(self, index, &phases, path, state)?,
                None => {
                    let first = self.first_weights_of(index)?;
                    PhaseRun::new(self, index, &phases, first)?
                }
            };
            let outcome = if resumed.is_some() { phase.go_on() } else { phase.carry_out() };
            let weights = phase.into_weights();
            let end = self.step;
            if let Some(observer) = &mut self.observer {
                observer.phase_ended(weights, end);
            }
            self.ends.insert(index, outcome?);
        }
        Ok(())
    }

    /// The weights that a phase starts from, stored as its plan says.
    fn first_weights_of(&self, index: usize) -> Result<First> {
        let plan = &self.request.plan.phases[index];
        let (decoder, base) = self.first_weights(self.request.plan.parent(index))?;
        let decoder = self.scoring(index, decoder)?;
        let decoder = start::stored_as_planned(start::computing_as_planned(decoder, plan, self.request.device), plan)?;
        Ok(First { decoder, base, base_weights: None })
    }

    /// A model with the score that phase `index` trains or keeps: a new one where it has no such score yet.
    fn scoring(&self, index: usize, decoder: Decoder) -> Result<Decoder> {
        match &self.prepared.preparations.phases[index].score {
            Some(score) => decoder.with_score(score, self.request.plan.seed),
            None => Ok(decoder),
        }
    }

    /// The weights that a phase with this parent starts from, and the name of their checkpoint.
    fn first_weights(&self, parent: Option<usize>) -> Result<(Decoder, Option<String>)> {
        let device = self.request.device;
        let path = match (parent, &self.prepared.model) {
            (Some(parent), _) => self.ends.get(&parent).ok_or_else(|| {
                let name = &self.request.plan.phases[parent].name;
                Error::new(format!("the checkpoint at the end of phase {name} is gone"))
                    .because("a later phase starts from it")
                    .next("restore it from a copy, or start the run anew")
            })?,
            (None, Start::Checkpoint(path)) => path,
            (None, Start::Preset(config)) => {
                return Ok((Decoder::random(config.clone(), self.request.plan.seed, DType::F32, device)?, None));
            }
        };
        Ok((checkpoint::weights(path, device)?, Some(path.display().to_string())))
    }

    /// Has it on the disk and tells it. A disk that fails is said once, and tried again; nothing is lost meanwhile.
    fn emit(&mut self, event: Event) {
        let written = self.folder.note(&event);
        self.tell(event);
        if let Err(error) = written
            && self.records_failed.replace(Instant::now()).is_none()
        {
            let text = format!("{error}; it waits in memory until the disk takes it");
            let notice = Event::Notice(crate::protocol::Notice { phase: None, step: self.step, text });
            let _ = self.folder.note(&notice);
            self.tell(notice);
        }
    }

    fn tell(&mut self, event: Event) {
        match &mut self.observer {
            Some(observer) => observer.event(&event),
            None => self.untold.push(event),
        }
    }

    fn tell_not_saved(&mut self, step: u64, why: String) {
        match &mut self.observer {
            Some(observer) => observer.not_saved(step, &why),
            None => self.unsaved.push((step, why)),
        }
    }

    /// Tells the observer what happened while it steered.
    fn tell_the_rest(&mut self) {
        if let Some(observer) = &mut self.observer {
            self.untold.drain(..).for_each(|event| observer.event(&event));
            self.unsaved.drain(..).for_each(|(step, why)| observer.not_saved(step, &why));
        }
    }

    fn is_cancelled(&self) -> bool {
        self.request.cancel.load(Ordering::Relaxed)
    }

    fn is_far_enough(&self) -> bool {
        self.request.until.is_some_and(|until| self.step >= until)
    }

    /// Since the run began, pauses included, as long as a process had it.
    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// Lines of the journal that the state of now stands on.
    fn position(&self) -> u64 {
        self.script.next_line().unwrap_or(self.folder.journal.lines())
    }

    /// Works out which of the plan's changes are still to come.
    fn plan_ahead(&mut self) {
        let by_plan = self.steered.iter().filter(|(_, steered)| steered.by == By::Plan);
        let done =
            by_plan.map(|(_, steered)| ChangePlan { step: steered.step, command: steered.change.command.clone() });
        let done: Vec<ChangePlan> = done.chain(self.dropped.iter().cloned()).collect();
        self.script.plan(&self.request.plan.changes, done.into_iter());
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
