//! Who looks on, and what the last of them had seen when they left: the next is told what happened since.

use super::history::{History, Shared};
use super::recorder::step_of;
use crate::protocol::Absence;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// People who look on at a run.
pub struct Attendance {
    /// Where it is written down, so that another host of the run knows it too.
    path: PathBuf,
    present: Mutex<u32>,
}

impl Attendance {
    /// What is written down counts from where the run stood then.
    pub fn new(path: PathBuf, shared: &Shared) -> Self {
        let mut history = shared.lock();
        history.absence = read(&path).map(|seen| among(&seen, &history));
        drop(history);
        Self { path, present: Mutex::new(0) }
    }

    /// Somebody comes; returns what they missed where nobody was there.
    pub fn come(&self, shared: &Shared) -> Option<Absence> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        *present += 1;
        let absence = shared.lock().absence.take();
        if *present == 1 {
            // A host that is killed while somebody is there must not leave word of an earlier absence.
            let _ = std::fs::remove_file(&self.path);
        }
        absence.filter(|_| *present == 1)
    }

    /// Somebody leaves; returns what is to be written down where nobody is left.
    pub fn leave(&self, shared: &Shared) -> Option<impl FnOnce() + Send + 'static> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        *present = present.saturating_sub(1);
        if *present > 0 {
            return None;
        }
        let mut history = shared.lock();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let absence = Absence { since, step: history.status.step, events: history.events.len() as u64 };
        history.absence = Some(absence);
        let path = self.path.clone();
        Some(move || write(&path, absence))
    }
}

/// Events may stand in another order, and some be missing, in what is read again from files: what happened after the steps
/// that were seen is new whatever was counted.
fn among(seen: &Absence, history: &History) -> Absence {
    let before = history.events.iter().position(|event| step_of(event) > seen.step).unwrap_or(history.events.len());
    Absence { events: seen.events.min(before as u64), ..*seen }
}

fn read(path: &Path) -> Option<Absence> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Under another name first: it is there whole, or as it was. Where it cannot be written, the next host does not know it.
fn write(path: &Path, absence: Absence) {
    let fresh = path.with_extension("new");
    let Ok(text) = serde_json::to_vec(&absence) else { return };
    if std::fs::write(&fresh, text).is_ok() {
        let _ = std::fs::rename(&fresh, path);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{record, status, steered, welcome};
    use super::*;

    #[test]
    fn the_first_who_comes_back_is_told_and_so_is_another_host() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen.json");
        let shared = Shared::new(History::new(welcome(), status()));
        let attendance = Attendance::new(path.clone(), &shared);
        assert_eq!(attendance.come(&shared), None);
        assert_eq!(attendance.come(&shared), None);
        assert!(attendance.leave(&shared).is_none(), "one is there still");
        [steered(3, "froze a"), steered(9, "froze b")].into_iter().for_each(|event| shared.lock().push(event));
        (1..=9).for_each(|step| shared.lock().steps.push(record(step)));
        shared.lock().status.step = 9;
        attendance.leave(&shared).unwrap()();
        let told = attendance.come(&shared).unwrap();
        assert_eq!((told.step, told.events), (9, 2));
        assert_eq!(attendance.come(&shared), None, "whoever is there can be asked");
        assert!(!path.exists(), "a host that is killed now leaves no word of an earlier absence");
        assert!(attendance.leave(&shared).is_none());
        attendance.leave(&shared).unwrap()();

        let next = Shared::new(History::new(welcome(), status()));
        [steered(3, "froze a"), steered(9, "froze b"), steered(12, "froze c")]
            .into_iter()
            .for_each(|event| next.lock().push(event));
        let told = Attendance::new(path.clone(), &next).come(&next).unwrap();
        assert_eq!((told.step, told.events), (9, 2));
        std::fs::write(&path, "nonsense").unwrap();
        assert_eq!(Attendance::new(path, &next).come(&next), None);
    }
}
