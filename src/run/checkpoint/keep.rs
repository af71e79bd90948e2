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

/// Removes every checkpoint that `is_kept` denies, for good.
pub fn remove_all_but(run: &Path, is_kept: impl Fn(&State) -> bool) -> Result<()> {
    for (path, _) in list(run)?.into_iter().filter(|(_, state)| !is_kept(state)) {
        remove(run, &path).what(|| format!("cannot remove the checkpoint {}", path.display()))?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::super::save;
    use super::super::testing::{assert_nothing_half, assert_reads, small, tokenizer};
    use super::*;

    fn names(run: &Path) -> Vec<String> {
        disk::names(&run.join(CHECKPOINTS)).unwrap()
    }

    /// A run with checkpoints: phase, step, loss, reason.
    fn run(checkpoints: &[(&str, u64, Option<f64>, Reason)]) -> tempfile::TempDir {
        let run = tempfile::tempdir().unwrap();
        for &(phase, step, loss, reason) in checkpoints {
            let mut snapshot = small(step);
            (snapshot.state.phase, snapshot.state.loss) = (phase.into(), loss);
            snapshot.state.progress.as_mut().unwrap().reason = reason;
            save(run.path(), &snapshot, &tokenizer()).unwrap();
        }
        run
    }

    #[test]
    fn the_newest_the_best_and_what_a_person_asked_for_stay() {
        use Reason::{Asked, Due, End, Stopped};
        let all = [
            ("a", 10, Some(3.0), Due),
            ("a", 20, Some(1.0), Due),
            ("a", 25, None, Asked),
            ("a", 30, Some(1.0), Due),
            ("a", 40, Some(f64::NAN), Due),
            ("a", 50, Some(2.0), End),
            ("b", 60, Some(9.0), Due),
            ("b", 65, Some(8.0), Stopped),
            ("b", 70, None, Due),
            ("b", 80, Some(8.5), Due),
            ("b", 90, None, Due),
        ];
        let remove = |keep: Keep, is_counted: &dyn Fn(&State) -> bool| {
            let run = run(&all);
            // Weights alone, as an older version wrote them, are not touched.
            let mut older = small(5);
            (older.state.progress, older.moments) = (None, std::sync::Arc::default());
            save(run.path(), &older, &tokenizer()).unwrap();
            let removed = remove_old(run.path(), &keep, is_counted).unwrap();
            assert_eq!(names(run.path()).len(), all.len() + 1 - removed.len());
            assert_nothing_half(run.path());
            removed
        };
        let everything = |_: &State| true;
        let keep = |last, every, best| Keep { last, every, best };
        assert!(remove(keep(0, 0, 0), &everything).is_empty());
        assert_eq!(remove(keep(2, 0, 0), &everything), [10, 20, 30, 40, 60, 70]);
        assert_eq!(remove(keep(2, 0, 1), &everything), [10, 30, 40, 60, 70]);
        assert_eq!(remove(keep(2, 0, 2), &everything), [10, 40, 60, 70]);
        assert_eq!(remove(keep(1, 30, 0), &everything), [10, 20, 40, 70, 80]);
        assert!(remove(keep(100, 0, 0), &everything).is_empty());
        assert_eq!(remove(keep(1, 0, 1), &|state| state.phase == "a"), [10, 30]);
    }

    #[test]
    fn what_a_crash_left_is_cleared_and_what_was_being_replaced_comes_back() {
        let run = tempfile::tempdir().unwrap();
        tidy(run.path()).unwrap();
        let (folder, old) = (run.path().join(CHECKPOINTS), small(2));
        save(run.path(), &small(1), &tokenizer()).unwrap();
        save(run.path(), &old, &tokenizer()).unwrap();
        let rename = |from: &str, to: &str| std::fs::rename(folder.join(from), folder.join(to)).unwrap();
        let half = |name: &str| {
            std::fs::create_dir_all(folder.join(name).join("frostline")).unwrap();
            std::fs::write(folder.join(name).join("config.json"), "{").unwrap();
        };
        // While it is written; while one is removed; as an earlier version called what it wrote.
        [".writing-step-3", ".removing-step-4", ".writing-x7Zq"].into_iter().for_each(half);
        tidy(run.path()).unwrap();
        assert_eq!(names(run.path()), ["step-1", "step-2"]);
        // Between the two renames of one that replaces another, and after a failed removal of the one replaced.
        rename("step-2", ".replaced-step-2");
        half(".writing-step-2");
        tidy(run.path()).unwrap();
        assert_eq!(names(run.path()), ["step-1", "step-2"]);
        assert_reads(&folder.join("step-2"), &old);
        half(".replaced-step-2");
        tidy(run.path()).unwrap();
        assert_eq!(names(run.path()), ["step-1", "step-2"]);
        assert_reads(&folder.join("step-2"), &old);
        // Nor do leftovers stop the next one of that name.
        [".writing-step-2", ".replaced-step-2", ".removing-step-1"].into_iter().for_each(half);
        assert_reads(&save(run.path(), &old, &tokenizer()).unwrap(), &old);
        let keep = Keep { last: 1, every: 0, best: 0 };
        assert_eq!(remove_old(run.path(), &keep, |_| true).unwrap(), [1]);
        assert_eq!(names(run.path()), ["step-2"]);
    }

    #[test]
    fn what_was_taken_back_is_set_aside() {
        let due = |step| ("a", step, None, Reason::Due);
        let run = run(&[due(1), due(2), due(3)]);
        let last =
            |moved: Vec<PathBuf>| moved.iter().map(|path| path.file_name().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(last(set_aside(run.path(), |state| state.step > 1).unwrap()), ["undone-2", "undone-3"]);
        for number in ["undone-2-2", "undone-2-3"] {
            save(run.path(), &small(2), &tokenizer()).unwrap();
            assert_eq!(last(set_aside(run.path(), |state| state.step > 1).unwrap()), [number]);
        }
        let listed: Vec<u64> = list(run.path()).unwrap().into_iter().map(|(_, state)| state.step).collect();
        assert_eq!(listed, [1]);
        assert!(set_aside(run.path(), |_| false).unwrap().is_empty());
        // They are none of those that count.
        assert!(remove_old(run.path(), &Keep { last: 1, every: 0, best: 0 }, |_| true).unwrap().is_empty());
        assert_nothing_half(run.path());
        assert_eq!(names(run.path()).len(), 5);
    }
}
