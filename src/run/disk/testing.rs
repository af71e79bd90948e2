//! Disks that fail when a test says so.

use std::fs::File;
use std::io::{Error, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// Which operation fails, and how.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// How many operations go well before it.
    pub at: u64,
    pub errno: i32,
    /// All operations after it fail too, as on a disk that stays full.
    pub is_lasting: bool,
    /// Where it is a write, half of the bytes are written first.
    pub is_short: bool,
}

/// Operations on what lies under a folder. Tests run beside each other, and what they test has threads of its own: so
/// folders tell them apart.
struct Watch {
    folder: PathBuf,
    count: u64,
    fault: Option<Fault>,
    has_failed: bool,
}

static WATCHES: Mutex<Vec<Watch>> = Mutex::new(Vec::new());

fn watches() -> MutexGuard<'static, Vec<Watch>> {
    WATCHES.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Counts the operations under a folder from now on, until it is dropped.
pub struct Watched(PathBuf);

pub fn watch(folder: &Path) -> Watched {
    let watch = Watch { folder: folder.to_path_buf(), count: 0, fault: None, has_failed: false };
    watches().push(watch);
    Watched(folder.to_path_buf())
}

impl Watched {
    fn with<R>(&self, work: impl FnOnce(&mut Watch) -> R) -> R {
        work(watches().iter_mut().find(|watch| watch.folder == self.0).unwrap())
    }

    /// Operations so far, failed ones too.
    pub fn count(&self) -> u64 {
        self.with(|watch| watch.count)
    }

    /// Has an operation fail, counted from now.
    pub fn fail(&self, fault: Fault) {
        self.with(|watch| (watch.count, watch.fault, watch.has_failed) = (0, Some(fault), false));
    }

    /// Everything goes well again.
    pub fn heal(&self) {
        self.with(|watch| watch.fault = None);
    }

    pub fn has_failed(&self) -> bool {
        self.with(|watch| watch.has_failed)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        watches().retain(|watch| watch.folder != self.0);
    }
}

/// The fault that an operation on `path` meets, if any.
fn meet(path: &Path) -> Option<Fault> {
    let mut watches = watches();
    let watch = watches.iter_mut().find(|watch| path.starts_with(&watch.folder))?;
    let place = watch.count;
    watch.count += 1;
    let fault = watch.fault.filter(|fault| place == fault.at || (fault.is_lasting && place > fault.at));
    watch.has_failed |= fault.is_some();
    fault
}

pub(super) fn pass(path: &Path) -> Result<()> {
    meet(path).map_or(Ok(()), |fault| Err(Error::from_raw_os_error(fault.errno)))
}

pub(super) fn pass_write(file: &mut File, path: &Path, bytes: &[u8]) -> Result<()> {
    let Some(fault) = meet(path) else { return Ok(()) };
    if fault.is_short {
        file.write_all(&bytes[..bytes.len() / 2])?;
    }
    Err(Error::from_raw_os_error(fault.errno))
}
