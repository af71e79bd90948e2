//! A schedule that a person gives while a phase runs.
//!
//! `schedule cosine 20` at step s of a phase of n steps lays the curve over the n − s steps that are left: a warm-up of 20
//! steps from the factor that step s would have had, then the decay, down to the end of the phase. Without a number there is
//! no warm-up and the next step has the peak; a slanted triangle then rises over a tenth of what is left. `floor`, `decay`
//! and `ratio` are those of the plan's schedule where it has them, and otherwise what plans have unsaid. The peak stays
//! the plan's, times what `rate` made of it.

use super::{Settings, Steering};
use crate::learn::{Course, Schedule};
use crate::protocol::Curve;
use crate::{Error, Result};

/// The share of the steps that are left over which a slanted triangle rises, where no warm-up is given.
const CUT: f64 = 0.1;

impl Steering {
    /// The same with the plan's schedule, over a phase of so many steps.
    pub fn scheduled(mut self, schedule: Schedule, steps: u64) -> Self {
        (self.schedule, self.steps) = (schedule, steps);
        self
    }

    /// What the plan's rate is multiplied by in the step behind `done` steps of the phase: schedule and changes by hand.
    pub fn factor(&self, done: u64) -> f64 {
        self.curve(done) * self.now.rate_factor
    }

    /// The schedule's factor alone.
    fn curve(&self, done: u64) -> f64 {
        match &self.now.course {
            None => self.schedule.factor(done, self.steps),
            Some(course) => course.factor(done, self.steps),
        }
    }

    pub(super) fn reschedule(&self, curve: Curve, warmup: Option<u64>) -> Result<(Settings, String)> {
        let left = self.steps.saturating_sub(self.at);
        if warmup.is_some_and(|warmup| warmup > left) {
            return Err(Error::new(format!("a warm-up of {} steps does not fit", warmup.unwrap_or(0)))
                .because(format!("the phase has {left} steps left"))
                .next("give fewer, or none"));
        }
        let schedule = self.laid_out(curve, warmup, left);
        let course = Course { schedule, from: self.at, start: self.curve(self.at) };
        let settings = Settings { course: Some(course), ..self.now.clone() };
        let warm = warmup
            .filter(|warmup| *warmup > 0)
            .map_or(String::new(), |warmup| format!(", warmed up over {warmup} from ×{:.3} of the peak", course.start));
        Ok((settings, format!("{curve} schedule over the {left} steps left{warm}")))
    }

    fn laid_out(&self, curve: Curve, warmup: Option<u64>, left: u64) -> Schedule {
        let floor = match self.schedule {
            Schedule::Linear { floor, .. }
            | Schedule::Cosine { floor, .. }
            | Schedule::WarmupStableDecay { floor, .. } => floor,
            _ => 0.0,
        };
        let ratio = if let Schedule::SlantedTriangular { ratio, .. } = self.schedule { ratio } else { 32.0 };
        let decay = if let Schedule::WarmupStableDecay { decay, .. } = self.schedule { decay } else { 0.2 };
        let warmup = match (warmup, curve) {
            (Some(warmup), _) => warmup,
            (None, Curve::SlantedTriangular) => (left as f64 * CUT) as u64,
            (None, _) => 0,
        };
        match curve {
            Curve::Constant => Schedule::Constant { warmup },
            Curve::Linear => Schedule::Linear { warmup, floor },
            Curve::Cosine => Schedule::Cosine { warmup, floor },
            Curve::WarmupStableDecay => Schedule::WarmupStableDecay { warmup, decay, floor },
            // Up in a straight line, then down to 1/ratio of the peak in another.
            Curve::SlantedTriangular => Schedule::Linear { warmup, floor: 1.0 / ratio },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::preset;
    use crate::protocol::By;
    use crate::run::steering::Made;

    fn steering(schedule: Schedule) -> Steering {
        let config = preset::find("llama-1m").unwrap().config(300, 16);
        Steering::new(config.groups(), &[], 1e-3, Vec::new()).scheduled(schedule, 100)
    }

    fn give(steering: &mut Steering, command: &str) -> Result<String> {
        let proposal = steering.propose(&command.parse().unwrap())?.unwrap();
        let effect = proposal.effect.clone();
        steering.take(proposal, Made { step: 1, line: 1, by: By::Person });
        Ok(effect)
    }

    #[test]
    fn a_curve_is_laid_over_what_is_left_from_where_the_rate_stood() {
        let mut steering = steering(Schedule::Linear { warmup: 0, floor: 0.1 });
        steering.advance(50);
        let before = steering.factor(50);
        assert_eq!(before, 0.1 + 0.9 * 0.5);
        let effect = give(&mut steering, "schedule cosine 10").unwrap();
        assert_eq!(effect, "cosine schedule over the 50 steps left, warmed up over 10 from ×0.550 of the peak");
        assert_eq!(steering.factor(50), before + (1.0 - before) * 0.1);
        assert_eq!((steering.factor(59), steering.factor(100)), (1.0, 0.1));
        // What was changed by hand goes on on top, and a second course begins where the first one stood.
        give(&mut steering, "rate x0.5").unwrap();
        steering.advance(80);
        let middle = 2.0 * steering.factor(80);
        assert!((middle - (0.1 + 0.45)).abs() < 1e-12, "{middle}");
        give(&mut steering, "schedule constant 4").unwrap();
        assert_eq!(steering.factor(81), 0.5 * (middle + (1.0 - middle) * 0.5));
        assert_eq!((steering.factor(83), steering.factor(99)), (0.5, 0.5));
    }

    #[test]
    fn a_slanted_triangle_rises_over_a_tenth_and_a_warmup_has_to_fit() {
        let mut steering = steering(Schedule::Constant { warmup: 0 });
        steering.advance(60);
        give(&mut steering, "rate 1e-3").unwrap();
        give(&mut steering, "schedule linear").unwrap();
        assert_eq!((steering.factor(60), steering.factor(80), steering.factor(100)), (1.0, 0.5, 0.0));
        steering.advance(80);
        give(&mut steering, "schedule slanted-triangular").unwrap();
        let near = |step, want: f64| assert!((steering.factor(step) - want).abs() < 1e-12, "{step}");
        [(80, 0.75), (81, 1.0), (82, 1.0), (91, (1.0 + 1.0 / 32.0) / 2.0), (100, 1.0 / 32.0)]
            .into_iter()
            .for_each(|(step, want)| near(step, want));
        let before = steering.settings().clone();
        let error = give(&mut steering, "schedule cosine 21").unwrap_err().to_string();
        assert!(error.contains("the phase has 20 steps left"), "{error}");
        assert_eq!(*steering.settings(), before);
    }
}
