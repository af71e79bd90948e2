//! The bound on forgetting: saying that it is crossed, and holding it, by replaying more of what is forgotten or by a
//! stronger pull towards the base.

use super::phase::PhaseRun;
use crate::protocol::{By, Command, Hold};
use crate::run::bounded::Bounded;
use crate::run::steering::{REPLAY, Settings};
use crate::{Error, Result};

/// The share of replayed rows that holding begins with, and the most it takes.
const SHARES: (f64, f64) = (0.02, 0.5);
/// The same of the strength of L2-SP.
const STRENGTHS: (f64, f64) = (0.01, 1e4);
/// From one look to the next what holds grows, or shrinks, by this factor at most.
const PACE: f64 = 2.0;

impl PhaseRun<'_, '_> {
    /// What is due about the bound when retention was measured.
    pub(super) fn keep_bound(&mut self, was_crossed: bool) -> Result<()> {
        let bounded = self.steering.settings().bounded.clone();
        let Some((bound, (suite, retention))) = bounded.bound.zip(self.forgotten(&bounded)) else { return Ok(()) };
        if retention > bound && !was_crossed {
            let advice = match bounded.hold {
                Hold::Replay => "more of it is replayed now",
                Hold::L2Sp => "the weights are pulled back more strongly now",
                Hold::None => ADVICE,
            };
            self.notice(format!(
                "forgetting on {suite} is {retention:.3} nats, above the bound of {bound:.3}: {advice}"
            ));
        }
        // Where the journal's commands are done again, what was done about the bound is among them; where a step comes that
        // was made before, nothing was done here; and a fork has what the other run did among its plan's changes.
        let was_made = self.run.recorded.contains_key(&(self.run.step + 1)) || self.run.step < self.run.in_common;
        if self.is_catching_up() || was_made {
            return Ok(());
        }
        let used = retention / bound.max(1e-9);
        let command = match bounded.hold {
            Hold::None => None,
            Hold::Replay => self.held_by_replay(used),
            Hold::L2Sp => self.held_by_pull(used),
        };
        match command {
            Some(command) => self.steer_as(&command, By::Bound, None).map(drop),
            None => Ok(()),
        }
    }

    /// Whether the bound was crossed when retention was measured last.
    pub(super) fn is_bound_crossed(&self) -> bool {
        let bounded = &self.steering.settings().bounded;
        let forgotten = self.forgotten(bounded);
        bounded.bound.zip(forgotten).is_some_and(|(bound, (_, retention))| retention > bound)
    }

    /// The suite that the bound is on, and its retention, as measured last.
    fn forgotten(&self, bounded: &Bounded) -> Option<(String, f64)> {
        let is_meant = |(name, retention): &&(String, f64)| {
            retention.is_finite() && bounded.suite.as_ref().is_none_or(|suite| suite == name)
        };
        let measured = self.watch.retention.iter().filter(is_meant);
        measured.max_by(|one, other| one.1.total_cmp(&other.1)).cloned()
    }

    /// Refuses a bound on what is not measured, and holding by what is not there.
    pub(super) fn check_bound(&self, settings: &Settings) -> Result<()> {
        let Bounded { bound, suite, hold } = &settings.bounded;
        if bound.is_none() || settings.bounded == self.steering.settings().bounded {
            return Ok(());
        }
        let names: Vec<&str> = self.watch.retained().map(|suite| suite.name.as_str()).collect();
        if names.is_empty() || self.base.is_none() {
            return Err(Error::new("there is nothing to bound")
                .because("the phase stands on no earlier one, and has no base that knew something"));
        }
        if let Some(suite) = suite.as_deref().filter(|suite| !names.contains(suite)) {
            return Err(Error::new(format!("there is no bound on {suite}"))
                .because("it is not measured in this phase")
                .next(format!("name one of {}", names.join(", "))));
        }
        if *hold == Hold::Replay && self.replay_places().is_empty() {
            return Err(Error::new("the bound cannot be held by replay")
                .because("the phase stands on no earlier one of this run that it could read")
                .next("hold it by the pull: hold l2-sp"));
        }
        Ok(())
    }

    fn replay_places(&self) -> Vec<usize> {
        let sources = self.data.batches.sources();
        (0..sources.len()).filter(|place| sources[*place].0.starts_with(REPLAY)).collect()
    }

    fn held_by_replay(&self, used: f64) -> Option<Command> {
        let places = self.replay_places();
        let sum = |shares: &[f64]| places.iter().map(|place| shares[*place]).sum::<f64>();
        let (now, planned) = (sum(&self.steering.settings().shares), sum(&self.planned_shares));
        let share = next(now, planned, used, SHARES);
        if places.is_empty() || (share - now).abs() < 1e-3 {
            return None;
        }
        // Written as a person would: the journal's text is what is done again.
        Some(Command::Replay { of: None, share: (share * 1000.0).round() / 1000.0 })
    }

    fn held_by_pull(&self, used: f64) -> Option<Command> {
        let (now, planned) = (self.steering.settings().pull.l2_sp, self.plan.pull.l2_sp);
        let strength = next(now, planned, used, STRENGTHS);
        // Three digits, for the same reason.
        let strength = format!("{strength:.2e}").parse().unwrap_or(strength);
        (strength != now).then_some(Command::L2Sp(strength))
    }
}

const ADVICE: &str = "replay some of it (replay 0.05), lower the rate (rate x0.5), or freeze lower layers";

/// What follows on `now`, where `used` of the bound is used up: not less than what the plan has, from `least` on where
/// that is nothing, up to `most`.
fn next(now: f64, planned: f64, used: f64, (least, most): (f64, f64)) -> f64 {
    match used {
        used if used > 1.0 => (now * PACE).clamp(least, most).max(now),
        used if used < 0.5 && now > planned => {
            let less = (now / PACE).max(planned);
            if less < least { planned } else { less }
        }
        _ => now,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Observer;
    use super::super::testing::{execute, plan};
    use super::*;
    use crate::protocol::Event;

    #[test]
    fn the_share_grows_while_the_bound_is_crossed_and_shrinks_far_below_it() {
        let next_share = |now, planned, used| next(now, planned, used, SHARES);
        assert_eq!(next_share(0.0, 0.0, 1.5), 0.02);
        assert_eq!(next_share(0.1, 0.0, 1.5), 0.2);
        assert_eq!(next_share(0.4, 0.0, 9.0), 0.5);
        assert_eq!(next_share(0.7, 0.7, 9.0), 0.7, "what the plan has is not cut");
        assert_eq!(next_share(0.2, 0.05, 0.9), 0.2);
        assert_eq!(next_share(0.2, 0.05, 0.3), 0.1);
        assert_eq!(next_share(0.06, 0.05, 0.3), 0.05);
        assert_eq!(next_share(0.03, 0.0, -1.0), 0.0);
        assert_eq!([0.0, 0.3, 9e3].map(|now| next(now, 0.0, 2.0, STRENGTHS)), [0.01, 0.6, 1e4]);
        assert_eq!([0.3, 0.015].map(|now| next(now, 0.0, 0.1, STRENGTHS)), [0.15, 0.0]);
    }

    #[derive(Default)]
    struct Records(Vec<Event>);

    impl Observer for Records {
        fn event(&mut self, event: &Event) {
            self.0.push(event.clone());
        }
    }

    #[test]
    fn a_bound_that_is_crossed_is_said_once_and_held_by_replay() {
        let folder = tempfile::tempdir().unwrap();
        let rows = folder.path().join("other.jsonl");
        let row = |index: usize| format!("{{\"prompt\": \"now {index}:\", \"completion\": \"xyzzy {index}\"}}\n");
        std::fs::write(&rows, (0..40).map(row).collect::<String>()).unwrap();
        plan(&folder, "");
        let first = std::fs::read_to_string(folder.path().join("plan.toml")).unwrap();
        let text = format!(
            "{first}[[phase]]\nname = \"later\"\nobjective = \"sft\"\ncorpus = '{}'\nsteps = 12\nbatch = 8\ncontext = 24\n\
             held_out = 0.1\noptimizer = {{ learning_rate = 3e-3 }}\nevaluation = {{ every = 3, examples = 16 }}\n\
             retention = {{ bound = 0.0001, suite = \"tune\", hold = \"replay\" }}\n",
            rows.display()
        );
        let text = text.replace("steps = 27\n", "steps = 27\nheld_out = 0.2\n");
        let file = folder.path().join("bound.toml");
        std::fs::write(&file, text).unwrap();
        let bounded = crate::run::plan::load(file.to_str().unwrap(), &crate::run::Overrides::default()).unwrap();
        let mut records = Records::default();
        execute(&bounded, &folder, &mut records);
        let said =
            records.0.iter().filter(|event| matches!(event, Event::Notice(n) if n.text.contains("above the bound")));
        assert_eq!(said.count(), 1);
        let held = records.0.iter().filter_map(|event| match event {
            Event::Steered(steered) => Some((steered.step, steered.change.command.as_str(), steered.by)),
            _ => None,
        });
        let held: Vec<_> = held.collect();
        assert_eq!(
            held,
            [(30, "replay 0.02", By::Bound), (33, "replay 0.04", By::Bound), (36, "replay 0.08", By::Bound)]
        );
    }
}
