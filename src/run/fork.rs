//! A new run that has the first steps of another in common with it.

use super::checkpoint::{self, Reason, State};
use super::folder::{Metrics, RunFolder};
use super::home::Home;
use super::journal::{self, Entries, Journal};
use super::plan::{self, ChangePlan, Overrides, Plan};
use super::{folder, recipe};
use crate::protocol::{By, Origin, OriginKind};
use crate::{Context, Error, Result};
use std::path::{Path, PathBuf};

/// A run that was forked off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forked {
    pub run: String,
    pub path: PathBuf,
    /// Steps in common.
    pub step: u64,
    /// The checkpoint that it goes on from, where the steps up to `step` have to be done again.
    pub from: u64,
}

/// Makes a run that goes on like `run` up to step `at`, and by itself from there; without a step, from its newest
/// checkpoint. At a step that has a checkpoint it has everything that was changed before that was written; at any other,
/// what was changed before that step: a fork at a change does not have it. The other run stays as it is, and may go on.
pub fn fork(home: &Home, run: &Path, at: Option<u64>, name: Option<&str>) -> Result<Forked> {
    let entries = journal::read(&run.join(journal::FILE))?;
    folder::check_plan(run, &entries)?;
    let from = start(run, &entries, at)?;
    let (saved, lines) = (from.as_ref().map_or(0, |(_, state)| state.step), from.as_ref().map_or(1, lines_of));
    let step = at.unwrap_or(saved);
    refuse_future(run, step)?;
    let own = run.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let plan = plan_of(run, &entries, lines, step)?;
    let origin = Origin { run: own.clone(), step, kind: OriginKind::Fork, lines };
    let plan = Plan { name: own, ..plan };
    let made = RunFolder::create(home, name, &plan, Some(origin))?;
    let (name, path) = (made.name.clone(), made.path.clone());
    drop(made);
    let filled = fill(run, &path, &entries, lines, from.as_ref());
    filled.inspect_err(|_| {
        let _ = std::fs::remove_dir_all(&path);
    })?;
    Ok(Forked { run: name, path, step, from: saved })
}

/// The checkpoint that a fork at this step goes on from; `None` for the run's beginning.
fn start(run: &Path, entries: &Entries, at: Option<u64>) -> Result<Option<(PathBuf, State)>> {
    let counts = |state: &State| {
        let progress = state.progress.as_ref();
        progress.is_some_and(|progress| entries.counts(progress.journal_lines, state.step))
    };
    let all = checkpoint::list(run)?;
    let mut fitting = all.into_iter().rev().filter(|(_, state)| counts(state) && at.is_none_or(|at| state.step <= at));
    match fitting.find(|(path, _)| checkpoint::verify(path).is_ok()) {
        None if at.is_none() => Err(Error::new("the run has no checkpoint yet")
            .because("it can be forked from the first one on")
            .next("ask for one with `checkpoint`, or give a step with --at")),
        found => Ok(found),
    }
}

fn lines_of((_, state): &(PathBuf, State)) -> u64 {
    state.progress.as_ref().map_or(1, |progress| progress.journal_lines)
}

fn refuse_future(run: &Path, step: u64) -> Result<()> {
    let done = super::overview::last_step(run).map_or(0, |last| last.step);
    if step <= done {
        return Ok(());
    }
    Err(Error::new(format!("the run has not come to step {step} yet")).next(format!("give a step up to {done}")))
}

/// The run's plan; what was changed between the checkpoint and the fork is done again by itself.
fn plan_of(run: &Path, entries: &Entries, lines: u64, step: u64) -> Result<Plan> {
    let plan = plan::load(&run.join(folder::PLAN).to_string_lossy(), &Overrides::default())?;
    let since = recipe::steered(entries).filter(|(line, steered)| *line >= lines && steered.step < step);
    let since = recipe::merged(&Plan { changes: Vec::new(), ..plan.clone() }, since.map(|(_, steered)| steered));
    // Of the plan's own changes, those that the steps in common passed are in the journal, or were taken back.
    let is_done = |change: &ChangePlan| {
        let mut done = recipe::steered(entries).filter(|(line, _)| *line < lines);
        done.any(|(_, steered)| steered.by == By::Plan && steered.step == change.step)
    };
    let own = plan.changes.iter().filter(|change| change.step >= step || is_done(change)).cloned();
    let mut changes: Vec<ChangePlan> = own.chain(since).collect();
    changes.sort_by_key(|change| change.step);
    Ok(Plan { changes, ..plan })
}

/// Takes over the journal's first lines, the figures of the steps in common, and the checkpoints that it stands on.
fn fill(run: &Path, fork: &Path, entries: &Entries, lines: u64, from: Option<&(PathBuf, State)>) -> Result<()> {
    let (mut journal, _) = Journal::open(fork)?;
    // The first line is its own; the others keep their numbers, which checkpoints and rewindings name.
    for entry in entries.list.iter().skip(1).take_while(|entry| entry.line < lines) {
        journal.record(&entry.event)?;
    }
    let Some((path, state)) = from else { return Ok(()) };
    let metrics = run.join(Metrics::FILE);
    let own = fork.join(Metrics::FILE);
    std::fs::copy(&metrics, &own).what(|| format!("cannot copy {}", metrics.display()))?;
    let (mut folder, _) = RunFolder::open(fork)?;
    if let Some(metrics) = &mut folder.metrics {
        metrics.cut(state.progress.as_ref().and_then(|progress| progress.metrics_bytes), state.step)?;
    }
    checkpoint::link(path, fork)?;
    // Later phases start from the ends of earlier ones, and compare with them.
    let is_end = |saved: &State| saved.progress.as_ref().is_some_and(|progress| progress.reason == Reason::End);
    let ends = checkpoint::list(run)?.into_iter().filter(|(_, saved)| is_end(saved) && saved.step < state.step);
    ends.map(|(path, _)| path).try_for_each(|path| checkpoint::link(&path, fork))
}
