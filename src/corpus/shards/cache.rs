//! The folder of prepared corpora: each entry is there whole or not at all, and made by one process at a time.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::corpus::progress::check;
use crate::error::{Context, Result};

/// How often a process that waits for another looks whether it is done.
const WAIT: Duration = Duration::from_millis(50);

/// One entry of the cache, which this process alone may make for as long as this exists.
pub(super) struct Entry {
    folder: PathBuf,
    partial: PathBuf,
    /// Locked; the system unlocks it when the process ends, however it ends.
    _lock: File,
}

impl Entry {
    /// Waits until nobody else makes the entry `key` of `cache`, and removes what one that was killed left behind.
    pub(super) fn lock(cache: &Path, key: u64, cancel: &AtomicBool) -> Result<Entry> {
        let failed = || format!("cannot use the cache folder {}", cache.display());
        let advice = "choose another with --home or FROSTLINE_HOME, or make this one writable";
        fs::create_dir_all(cache).what(failed).map_err(|error| error.next(advice))?;
        let path = |suffix: &str| cache.join(format!("{key:016x}{suffix}"));
        let lock = File::create(path(".lock")).what(failed).map_err(|error| error.next(advice))?;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    check(cancel, "waiting for another process that prepares the same corpus")?;
                    std::thread::sleep(WAIT);
                }
                Err(TryLockError::Error(error)) => return Err(error).what(failed),
            }
        }
        let entry = Entry { folder: path(""), partial: path(".partial"), _lock: lock };
        remove(&entry.partial)?;
        Ok(entry)
    }

    /// Where the entry is once it is made.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// An empty folder to make the entry in.
    pub(super) fn begin(&self) -> Result<&Path> {
        fs::create_dir(&self.partial).what(|| format!("cannot create {}", self.partial.display()))?;
        Ok(&self.partial)
    }

    /// Puts what was made in place.
    pub(super) fn commit(&self) -> Result<()> {
        remove(&self.folder)?;
        sync(&self.partial)?;
        fs::rename(&self.partial, &self.folder).what(|| format!("cannot create {}", self.folder.display()))?;
        self.folder.parent().map_or(Ok(()), sync)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // Nothing half-written stays; a failure to remove it is mended by the next lock.
        let _ = remove(&self.partial);
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).what(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Makes sure that a folder's names are on disk.
fn sync(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.what(|| format!("cannot write the folder {}", folder.display()))?;
    }
    Ok(())
}
