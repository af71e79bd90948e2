//! What part of the run a chart shows, in steps or in seconds.

use crate::protocol::StepRecords;

/// What the horizontal axis counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Axis {
    #[default]
    Steps,
    /// Since the run began, evaluations and pauses included.
    Seconds,
}

/// How the window is found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum View {
    /// Everything, up to a round number past the newest, so that columns stay still while it fills.
    #[default]
    All,
    /// The newest, in a window of this width that jumps on by a quarter when it is full.
    Follow(f64),
    /// What a person chose.
    Fixed(Window),
}

/// A stretch of the horizontal axis, in its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    pub from: f64,
    pub to: f64,
}

impl Window {
    pub fn width(&self) -> f64 {
        self.to - self.from
    }

    /// The place at a share of the width.
    pub fn at(&self, share: f64) -> f64 {
        self.from + share * self.width()
    }

    /// The share of the width at which a place stands; outside of 0 to 1 it is not in the window.
    pub fn share(&self, place: f64) -> f64 {
        (place - self.from) / self.width()
    }

    /// Wider or narrower by `factor`, with `place` staying where it is.
    pub fn scaled(&self, factor: f64, place: f64) -> Window {
        Window { from: place - (place - self.from) * factor, to: place + (self.to - place) * factor }
    }

    pub fn shifted(&self, by: f64) -> Window {
        Window { from: self.from + by, to: self.to + by }
    }
}

impl View {
    /// The window for a run whose newest place is `latest`.
    pub fn window(&self, latest: f64) -> Window {
        match *self {
            View::All => Window { from: 0.0, to: roomy(latest) },
            View::Follow(width) => {
                let quarter = width / 4.0;
                let to = (((latest / quarter).floor() + 1.0) * quarter).max(width);
                Window { from: to - width, to }
            }
            View::Fixed(window) => window,
        }
    }
}

/// The least round number that is not below `latest`, of a series dense enough to leave little of a chart empty.
pub fn roomy(latest: f64) -> f64 {
    let latest = latest.max(10.0);
    let power = 10f64.powf(latest.log10().floor());
    let digits = [1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    digits.iter().map(|digit| digit * power).find(|round| *round >= latest).unwrap_or(latest)
}

/// Steps and the seconds at which they ended.
#[derive(Clone, Copy)]
pub struct Timeline<'a> {
    pub steps: &'a [u64],
    pub seconds: &'a [f64],
    pub axis: Axis,
    /// The newest step that anything is known of; evaluations can come before the first record.
    pub newest: u64,
}

impl<'a> Timeline<'a> {
    pub fn new(records: &'a StepRecords, axis: Axis, newest: u64) -> Self {
        Self { steps: &records.step, seconds: &records.seconds, axis, newest }
    }

    /// The newest place.
    pub fn latest(&self) -> f64 {
        match self.axis {
            Axis::Steps => self.newest as f64,
            Axis::Seconds => self.seconds.last().copied().unwrap_or(0.0),
        }
    }

    /// Where a step stands.
    pub fn place(&self, step: u64) -> f64 {
        match self.axis {
            Axis::Steps => step as f64,
            Axis::Seconds => self.seconds_at(step).unwrap_or(0.0),
        }
    }

    /// When a step ended; for a step without a record, when the last one before it did.
    pub fn seconds_at(&self, step: u64) -> Option<f64> {
        let after = self.steps.partition_point(|other| *other <= step);
        self.seconds.get(after.checked_sub(1)?).copied()
    }

    /// The first step that stands at `place` or after it; past the end, the largest number there is.
    pub fn step_from(&self, place: f64) -> u64 {
        match self.axis {
            Axis::Steps => place.max(0.0).ceil() as u64,
            // What stands before the first record, such as an evaluation of new weights, stands at its beginning.
            Axis::Seconds if place <= 0.0 => 0,
            Axis::Seconds => {
                let index = self.seconds.partition_point(|seconds| *seconds < place);
                self.steps.get(index).copied().unwrap_or(u64::MAX)
            }
        }
    }

    /// The step nearest to `place` that the run has made.
    pub fn step_near(&self, place: f64) -> u64 {
        match self.axis {
            Axis::Steps => (place.max(0.0).round() as u64).min(self.newest),
            Axis::Seconds => self.step_from(place).min(self.newest),
        }
    }

    /// The steps at which `columns` equal columns of the window begin, and at which the last one ends.
    pub fn edges(&self, window: Window, columns: usize) -> Vec<u64> {
        let share = |column: usize| column as f64 / columns.max(1) as f64;
        let begins = (0..columns).map(|column| self.step_from(window.at(share(column))));
        begins.chain([self.step_after(window.to)]).collect()
    }

    /// The first step that stands after `place`: what stands on a window's right border is in it.
    fn step_after(&self, place: f64) -> u64 {
        match self.axis {
            Axis::Steps => (place.max(0.0).floor() as u64).saturating_add(1),
            Axis::Seconds => {
                let index = self.seconds.partition_point(|seconds| *seconds <= place);
                self.steps.get(index).copied().unwrap_or(u64::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_shown_up_to_a_round_number_that_seldom_changes() {
        let to = |latest| View::All.window(latest).to;
        assert_eq!((to(0.0), to(10.0), to(11.0), to(4000.0), to(4001.0)), (10.0, 10.0, 12.5, 4000.0, 5000.0));
        let changes = (1..100_000).filter(|step| to(f64::from(*step)) != to(f64::from(step + 1))).count();
        assert!(changes <= 42, "{changes} changes over 100 000 steps");
    }

    #[test]
    fn a_following_window_jumps_by_a_quarter_and_always_holds_the_newest() {
        let mut jumps = 0;
        let mut before = View::Follow(100.0).window(0.0);
        for step in 0..1000 {
            let window = View::Follow(100.0).window(f64::from(step));
            assert!(window.from <= f64::from(step) && f64::from(step) < window.to);
            assert!((window.width() - 100.0).abs() < 1e-9 && window.from >= 0.0);
            jumps += usize::from(window != before);
            before = window;
        }
        assert_eq!(jumps, 36);
    }

    #[test]
    fn columns_of_seconds_begin_at_the_first_step_that_ended_in_them() {
        let (steps, seconds) = (vec![1, 2, 3, 4], vec![0.5, 1.5, 9.0, 9.5]);
        let timeline = Timeline { steps: &steps, seconds: &seconds, axis: Axis::Seconds, newest: 4 };
        assert_eq!(timeline.edges(Window { from: 0.0, to: 10.0 }, 5), [0, 3, 3, 3, 3, u64::MAX]);
        assert_eq!((timeline.place(3), timeline.place(9), timeline.place(0)), (9.0, 9.5, 0.0));
        assert_eq!(timeline.step_near(100.0), 4);
    }

    #[test]
    fn scaling_keeps_the_place() {
        let window = Window { from: 100.0, to: 300.0 }.scaled(0.5, 150.0);
        assert_eq!(window, Window { from: 125.0, to: 225.0 });
    }
}
