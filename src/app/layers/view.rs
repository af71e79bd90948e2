//! The model as the grid sees it at one moment: what trains, what was asked for, and what was measured.

use super::grid::Grid;
use super::pending::Wish;
use super::predict::{Cost, GroupCost, group_costs, predict};
use crate::app::{App, Mirror};
use crate::protocol::{Group, GroupFacts, GroupReport, GroupState, Layer, PrefixState, Selector};

/// Everything by the index of a group among the run's facts.
pub struct View<'a> {
    pub grid: Grid,
    pub groups: Vec<Group>,
    pub facts: &'a [GroupFacts],
    /// In effect now.
    pub trains: Vec<bool>,
    pub multipliers: Vec<f64>,
    /// Asked for and not in effect yet.
    pub wishes: Vec<Wish>,
    /// The newest measurement, if there was one.
    pub measured: Option<&'a [GroupReport]>,
    /// Steps done at the newest measurement.
    pub measured_at: Option<u64>,
    /// How the prefix cache stands, where it keeps anything.
    pub prefix: Option<PrefixState>,
    /// The share of rows that it has room for.
    pub prefix_share: f64,
}

impl<'a> View<'a> {
    /// `None` before the model is there.
    pub fn of(app: &'a App) -> Option<Self> {
        let mirror = &app.mirror;
        let status = mirror.status.as_ref()?;
        if mirror.facts.is_empty() || status.groups.is_empty() {
            return None;
        }
        let groups: Vec<Group> = mirror.facts.iter().map(|facts| facts.group).collect();
        let states = states(&status.groups, &groups);
        let latest = mirror.reports.back();
        Some(Self {
            grid: Grid::of(&groups),
            facts: &mirror.facts,
            trains: states.iter().map(|state| state.is_some_and(|state| state.trainable)).collect(),
            multipliers: states.iter().map(|state| state.map_or(1.0, |state| state.multiplier)).collect(),
            wishes: groups.iter().map(|group| app.layers.pending.wish(*group)).collect(),
            measured: latest.map(|report| report.groups.as_slice()),
            measured_at: latest.map(|report| report.step),
            prefix: status.prefix,
            prefix_share: status.phase.as_ref().map_or(0.0, |phase| phase.prefix_share),
            groups,
        })
    }

    /// What trains once everything that was asked for is in effect.
    pub fn requested(&self) -> Vec<bool> {
        let flags = self.trains.iter().zip(&self.wishes);
        flags.map(|(trains, wish)| wish.trains.unwrap_or(*trains)).collect()
    }

    /// The same with these groups frozen or training.
    pub fn requested_with(&self, chosen: &[usize], trains: bool) -> Vec<bool> {
        let mut flags = self.requested();
        for index in chosen {
            if let Some(flag) = flags.get_mut(*index) {
                *flag = trains;
            }
        }
        flags
    }

    /// A group's multiplier once everything that was asked for is in effect.
    pub fn requested_multiplier(&self, index: usize) -> f64 {
        let wish = self.wishes.get(index).and_then(|wish| wish.multiplier);
        wish.or_else(|| self.multipliers.get(index).copied()).unwrap_or(1.0)
    }

    pub fn report(&self, index: usize) -> Option<&'a GroupReport> {
        self.measured?.get(index)
    }

    /// Groups that train and got no gradient at the newest measurement, by index: something keeps it from them, and
    /// they learn nothing.
    pub fn starved(&self) -> Vec<usize> {
        let is_starved = |index: &usize| {
            let gets_none = self.report(*index).is_some_and(|report| report.gradient_norm == 0.0);
            gets_none && self.trains.get(*index) == Some(&true)
        };
        (0..self.groups.len()).filter(is_starved).collect()
    }

    /// Of a step as it is now.
    pub fn cost(&self) -> Cost {
        predict(self.facts, &self.trains, self.served())
    }

    /// Of a step in which these train, once the prefix cache has what it has room for.
    pub fn cost_with(&self, trains: &[bool]) -> Cost {
        predict(self.facts, trains, self.prefix_share)
    }

    /// The share of rows that come from the prefix cache now.
    fn served(&self) -> f64 {
        self.prefix.map_or(0.0, |prefix| prefix.served)
    }

    /// Of a step in which everything trains.
    pub fn full_cost(&self) -> Cost {
        predict(self.facts, &vec![true; self.facts.len()], 0.0)
    }

    /// Of each group, as it is now.
    pub fn group_costs(&self) -> Vec<GroupCost> {
        group_costs(self.facts, &self.trains, self.served())
    }

    /// Scalars of the whole model.
    pub fn parameters(&self) -> u64 {
        self.facts.iter().fold(0, |sum, facts| sum.saturating_add(facts.parameters))
    }

    /// The row under which the frost line runs: the lowest that trains, where anything lies below it.
    pub fn frost_row(&self) -> Option<usize> {
        let line: Layer = self.cost().frost_line?;
        let row = self.grid.layers.iter().position(|layer| *layer == line)?;
        (row + 1 < self.grid.layers.len()).then_some(row)
    }

    /// Readable names for these groups.
    pub fn selectors(&self, chosen: &[usize]) -> Vec<Selector> {
        let chosen: Vec<Group> = chosen.iter().filter_map(|index| self.groups.get(*index).copied()).collect();
        super::selectors_for(&chosen, &self.groups)
    }
}

/// The states of these groups. Both lists have the same order; where they do not, the group itself is looked for.
fn states<'a>(states: &'a [GroupState], groups: &[Group]) -> Vec<Option<&'a GroupState>> {
    let find = |(index, group): (usize, &Group)| {
        let at_place = states.get(index).filter(|state| state.group == *group);
        at_place.or_else(|| states.iter().find(|state| state.group == *group))
    };
    groups.iter().enumerate().map(find).collect()
}

/// What trains now, in the order of the facts; `None` before the model is there.
pub fn trainable(mirror: &Mirror) -> Option<Vec<bool>> {
    let status = mirror.status.as_ref().filter(|status| !status.groups.is_empty() && !mirror.facts.is_empty())?;
    let groups: Vec<Group> = mirror.facts.iter().map(|facts| facts.group).collect();
    let states = states(&status.groups, &groups);
    Some(states.into_iter().map(|state| state.is_some_and(|state| state.trainable)).collect())
}
