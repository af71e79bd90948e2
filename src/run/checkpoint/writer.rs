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
