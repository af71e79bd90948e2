//! Which checkpoints stay, and clearing away what does not. A checkpoint loses its name before its first file is removed,
//! so that nothing half ever bears one.

use super::super::disk;
use super::{CHECKPOINTS, Reason, State, UNDONE, WHOLE, list};
use crate::{Context, Result};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// Names of what is being written, removed, and replaced.
pub(super) const WRITING: &str = ".writing-";
const REMOVING: &str = ".removing-";
pub(super) const REPLACED: &str = ".replaced-";

/// How many of the checkpoints stay that a phase saves by itself; those that a person asked for, those at the end of a
/// phase and those of a run that was stopped always do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Keep {
    /// The newest; 0 keeps all.
    pub last: usize,
    /// And each whose step is a multiple of this; 0 for none.
    pub every: u64,
    /// And those with the lowest held-out losses.
    pub best: usize,
}

impl Default for Keep {
    /// Enough to go back a little, and the one that a person will want.
    fn default() -> Self {
        Self { last: 3, every: 0, best: 1 }
    }
}

/// Removes what need not be kept; returns its steps. What `is_counted` denies is left alone, and does not count among the
/// newest and the best either.
pub fn remove_old(run: &Path, keep: &Keep, is_counted: impl Fn(&State) -> bool) -> Result<Vec<u64>> {
    if keep.last == 0 {
        return Ok(Vec::new());
    }
    let counted: Vec<(PathBuf, State)> = list(run)?.into_iter().filter(|(_, state)| is_counted(state)).collect();
    let best = best(&counted, keep.best);
    let is_due = |state: &State| state.progress.as_ref().is_some_and(|progress| progress.reason == Reason::Due);
    let due: Vec<&(PathBuf, State)> = counted.iter().filter(|(_, state)| is_due(state)).collect();
    let older = &due[..due.len().saturating_sub(keep.last)];
    let mut removed = Vec::new();
    for (path, state) in older {
        let is_kept = (keep.every > 0 && state.step.is_multiple_of(keep.every)) || best.contains(&state.step);
        if !is_kept {
            remove(run, path).what(|| format!("cannot remove the checkpoint {}", path.display()))?;
            removed.push(state.step);
        }
    }
    Ok(removed)
}

/// The steps with the lowest losses of each phase; of equal ones the older, as `RUN@best` has it.
fn best(all: &[(PathBuf, State)], count: usize) -> HashSet<u64> {
    let mut phases: BTreeMap<&str, Vec<(f64, u64)>> = BTreeMap::new();
    for (_, state) in all {
        if let Some(loss) = state.loss.filter(|loss| !loss.is_nan()) {
            phases.entry(&state.phase).or_default().push((loss, state.step));
        }
    }
    let lowest = phases.into_values().flat_map(|mut measured| {
        measured.sort_by(|a, b| a.0.total_cmp(&b.0));
        measured.into_iter().take(count).map(|(_, step)| step)
    });
    lowest.collect()
}

fn remove(run: &Path, path: &Path) -> std::io::Result<()> {
    let folder = run.join(CHECKPOINTS);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let removing = folder.join(format!("{REMOVING}{name}"));
    disk::remove(&removing)?;
    disk::rename(path, &removing)?;
    // Else a crash could leave the old name with some of the files.
    disk::sync_folder(&folder)?;
    disk::remove(&removing)
}

/// Clears what a crash left half done: a checkpoint that was being replaced is restored, and what was being written or
/// removed goes. Nobody may be writing a checkpoint meanwhile.
pub fn tidy(run: &Path) -> Result<()> {
    let folder = run.join(CHECKPOINTS);
    let failed = || format!("cannot clear up {}", folder.display());
    let names = disk::names(&folder).what(failed)?;
    let replaced = names.iter().filter_map(|name| name.strip_prefix(REPLACED));
    let lost: Vec<&str> = replaced.filter(|name| !folder.join(name).exists()).collect();
    for name in &lost {
        disk::rename(&folder.join(format!("{REPLACED}{name}")), &folder.join(name)).what(failed)?;
    }
    if !lost.is_empty() {
        disk::sync_folder(&folder).what(failed)?;
    }
    let is_left = |name: &&String| [WRITING, REMOVING, REPLACED].iter().any(|prefix| name.starts_with(prefix));
    names.iter().filter(is_left).try_for_each(|name| disk::remove(&folder.join(name))).what(failed)
}

/// Gives the checkpoints that `is_undone` says a name under which they do not count: those of a stretch that was taken
/// back. `RUN@undone-N` still means them. Returns where they are now.
pub fn set_aside(run: &Path, is_undone: impl Fn(&State) -> bool) -> Result<Vec<PathBuf>> {
    let folder = run.join(CHECKPOINTS);
    let mut moved = Vec::new();
    for (path, _) in list(run)?.into_iter().filter(|(_, state)| is_undone(state)) {
        let failed = || format!("cannot set the checkpoint {} aside", path.display());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let base = format!("{UNDONE}{}", name.strip_prefix(WHOLE).unwrap_or(&name));
        let mut target = folder.join(&base);
        let mut number = 2;
        while target.exists() {
            target = folder.join(format!("{base}-{number}"));
            number += 1;
        }
        disk::rename(&path, &target).what(failed)?;
        moved.push(target);
    }
    if !moved.is_empty() {
        disk::sync_folder(&folder).what(|| format!("cannot write {}", folder.display()))?;
    }
    Ok(moved)
}
