//! A checkpoint that two runs have in common.

use super::super::disk;
use super::CHECKPOINTS;
use super::keep::WRITING;
use crate::{Context, Result};
use std::path::Path;

/// Gives a checkpoint to another run of the same home too: its files never change, so they are shared where the disk can.
pub fn link(path: &Path, run: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default();
    let failed = || format!("cannot take over the checkpoint {}", path.display());
    let folder = run.join(CHECKPOINTS);
    let temporary = folder.join(format!("{WRITING}{}", name.display()));
    disk::make_folder(&folder).what(failed)?;
    link_files(path, &temporary).what(failed)?;
    disk::rename(&temporary, &folder.join(name)).what(failed)?;
    disk::sync_folder(&folder).what(failed)
}

fn link_files(from: &Path, to: &Path) -> std::io::Result<()> {
    disk::make_folder(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (path, own) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            link_files(&path, &own)?;
        } else if std::fs::hard_link(&path, &own).is_err() {
            std::fs::copy(&path, &own)?;
        }
    }
    disk::sync_folder(to)
}
