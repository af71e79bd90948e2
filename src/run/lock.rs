//! One host for one run: a lock that the system lets go of when its process ends, however it ends.

use super::place::HostPlace;
use crate::{Context, Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

/// How long a lock that is held is tried again.
const MOMENT: Duration = Duration::from_millis(300);

/// Held for as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Who holds a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Nobody,
    /// Its process, where it has said so yet.
    Process(Option<u32>),
}

impl Lock {
    /// Takes the lock of a run, and writes down who has it. The folder must be there.
    pub fn take(place: &HostPlace) -> Result<Lock> {
        let mut file = open(place)?;
        let since = Instant::now();
        // Whoever looks who has it holds it for a moment.
        while matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && since.elapsed() < MOMENT {
            std::thread::sleep(MOMENT / 20);
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = read_process(&mut file).map_or("another process".into(), |id| format!("process {id}"));
                return Err(Error::new("this run has a host already")
                    .because(format!("{process} holds {}", place.lock().display()))
                    .next("attach to it, or stop it first"));
            }
            Err(TryLockError::Error(error)) => {
                return Err(Error::new(format!("cannot lock {}", place.lock().display())).because(error));
            }
        }
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.what(|| format!("cannot write {}", place.lock().display()))?;
        Ok(Lock { _file: file })
    }

    /// Who has it now.
    pub fn holder(place: &HostPlace) -> Holder {
        let Ok(mut file) = File::open(place.lock()) else { return Holder::Nobody };
        match file.try_lock_shared() {
            Ok(()) => Holder::Nobody,
            Err(_) => Holder::Process(read_process(&mut file)),
        }
    }
}

fn open(place: &HostPlace) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(place.lock()).what(|| format!("cannot open {}", place.lock().display()))
}

fn read_process(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_and_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = HostPlace::of(folder.path());
        place.create().unwrap();
        assert_eq!(Lock::holder(&place), Holder::Nobody);
        let lock = Lock::take(&place).unwrap();
        let refused = Lock::take(&place).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        assert_eq!(Lock::holder(&place), Holder::Process(Some(std::process::id())));
        drop(lock);
        assert_eq!(Lock::holder(&place), Holder::Nobody);
        Lock::take(&place).unwrap();
    }
}
