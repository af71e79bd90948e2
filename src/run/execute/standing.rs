//! Where a phase stands: everything that going on from there needs. Kept in memory before changes and now and then, and
//! read from checkpoints, so that a phase can go back.

use super::guard::Guard;
use super::warnings::Signs;
use crate::learn::LearnerState;
use crate::run::steering::{Courses, Steering};
use std::collections::VecDeque;

/// A phase between two steps.
#[derive(Clone)]
pub(super) struct Standing {
    pub learner: LearnerState,
    pub steering: Steering,
    /// Shares of a mixture's sources, from which step of the phase on.
    pub courses: Courses,
    /// Steps of the phase, and of the whole run.
    pub done: u64,
    pub step: u64,
    /// Positions read.
    pub tokens: u64,
    pub learning_rate: f64,
    pub evaluated: Option<u64>,
    pub guard: Guard,
    pub signs: Signs,
    pub skips_next: bool,
    /// Lines of the journal that it stands on.
    pub lines: u64,
}

/// The newest standings, as many as a budget has room for.
pub(super) struct Ring {
    kept: VecDeque<(Standing, u64)>,
    /// Bytes.
    budget: u64,
}

impl Ring {
    pub fn new(budget: u64) -> Self {
        Self { kept: VecDeque::new(), budget }
    }

    /// Whether a standing of so many bytes can be kept at all.
    pub fn has_room(&self, bytes: u64) -> bool {
        bytes <= self.budget
    }

    /// Keeps a standing, and lets go of the oldest that have no room beside it.
    pub fn keep(&mut self, standing: Standing, bytes: u64) {
        if !self.has_room(bytes) {
            return;
        }
        self.kept.push_back((standing, bytes));
        while self.kept.iter().map(|(_, bytes)| bytes).sum::<u64>() > self.budget {
            self.kept.pop_front();
        }
    }

    /// Whether the standing after so many steps and lines of the journal is here.
    pub fn has(&self, step: u64, lines: u64) -> bool {
        self.kept.iter().any(|(standing, _)| (standing.step, standing.lines) == (step, lines))
    }

    /// Takes that standing out, and everything after it.
    pub fn take(&mut self, step: u64, lines: u64) -> Option<Standing> {
        let is_it = |(standing, _): &(Standing, u64)| (standing.step, standing.lines) == (step, lines);
        let place = self.kept.iter().rposition(is_it)?;
        self.kept.drain(place..).next().map(|(standing, _)| standing)
    }

    /// Takes the newest out that stands before a step, and everything after it: what went wrong is not gone back to twice.
    pub fn take_newest_before(&mut self, step: u64) -> Option<Standing> {
        let place = self.kept.iter().rposition(|(standing, _)| standing.step < step)?;
        self.kept.drain(place..).next().map(|(standing, _)| standing)
    }

    /// Lets go of everything after a step.
    pub fn forget_after(&mut self, step: u64) {
        self.kept.retain(|(standing, _)| standing.step <= step);
    }
}
