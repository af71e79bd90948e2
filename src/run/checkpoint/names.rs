//! The names that people give checkpoints, and the list of a run's.

use super::super::disk;
use super::super::home::Home;
use super::{CHECKPOINTS, State, UNDONE, WHOLE, read_state};
use crate::{Context, Error, Result};
use std::path::{Path, PathBuf};

/// The folder that a name means: a path to a model folder or to a run, `RUN`, `RUN@STEP`, `RUN@PHASE`, `RUN@best`, or
/// `RUN@undone-STEP` for one of a stretch that was taken back. A run without more means its last checkpoint, a phase its
/// last one.
pub fn resolve(name: &str, home: &Home) -> Result<PathBuf> {
    let path = Path::new(name);
    if path.join("config.json").is_file() {
        return Ok(path.to_path_buf());
    }
    // A path may hold an @ of its own, so the whole name is tried first.
    let divided = name.rsplit_once('@').map(|(run, which)| (run, Some(which)));
    for (run, which) in [Some((name, None)), divided].into_iter().flatten() {
        if let Some(folder) = run_folder(run, home) {
            return pick(&folder, name, which);
        }
    }
    Err(not_found(name, home))
}

/// The folder of a run, by its path or its name.
pub fn run_folder(name: &str, home: &Home) -> Option<PathBuf> {
    let folders = [PathBuf::from(name), home.runs().join(name)];
    folders.into_iter().find(|folder| folder.join("plan.toml").is_file())
}

fn not_found(name: &str, home: &Home) -> Error {
    let path = Path::new(name);
    let why = match (path.is_dir(), path.exists()) {
        (true, _) => "the folder has no config.json",
        (_, true) => "it is a file; a checkpoint is a folder",
        _ => "there is neither such a folder nor such a run",
    };
    let next = format!("give a model's folder or a run; {}", home.runs_said());
    Error::new(format!("{name} is no checkpoint")).because(why).next(next)
}

fn pick(run: &Path, name: &str, which: Option<&str>) -> Result<PathBuf> {
    let step = which.and_then(|which| which.parse::<u64>().ok());
    // A step is in the name of its folder. For anything else all must be known: else a damaged one would make a name mean
    // another one, and nobody would notice.
    let is_meant = |number: u64| step.is_none_or(|step| step == number);
    let mut all = Vec::new();
    for (number, path) in folders(run)?.into_iter().filter(|(number, _)| is_meant(*number)) {
        let state = read_state(&path).map_err(|error| {
            let next = format!("give a step, such as {}@N, or restore or remove {}", run.display(), path.display());
            let error = error.within(format!("cannot tell what {name} means"));
            if step.is_some() { error } else { Error { next: Some(next), ..error } }
        })?;
        all.extend(state.map(|state| (number, path, state)));
    }
    let found = match which {
        None => all.last(),
        Some("best") => best(&all),
        Some(_) if step.is_some() => all.last(),
        Some(which) => all.iter().rfind(|(_, _, state)| state.phase == which),
    };
    let found = found.map(|(_, path, _)| path.clone()).or_else(|| which.and_then(|which| undone(run, which)));
    found.map_or_else(|| Err(no_such_one(run, name)), Ok)
}

fn no_such_one(run: &Path, name: &str) -> Error {
    let all = list(run).unwrap_or_default();
    let names: Vec<String> = all.iter().map(|(_, state)| format!("{} ({})", state.step, state.phase)).collect();
    let next =
        if names.is_empty() { "it has none yet".into() } else { format!("it has the steps {}", names.join(", ")) };
    Error::new(format!("{name} is no checkpoint"))
        .because(format!("the run {} has no such one", run.display()))
        .next(next)
}

/// A checkpoint that was set aside. What is asked for is a name in the folder, never a path that leads elsewhere.
fn undone(run: &Path, which: &str) -> Option<PathBuf> {
    let number = which.strip_prefix(UNDONE)?;
    let is_plain = number.chars().all(|c| c.is_ascii_digit() || c == '-');
    let folder = run.join(CHECKPOINTS).join(which);
    (is_plain && folder.join("config.json").is_file()).then_some(folder)
}

/// The lowest measured loss of the last phase.
fn best(all: &[(u64, PathBuf, State)]) -> Option<&(u64, PathBuf, State)> {
    let last = &all.last()?.2.phase;
    let measured = all.iter().filter(|(_, _, state)| &state.phase == last && state.loss.is_some());
    measured.min_by(|(_, _, a), (_, _, b)| a.loss.unwrap_or(f64::MAX).total_cmp(&b.loss.unwrap_or(f64::MAX)))
}

/// The checkpoints of a run, by step. Those that were set aside are not among them, nor is one whose state is damaged.
pub fn list(run: &Path) -> Result<Vec<(PathBuf, State)>> {
    let known = |(_, path): (u64, PathBuf)| super::state(&path).map(|state| (path, state));
    Ok(folders(run)?.into_iter().filter_map(known).collect())
}

/// The folders that bear a checkpoint's name, by step.
fn folders(run: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let folder = run.join(CHECKPOINTS);
    let names = disk::names(&folder).what(|| format!("cannot read {}", folder.display()))?;
    let step = |name: &String| Some((name.strip_prefix(WHOLE)?.parse::<u64>().ok()?, folder.join(name)));
    let mut found: Vec<(u64, PathBuf)> = names.iter().filter_map(step).collect();
    found.sort();
    Ok(found)
}
