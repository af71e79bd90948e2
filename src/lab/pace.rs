//! How long a study still takes.

use crate::run::plan::Plan;
use std::collections::VecDeque;
use std::time::Instant;

/// How fast rows are read, to say how long the rest takes.
pub struct Pace {
    since: Instant,
    /// Rows of a step of each run's phases in turn: (steps, rows).
    left: VecDeque<(u64, u64)>,
    read: u64,
}

impl Pace {
    pub fn new(plans: &[Plan]) -> Self {
        let phases = plans.iter().flat_map(lengths);
        Self { since: Instant::now(), left: phases.collect(), read: 0 }
    }

    pub fn step(&mut self) {
        if let Some((steps, rows)) = self.left.front_mut() {
            self.read += *rows;
            *steps -= 1;
            if *steps == 0 {
                self.left.pop_front();
            }
        }
    }

    /// A run was done before.
    pub fn pass_over(&mut self, plan: &Plan) {
        self.skip(plan, lengths(plan).map(|(steps, _)| steps).sum());
    }

    /// Steps of a run were done before.
    pub fn skip(&mut self, plan: &Plan, mut steps: u64) {
        for (phase, _) in lengths(plan) {
            let skipped = steps.min(phase);
            steps -= skipped;
            match self.left.front_mut() {
                Some((left, _)) if *left > skipped => return *left -= skipped,
                _ => self.left.pop_front(),
            };
            if steps == 0 {
                return;
            }
        }
    }

    /// `None` before the first step.
    pub fn seconds_left(&self) -> Option<f64> {
        let left: u64 = self.left.iter().map(|(steps, rows)| steps * rows).sum();
        (self.read > 0).then(|| self.since.elapsed().as_secs_f64() / self.read as f64 * left as f64)
    }
}

/// Steps of each phase that has so many, with the rows of each.
fn lengths(plan: &Plan) -> impl Iterator<Item = (u64, u64)> {
    plan.phases.iter().filter_map(|phase| Some((phase.steps.filter(|steps| *steps > 0)?, phase.batch as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::design::Design;
    use crate::lab::settings::{Settings, Study};
    use crate::run::plan::{Overrides, load};

    fn plan() -> Plan {
        let settings = Settings { pretraining: (4, 2), tuning: (3, 1), ..Settings::standard(Study::Mitigations) };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.toml");
        std::fs::write(&path, &Design::new(&settings).runs[0].plan).unwrap();
        load(path.to_str().unwrap(), &Overrides::default()).unwrap()
    }

    fn rows(pace: &Pace) -> u64 {
        pace.left.iter().map(|(steps, rows)| steps * rows).sum()
    }

    #[test]
    fn what_was_done_before_is_not_left() {
        let plan = plan();
        let trials = plan.phases.len() as u64 - 1;
        let plans = [plan.clone(), plan.clone()];
        let mut pace = Pace::new(&plans);
        assert_eq!((rows(&pace), pace.seconds_left()), (2 * (8 + 3 * trials), None));
        pace.pass_over(&plan);
        assert_eq!(rows(&pace), 8 + 3 * trials);
        pace.skip(&plan, 5);
        assert_eq!(rows(&pace), 2 + 3 * (trials - 1));
        pace.step();
        assert_eq!(rows(&pace), 1 + 3 * (trials - 1));
        assert!(pace.seconds_left().is_some());
        (0..1 + 3 * (trials - 1)).for_each(|_| pace.step());
        assert_eq!(rows(&pace), 0);
        // A step that was not foreseen does no harm.
        pace.step();
    }
}
