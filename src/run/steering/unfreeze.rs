//! Layers that begin to train one after another.
//!
//! An order goes over the model's **layers** from the bottom: the embedding, each block, and the last layer, which is the
//! last norm with the head: that for tokens, that for scores of texts, or both. Where the head for tokens is tied to the
//! embedding and there is no other, no head has weights of its own, and the last layer is the last norm with the top block.
//! In stage s (from 0), which lasts as many steps as the order says, there train
//!
//! - **gradual**: the s + 1 topmost layers, until all do;
//! - **chain-thaw**: first the last layer alone, then each other layer alone from the bottom, then all;
//! - **head-first**: first the last layer alone, then all.
//!
//! The stage follows from the order, the step at which it was given, and the step of now; nothing else is remembered.
//!
//! What a person says wins. A group that is frozen by hand, or by the plan's `frozen`, stays frozen, whatever the stage;
//! one that is thawed by hand while an order holds it back trains from then on. Where a stage's layers are all frozen by
//! hand, the next stage that has something to train takes its place. A new order forgets what was thawed beside the old
//! one, and `unfreeze off` lets everything train that is not frozen by hand.

use super::{Settings, Steering};
use crate::protocol::{Group, Layer, Order, Unfreeze};
use std::collections::BTreeSet;

/// An order that was given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unfreezing {
    pub unfreeze: Unfreeze,
    /// Steps of the phase that were done by then.
    pub since: u64,
}

impl Unfreezing {
    /// The stage after `done` steps of the phase, of so many layers.
    fn stage(&self, done: u64, layers: usize) -> usize {
        let passed = done.saturating_sub(self.since) / self.unfreeze.every.max(1);
        usize::try_from(passed).unwrap_or(usize::MAX).min(stages(self.unfreeze.order, layers) - 1)
    }
}

/// How many stages an order has with so many layers: in the last of them all train.
fn stages(order: Order, layers: usize) -> usize {
    match order {
        Order::Gradual => layers.max(1),
        Order::ChainThaw => layers + 1,
        Order::HeadFirst => 2,
    }
}

/// Whether a layer (from the bottom) trains in a stage.
fn opens(order: Order, stage: usize, layer: usize, layers: usize) -> bool {
    let last = layers - 1;
    match order {
        _ if stage + 1 >= stages(order, layers) => true,
        Order::Gradual => layer + stage >= last,
        Order::HeadFirst => layer == last,
        Order::ChainThaw if stage == 0 => layer == last,
        Order::ChainThaw => layer + 1 == stage,
    }
}

impl Steering {
    /// The same with the plan's order, from the first step of the phase on.
    pub fn with_unfreezing(mut self, unfreeze: Option<Unfreeze>) -> Self {
        self.now.unfreezing = unfreeze.map(|unfreeze| Unfreezing { unfreeze, since: self.at });
        self.settle();
        self
    }

    /// What the order says, once so many steps of the phase are done; what changed by it, for people.
    pub fn advance(&mut self, done: u64) -> Option<String> {
        self.at = done;
        let unfreezing = self.now.unfreezing?;
        let before = std::mem::take(&mut self.effective);
        self.settle();
        if self.effective == before {
            return None;
        }
        let layers = layers(&self.groups).len();
        let (stage, all) = (unfreezing.stage(done, layers) + 1, stages(unfreezing.unfreeze.order, layers));
        let flags = self.groups.iter().zip(before.iter().zip(&self.effective));
        let names = |is_meant: &dyn Fn(bool, bool) -> bool| {
            let meant = flags.clone().filter(|(_, (before, now))| is_meant(**before, **now));
            layer_names(meant.map(|(group, _)| *group))
        };
        let (joined, left) = (names(&|before, now| now && !before), names(&|before, now| before && !now));
        let what = match (joined.is_empty(), left.is_empty()) {
            (false, true) => format!("{joined} joined"),
            (true, _) => format!("{left} froze"),
            (false, false) => format!("{joined} took over from {left}"),
        };
        Some(format!("unfreezing ({}): {what}, stage {stage} of {all}", unfreezing.unfreeze.order))
    }

    /// How many steps an order needs until everything trains.
    pub fn steps_of(&self, unfreeze: Unfreeze) -> u64 {
        let stages = stages(unfreeze.order, layers(&self.groups).len()) as u64;
        unfreeze.every.saturating_mul(stages - 1)
    }

    /// Works out again what trains now.
    pub(super) fn settle(&mut self) {
        self.effective = self.effective_with(&self.now);
    }

    /// What would train now.
    fn effective_with(&self, settings: &Settings) -> Vec<bool> {
        let Some(unfreezing) = settings.unfreezing else { return settings.trains.clone() };
        let layers = layers(&self.groups);
        let order = unfreezing.unfreeze.order;
        let place = |group: Group| layers.iter().position(|layer| layer.contains(&group.layer)).unwrap_or(0);
        let in_stage = |stage: usize| {
            let flags = self.groups.iter().zip(&settings.trains);
            let flags = flags.map(|(group, trains)| *trains && opens(order, stage, place(*group), layers.len()));
            flags.collect::<Vec<bool>>()
        };
        let first = unfreezing.stage(self.at, layers.len());
        let stages = (first..stages(order, layers.len())).map(in_stage);
        let trains = stages.into_iter().find(|flags| flags.contains(&true)).unwrap_or(settings.trains.clone());
        trains.iter().zip(&settings.opened).map(|(trains, opened)| *trains || *opened).collect()
    }

    pub(super) fn unfreeze(&self, unfreeze: Option<Unfreeze>) -> (Settings, String) {
        let unfreezing = unfreeze.map(|unfreeze| Unfreezing { unfreeze, since: self.at });
        let settings = Settings { unfreezing, opened: vec![false; self.groups.len()], ..self.now.clone() };
        let Some(unfreeze) = unfreeze else {
            return (settings, "everything trains that is not frozen by hand".into());
        };
        let trained = self.effective_with(&settings);
        let first = self.groups.iter().zip(&trained).filter(|(_, trains)| **trains).map(|(group, _)| *group);
        let effect = format!(
            "unfreezing ({}): {} first, a stage every {} steps",
            unfreeze.order,
            layer_names(first),
            unfreeze.every
        );
        (settings, effect)
    }
}

/// The layers that an order goes over, from the bottom.
fn layers(groups: &[Group]) -> Vec<Vec<Layer>> {
    let rows: BTreeSet<Layer> = groups.iter().map(|group| group.layer).collect();
    let is_last = |layer: &Layer| matches!(layer, Layer::Norm | Layer::Head);
    let mut layers: Vec<Vec<Layer>> = rows.iter().filter(|layer| !is_last(layer)).map(|layer| vec![*layer]).collect();
    let mut last: Vec<Layer> = rows.iter().copied().filter(is_last).collect();
    if !last.contains(&Layer::Head)
        && let Some(block) = layers.pop()
    {
        last.splice(0..0, block);
    }
    layers.push(last);
    layers
}

/// `block.2, norm`: the layers of groups, each once, from the bottom.
fn layer_names(groups: impl Iterator<Item = Group>) -> String {
    let layers: BTreeSet<Layer> = groups.map(|group| group.layer).collect();
    layers.iter().map(Layer::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "unfreeze_tests.rs"]
mod tests;
