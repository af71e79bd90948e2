//! Checkpoints written while training goes on: one at a time, each by a thread of its own.

use super::{Reason, Snapshot, save};
use crate::corpus::tokenizer::Tokenizer;
use crate::{Context, Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long it takes at most until a thread that waits for the metrics notices that it shall not.
const PATIENCE: Duration = Duration::from_millis(20);

/// What became of a checkpoint.
#[derive(Debug)]
pub struct Saved {
    pub step: u64,
    pub reason: Reason,
    /// Where it is.
    pub outcome: Result<PathBuf>,
}

/// Writes the checkpoints of one run. No thread of its outlives it.
pub struct Writer {
    run: PathBuf,
    tokenizer: Arc<Tokenizer>,
    job: Option<Job>,
    /// What nobody asked for yet.
    done: Vec<Saved>,
}

struct Job {
    thread: JoinHandle<Result<PathBuf>>,
    step: u64,
    reason: Reason,
    /// Set where nobody will say any more how far the metrics are.
    hurry: Arc<AtomicBool>,
}

impl Writer {
    pub fn new(run: PathBuf, tokenizer: Arc<Tokenizer>) -> Self {
        Self { run, tokenizer, job: None, done: Vec::new() }
    }

    /// From now on this one belongs beside the weights.
    pub fn set_tokenizer(&mut self, tokenizer: Arc<Tokenizer>) {
        self.tokenizer = tokenizer;
    }

    /// Has a checkpoint written; one that is being written is waited for first. Where `ready` is given, it tells when the
    /// metrics up to here are on the disk, and how long their file is then; an error, or nobody to tell, is taken as not
    /// known, and the checkpoint is written all the same. The snapshot is let go of as soon as it is written.
    pub fn start(&mut self, snapshot: Snapshot, ready: Option<Receiver<Result<u64>>>) {
        self.join(false);
        let (run, tokenizer, hurry) = (self.run.clone(), self.tokenizer.clone(), Arc::new(AtomicBool::new(false)));
        let (step, reason) = (snapshot.state.step, reason(&snapshot));
        let is_hurried = hurry.clone();
        let work = move || write(&run, snapshot, &tokenizer, ready, &is_hurried);
        let spawned = std::thread::Builder::new().name("checkpoint".into()).spawn(work);
        match spawned.what(|| format!("cannot begin to write the checkpoint of step {step}")) {
            Ok(thread) => self.job = Some(Job { thread, step, reason, hurry }),
            Err(error) => self.done.push(Saved { step, reason, outcome: Err(error) }),
        }
    }

    /// Whether a checkpoint is being written.
    pub fn is_busy(&self) -> bool {
        self.job.as_ref().is_some_and(|job| !job.thread.is_finished())
    }

    /// What was finished since it was last asked for.
    pub fn poll(&mut self) -> Vec<Saved> {
        if !self.is_busy() {
            self.join(false);
        }
        std::mem::take(&mut self.done)
    }

    /// The same, when nothing is being written any more.
    pub fn wait(&mut self) -> Vec<Saved> {
        self.join(false);
        self.poll()
    }

    fn join(&mut self, in_a_hurry: bool) {
        let Some(Job { thread, step, reason, hurry }) = self.job.take() else { return };
        hurry.store(in_a_hurry, Ordering::Relaxed);
        let outcome = thread.join().unwrap_or_else(|_| {
            Err(Error::new(format!("cannot write the checkpoint of step {step}"))
                .because("its thread ended by a mistake of the program"))
        });
        self.done.push(Saved { step, reason, outcome });
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.join(true);
    }
}

/// One whose state says nothing is nobody's to remove.
fn reason(snapshot: &Snapshot) -> Reason {
    snapshot.state.progress.as_ref().map_or(Reason::Asked, |progress| progress.reason)
}

fn write(
    run: &Path,
    mut snapshot: Snapshot,
    tokenizer: &Tokenizer,
    ready: Option<Receiver<Result<u64>>>,
    hurry: &AtomicBool,
) -> Result<PathBuf> {
    if let Some(ready) = ready {
        let metrics_bytes = wait_for(&ready, hurry);
        snapshot.state.progress.iter_mut().for_each(|progress| progress.metrics_bytes = metrics_bytes);
    }
    save(run, &snapshot, tokenizer)
}

fn wait_for(ready: &Receiver<Result<u64>>, hurry: &AtomicBool) -> Option<u64> {
    loop {
        match ready.recv_timeout(PATIENCE) {
            Ok(bytes) => return bytes.ok(),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) if hurry.load(Ordering::Relaxed) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::disk::testing::{Fault, watch};
    use super::super::state;
    use super::super::testing::{assert_reads, small, tokenizer};
    use super::*;
    use std::sync::mpsc::channel;

    fn one(saved: Vec<Saved>) -> Saved {
        let [saved] = <[Saved; 1]>::try_from(saved).unwrap();
        saved
    }

    fn metrics_bytes(saved: &Saved) -> Option<u64> {
        state(saved.outcome.as_ref().unwrap()).unwrap().progress.unwrap().metrics_bytes
    }

    #[test]
    fn it_writes_beside_the_training_and_lets_go_of_what_it_wrote() {
        let run = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(run.path().into(), tokenizer());
        assert!(!writer.is_busy() && writer.poll().is_empty() && writer.wait().is_empty());
        let (snapshot, held) = (small(1), Arc::downgrade(&small(1).decoder));
        assert!(held.upgrade().is_none());
        let held = Arc::downgrade(&snapshot.decoder);
        let (tell, ready) = channel();
        writer.start(snapshot, Some(ready));
        assert!(writer.is_busy() && writer.poll().is_empty() && held.upgrade().is_some());
        tell.send(Ok(77)).unwrap();
        while writer.is_busy() {
            std::thread::yield_now();
        }
        assert!(held.upgrade().is_none(), "the snapshot is still held");
        let saved = one(writer.poll());
        assert_eq!((saved.step, saved.reason, metrics_bytes(&saved)), (1, Reason::Due, Some(77)));
        assert!(writer.poll().is_empty());
    }

    #[test]
    fn one_after_the_other() {
        let run = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(run.path().into(), tokenizer());
        (1..=3).for_each(|step| writer.start(small(step), None));
        let saved = writer.wait();
        assert_eq!(saved.iter().map(|saved| saved.step).collect::<Vec<u64>>(), [1, 2, 3]);
        for saved in saved {
            assert_reads(&saved.outcome.unwrap(), &small(saved.step));
        }
    }

    #[test]
    fn metrics_that_nobody_knows_of_stop_nothing() {
        let run = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(run.path().into(), tokenizer());
        let (tell, ready) = channel();
        tell.send(Err(Error::new("the disk is full"))).unwrap();
        let known = |step| {
            let mut snapshot = small(step);
            snapshot.state.progress.as_mut().unwrap().metrics_bytes = Some(1);
            snapshot
        };
        writer.start(known(1), Some(ready));
        assert_eq!(metrics_bytes(&one(writer.wait())), None);
        writer.start(known(2), Some(channel().1));
        assert_eq!(metrics_bytes(&one(writer.wait())), None);
        writer.start(known(3), None);
        assert_eq!(metrics_bytes(&one(writer.wait())), Some(1));
        // Nor does it wait for ever when it goes.
        let (_tell, ready) = channel();
        writer.start(known(4), Some(ready));
        drop(writer);
        assert!(run.path().join("checkpoints/step-4").exists());
    }

    #[test]
    fn errors_are_reported_and_the_snapshot_is_let_go_of() {
        let run = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(run.path().into(), tokenizer());
        let watched = watch(run.path());
        watched.fail(Fault { at: 9, errno: libc::ENOSPC, is_lasting: true, is_short: false });
        let snapshot = small(1);
        let held = Arc::downgrade(&snapshot.decoder);
        writer.start(snapshot, None);
        let error = one(writer.wait()).outcome.unwrap_err().to_string();
        assert!(error.contains("step-1") && error.contains("No space left"), "{error}");
        assert!(held.upgrade().is_none());
        watched.heal();
        writer.start(small(1), None);
        assert_reads(&one(writer.wait()).outcome.unwrap(), &small(1));
    }
}
