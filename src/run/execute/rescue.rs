//! What is done about a step that went wrong: skip the batch, go back, lower the rate, hold.

use super::phase::PhaseRun;
use super::standing::Standing;
use super::start;
use super::steer::Until;
use crate::learn::LearnerState;
use crate::model::Decoder;
use crate::protocol::{By, Command, Event, Guarded, Rate};
use crate::run::checkpoint::{self, Reason};
use crate::run::plan::GuardAction;
use crate::{Error, Result};
use std::sync::Arc;

impl PhaseRun<'_, '_> {
    /// The step after this one went wrong, and nothing was changed by it. Does what the plan says; an error ends the run.
    pub(super) fn rescue(&mut self, why: &str) -> Result<()> {
        let step = self.run.step + 1;
        let policy = self.plan.guard;
        let is_enough = self.guard.interventions >= policy.most;
        match policy.action {
            GuardAction::Skip if !is_enough => {
                self.tell_guarded(step, why, "the batch was skipped".into());
                self.steer_as(&Command::Skip, By::Guard, None).map(drop)
            }
            GuardAction::LowerRate if !is_enough => {
                // What it was lowered to before does not come back with the state.
                let peak = self.plan.optimizer.learning_rate * self.steering.settings().rate_factor * policy.factor;
                let interventions = self.guard.interventions;
                let back = self.go_back(why)?;
                self.guard.interventions = interventions;
                let rate = Command::Rate { of: None, rate: Rate::Set(peak) };
                self.tell_guarded(step, why, format!("went back to step {back}, rate ×{}", policy.factor));
                self.steer_as(&rate, By::Guard, None).map(drop)
            }
            _ => {
                let back = self.go_back(why)?;
                let effect = format!("went back to step {back} and paused");
                self.tell_guarded(step, why, effect.clone());
                self.hold_or_end(step, why, &effect)
            }
        }
    }

    fn tell_guarded(&mut self, step: u64, why: &str, effect: String) {
        let (phase, why) = (self.plan.name.clone(), why.to_string());
        self.run.emit(Event::Guarded(Guarded { phase, step, why, effect }));
    }

    /// Where nobody can say how to go on, the run ends, saved.
    fn hold_or_end(&mut self, step: u64, why: &str, effect: &str) -> Result<()> {
        if self.run.observer_waits {
            self.hold(format!("{why} at step {step}; {effect}"), Until::Told);
            return Ok(());
        }
        let advice = "lower the learning rate, lengthen the warm-up, or clip gradients at a smaller norm; a guard can do \
                      it by itself (phase.guard.action = \"lower-rate\" or \"skip\")";
        let error = Error::new(format!("training diverged at step {step}")).because(why);
        if self.run.step == 0 {
            return Err(error.next(advice));
        }
        let saved = self.save_and_wait(Reason::Stopped, None)?;
        Err(error
            .because(format!("the last good state, step {}, is in {}", self.run.step, saved.display()))
            .next(advice))
    }

    /// Goes back to the last good state: in memory, else the newest checkpoint of this phase, else the phase's beginning.
    /// The loss of a step is that of the weights before it, so a state is good when a step after it was.
    fn go_back(&mut self, why: &str) -> Result<u64> {
        self.wait_until_saved();
        let standing = match self.ring.take_newest_before(self.run.step) {
            Some(standing) => standing,
            None => self.standing_on_disk()?,
        };
        let (step, lines) = (standing.step, standing.lines);
        self.journal_rewinding(step, lines, &format!("guard: {why}"))?;
        let changes = self.changes_since(lines);
        self.stand(standing)?;
        // What a person wanted meanwhile is wanted still.
        for (command, by) in changes {
            self.steer_as(&command, by, None)?;
        }
        Ok(step)
    }

    /// Changes of settings that were made by hand after so many lines of the journal.
    fn changes_since(&self, lines: u64) -> Vec<(Command, By)> {
        let since = self.run.steered.iter().filter(|(line, steered)| *line >= lines && steered.by == By::Person);
        let commands = since.filter_map(|(_, steered)| Some((steered.change.command.parse().ok()?, steered.by)));
        commands.filter(|(command, _)| matches!(self.steering.propose(command), Ok(Some(_)))).collect()
    }

    fn standing_on_disk(&mut self) -> Result<Standing> {
        let (run, phase) = (self.run.folder.path.clone(), self.plan.name.clone());
        let found = checkpoint::list(&run)?.into_iter().rev().find(|(_, state)| {
            let is_of_phase = state.progress.as_ref().is_some_and(|progress| progress.reason != Reason::End);
            state.phase == phase && is_of_phase && state.step < self.run.step
        });
        let Some((path, _)) = found else { return self.first_standing() };
        let (decoder, moments, state) = checkpoint::read(&path, self.run.request.device)?;
        let decoder = self.as_trained(decoder);
        self.standing_of(decoder, moments, &state)
    }

    /// A model from the disk computes as this phase does.
    pub(super) fn as_trained(&self, mut decoder: Decoder) -> Decoder {
        let own = &self.learner.decoder;
        (decoder.parameters.precision, decoder.recompute) = (own.parameters.precision, own.recompute);
        decoder
    }

    /// Where the phase began.
    fn first_standing(&mut self) -> Result<Standing> {
        let decoder = match &self.base_weights {
            Some(base) => base.clone(),
            None => {
                let (decoder, _) = self.run.first_weights(self.run.request.plan.parent(self.index))?;
                let decoder = self.run.scoring(self.index, decoder)?;
                Arc::new(start::stored_as_planned(self.as_trained(decoder), self.plan)?)
            }
        };
        let moments = Arc::new(vec![None; decoder.parameters.len()]);
        Ok(Standing {
            learner: LearnerState { decoder, moments, audit_due: true },
            steering: self.planned_steering(),
            courses: Vec::new(),
            done: 0,
            step: self.first_step - 1,
            tokens: self.first_tokens,
            learning_rate: 0.0,
            evaluated: Some(self.first_step - 1),
            guard: Default::default(),
            signs: Default::default(),
            skips_next: false,
            lines: self.first_line,
        })
    }
}
