//! Retention between evaluations: on a small fixed part of what is retained, every so many steps, so that a fall and a
//! recovery between two evaluations are seen (the stability gap: De Lange et al. 2023, arXiv 2205.13452).
//!
//! What it may take is a share of the phase's wall time. So what is *measured* depends on the clock; what is trained does
//! not. Where a bound is held, measurements steer, but by commands that the journal has: whoever goes on with the run, or
//! does it again, has them from there, and steers no step anew that was made before.

use super::phase::PhaseRun;
use crate::Result;
use crate::learn::TextScore;
use crate::protocol::{Evaluation, Event, SAMPLED};
use std::time::{Duration, Instant};

/// What was measured between evaluations, and what it took.
pub(super) struct Often {
    since: Instant,
    spent: Duration,
    measured: u64,
    passed_over: u64,
    /// The step at which it was done last.
    at: Option<u64>,
}

impl Default for Often {
    fn default() -> Self {
        Self { since: Instant::now(), spent: Duration::ZERO, measured: 0, passed_over: 0, at: None }
    }
}

impl Often {
    /// Nothing is due at a step that was done in an earlier process.
    pub fn done_at(step: u64) -> Self {
        Self { at: Some(step), ..Self::default() }
    }

    /// Whether there is time for it within `budget`, a share of the time since the phase began here. What it takes is not
    /// known before, so it may go over by one measurement.
    fn has_time(&self, elapsed: Duration, budget: f64) -> bool {
        self.spent.as_secs_f64() < budget * elapsed.as_secs_f64()
    }
}

impl PhaseRun<'_, '_> {
    /// Measures what is due between evaluations; whether retention is known now.
    pub(super) fn measure_often(&mut self) -> Result<bool> {
        let Some(plan) = self.plan.retention.clone() else { return Ok(false) };
        let due = plan.every > 0 && self.done > 0 && self.done.is_multiple_of(plan.every);
        if !due || self.often.at == Some(self.run.step) || self.evaluated == Some(self.run.step) {
            return Ok(false);
        }
        if !self.often.has_time(self.often.since.elapsed(), plan.budget) {
            self.often.passed_over += 1;
            return Ok(false);
        }
        let started = Instant::now();
        self.sample_retained(false)?;
        self.often.spent += started.elapsed();
        self.often.measured += 1;
        Ok(true)
    }

    /// Measures the part of every suite that is retained. The `first` time, what is found is what later ones are compared
    /// with.
    pub(super) fn sample_retained(&mut self, first: bool) -> Result<()> {
        let Some(plan) = self.plan.retention.clone().filter(|plan| plan.every > 0) else { return Ok(()) };
        let (weights, tokenizer) = (self.learner.share(), self.run.prepared.preparations.tokenizer.clone());
        let mut found: Vec<(String, TextScore)> = Vec::new();
        for suite in self.watch.retained() {
            let score = suite.sample(&weights, &tokenizer, plan.tokens)?;
            found.extend(score.map(|score| (suite.name.clone(), score)));
        }
        for (suite, score) in found {
            let (name, loss) = (format!("{suite}{SAMPLED}"), score.loss());
            if first && self.base.is_some() {
                self.watch.base.insert(name.clone(), loss);
            }
            let retention = self.watch.base.get(&name).map(|base| loss - base);
            if let Some(retention) = retention.filter(|_| !first) {
                self.watch.retained_now(&suite, retention);
            }
            self.run.emit(Event::Evaluation(sampled(&self.plan.name, self.run.step, name, score, retention)));
        }
        self.often.at = Some(self.run.step);
        Ok(())
    }

    /// Says at a phase's end how often there was time for it.
    pub(super) fn account_often(&mut self) {
        let Often { spent, measured, passed_over, .. } = self.often;
        let Some(plan) = self.plan.retention.as_ref().filter(|_| passed_over > 0) else { return };
        let share = 100.0 * spent.as_secs_f64() / self.often.since.elapsed().as_secs_f64().max(1e-9);
        self.notice(format!(
            "retention was measured {measured} times between evaluations, in {share:.0}% of the time; {passed_over} times \
             there was no time for it within a budget of {}: raise it, or every, or take fewer tokens",
            plan.budget
        ));
    }
}

fn sampled(phase: &str, step: u64, suite: String, score: TextScore, retention: Option<f64>) -> Evaluation {
    Evaluation {
        phase: phase.into(),
        step,
        suite,
        loss: score.loss(),
        perplexity: score.perplexity(),
        bits_per_byte: score.bits_per_byte(),
        metric: None,
        value: None,
        metrics: Vec::new(),
        retention,
    }
}

#[cfg(test)]
#[path = "often_tests.rs"]
mod tests;
