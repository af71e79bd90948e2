//! The bound on forgetting: saying that it is crossed, and holding it by replaying more of what is forgotten.

use super::phase::PhaseRun;
use crate::Result;
use crate::protocol::{By, Command};
use crate::run::plan::{Hold, RetentionPlan};
use crate::run::steering::REPLAY;

/// The share of replayed rows that holding begins with, and the most it takes.
const LEAST: f64 = 0.02;
const MOST: f64 = 0.5;
/// From one evaluation to the next the share grows, or shrinks, by this factor at most.
const PACE: f64 = 2.0;

impl PhaseRun<'_, '_> {
    /// What is due about the bound after an evaluation.
    pub(super) fn keep_bound(&mut self, was_crossed: bool) -> Result<()> {
        let Some(plan) = self.plan.retention.clone() else { return Ok(()) };
        let Some((suite, retention)) = self.forgotten(&plan) else { return Ok(()) };
        if retention > plan.bound && !was_crossed {
            let advice = if plan.hold == Hold::Replay { "more of it is replayed now" } else { ADVICE };
            self.notice(format!(
                "forgetting on {suite} is {retention:.3} nats, above the bound of {:.3}: {advice}",
                plan.bound
            ));
        }
        // Where the journal's commands are done again, what was done about the bound is among them.
        if plan.hold == Hold::Replay && !self.is_catching_up() {
            self.hold_by_replay(&plan, retention)?;
        }
        Ok(())
    }

    /// Whether the bound was crossed when everything was measured last.
    pub(super) fn is_bound_crossed(&self) -> bool {
        let Some(plan) = &self.plan.retention else { return false };
        self.forgotten(plan).is_some_and(|(_, retention)| retention > plan.bound)
    }

    /// The suite that the bound is on, and its retention, as measured last.
    fn forgotten(&self, plan: &RetentionPlan) -> Option<(String, f64)> {
        let is_meant = |(name, retention): &&(String, f64)| {
            retention.is_finite() && plan.suite.as_ref().is_none_or(|suite| suite == name)
        };
        let measured = self.watch.retention.iter().filter(is_meant);
        measured.max_by(|one, other| one.1.total_cmp(&other.1)).cloned()
    }

    fn hold_by_replay(&mut self, plan: &RetentionPlan, retention: f64) -> Result<()> {
        let sources = self.data.batches.sources();
        let is_replay = |place: &usize| sources[*place].0.starts_with(REPLAY);
        let places: Vec<usize> = (0..sources.len()).filter(is_replay).collect();
        if places.is_empty() {
            return Ok(());
        }
        let sum = |shares: &[f64]| places.iter().map(|place| shares[*place]).sum::<f64>();
        let (now, planned) = (sum(&self.steering.settings().shares), sum(&self.planned_shares));
        let share = next_share(now, planned, retention / plan.bound.max(1e-9));
        if (share - now).abs() < 1e-3 {
            return Ok(());
        }
        // Written as a person would: the journal's text is what is done again.
        let share = (share * 1000.0).round() / 1000.0;
        self.steer_as(&Command::Replay { of: None, share }, By::Bound, None).map(drop)
    }
}

const ADVICE: &str = "replay some of it (replay 0.05), lower the rate (rate x0.5), or freeze lower layers";

/// The share of replayed rows that follows on `now`, where `used` of the bound is used up.
fn next_share(now: f64, planned: f64, used: f64) -> f64 {
    match used {
        used if used > 1.0 => (now * PACE).clamp(LEAST, MOST).max(now),
        used if used < 0.5 && now > planned => {
            let less = (now / PACE).max(planned);
            if less < LEAST { planned } else { less }
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
        assert_eq!(next_share(0.0, 0.0, 1.5), LEAST);
        assert_eq!(next_share(0.1, 0.0, 1.5), 0.2);
        assert_eq!(next_share(0.4, 0.0, 9.0), MOST);
        assert_eq!(next_share(0.7, 0.7, 9.0), 0.7, "what the plan has is not cut");
        assert_eq!(next_share(0.2, 0.05, 0.9), 0.2);
        assert_eq!(next_share(0.2, 0.05, 0.3), 0.1);
        assert_eq!(next_share(0.06, 0.05, 0.3), 0.05);
        assert_eq!(next_share(0.03, 0.0, -1.0), 0.0);
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
