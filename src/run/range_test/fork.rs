//! The test on a fork of weights that something else may train meanwhile: of those, not a bit changes.

use super::{End, Point, Range, Suggestions, Test, check_range, start};
use crate::learn::Learner;
use crate::model::{Decoder, Selector};
use crate::protocol::GroupState;
use crate::run::data::PhaseData;
use crate::run::execute::{computing_as_planned, phase_settings, stored_as_planned};
use crate::run::plan::PhasePlan;
use crate::run::steering::Steering;
use crate::{Error, Result};
use candle_core::Device;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What is tested, and on which weights.
pub struct Fork<'a> {
    pub plan: &'a PhasePlan,
    /// Read alone: a mixture has the shares that it has in the run.
    pub data: Arc<PhaseData>,
    /// Nobody changes these while they are held, and neither does the test.
    pub live: Arc<Decoder>,
    /// Steps of the phase that are done: the test reads the batches that come next.
    pub done: u64,
    /// What trains now, and at which multiples of the rate; `None` for what the plan says.
    pub groups: Option<&'a [GroupState]>,
    /// Of new weights for a score, where the phase needs some.
    pub seed: u64,
    pub device: &'a Device,
    pub range: Range,
}

/// Runs the test, telling each point as it is measured. What trains is copied before the first step; what is frozen is
/// shared all along.
pub fn test_fork(fork: &Fork, cancel: &AtomicBool, told: &mut dyn FnMut(u64, &Point)) -> Result<(End, Suggestions)> {
    check_range(&fork.range)?;
    let mut learner = learner(fork)?;
    // While this is held, the first step gives what trains memory of its own.
    let _held = learner.share();
    let (data, accumulate) = (fork.data.clone(), fork.plan.accumulate);
    let mut test = Test { data, first: fork.done, accumulate, learner };
    let (points, ended) = test.sweep(&fork.range, cancel, told)?;
    Ok((ended, Suggestions::of(&points, fork.range.steps, ended)))
}

fn learner(fork: &Fork) -> Result<Learner> {
    if fork.groups.is_some_and(|states| states.iter().all(|state| !state.trainable)) {
        return Err(Error::new("no rate can be looked for: nothing trains")
            .because("every layer is frozen")
            .next("thaw a layer, then test again"));
    }
    let mut decoder = Decoder::clone(&fork.live);
    if let Some(score) = &fork.data.score {
        decoder = decoder.with_score(score, fork.seed)?;
    }
    decoder = computing_as_planned(decoder, fork.plan, fork.device);
    if fork.groups.is_none() {
        decoder = stored_as_planned(decoder, fork.plan)?;
    }
    start::check_memory(fork.plan, &decoder)?;
    let frozen = frozen(fork)?;
    let groups = decoder.parameters.groups();
    let mut learner = Learner::new(decoder, &frozen, phase_settings(fork.plan))?;
    match fork.groups {
        Some(states) => learner.set_multipliers(|group| {
            states.iter().find(|state| state.group == group).map_or(1.0, |state| state.multiplier)
        }),
        None => {
            let steering = Steering::of_phase(groups, fork.plan, Vec::new(), 0, None);
            learner.set_multipliers(|group| steering.multiplier(group));
        }
    }
    Ok(learner)
}

fn frozen(fork: &Fork) -> Result<Vec<Selector>> {
    match fork.groups {
        None => fork.plan.frozen.iter().map(|text| text.parse()).collect(),
        Some(states) => {
            states.iter().filter(|state| !state.trainable).map(|state| state.group.to_string().parse()).collect()
        }
    }
}
