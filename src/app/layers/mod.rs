//! The layer grid: what trains, how fast, and what that costs.

mod actions;
mod changes;
mod explanations;
mod grid;
mod lens;
mod mouse;
mod pending;
mod predict;
mod select;
mod selectors;
mod steer;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod view;

pub use actions::ACTIONS;
pub use changes::{Change, Measured};
pub use explanations::EXPLANATIONS;
pub use grid::Grid;
pub use lens::{Lens, Reading, Readings, Scale};
pub use mouse::pointed;
pub use pending::Wish;
pub use predict::{Cost, GroupCost, predict};
pub use select::Place;
pub use selectors::{in_words, selectors_for};
pub use steer::{Prospect, chosen_groups, layer_name, prospect};
pub use view::View;

use super::{App, Mirror};
use crate::protocol::{Answer, Group, Layer};
use std::cell::Cell;

/// The state of the pane.
pub struct Layers {
    pub lens: Lens,
    pub cursor: Place,
    /// Where a selection began.
    pub anchor: Option<Place>,
    /// Whether the cursor was put where one begins.
    has_begun: bool,
    press: Option<mouse::Press>,
    pending: pending::Pending,
    changes: changes::Changes,
    /// Reports of groups that came since the run's history began here, and the step of the last.
    reports: (u64, Option<u64>),
    /// The first line of the grid that was drawn last, and how many lines there was room for.
    pub last_top: Cell<usize>,
    pub last_lines: Cell<usize>,
}

impl Default for Layers {
    fn default() -> Self {
        Self {
            lens: Lens::default(),
            cursor: Place::FIRST,
            has_begun: false,
            anchor: None,
            press: None,
            pending: pending::Pending::default(),
            changes: changes::Changes::default(),
            reports: (0, None),
            last_top: Cell::new(0),
            last_lines: Cell::new(0),
        }
    }
}

impl Layers {
    /// Of another run, seen through the same lens.
    pub fn like(other: &Layers) -> Self {
        Self { lens: other.lens, ..Self::default() }
    }

    /// The newest change of what trains, by whomever.
    pub fn newest_change(&self) -> Option<&Change> {
        self.changes.newest()
    }

    /// Every change that is remembered, the newest last.
    pub fn changes(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.changes.iter()
    }

    /// Reports of groups that came so far: small histories are cut by it, so that they jump instead of sliding.
    pub fn reports_seen(&self) -> u64 {
        self.reports.0
    }
    /// When the model is there, the cursor goes to its lowest block: what one freezes first.
    fn begin(&mut self, mirror: &Mirror) {
        if self.has_begun || mirror.facts.is_empty() {
            return;
        }
        self.has_begun = true;
        let groups: Vec<Group> = mirror.facts.iter().map(|fact| fact.group).collect();
        let lowest = Grid::of(&groups).layers.iter().rposition(|layer| matches!(layer, Layer::Block(_)));
        if self.cursor == Place::FIRST && lowest.is_some() {
            self.cursor = Place { row: lowest, column: None };
        }
    }

    /// Lines to go with a page key.
    fn page(&self) -> usize {
        self.last_lines.get().saturating_sub(1).max(1)
    }
}

/// The key of what the cursor is on, for the explanation of it.
pub fn explained(app: &App) -> Option<&'static str> {
    Some(app.layers.lens.explanation())
}

/// The host answered a command: it took effect, or was refused.
pub fn answered(app: &mut App, id: u64, answer: Answer) {
    app.mirror.version += 1;
    app.layers.pending.answered(id, &answer, app.mirror.status.as_mut());
}

/// Takes in what is new in the mirror.
pub fn refresh(app: &mut App) {
    let App { layers, mirror, .. } = app;
    if mirror.status.is_none() || mirror.goodbye.is_some() {
        layers.pending.clear();
    }
    layers.changes.take_in(mirror);
    layers.begin(mirror);
    let (count, last) = &mut layers.reports;
    match mirror.reports.back().map(|report| report.step) {
        None => (*count, *last) = (0, None),
        newest if newest != *last => (*count, *last) = (*count + 1, newest),
        _ => {}
    }
}
