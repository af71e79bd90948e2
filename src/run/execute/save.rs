//! Saving a phase: what a checkpoint is made of, handing it to the writer, and what comes of it.

use super::phase::PhaseRun;
use super::standing::Standing;
use super::steer::Until;
use super::{Run, interrupted};
use crate::protocol::{CheckpointSaved, Event, State};
use crate::run::checkpoint::{self, Progress, Reason, Saved, Snapshot, State as CheckpointState};
use crate::run::folder::Metrics;
use crate::run::plan::OnDiskError;
use crate::{Error, Result};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a disk that failed is left alone.
const RETRY: Duration = if cfg!(test) { Duration::from_millis(20) } else { Duration::from_secs(2) };
/// How often waiting looks around.
const LOOK: Duration = Duration::from_millis(50);

impl PhaseRun<'_, '_> {
    /// Hands what is trained to the writer; what comes of it is told by [`PhaseRun::settle_saves`]. Where this step is
    /// saved already, or being saved, nothing is done.
    pub(super) fn begin_save(&mut self, reason: Reason, loss: Option<f64>) {
        if self.run.saved == Some(self.run.step) {
            return;
        }
        self.state(State::Saving);
        // One at a time: each holds a copy of what trains.
        self.wait_until_saved();
        let snapshot = self.snapshot(reason, loss);
        let ready = self.run.observer.as_mut().and_then(|observer| observer.metrics_on_disk());
        self.run.saved = Some(self.run.step);
        self.run.writer.start(snapshot, ready);
    }

    fn snapshot(&mut self, reason: Reason, loss: Option<f64>) -> Snapshot {
        let Standing { learner, done, tokens, lines, learning_rate, evaluated, guard, signs, .. } = self.standing();
        let metrics_bytes = self.run.folder.metrics.as_mut().and_then(|metrics| metrics.sync().ok());
        let progress = Progress {
            phase_steps: done,
            tokens,
            seconds: self.run.seconds(),
            journal_lines: lines,
            changes: self.run.folder.journal.changes(),
            metrics_bytes,
            reason,
            is_paused: self.is_paused,
            evaluated,
            learning_rate,
            base_losses: self.watch.base.iter().map(|(name, loss)| (name.clone(), *loss)).collect(),
            audit_due: learner.audit_due,
            guard: serde_json::to_value((guard, self.skips_next)).unwrap_or_default(),
            signs: serde_json::to_value(signs).unwrap_or_default(),
        };
        let state = CheckpointState {
            run: self.run.folder.name.clone(),
            phase: self.plan.name.clone(),
            step: self.run.step,
            loss,
            base: self.base.clone(),
            precision: learner.decoder.parameters.precision,
            progress: Some(progress),
        };
        let fisher = self.consolidation.fisher.clone();
        Snapshot { decoder: learner.decoder, moments: learner.moments, state, fisher }
    }

    /// Takes in what the writer finished. A checkpoint that could not be written is said, and where the plan wants it
    /// the run is held until it can be.
    pub(super) fn settle_saves(&mut self) {
        let finished = self.run.writer.poll();
        finished.into_iter().for_each(|saved| self.settle(saved));
    }

    pub(super) fn wait_until_saved(&mut self) {
        let finished = self.run.writer.wait();
        finished.into_iter().for_each(|saved| self.settle(saved));
    }

    fn settle(&mut self, saved: Saved) {
        match saved.outcome {
            Ok(path) => {
                (self.run.saves_failed, self.run.said_unsaved) = (None, None);
                self.run.tell_saved(&self.plan.name, saved.step, &path);
                if let Some(held) = self.held.take_if(|held| held.until == Until::Saved) {
                    self.notice(format!("the disk takes checkpoints again; it was held: {}", held.why));
                }
                self.remove_old();
            }
            Err(error) => {
                self.run.saved.take_if(|step| *step == saved.step);
                self.run.saves_failed = Some(Instant::now());
                self.save_failed(saved.step, saved.reason, &error);
            }
        }
    }

    fn save_failed(&mut self, step: u64, reason: Reason, error: &Error) {
        let text = format!("no checkpoint at step {step}: {error}");
        self.run.tell_not_saved(step, text.clone());
        let waits = self.run.request.plan.on_disk_error == OnDiskError::Pause && reason != Reason::Stopped;
        if waits && self.held.is_none() {
            self.hold(format!("step {step} cannot be saved; make room, and it goes on by itself"), Until::Saved);
        }
        // Tried again and again, it is said once.
        let why = error.to_string();
        if self.run.said_unsaved.as_ref() != Some(&why) {
            self.run.said_unsaved = Some(why);
            self.notice(text);
        }
    }

    /// While the run is held since the disk fails, tries again now and then.
    pub(super) fn retry_save(&mut self) {
        let waits = self.held.as_ref().is_some_and(|held| held.until == Until::Saved);
        let is_time = self.run.saves_failed.is_none_or(|then| then.elapsed() > RETRY);
        if waits && is_time && !self.run.writer.is_busy() {
            self.begin_save(Reason::Due, None);
        }
    }

    /// Saves now, and waits for it.
    pub(super) fn save_and_wait(&mut self, reason: Reason, loss: Option<f64>) -> Result<PathBuf> {
        self.begin_save(reason, loss);
        self.wait_until_saved();
        match &self.run.saved_path {
            Some((step, path)) if *step == self.run.step => Ok(path.clone()),
            _ => Err(Error::new(format!("step {} could not be saved", self.run.step))
                .next("make room there; checkpoints written before are whole")),
        }
    }

    /// The checkpoint that the next phases stand on, and the only copy of what this one learned: it is tried until the
    /// disk takes it, or the run is stopped.
    pub(super) fn save_end(&mut self, loss: Option<f64>) -> Result<PathBuf> {
        // One that was written when the run was stopped here is not known as an end.
        self.run.saved = None;
        loop {
            match self.save_and_wait(Reason::End, loss) {
                Ok(path) => return Ok(path),
                Err(error) if self.run.is_cancelled() => return Err(error),
                Err(_) => self.wait_a_while(),
            }
        }
    }

    fn wait_a_while(&mut self) {
        if self.held.is_none() {
            self.hold(
                "the phase is done and cannot be saved; make room, and it goes on by itself".into(),
                Until::Saved,
            );
        }
        let since = Instant::now();
        while since.elapsed() < RETRY && !self.run.is_cancelled() {
            std::thread::sleep(LOOK);
        }
    }

    /// Tries now and then to write down what waits; says when it could be.
    pub(super) fn retry_records(&mut self) {
        let Some(since) = self.run.records_failed else { return };
        if self.run.request.plan.on_disk_error == OnDiskError::Pause && self.held.is_none() {
            let why = "the journal cannot be written; make room, and it goes on by itself";
            self.hold(why.into(), Until::Recorded);
        }
        if since.elapsed() < RETRY {
            return;
        }
        let metrics = self.run.folder.metrics.as_mut().map_or(Ok(()), Metrics::flush);
        match self.run.folder.journal.catch_up().and(metrics) {
            Ok(()) => {
                self.run.records_failed = None;
                self.held.take_if(|held| held.until == Until::Recorded);
                self.notice("the journal is written again, and nothing is missing in it".into());
            }
            Err(_) => self.run.records_failed = Some(Instant::now()),
        }
    }

    fn remove_old(&mut self) {
        if let Err(error) = checkpoint::remove_old(&self.run.folder.path, &self.plan.keep, |_| true) {
            self.notice(format!("old checkpoints stay: {error}"));
        }
    }

    /// Saves, since somebody stopped the run.
    pub(super) fn interrupt(&mut self) -> Result<PathBuf> {
        if self.run.step == 0 {
            return Err(interrupted(0, None));
        }
        let saved = self.save_and_wait(Reason::Stopped, None)?;
        Err(interrupted(self.run.step, Some(&saved)))
    }
}

impl Run<'_> {
    fn tell_saved(&mut self, phase: &str, step: u64, path: &std::path::Path) {
        self.saved_path = Some((step, path.to_path_buf()));
        let saved = CheckpointSaved { phase: phase.to_string(), step, path: path.display().to_string() };
        self.emit(Event::Checkpoint(saved));
    }
}
