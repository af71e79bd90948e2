//! Steering a phase between two steps: commands of a person, of the plan and of the journal; holding, and going back.

use super::phase::PhaseRun;
use super::script::Scripted;
use super::standing::Standing;
use crate::protocol::{By, Change, Command, Event, Rewound, Steered, Undoable};
use crate::run::checkpoint::{self, Reason};
use crate::run::plan::ChangePlan;
use crate::run::steering::Made;
use crate::{Error, Result};

/// What the reason of a rewinding begins with where a person undid a change.
pub(super) const UNDID: &str = "undid: ";

/// What came of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It took effect, in a few words.
    Done(String),
    /// It took effect, and what it asked for is there when the checkpoint of this step is written.
    Saving(u64),
}

/// Why a run is held although nobody paused it.
pub(super) struct Held {
    pub why: String,
    pub until: Until,
}

/// What a run that is held waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Somebody says `continue`.
    Told,
    /// A checkpoint could be written.
    Saved,
    /// The journal could be written.
    Recorded,
}

impl PhaseRun<'_, '_> {
    /// Carries out a command, and says what came of it. Changes are in the journal before they take effect.
    pub fn steer(&mut self, command: &Command) -> Result<Outcome> {
        self.steer_as(command, By::Person, None)
    }

    pub(super) fn steer_as(&mut self, command: &Command, by: By, line: Option<u64>) -> Result<Outcome> {
        if *command == Command::Undo {
            return self.undo().map(Outcome::Done);
        }
        if by == By::Guard {
            self.guard.interventions += 1;
        }
        if let Some(proposal) = self.steering.propose(command)? {
            let effect = proposal.effect.clone();
            let is_change = proposal.settings != *self.steering.settings();
            if is_change {
                self.foresee_memory(&proposal.settings)?;
                self.prepare_pull(proposal.settings.pull)?;
                self.check_bound(&proposal.settings)?;
            }
            let standing = is_change.then(|| self.standing());
            let line = self.journal_change(command, &effect, by, line)?;
            if let Some(standing) = standing {
                let bytes = self.learner.state_bytes();
                self.ring.keep(Standing { lines: line, ..standing }, bytes);
                self.steering.take(proposal, Made { step: self.run.step, line, by });
                self.apply_steering()?;
            }
            return Ok(Outcome::Done(effect));
        }
        self.carry_out_command(command, by, line)
    }

    /// What changes no settings.
    fn carry_out_command(&mut self, command: &Command, by: By, line: Option<u64>) -> Result<Outcome> {
        let effect = match command {
            Command::Pause => "paused",
            Command::Continue => "went on",
            Command::Skip => "the next batch changes nothing",
            Command::Checkpoint => "saved",
            _ => "measured",
        };
        self.journal_change(command, effect, by, line)?;
        match command {
            Command::Pause => self.is_paused = self.waits(),
            Command::Continue => (self.is_paused, self.held) = (false, None),
            Command::Skip => self.skips_next = true,
            Command::Checkpoint => {
                if let Some((step, path)) = self.run.saved_path.as_ref().filter(|(step, _)| *step == self.run.step) {
                    return Ok(Outcome::Done(format!("step {step} is saved already in {}", path.display())));
                }
                self.begin_save(Reason::Asked, None);
                return Ok(Outcome::Saving(self.run.step));
            }
            _ if self.evaluated == Some(self.run.step) => return Ok(Outcome::Done("measured already".into())),
            _ => {
                let loss = self.evaluate(false)?;
                let effect = loss.map_or("measured".into(), |loss| format!("held-out loss {loss:.4}"));
                return Ok(Outcome::Done(effect));
            }
        }
        Ok(Outcome::Done(effect.into()))
    }

    /// Has a change in the journal, unless it stands there already; returns its line.
    fn journal_change(&mut self, command: &Command, effect: &str, by: By, line: Option<u64>) -> Result<u64> {
        let change = Change { command: command.to_string(), effect: effect.to_string() };
        let steered = Steered { phase: self.plan.name.clone(), step: self.run.step, change, by };
        let event = Event::Steered(steered.clone());
        let line = match line {
            Some(line) => line,
            None => {
                self.run.folder.journal.record(&event)?;
                // From here on it may come out otherwise than before.
                self.run.recorded.clear();
                self.run.folder.journal.lines() - 1
            }
        };
        self.run.steered.push((line, steered));
        self.run.tell(event);
        Ok(line)
    }

    /// Does what is due of what was said before, or what the plan says. What can no longer be done is said, and passed
    /// over: it could not be done then either.
    pub(super) fn follow_script(&mut self) -> Result<()> {
        while let Some(Scripted { command, by, line, .. }) = self.run.script.next(self.run.step) {
            let outcome = command.parse().and_then(|command| self.steer_as(&command, by, line));
            if let Err(error) = outcome {
                self.notice(format!("\"{command}\" was passed over: {error}"));
            }
        }
        Ok(())
    }

    /// Whether commands of the journal are being done again: whoever says something now has to wait for them.
    pub fn is_catching_up(&self) -> bool {
        self.run.script.is_catching_up()
    }

    /// Whether somebody is there who could say `continue`.
    fn waits(&self) -> bool {
        self.run.observer_waits
    }

    pub(super) fn hold(&mut self, why: String, until: Until) {
        self.held = Some(Held { why, until });
    }

    /// Why the run is held although nobody paused it.
    pub fn held(&self) -> Option<&str> {
        self.held.as_ref().map(|held| held.why.as_str())
    }

    /// What `undo` would take back; `None` where there is nothing, or where the state before it is not at hand.
    pub fn undoable(&self) -> Option<Undoable> {
        let (made, effect) = self.steering.last_change()?;
        self.ring.has(made.step, made.line).then(|| Undoable { effect: effect.to_string(), step: made.step })
    }

    /// Goes back to the state just before the last change.
    fn undo(&mut self) -> Result<String> {
        let Some((made, effect)) = self.steering.last_change() else {
            return Err(Error::new("there is nothing to undo").because("nothing was changed by hand in this phase"));
        };
        let why = format!("{UNDID}{effect}");
        if !self.ring.has(made.step, made.line) {
            return Err(Error::new(format!("\"{effect}\" cannot be undone"))
                .because("the state before it is no longer in memory, or never had room there (snapshots.memory)")
                .next(format!("change it back by hand, or fork the run at step {}", made.step)));
        }
        self.wait_until_saved();
        self.journal_rewinding(made.step, made.line, &why)?;
        if made.by == By::Plan {
            // Whoever took it back does not want it again.
            let taken_back = self.run.steered.iter().find(|(line, _)| *line == made.line);
            let taken_back = taken_back.map(|(_, steered)| steered.change.command.clone());
            self.run.dropped.extend(taken_back.map(|command| ChangePlan { step: made.step, command }));
        }
        let standing = self.ring.take(made.step, made.line).ok_or_else(|| Error::new("the state before it is gone"))?;
        let steps = self.run.step - standing.step;
        self.stand(standing)?;
        Ok(match steps {
            0 => why,
            1 => format!("{why}, 1 step back"),
            _ => format!("{why}, {steps} steps back"),
        })
    }

    /// Has it in the journal that the run goes back to a state after `step` steps and so many lines.
    pub(super) fn journal_rewinding(&mut self, to_step: u64, to_line: u64, why: &str) -> Result<()> {
        let (phase, step, why) = (self.plan.name.clone(), self.run.step, why.to_string());
        // What was still to be done again lies on the stretch that is left now: it is written down anew when it is done.
        self.run.script.unrecord();
        self.run.recorded.clear();
        let event = Event::Rewound(Rewound { phase, step, to_step, to_line, why });
        self.run.folder.journal.record(&event)?;
        if let Some(metrics) = &mut self.run.folder.metrics {
            metrics.record(&event)?;
        }
        self.run.tell(event);
        Ok(())
    }

    /// Puts the phase where it stood: weights, moments, settings, position. What was saved since is set aside.
    pub(super) fn stand(&mut self, standing: Standing) -> Result<()> {
        self.learner.restore(&standing.learner);
        self.steering = standing.steering;
        self.courses = standing.courses;
        (self.done, self.run.step, self.run.tokens) = (standing.done, standing.step, standing.tokens);
        (self.learning_rate, self.evaluated) = (standing.learning_rate, standing.evaluated);
        (self.guard, self.skips_next) = (standing.guard, standing.skips_next);
        self.watch.signs = standing.signs;
        self.ring.forget_after(self.run.step);
        self.run.steered.retain(|(line, _)| *line < standing.lines);
        self.run.plan_ahead();
        self.apply_steering()?;
        let (step, lines) = (self.run.step, standing.lines);
        let is_undone = |state: &checkpoint::State| {
            let stands_on = state.progress.as_ref().map_or(0, |progress| progress.journal_lines);
            state.step > step || (state.step == step && stands_on > lines)
        };
        let aside = checkpoint::set_aside(&self.run.folder.path, is_undone)?;
        self.run.saved.take_if(|saved| *saved >= step);
        self.run.saved_path.take_if(|(saved, _)| *saved >= step);
        if !aside.is_empty() {
            // The newest that still counts may be far back: whoever goes on after a crash would do all of it again.
            self.begin_save(Reason::Due, None);
        }
        Ok(())
    }

    /// Where the phase stands now.
    pub(super) fn standing(&mut self) -> Standing {
        Standing {
            learner: self.learner.state(),
            steering: self.steering.clone(),
            courses: self.courses.clone(),
            done: self.done,
            step: self.run.step,
            tokens: self.run.tokens,
            learning_rate: self.learning_rate,
            evaluated: self.evaluated,
            guard: self.guard,
            signs: self.watch.signs.clone(),
            skips_next: self.skips_next,
            lines: self.run.script.next_line().unwrap_or(self.run.folder.journal.lines()),
        }
    }

    pub(super) fn apply_steering(&mut self) -> Result<()> {
        let steering = &self.steering;
        self.learner.set_trainable(|group| steering.trains(group))?;
        self.learner.set_multipliers(|group| steering.multiplier(group));
        self.apply_pull()?;
        self.apply_shares()
    }

    /// Shares hold from the step on at which they were changed.
    fn apply_shares(&mut self) -> Result<()> {
        let shares = &self.steering.settings().shares;
        if shares.is_empty() {
            return Ok(());
        }
        let planned = &self.planned_shares;
        if self.courses.last().map_or(planned, |(_, shares)| shares) != shares {
            self.courses.push((self.done, shares.clone()));
        }
        self.data.batches.mix(&self.courses)
    }
}

#[cfg(test)]
#[path = "steer_tests.rs"]
mod tests;
