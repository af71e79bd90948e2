//! Checkpoints: Hugging Face folders that are there whole or not at all, and the names that people give them.

use super::home::Home;
use crate::corpus::tokenizer::Tokenizer;
use crate::model::{Config, Decoder, folder};
use crate::ops::Precision;
use crate::{Context, Error, Result};
use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What Frostline keeps beside the Hugging Face files.
const STATE: &str = "frostline/state.json";

/// Where a checkpoint stands in its run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub run: String,
    pub phase: String,
    /// Steps done, counted through the whole run.
    pub step: u64,
    /// On the phase's own held-out data, nats per token, where it was measured at this step.
    pub loss: Option<f64>,
    /// The checkpoint that the phase started from.
    pub base: Option<String>,
    /// Of the matrix products that it was trained with.
    #[serde(default)]
    pub precision: Precision,
}

/// Reads a checkpoint's model and tokenizer, and makes sure that they belong together.
pub fn open(path: &Path, device: &Device) -> Result<(Decoder, Tokenizer)> {
    let tokenizer = Tokenizer::load(path)?;
    check_vocabulary(&tokenizer, &folder::read_config(path)?)?;
    let mut decoder = folder::load(path, DType::F32, device)?;
    // As it was evaluated while it was trained, so that it is measured the same.
    let trained = state(path).map_or(Precision::F32, |state| state.precision);
    decoder.parameters.precision = super::device::products(device, trained).0;
    Ok((decoder, tokenizer))
}

/// The tokenizer's ids must be in the model's vocabulary.
pub fn check_vocabulary(tokenizer: &Tokenizer, config: &Config) -> Result<()> {
    let (own, vocabulary) = (tokenizer.vocabulary_size(), config.vocabulary);
    match own <= vocabulary {
        true => Ok(()),
        false => Err(Error::new("the tokenizer does not fit the model")
            .because(format!("it has {own} tokens, and the model's vocabulary {vocabulary}"))
            .next("use the tokenizer that the model was trained with")),
    }
}

/// Writes `checkpoints/step-N` in a run's folder: under another name first, synced, then renamed.
pub fn save(run: &Path, decoder: &Decoder, tokenizer: &Tokenizer, state: &State) -> Result<PathBuf> {
    let folder = run.join("checkpoints");
    let target = folder.join(format!("step-{}", state.step));
    let failed = || format!("cannot write the checkpoint {}", target.display());
    std::fs::create_dir_all(&folder).what(failed)?;
    let temporary = tempfile::Builder::new().prefix(".writing-").tempdir_in(&folder).what(failed)?;
    write_files(temporary.path(), decoder, tokenizer, state).map_err(|error| error.within(failed()))?;
    sync(temporary.path()).what(failed)?;
    std::fs::rename(temporary.path(), &target).what(failed)?;
    // It is no longer where it would be cleared away.
    let _ = temporary.keep();
    File::open(&folder).and_then(|folder| folder.sync_all()).what(failed)?;
    Ok(target)
}

fn write_files(target: &Path, decoder: &Decoder, tokenizer: &Tokenizer, state: &State) -> Result<()> {
    folder::save(decoder, tokenizer.end_of_text(), target)?;
    tokenizer.save(target)?;
    std::fs::create_dir(target.join("frostline")).what(|| "cannot make its folder".into())?;
    let text = serde_json::to_string_pretty(state).what(|| "cannot write its state".into())?;
    std::fs::write(target.join(STATE), text).what(|| "cannot write its state".into())
}

/// Makes sure that files and folders are on the disk, not only in memory. Temporary folders are private; what they
/// become is as readable as any other.
fn sync(folder: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => sync(&path)?,
            false => File::open(&path)?.sync_all()?,
        }
    }
    File::open(folder)?.sync_all()
}

/// The state beside a checkpoint; `None` for folders that Frostline did not write.
pub fn state(folder: &Path) -> Option<State> {
    serde_json::from_str(&std::fs::read_to_string(folder.join(STATE)).ok()?).ok()
}

/// The folder that a name means: a path to a model folder or to a run, `RUN`, `RUN@STEP`, `RUN@PHASE` or `RUN@best`.
/// A run without more means its last checkpoint, a phase its last one.
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
    let (path, runs) = (Path::new(name), home.run_names());
    let why = match (path.is_dir(), path.exists()) {
        (true, _) => "the folder has no config.json",
        (_, true) => "it is a file; a checkpoint is a folder",
        _ => "there is neither such a folder nor such a run",
    };
    let next = match runs.is_empty() {
        true => format!("give a model's folder; there are no runs in {} yet", home.runs().display()),
        false => format!("give a model's folder or one of the runs: {}", runs.join(", ")),
    };
    Error::new(format!("{name} is no checkpoint")).because(why).next(next)
}

fn pick(run: &Path, name: &str, which: Option<&str>) -> Result<PathBuf> {
    let all = list(run)?;
    let found = match which {
        None => all.last(),
        Some("best") => best(&all),
        Some(which) => match which.parse::<u64>() {
            Ok(step) => all.iter().find(|(_, state)| state.step == step),
            Err(_) => all.iter().rfind(|(_, state)| state.phase == which),
        },
    };
    found.map(|(path, _)| path.clone()).ok_or_else(|| {
        let names: Vec<String> = all.iter().map(|(_, state)| format!("{} ({})", state.step, state.phase)).collect();
        let next =
            if names.is_empty() { "it has none yet".into() } else { format!("it has the steps {}", names.join(", ")) };
        Error::new(format!("{name} is no checkpoint"))
            .because(format!("the run {} has no such one", run.display()))
            .next(next)
    })
}

/// The lowest measured loss of the last phase.
fn best(all: &[(PathBuf, State)]) -> Option<&(PathBuf, State)> {
    let last = &all.last()?.1.phase;
    let measured = all.iter().filter(|(_, state)| &state.phase == last && state.loss.is_some());
    measured.min_by(|(_, a), (_, b)| a.loss.unwrap_or(f64::MAX).total_cmp(&b.loss.unwrap_or(f64::MAX)))
}

/// The checkpoints of a run, by step.
pub fn list(run: &Path) -> Result<Vec<(PathBuf, State)>> {
    let folder = run.join("checkpoints");
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.what(|| format!("cannot read {}", folder.display()))?,
    };
    let mut found: Vec<(PathBuf, State)> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("step-"))
        .filter_map(|entry| state(&entry.path()).map(|state| (entry.path(), state)))
        .collect();
    found.sort_by_key(|(_, state)| state.step);
    Ok(found)
}
