//! How a phase stands after changes that were recorded.

use super::{Made, Steering};
use crate::model::Group;
use crate::protocol::{Event, Steered};
use crate::run::plan::PhasePlan;

/// A mixture's shares, and the step of the phase from which each holds.
pub type Courses = Vec<(u64, Vec<f64>)>;

/// How a phase stands after changes that were recorded, each with its line; `before` is the run's step before the phase.
pub fn follow(mut steering: Steering, changes: &[&(u64, Steered)], before: u64) -> (Steering, Courses) {
    let mut courses = Courses::new();
    for (line, steered) in changes {
        steering.advance(steered.step.saturating_sub(before));
        let shares = steering.settings().shares.clone();
        if let Ok(command) = steered.change.command.parse()
            && let Ok(Some(proposal)) = steering.propose(&command)
        {
            steering.take(proposal, Made { step: steered.step, line: *line, by: steered.by });
        }
        if steering.settings().shares != shares {
            courses.push((steered.step.saturating_sub(before), steering.settings().shares.clone()));
        }
    }
    (steering, courses)
}

/// How a phase was steered after so many steps of the run, from the events that still count.
pub fn from_records(groups: Vec<Group>, phase: &PhasePlan, events: &[Event], step: u64) -> Steering {
    let begun = events.iter().enumerate().rev().find_map(|(place, event)| match event {
        Event::Phase(begun) if begun.phase == phase.name => Some((place, begun)),
        _ => None,
    });
    let (from, begun) = begun.unzip();
    let steered = events[from.unwrap_or(0)..].iter().filter_map(|event| match event {
        Event::Steered(steered) if steered.phase == phase.name => Some((0, steered.clone())),
        _ => None,
    });
    let steered: Vec<(u64, Steered)> = steered.collect();
    let (steps, before) = begun.map_or((0, 0), |begun| (begun.steps, begun.first_step.saturating_sub(1)));
    let unfreeze = begun.and_then(|begun| begun.unfreeze.as_ref()?.parse().ok());
    let steering = Steering::of_phase(groups, phase, Vec::new(), steps, unfreeze);
    let mut steering = follow(steering, &steered.iter().collect::<Vec<_>>(), before).0;
    steering.advance(step.saturating_sub(before));
    steering
}
