//! Sets as folders of JSON Lines.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::Set;
use super::tasks::{self, Row};
use crate::error::{Context, Error, Result};

/// Part of the folder's name: a change of what is written comes with a new one.
pub const VERSION: u32 = 1;

/// Writes the set's `train.jsonl` and `test.jsonl` below `cache`, unless this version of them is there already; returns
/// their folder. The folder appears whole or not at all, also when two processes write it at once. An error when the
/// cache cannot be written.
pub fn expand(set: Set, cache: &Path) -> Result<PathBuf> {
    let folder = cache.join(format!("world-{VERSION}")).join(set.name());
    if folder.is_dir() {
        return Ok(folder);
    }
    write(set, &folder).map_err(|error| {
        error
            .within(format!("cannot expand the bundled set {} below {}", set.name(), cache.display()))
            .next("check that the cache folder can be written and has some megabytes free")
    })?;
    Ok(folder)
}

fn write(set: Set, folder: &Path) -> Result<()> {
    let rows = tasks::rows(set)?;
    let parent = folder.parent().ok_or_else(|| Error::new("the cache folder has no parent"))?;
    fs::create_dir_all(parent).what(|| format!("cannot create {}", parent.display()))?;
    // Removed again when something fails below.
    let temporary = tempfile::Builder::new()
        .prefix(&format!(".{}-", set.name()))
        .tempdir_in(parent)
        .what(|| format!("cannot create a folder in {}", parent.display()))?;
    write_rows(&rows.train, &temporary.path().join("train.jsonl"))?;
    write_rows(&rows.test, &temporary.path().join("test.jsonl"))?;
    match fs::rename(temporary.path(), folder) {
        Ok(()) => {
            // The folder has another name now: there is nothing left to remove.
            let _ = temporary.keep();
            Ok(())
        }
        // Another process was faster; its rows are the same.
        Err(_) if folder.is_dir() => Ok(()),
        Err(error) => Err(error).what(|| format!("cannot rename a folder to {}", folder.display())),
    }
}

fn write_rows(rows: &[Row], path: &Path) -> Result<()> {
    let write = || -> Result<()> {
        let mut file = BufWriter::new(File::create(path).what(|| "cannot create it".into())?);
        for row in rows {
            serde_json::to_writer(&mut file, row).what(|| "cannot write a row".into())?;
            file.write_all(b"\n").what(|| "cannot write a row".into())?;
        }
        let file =
            file.into_inner().map_err(|error| error.into_error()).what(|| "cannot write the last rows".into())?;
        file.sync_all().what(|| "cannot bring it to the disk".into())
    };
    write().what(|| format!("cannot write {}", path.display()))
}
