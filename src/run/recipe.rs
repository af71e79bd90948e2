//! A run as a plan: what was done by hand, and by guards, becomes what the plan does by itself.

use super::checkpoint;
use super::journal::{self, Entries, Entry};
use super::plan::{self, ChangePlan, Overrides, Plan};
use crate::Result;
use crate::protocol::{By, Command, Event, Hold, Steered};
use std::path::Path;

/// A run's recipe, and how much of it the run has carried out.
pub struct Recipe {
    pub plan: Plan,
    /// Steps done by the last that the journal tells.
    pub step: u64,
    pub is_finished: bool,
}

/// Reads plan and journal of a run, and puts them together: whoever carries the plan out gets the run's weights.
pub fn of(run: &Path) -> Result<Recipe> {
    let entries = journal::read(&run.join(journal::FILE))?;
    super::folder::check_plan(run, &entries)?;
    let plan = plan::load(&run.join(super::folder::PLAN).to_string_lossy(), &Overrides::default())?;
    let mut plan = plan;
    let mut changes = merged(&plan, steered(&entries).map(|(_, steered)| steered));
    // What holding did is among the changes, apart from what was taken back: it is not done once more. What was measured may
    // have depended on the clock besides.
    changes.retain(|change| !lets_hold(change));
    plan.phases.iter_mut().filter_map(|phase| phase.retention.as_mut()).for_each(|of| of.hold = Hold::None);
    let effective = entries.effective();
    // What is replayed is held against it.
    let last = checkpoint::list(run)?.last().map(|(_, state)| state.step);
    let is_finished = matches!(effective.last().map(|entry| &entry.event), Some(Event::Finished(_)));
    Ok(Recipe { plan: Plan { changes, ..plan }, step: last.unwrap_or(0), is_finished })
}

/// Commands that still count, each with its line.
pub(super) fn steered(entries: &Entries) -> impl Iterator<Item = (u64, Steered)> {
    let steered = |entry: &Entry| match &entry.event {
        Event::Steered(steered) => Some((entry.line, steered.clone())),
        _ => None,
    };
    entries.effective().into_iter().filter_map(steered)
}

/// The plan's changes with those of a run among them, by step; at the same step in the order of the run. What is for a
/// person alone is left out.
pub(super) fn merged(plan: &Plan, steered: impl Iterator<Item = Steered>) -> Vec<ChangePlan> {
    let is_recipe = |steered: &Steered| match steered.change.command.parse() {
        Ok(Command::Pause | Command::Continue | Command::Undo) | Err(_) => false,
        Ok(_) => true,
    };
    let mut left = plan.changes.clone();
    let mut changes: Vec<ChangePlan> = Vec::new();
    for steered in steered.filter(is_recipe) {
        let change = ChangePlan { step: steered.step, command: steered.change.command };
        if steered.by == By::Plan
            && let Some(place) = left.iter().position(|other| other.step == change.step && is_same(other, &change))
        {
            left.remove(place);
        }
        changes.push(change);
    }
    let last = changes.last().map_or(0, |change| change.step);
    // What the run passed without doing it was taken back.
    changes.extend(left.into_iter().filter(|change| change.step > last));
    changes
}

fn lets_hold(change: &ChangePlan) -> bool {
    matches!(change.command.parse(), Ok(Command::Hold(hold)) if hold != Hold::None)
}

fn is_same(one: &ChangePlan, other: &ChangePlan) -> bool {
    let plain = |text: &str| text.parse::<Command>().map(|command| command.to_string()).ok();
    plain(&one.command) == plain(&other.command)
}

/// The plan's text for people and files.
pub fn text(recipe: &Recipe, run: &str) -> Result<String> {
    let count = recipe.plan.changes.len();
    let whole = if recipe.is_finished { "to its end".to_string() } else { format!("up to step {}", recipe.step) };
    let head = format!(
        "# The recipe of the run {run}, {whole}: its plan, and {count} changes that were made while it ran.\n\
         # `frostline train` with this file gives the same weights on the same kind of processor.\n\n"
    );
    Ok(head + &recipe.plan.to_toml()?)
}
