//! Where a run goes on: its journal and its checkpoints say where it stood.

use super::Run;
use super::guard::Guard;
use super::often::Often;
use super::phase::PhaseRun;
use super::script::Script;
use super::standing::Standing;
use crate::learn::LearnerState;
use crate::model::{Decoder, Parameter};
use crate::ops::adamw::Moments;
use crate::protocol::{Begun, By, Event, Notice, OriginKind, Resumed, Steered};
use crate::run::checkpoint::{self, Progress, Reason, State};
use crate::run::data::PhaseData;
use crate::run::device;
use crate::run::folder::RunFolder;
use crate::run::journal::{Entries, Entry};
use crate::run::plan::{ChangePlan, PhasePlan};
use crate::run::{overview, records, steering};
use crate::{Error, Result};
use candle_core::{DType, Device};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The weights that a phase goes on with, and those that it started from.
pub(super) struct First {
    pub decoder: Decoder,
    /// The name of the checkpoint that the phase started from.
    pub base: Option<String>,
    /// Its weights; the same as `decoder` where the phase only begins.
    pub base_weights: Option<Arc<Decoder>>,
}

/// Where a run goes on, and what was known then.
#[derive(Default)]
pub struct Beginning {
    /// `None` for the run's beginning.
    pub checkpoint: Option<(PathBuf, State)>,
    pub entries: Entries,
    /// Lines of the journal that the checkpoint stands on.
    pub lines: u64,
    /// Steps that were recorded, before what will be measured again was cut off.
    pub steps: u64,
    /// The losses among them that will be measured again.
    recorded: HashMap<u64, f32>,
    /// What a person should know.
    pub notices: Vec<String>,
}

impl Beginning {
    /// What the journal says up to there, without what was taken back.
    pub fn events(&self) -> Vec<Event> {
        self.before().map(|entry| entry.event.clone()).collect()
    }

    fn before(&self) -> impl Iterator<Item = &Entry> {
        self.entries.effective().into_iter().filter(|entry| entry.line < self.lines)
    }

    fn after(&self) -> impl Iterator<Item = &Entry> {
        self.entries.effective().into_iter().filter(|entry| entry.line >= self.lines)
    }

    /// Steps that a fork has in common with the run that it came from.
    fn in_common(&self) -> u64 {
        let begun = self.entries.list.first().map(|entry| &entry.event);
        let Some(Event::Begun(Begun { origin: Some(origin), .. })) = begun else { return 0 };
        if origin.kind == OriginKind::Fork { origin.step } else { 0 }
    }

    /// Whether anything was ever done in this run.
    fn is_new(&self) -> bool {
        let is_nothing = |entry: &Entry| matches!(entry.event, Event::Begun(_) | Event::Failed(_) | Event::Notice(_));
        self.checkpoint.is_none() && self.entries.list.iter().all(is_nothing)
    }
}

/// The index of the phase that a run goes on with, and the checkpoint inside it.
pub(super) struct Place {
    pub index: usize,
    pub checkpoint: Option<(PathBuf, State)>,
}

/// Finds where a run goes on: its newest whole checkpoint, or the one at a step. What a crash left behind is cleared away,
/// and what was measured after the checkpoint is cut off, as it will be measured again. The caller holds the run's lock.
pub fn find_beginning(folder: &mut RunFolder, entries: Entries, at: Option<u64>) -> Result<Beginning> {
    let run = folder.path.clone();
    let (name, is_finished) =
        (folder.name.clone(), matches!(entries.effective().last().map(|e| &e.event), Some(Event::Finished(_))));
    if is_finished && at.is_none() {
        return Err(Error::new(format!("the run {name} is finished"))
            .because("every phase is done")
            .next("fork it at a step to do otherwise, or start a new run with model.from"));
    }
    checkpoint::tidy(&run)?;
    let counts = |state: &State| match &state.progress {
        Some(progress) => entries.counts(progress.journal_lines, state.step),
        None => true,
    };
    checkpoint::set_aside(&run, |state| !counts(state))?;
    let mut beginning = Beginning { entries, ..Beginning::default() };
    if beginning.entries.torn_bytes > 0 {
        let torn = "the last line of the journal was torn by a crash: what it was to say had not taken effect";
        beginning.notices.push(torn.into());
    }
    beginning.choose(&run, at)?;
    let last = overview::last_step(&run);
    beginning.steps = last.as_ref().map_or(0, |step| step.step);
    beginning.refuse_lost_changes(last.map_or(0, |step| step.changes))?;
    beginning.remember_losses(&run);
    let (bytes, step) = match &beginning.checkpoint {
        Some((_, state)) => (state.progress.as_ref().and_then(|progress| progress.metrics_bytes), state.step),
        None => (Some(0), 0),
    };
    if let Some(metrics) = &mut folder.metrics {
        metrics.cut(bytes, step)?;
    }
    let known = beginning.after().filter(|entry| !matches!(entry.event, Event::Steered(_) | Event::Resumed(_)));
    folder.journal.pass_over(known.map(|entry| entry.event.clone()).collect());
    Ok(beginning)
}

impl Beginning {
    fn choose(&mut self, run: &Path, at: Option<u64>) -> Result<()> {
        let all = checkpoint::list(run)?;
        if let Some(step) = at
            && !all.iter().any(|(_, state)| state.step == step && state.progress.is_some())
        {
            let steps: Vec<String> = all.iter().map(|(_, state)| state.step.to_string()).collect();
            return Err(Error::new(format!("there is no checkpoint of step {step} to go on from"))
                .next(format!("it has the steps {}; `fork --at` goes to any step", steps.join(", "))));
        }
        for (path, state) in all.into_iter().rev() {
            let Some(progress) = &state.progress else { continue };
            if at.is_some_and(|at| at != state.step) {
                continue;
            }
            let lines = progress.journal_lines;
            if lines > self.entries.list.len() as u64 {
                return Err(Error::new("the journal has lost lines")
                    .because(format!(
                        "{} stands on {lines} of them, and {} are left",
                        path.display(),
                        self.entries.list.len()
                    ))
                    .next("restore journal.jsonl from a copy"));
            }
            match checkpoint::verify(&path) {
                Ok(()) => {
                    (self.lines, self.checkpoint) = (lines, Some((path, state)));
                    return Ok(());
                }
                Err(error) if at.is_some() => return Err(error),
                Err(error) => self.notices.push(format!("{} is passed over: {error}", path.display())),
            }
        }
        Ok(())
    }

    fn remember_losses(&mut self, run: &Path) {
        let from = self.checkpoint.as_ref().map_or(0, |(_, state)| state.step);
        // They are for comparing alone.
        let steps = records::of(run, Vec::new()).unwrap_or_default().steps;
        let again = steps.step.iter().zip(&steps.loss).filter(|(step, _)| **step > from);
        self.recorded = again.map(|(step, loss)| (*step, *loss)).collect();
    }

    /// Steps say how many changes the journal held by then: one that was cut short since would give other weights.
    fn refuse_lost_changes(&self, recorded: u64) -> Result<()> {
        let there = self.entries.changes();
        if recorded <= there {
            return Ok(());
        }
        Err(Error::new("the journal has lost changes")
            .because(format!("{recorded} had taken effect when the last step was recorded, and it holds {there}"))
            .next("restore journal.jsonl from a copy; without one, start a new run from a checkpoint with model.from"))
    }
}

impl Run<'_> {
    /// Takes up what was known, and says where the run goes on.
    pub(super) fn begin(&mut self, beginning: Beginning) -> Result<Place> {
        self.in_common = beginning.in_common();
        if beginning.is_new() {
            return Ok(Place { index: 0, checkpoint: None });
        }
        let steered = |entry: &Entry| match &entry.event {
            Event::Steered(steered) => Some((entry.line, steered.clone())),
            _ => None,
        };
        self.steered = beginning.before().filter_map(steered).collect();
        self.dropped = dropped(&beginning.entries);
        let again: Vec<(u64, Steered)> = beginning.after().filter_map(steered).collect();
        self.script = Script::new(again);
        self.plan_ahead();
        self.recorded = beginning.recorded.clone();
        self.find_ends()?;
        let place = self.place(&beginning)?;
        let saved = beginning.checkpoint.as_ref().map(|(path, _)| path.display().to_string());
        let again = beginning.steps.saturating_sub(self.step);
        self.emit(Event::Resumed(Resumed { step: self.step, checkpoint: saved, again }));
        for text in beginning.notices {
            self.emit(Event::Notice(Notice { phase: None, step: self.step, text }));
        }
        Ok(place)
    }

    fn place(&mut self, beginning: &Beginning) -> Result<Place> {
        let Some((path, state)) = &beginning.checkpoint else { return Ok(Place { index: 0, checkpoint: None }) };
        let index = self.request.plan.phases.iter().position(|phase| phase.name == state.phase).ok_or_else(|| {
            Error::new(format!("{} belongs to no phase of the plan", path.display()))
                .because(format!("the plan has no phase {}", state.phase))
        })?;
        let progress = progress(path, state)?;
        (self.step, self.tokens, self.seconds_before) = (state.step, progress.tokens, progress.seconds);
        (self.saved, self.saved_path) = (Some(state.step), Some((state.step, path.clone())));
        Ok(match progress.reason {
            Reason::End => Place { index: index + 1, checkpoint: None },
            _ => Place { index, checkpoint: Some((path.clone(), state.clone())) },
        })
    }

    /// Where the phases ended that are done.
    fn find_ends(&mut self) -> Result<()> {
        for (path, state) in checkpoint::list(&self.folder.path)? {
            let is_end = state.progress.as_ref().is_some_and(|progress| progress.reason == Reason::End);
            let index = self.request.plan.phases.iter().position(|phase| phase.name == state.phase);
            if let Some(index) = index.filter(|_| is_end) {
                self.ends.insert(index, path);
            }
        }
        Ok(())
    }
}

/// Changes of the plan that were taken back by a person: where a rewinding begins at one, it is that one.
fn dropped(entries: &Entries) -> Vec<ChangePlan> {
    let rewindings = entries.list.iter().filter_map(|entry| match &entry.event {
        Event::Rewound(rewound) if rewound.why.starts_with(super::steer::UNDID) => Some(rewound.to_line),
        _ => None,
    });
    let changes = rewindings.filter_map(|line| match &entries.list.get(line as usize)?.event {
        Event::Steered(steered) if steered.by == By::Plan => {
            Some(ChangePlan { step: steered.step, command: steered.change.command.clone() })
        }
        _ => None,
    });
    changes.collect()
}

fn progress<'s>(path: &Path, state: &'s State) -> Result<&'s Progress> {
    state.progress.as_ref().ok_or_else(|| Error::new(format!("{} has no optimizer's state", path.display())))
}

impl<'r, 'a> PhaseRun<'r, 'a> {
    /// A phase as a checkpoint has it.
    pub(super) fn resume(
        run: &'r mut Run<'a>,
        index: usize,
        phases: &[Arc<PhaseData>],
        path: &Path,
        state: &State,
    ) -> Result<Self> {
        let (plan, device) = (&run.request.plan.phases[index], run.request.device);
        let (decoder, moments, _) = checkpoint::read(path, device)?;
        let decoder = computing_as_planned(decoder, plan, device);
        let (base_weights, base) = run.base(index, state, &decoder)?;
        let step = run.step;
        let keeps_base = base_weights.is_some();
        let first = First { decoder: decoder.clone(), base, base_weights };
        let mut phase = Self::new(run, index, phases, first)?;
        // The weights that it goes on with are not those that it started from.
        phase.base_weights.take_if(|_| !keeps_base);
        let progress = progress(path, state)?;
        phase.first_step = step - progress.phase_steps + 1;
        (phase.first_line, phase.first_tokens) = phase.run.phase_began(index, &phase.plan.name);
        phase.watch.base = progress.base_losses.iter().map(|(name, loss)| (name.clone(), *loss)).collect();
        phase.is_paused = progress.is_paused && phase.run.observer_waits;
        let standing = phase.standing_of(decoder, moments, state)?;
        phase.take_up(standing)?;
        Ok(phase)
    }

    /// Where a checkpoint of this phase stood.
    pub(super) fn standing_of(
        &self,
        decoder: Decoder,
        moments: Vec<Option<Moments>>,
        state: &State,
    ) -> Result<Standing> {
        let progress = state.progress.as_ref().ok_or_else(|| Error::new("the checkpoint has no optimizer's state"))?;
        let (guard, skips_next): (Guard, bool) = serde_json::from_value(progress.guard.clone()).unwrap_or_default();
        let changes: Vec<&(u64, Steered)> = self
            .run
            .steered
            .iter()
            .filter(|(line, steered)| *line < progress.journal_lines && steered.phase == self.plan.name)
            .collect();
        let (mut steering, courses) = steering::follow(self.planned_steering(), &changes, self.first_step - 1);
        steering.advance(progress.phase_steps);
        Ok(Standing {
            learner: LearnerState {
                decoder: Arc::new(decoder),
                moments: Arc::new(moments),
                audit_due: progress.audit_due,
            },
            steering,
            courses,
            done: progress.phase_steps,
            step: state.step,
            tokens: progress.tokens,
            learning_rate: progress.learning_rate,
            evaluated: progress.evaluated,
            guard,
            signs: serde_json::from_value(progress.signs.clone()).unwrap_or_default(),
            skips_next,
            lines: progress.journal_lines,
        })
    }

    /// Puts a phase that was just made where it stood.
    fn take_up(&mut self, standing: Standing) -> Result<()> {
        self.learner.restore(&standing.learner);
        self.steering = standing.steering;
        self.courses = standing.courses;
        (self.done, self.learning_rate, self.evaluated) = (standing.done, standing.learning_rate, standing.evaluated);
        (self.guard, self.skips_next) = (standing.guard, standing.skips_next);
        self.watch.signs = standing.signs;
        self.often = Often::done_at(standing.step);
        self.apply_steering()
    }
}

impl Run<'_> {
    /// The weights that a phase started from, where the observer wants them, and their checkpoint's name.
    fn base(&self, index: usize, state: &State, live: &Decoder) -> Result<(Option<Arc<Decoder>>, Option<String>)> {
        let parent = self.request.plan.parent(index).and_then(|parent| self.ends.get(&parent));
        let path = parent.map(|path| path.display().to_string()).or_else(|| state.base.clone());
        if !self.observer.as_ref().is_some_and(|observer| observer.keeps_base()) {
            return Ok((None, path));
        }
        let device = self.request.device;
        let base = match &path {
            Some(path) => checkpoint::weights(Path::new(path), device),
            None => Decoder::random(live.config.clone(), self.request.plan.seed, DType::F32, device),
        };
        let plan = &self.request.plan.phases[index];
        let base = base.and_then(|base| self.scoring(index, base));
        let base = base.and_then(|base| stored_as_planned(computing_as_planned(base, plan, device), plan));
        // It is for comparing; a run whose base was thrown away goes on without.
        Ok((base.ok().map(Arc::new), path))
    }

    /// The journal's line at which a phase was first changed, and the positions read before it.
    fn phase_began(&self, index: usize, phase: &str) -> (u64, u64) {
        let first = self.steered.iter().find(|(_, steered)| steered.phase == phase).map(|(line, _)| *line);
        let before = index.checked_sub(1).and_then(|before| checkpoint::state(self.ends.get(&before)?));
        let tokens = before.and_then(|state| state.progress).map_or(0, |progress| progress.tokens);
        (first.unwrap_or_else(|| self.position()), tokens)
    }
}

/// Matrices that the plan freezes from the start are stored as it says.
pub(in crate::run) fn stored_as_planned(mut decoder: Decoder, plan: &PhasePlan) -> Result<Decoder> {
    let frozen = super::prepare::selectors(plan)?;
    let is_frozen = |parameter: &Parameter| frozen.iter().any(|selector| selector.matches(parameter.group));
    decoder.store(plan.frozen_weights, is_frozen)?;
    Ok(decoder)
}

pub(in crate::run) fn computing_as_planned(mut decoder: Decoder, plan: &PhasePlan, device: &Device) -> Decoder {
    decoder.parameters.precision = device::products(device, plan.precision).0;
    decoder.recompute = plan.recompute;
    decoder
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
