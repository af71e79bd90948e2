//! How the learning rate changes over a phase: a factor of its peak for every step.

use serde::Serialize;

/// The shape of a schedule. Steps count from 0; a warm-up of W steps reaches the peak with step W − 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Schedule {
    /// Warm-up, then the peak.
    Constant { warmup: u64 },
    /// Warm-up, then a straight line to `floor` (a factor of the peak) at the end.
    Linear { warmup: u64, floor: f64 },
    /// Warm-up, then half a cosine to `floor` at the end (Loshchilov and Hutter 2017, arXiv 1608.03983).
    Cosine { warmup: u64, floor: f64 },
    /// Warm-up, the peak, and over the last `decay` (a fraction of all steps) a straight line to `floor`
    /// (Hu et al. 2024, arXiv 2404.06395).
    WarmupStableDecay { warmup: u64, decay: f64, floor: f64 },
    /// Up over the first `cut` (a fraction of all steps), then down; the lowest rate is 1/`ratio` of the peak
    /// (ULMFiT, Howard and Ruder 2018, arXiv 1801.06146).
    SlantedTriangular { cut: f64, ratio: f64 },
}

impl Schedule {
    /// The factor of the peak rate for `step` (from 0) of `steps`.
    pub fn factor(&self, step: u64, steps: u64) -> f64 {
        let total = steps.max(1) as f64;
        let at = step.min(steps) as f64;
        match *self {
            Schedule::Constant { warmup } => rise(step, warmup),
            Schedule::Linear { warmup, floor } => match past_warmup(at, warmup, total) {
                None => rise(step, warmup),
                Some(done) => floor + (1.0 - floor) * (1.0 - done),
            },
            Schedule::Cosine { warmup, floor } => match past_warmup(at, warmup, total) {
                None => rise(step, warmup),
                Some(done) => floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
            },
            Schedule::WarmupStableDecay { warmup, decay, floor } => {
                let start = total * (1.0 - decay);
                if at < start || decay <= 0.0 {
                    return rise(step, warmup);
                }
                let down = floor + (1.0 - floor) * (1.0 - (at - start) / (total - start));
                down.min(rise(step, warmup))
            }
            Schedule::SlantedTriangular { cut, ratio } => slanted(at, total, cut, ratio),
        }
    }

    /// Steps of the warm-up; a slanted triangle counts its rise in fractions and has none.
    fn warmup(&self) -> u64 {
        match *self {
            Schedule::Constant { warmup }
            | Schedule::Linear { warmup, .. }
            | Schedule::Cosine { warmup, .. }
            | Schedule::WarmupStableDecay { warmup, .. } => warmup,
            Schedule::SlantedTriangular { .. } => 0,
        }
    }
}

/// A schedule that began inside a phase and runs over the steps that it had left: the rate is warmed up again from where
/// it stood, and decays again (Ibrahim et al. 2024, arXiv 2403.08763).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Course {
    /// Over the steps that were left.
    pub schedule: Schedule,
    /// Steps of the phase that were done when it began.
    pub from: u64,
    /// The factor of the peak that the step behind those would have had: what a warm-up rises from.
    pub start: f64,
}

impl Course {
    /// The factor of the peak rate for `step` (from 0) of a phase of `steps`. Within a warm-up of W steps the n-th (from 0)
    /// has start + (1 − start)·(n + 1)/W, and with the last of them the peak is reached; from there on it is that of the
    /// schedule over the steps that were left.
    pub fn factor(&self, step: u64, steps: u64) -> f64 {
        let (at, left) = (step.saturating_sub(self.from), steps.saturating_sub(self.from));
        let warmup = self.schedule.warmup();
        if at >= warmup {
            return self.schedule.factor(at, left);
        }
        let up = self.start + (1.0 - self.start) * rise(at, warmup);
        match self.schedule {
            // What decays from a step on does so, warm or not.
            Schedule::WarmupStableDecay { decay, floor, .. } => {
                up.min(Schedule::WarmupStableDecay { warmup: 0, decay, floor }.factor(at, left))
            }
            _ => up,
        }
    }
}

fn rise(step: u64, warmup: u64) -> f64 {
    if step < warmup { (step + 1) as f64 / warmup as f64 } else { 1.0 }
}

/// The share of the way from the end of the warm-up to the end; `None` during the warm-up.
fn past_warmup(at: f64, warmup: u64, total: f64) -> Option<f64> {
    let warmup = warmup as f64;
    (at >= warmup).then(|| ((at - warmup) / (total - warmup).max(1.0)).min(1.0))
}

fn slanted(at: f64, total: f64, cut: f64, ratio: f64) -> f64 {
    let peak = (total * cut).floor().max(1.0);
    let share = if at < peak { at / peak } else { 1.0 - (at - peak) / (total - peak).max(1.0) };
    (1.0 + share * (ratio - 1.0)) / ratio
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-12, "{got} instead of {want}");
    }

    #[test]
    fn warmup_reaches_the_peak_and_the_end_reaches_the_floor() {
        let schedules = [
            Schedule::Constant { warmup: 10 },
            Schedule::Linear { warmup: 10, floor: 0.1 },
            Schedule::Cosine { warmup: 10, floor: 0.1 },
            Schedule::WarmupStableDecay { warmup: 10, decay: 0.2, floor: 0.1 },
        ];
        for schedule in schedules {
            close(schedule.factor(0, 100), 0.1);
            close(schedule.factor(9, 100), 1.0);
            close(schedule.factor(10, 100), 1.0);
            let end = if matches!(schedule, Schedule::Constant { .. }) { 1.0 } else { 0.1 };
            close(schedule.factor(100, 100), end);
            assert!((0..100).all(|step| (0.0..=1.0).contains(&schedule.factor(step, 100))));
        }
        close(Schedule::WarmupStableDecay { warmup: 10, decay: 0.2, floor: 0.0 }.factor(79, 100), 1.0);
        close(Schedule::WarmupStableDecay { warmup: 10, decay: 0.2, floor: 0.0 }.factor(90, 100), 0.5);
    }

    #[test]
    fn the_slanted_triangle_is_that_of_ulmfit() {
        let schedule = Schedule::SlantedTriangular { cut: 0.1, ratio: 32.0 };
        close(schedule.factor(0, 100), 1.0 / 32.0);
        close(schedule.factor(10, 100), 1.0);
        close(schedule.factor(55, 100), (1.0 + 0.5 * 31.0) / 32.0);
        close(schedule.factor(100, 100), 1.0 / 32.0);
    }

    #[test]
    fn a_course_warms_up_from_where_the_rate_stood_and_decays_over_what_is_left() {
        let course = Course { schedule: Schedule::Cosine { warmup: 4, floor: 0.1 }, from: 60, start: 0.2 };
        let at = |step| course.factor(step, 100);
        [(60, 0.4), (61, 0.6), (62, 0.8), (63, 1.0), (64, 1.0), (100, 0.1)]
            .into_iter()
            .for_each(|(step, want)| close(at(step), want));
        close(at(82), 0.1 + 0.9 * 0.5);
        let at_once = Course { schedule: Schedule::Linear { warmup: 0, floor: 0.0 }, from: 60, start: 0.2 };
        [(60, 1.0), (80, 0.5), (100, 0.0)].into_iter().for_each(|(step, want)| close(at_once.factor(step, 100), want));
        // The decay of the last fifth wins over a warm-up that reaches into it.
        let stable = Schedule::WarmupStableDecay { warmup: 36, decay: 0.2, floor: 0.0 };
        let course = Course { schedule: stable, from: 60, start: 0.0 };
        close(course.factor(91, 100), 32.0 / 36.0);
        close(course.factor(94, 100), 0.75);
    }

    #[test]
    fn degenerate_lengths_give_finite_factors() {
        for (steps, warmup) in [(0, 0), (1, 0), (1, 5), (5, 5), (5, 50)] {
            for step in 0..=steps {
                for schedule in [
                    Schedule::Constant { warmup },
                    Schedule::Linear { warmup, floor: 0.0 },
                    Schedule::Cosine { warmup, floor: 0.0 },
                    Schedule::WarmupStableDecay { warmup, decay: 1.0, floor: 0.0 },
                    Schedule::SlantedTriangular { cut: 0.1, ratio: 32.0 },
                ] {
                    let factor = schedule.factor(step, steps);
                    assert!(
                        factor.is_finite() && (0.0..=1.0).contains(&factor),
                        "{schedule:?} {step}/{steps}: {factor}"
                    );
                }
            }
        }
    }
}
