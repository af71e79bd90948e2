//! Writing a checkpoint.

use super::super::disk;
use super::checksums::Folder;
use super::keep::{REPLACED, WRITING};
use super::{CHECKPOINTS, STATE, State, WHOLE, fisher, moments};
use crate::corpus::tokenizer::Tokenizer;
use crate::learn::Fisher;
use crate::model::{Decoder, folder};
use crate::ops::adamw::Moments;
use crate::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that is written. Nothing is copied: whoever holds it sees to it that nothing in it changes meanwhile.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub decoder: Arc<Decoder>,
    /// Of each parameter in the fixed order. They are written where the state has its progress.
    pub moments: Arc<Vec<Option<Moments>>>,
    pub state: State,
    /// Of what the phase started from, where it was asked for.
    pub fisher: Option<Arc<Fisher>>,
}

/// Writes `checkpoints/step-N` in a run's folder: under another name first, synced, then renamed. One that was there
/// already is replaced, and is there until the new one is.
pub fn save(run: &Path, snapshot: &Snapshot, tokenizer: &Tokenizer) -> Result<PathBuf> {
    let (folder, name) = (run.join(CHECKPOINTS), format!("{WHOLE}{}", snapshot.state.step));
    let (target, temporary) = (folder.join(&name), folder.join(format!("{WRITING}{name}")));
    let failed = || format!("cannot write the checkpoint {}", target.display());
    let written = make_room(run, &folder, &temporary).what(failed).and_then(|()| {
        write_files(&temporary, snapshot, tokenizer).map_err(|error| error.within(failed()))?;
        put_in_place(&folder, &temporary, &name).what(failed)
    });
    written.inspect_err(|_| {
        // What cannot be removed now is cleared when the run is opened again; until then its name says what it is.
        let _ = disk::remove(&temporary);
    })?;
    Ok(target)
}

fn make_room(run: &Path, folder: &Path, temporary: &Path) -> std::io::Result<()> {
    if disk::make_folder(folder)? {
        disk::sync_folder(run)?;
    }
    disk::remove(temporary)?;
    disk::make_folder(temporary).map(|_| ())
}

fn write_files(target: &Path, snapshot: &Snapshot, tokenizer: &Tokenizer) -> Result<()> {
    let own = target.join("frostline");
    let failed = || format!("cannot make the folder {}", own.display());
    disk::make_folder(&own).what(failed)?;
    let mut files = Folder::new(target);
    folder::save_to(&snapshot.decoder, tokenizer.end_of_text(), &mut files)?;
    for (name, text) in tokenizer.files()? {
        files.write_text(name, &text)?;
    }
    if snapshot.state.progress.is_some() {
        moments::write(&snapshot.decoder, &snapshot.moments, &mut files)?;
    }
    if let Some(of_base) = &snapshot.fisher {
        fisher::write(&snapshot.decoder.parameters, of_base, &mut files)?;
    }
    let text = serde_json::to_string_pretty(&snapshot.state).what(|| "cannot write its state".into())?;
    files.write_text(STATE, &text)?;
    files.finish()?;
    disk::sync_folder(&own).and_then(|()| disk::sync_folder(target)).what(failed)
}

/// Gives what was written its name.
fn put_in_place(folder: &Path, temporary: &Path, name: &str) -> std::io::Result<()> {
    let (target, replaced) = (folder.join(name), folder.join(format!("{REPLACED}{name}")));
    let replaces = target.exists();
    if replaces {
        disk::remove(&replaced)?;
        disk::rename(&target, &replaced)?;
    }
    // The old one's new name must not reach the disk after the new one's: a crash between would leave neither.
    let moved_aside = if replaces { disk::sync_folder(folder) } else { Ok(()) };
    moved_aside.and_then(|()| disk::rename(temporary, &target)).inspect_err(|_| {
        // Where that fails too, the old one is restored when the run is opened again.
        let _ = if replaces { disk::rename(&replaced, &target) } else { Ok(()) };
    })?;
    disk::sync_folder(folder)?;
    // The new one stands; what is left of the old one is no reason to call that a failure.
    let _ = disk::remove(&replaced);
    Ok(())
}
