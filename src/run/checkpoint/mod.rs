//! Checkpoints: Hugging Face folders that are there whole or not at all, with what going on from them needs, and the names
//! that people give them.
//!
//! A checkpoint is written under another name, synced and renamed (`save`), by a thread of its own where training goes on
//! meanwhile (`writer`). Beside the Hugging Face files stand the state, the optimizer's moments (`moments`), the Fisher
//! information where a pull needed it (`fisher`), and a list of
//! all files with their sizes and checksums (`checksums`): whatever reads a checkpoint holds it against that list first.

mod checksums;
mod fisher;
mod keep;
mod link;
mod mix;
mod moments;
mod names;
mod progress;
mod save;
mod writer;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;

pub use fisher::fisher;
pub use keep::{Keep, remove_all_but, remove_old, set_aside, tidy};
pub use link::link;
pub use mix::Named;
pub use names::{list, resolve, run_folder};
pub use progress::{Progress, Reason};
pub use save::{Snapshot, save};
pub use writer::{Saved, Writer};

use crate::corpus::tokenizer::Tokenizer;
use crate::model::{Config, Decoder, folder};
use crate::ops::Precision;
use crate::ops::adamw::Moments;
use crate::{Error, Result};
use candle_core::{DType, Device};
use checksums::{Checksums, read_small};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Where a run keeps its checkpoints.
const CHECKPOINTS: &str = "checkpoints";
/// What the folder of a checkpoint is called, before the step; nothing half ever is called so.
const WHOLE: &str = "step-";
/// The same for one of a stretch that was taken back.
const UNDONE: &str = "undone-";
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
    /// `None` where the run cannot go on from it: older checkpoints have weights alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// Reads a checkpoint's model and tokenizer, and makes sure that they belong together.
pub fn open(path: &Path, device: &Device) -> Result<(Decoder, Tokenizer)> {
    verify_model(path)?;
    let tokenizer = Tokenizer::load(path)?;
    check_vocabulary(&tokenizer, &folder::read_config(path)?)?;
    Ok((load(path, device)?, tokenizer))
}

/// Reads a checkpoint's model alone.
pub fn weights(path: &Path, device: &Device) -> Result<Decoder> {
    verify_model(path)?;
    load(path, device)
}

/// Reads all that going on needs: the model as it was stored, the moments of each parameter in the fixed order, and the
/// state, which has its [`Progress`]. Every file is held against its checksum first.
pub fn read(path: &Path, device: &Device) -> Result<(Decoder, Vec<Option<Moments>>, State)> {
    let failed = || format!("cannot go on from {}", path.display());
    let state = read_state(path)?.filter(|state| state.progress.is_some()).ok_or_else(|| {
        Error::new(failed())
            .because("it has no optimizer state: only weights were saved")
            .next("start a new run from it: a plan's `model = { from = \"…\" }` takes it")
    })?;
    verify(path)?;
    let mut decoder = load(path, device)?;
    let moments = moments::read(path, &mut decoder, device).map_err(|error| error.within(failed()))?;
    Ok((decoder, moments, state))
}

/// Holds every file of a checkpoint against its size and checksum; the error names the file that is damaged.
pub fn verify(path: &Path) -> Result<()> {
    match Checksums::read(path)? {
        Some(checksums) => checksums.verify(path, |_| true),
        None => Err(checksums::damaged(path, format!("{} is missing", checksums::FILE))),
    }
}

/// Holds the files that a model is read from against their checksums. Folders that Frostline did not write have none, and
/// those of its older versions neither.
fn verify_model(path: &Path) -> Result<()> {
    read_state(path)?;
    match Checksums::read(path)? {
        Some(checksums) => checksums.verify(path, |name| name != moments::FILE && name != fisher::FILE),
        None => Ok(()),
    }
}

fn load(path: &Path, device: &Device) -> Result<Decoder> {
    let mut decoder = folder::load(path, DType::F32, device)?;
    // As it was evaluated while it was trained, so that it is measured the same.
    let trained = state(path).map_or(Precision::F32, |state| state.precision);
    decoder.parameters.precision = super::device::products(device, trained).0;
    Ok(decoder)
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

/// The state beside a checkpoint; `None` for folders that Frostline did not write, and where it is damaged.
pub fn state(folder: &Path) -> Option<State> {
    read_state(folder).ok().flatten()
}

/// The same, but damage is an error.
fn read_state(folder: &Path) -> Result<Option<State>> {
    let read = || {
        let (checksums, text) = (Checksums::read(folder)?, read_small(folder, STATE)?);
        match (&checksums, &text) {
            (None, None) => return Ok(None),
            (Some(checksums), _) => checksums.check(folder, STATE, text.as_deref())?,
            (None, Some(_)) => {}
        }
        let state = serde_json::from_slice::<State>(text.as_deref().unwrap_or_default());
        let state = state.map_err(|error| checksums::damaged(folder, format!("{STATE}: {error}")))?;
        match (&state.progress, checksums) {
            (Some(_), None) => Err(checksums::damaged(folder, format!("{} is missing", checksums::FILE))),
            _ => Ok(Some(state)),
        }
    };
    // One that is being removed has just got another name.
    read().or_else(|error| if folder.is_dir() { Err(error) } else { Ok(None) })
}
