//! Memory that a phase will take, worked out before it takes it.

use super::phase::PhaseRun;
use crate::model::Group;
use crate::run::memory;
use crate::run::plan::OnShortMemory;
use crate::run::steering::Settings;
use crate::{Error, Result};

/// What takes less is not worth a look: the figures are estimates.
const SMALL: u64 = 256 << 20;

impl PhaseRun<'_, '_> {
    /// Refuses a phase, or says of it, that it needs more memory than there is.
    pub(super) fn foresee_start(&mut self) -> Result<()> {
        let most = self.most(self.steering.settings());
        let training = self.training_bytes(&most, |_| false);
        let prefix = if self.prefix_share > 0.0 { self.plan.prefix_cache.budget().memory } else { 0 };
        // A state is a copy of weights and two moments: as much as gradient and moments.
        let state: u64 = self.facts().iter().filter(|fact| most(fact.group)).map(|fact| fact.training_bytes).sum();
        let states = state.min(self.run.request.plan.snapshots.bytes());
        self.check(training + prefix + states, &format!("the phase {}", self.plan.name))
    }

    /// Refuses a change, or says of it, that it needs more memory than there is.
    pub(super) fn foresee_memory(&mut self, settings: &Settings) -> Result<()> {
        let more = self.training_bytes(self.most(settings), self.most(self.steering.settings()));
        self.check(more, "this change")
    }

    /// The most that will train with these settings: what an order of unfreezing holds back now is counted.
    fn most(&self, settings: &Settings) -> impl Fn(Group) -> bool + use<> {
        let groups: Vec<(Group, bool)> = self.groups.iter().copied().zip(settings.trains.iter().copied()).collect();
        move |group| groups.iter().any(|(own, trains)| *own == group && *trains)
    }

    /// Bytes that training takes for groups that will train, beyond those that do: gradients, moments, what is kept for
    /// the way back, and a copy while a checkpoint is written.
    fn training_bytes(&self, will: impl Fn(Group) -> bool, does: impl Fn(Group) -> bool) -> u64 {
        let facts = self.facts();
        let line = |trains: &dyn Fn(Group) -> bool| {
            facts.iter().filter(|fact| trains(fact.group)).map(|fact| fact.group.layer).min()
        };
        let (new_line, old_line) = (line(&will), line(&does));
        let of = |fact: &crate::protocol::GroupFacts| {
            let is_reached = |line: Option<crate::model::Layer>| line.is_some_and(|line| line <= fact.group.layer);
            let kept = if is_reached(new_line) && !is_reached(old_line) { fact.kept_bytes } else { 0 };
            // Weights and moments are copied: as much as gradients and moments take.
            let trained = if will(fact.group) && !does(fact.group) { 2 * fact.training_bytes } else { 0 };
            kept + trained
        };
        facts.iter().map(of).sum()
    }

    pub(super) fn check(&mut self, needed: u64, what: &str) -> Result<()> {
        let available = if self.run.request.device.is_cpu() { memory::available_bytes() } else { None };
        let Some(available) = available.filter(|available| needed > SMALL && needed > *available) else {
            return Ok(());
        };
        let gigabytes = |bytes: u64| bytes as f64 / 1e9;
        let why =
            format!("it takes about {:.1} GB more, and {:.1} GB are free", gigabytes(needed), gigabytes(available));
        if self.run.request.plan.on_short_memory == OnShortMemory::Warn {
            self.notice(format!("{what} may need more memory than there is: {why}"));
            return Ok(());
        }
        Err(Error::new(format!("{what} needs more memory than there is")).because(why).next(
            "take fewer rows at once (batch, or more of accumulate), a shorter context, recompute = \"blocks\", fewer \
             layers that train, or less for snapshots and prefix_cache; on_short_memory = \"warn\" tries it all the same",
        ))
    }
}
