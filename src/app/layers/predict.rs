//! What a choice of trainable groups costs a step, from what each group is known to cost. No clock is read here.
//!
//! The forward pass runs in full, but for rows that the prefix cache has: theirs begins at the frost line. The gradient
//! is carried down to the lowest layer that trains, and within that layer to the lowest group that trains; it passes
//! through frozen groups above as through any other. The gradient of weights is computed for groups that train alone.
//! Activations are kept from the frost line up, or computed again there on the way back; gradients and moments are held
//! for groups that train.

use crate::protocol::{GroupFacts, Kind, Layer};

/// What one group takes of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GroupCost {
    /// Floating-point operations a token.
    pub work: f64,
    /// Gradient and moments, bytes.
    pub training_bytes: u64,
    /// Activations kept for the backward pass, bytes.
    pub kept_bytes: u64,
}

/// What a whole step takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Floating-point operations a token, forward and backward.
    pub work: f64,
    /// Gradients and moments, bytes.
    pub training_bytes: u64,
    /// Activations kept for the backward pass, bytes.
    pub kept_bytes: u64,
    /// Scalars that train.
    pub trainable: u64,
    /// The lowest layer that trains; `None` where nothing does.
    pub frost_line: Option<Layer>,
}

impl Cost {
    pub fn bytes(&self) -> u64 {
        self.training_bytes.saturating_add(self.kept_bytes)
    }

    /// Work by that of another choice; `None` where nothing is known of either.
    pub fn by(&self, other: &Cost) -> Option<f64> {
        let ratio = self.work / other.work;
        (ratio.is_finite() && self.work > 0.0).then_some(ratio)
    }

    /// Bytes more than with another choice.
    pub fn bytes_above(&self, other: &Cost) -> i64 {
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        signed(self.bytes()) - signed(other.bytes())
    }
}

/// The cost of a step in which the groups train that `trainable` says, in the order of the facts. `cached` is the share
/// of rows that come from the prefix cache.
pub fn predict(facts: &[GroupFacts], trainable: &[bool], cached: f64) -> Cost {
    let mut cost = Cost { frost_line: frost_line(facts, trainable), ..Cost::default() };
    for (index, (group, facts)) in group_costs(facts, trainable, cached).into_iter().zip(facts).enumerate() {
        cost.work += group.work;
        cost.training_bytes = cost.training_bytes.saturating_add(group.training_bytes);
        cost.kept_bytes = cost.kept_bytes.saturating_add(group.kept_bytes);
        if trains(trainable, index) {
            cost.trainable = cost.trainable.saturating_add(facts.parameters);
        }
    }
    cost
}

/// The same, of each group for itself.
pub fn group_costs(facts: &[GroupFacts], trainable: &[bool], cached: f64) -> Vec<GroupCost> {
    let line = frost_line(facts, trainable);
    let depth = depth_in_line(facts, trainable, line);
    facts
        .iter()
        .enumerate()
        .map(|(index, group)| {
            let trains = trains(trainable, index);
            let carries = carries_gradient(group, line, depth);
            let is_kept = line.is_some_and(|line| line <= group.group.layer);
            let is_skipped = line.is_some_and(|line| group.group.layer < line);
            GroupCost {
                work: group.forward * if is_skipped { 1.0 - cached } else { 1.0 }
                    + if is_kept { group.recomputed } else { 0.0 }
                    + if carries { group.backward_input } else { 0.0 }
                    + if trains { group.backward_weight } else { 0.0 },
                training_bytes: if trains { group.training_bytes } else { 0 },
                kept_bytes: if is_kept { group.kept_bytes } else { 0 },
            }
        })
        .collect()
}

fn trains(trainable: &[bool], index: usize) -> bool {
    trainable.get(index).copied().unwrap_or(false)
}

fn frost_line(facts: &[GroupFacts], trainable: &[bool]) -> Option<Layer> {
    let training = facts.iter().enumerate().filter(|(index, _)| trains(trainable, *index));
    training.map(|(_, group)| group.group.layer).min()
}

/// How deep inside a layer a group stands: a block's gradient goes through the MLP, then the attention, and the norms
/// stand before both.
fn depth(kind: Kind) -> u8 {
    match kind {
        Kind::Mlp => 0,
        Kind::Attention => 1,
        Kind::Norm => 2,
        Kind::Embedding | Kind::Head | Kind::Score => 0,
    }
}

/// The depth of the deepest group that trains in the layer of the frost line.
fn depth_in_line(facts: &[GroupFacts], trainable: &[bool], line: Option<Layer>) -> u8 {
    let training = facts.iter().enumerate().filter(|(index, _)| trains(trainable, *index));
    training
        .filter(|(_, group)| Some(group.group.layer) == line)
        .map(|(_, group)| depth(group.group.kind))
        .max()
        .unwrap_or(0)
}

fn carries_gradient(group: &GroupFacts, line: Option<Layer>, depth_in_line: u8) -> bool {
    let Some(line) = line else { return false };
    match group.group.layer {
        // A head's gradient for what lies below comes with the loss, whether anything there trains or not. A tied head
        // has no group of its own; its product counts at the last norm, which has none.
        Layer::Norm | Layer::Head => true,
        layer if layer == line => depth(group.group.kind) < depth_in_line,
        layer => line < layer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Group;

    fn facts(layer: Layer, kind: Kind) -> GroupFacts {
        GroupFacts {
            group: Group::new(layer, kind),
            parameters: 10,
            forward: 1.0,
            backward_input: 2.0,
            backward_weight: 4.0,
            recomputed: 0.0,
            kept_bytes: 100,
            training_bytes: 1000,
        }
    }

    /// Two blocks of attention, MLP and norm between an embedding that carries nothing and a head.
    fn model() -> Vec<GroupFacts> {
        let mut model = vec![GroupFacts { backward_input: 0.0, ..facts(Layer::Embedding, Kind::Embedding) }];
        for index in 0..2 {
            model.extend([Kind::Attention, Kind::Mlp, Kind::Norm].map(|kind| facts(Layer::Block(index), kind)));
        }
        model.push(facts(Layer::Head, Kind::Head));
        model
    }

    fn cost(trains: impl Fn(Group) -> bool) -> Cost {
        let facts = model();
        let trainable: Vec<bool> = facts.iter().map(|facts| trains(facts.group)).collect();
        predict(&facts, &trainable, 0.0)
    }

    #[test]
    fn everything_training_costs_everything() {
        let cost = cost(|_| true);
        assert_eq!(cost.work, 8.0 + 7.0 * 2.0 + 8.0 * 4.0);
        assert_eq!((cost.training_bytes, cost.kept_bytes, cost.trainable), (8000, 800, 80));
        assert_eq!(cost.frost_line, Some(Layer::Embedding));
    }

    #[test]
    fn a_frozen_prefix_ends_the_backward_pass() {
        let cost = cost(|group| group.layer >= Layer::Block(1));
        // Forward of 8; gradients through the head, and in block 1 through MLP and attention down to the norms.
        assert_eq!(cost.work, 8.0 + 3.0 * 2.0 + 4.0 * 4.0);
        assert_eq!((cost.training_bytes, cost.kept_bytes, cost.trainable), (4000, 400, 40));
        assert_eq!(cost.frost_line, Some(Layer::Block(1)));
    }

    #[test]
    fn a_frozen_middle_is_still_passed_through() {
        let whole = cost(|_| true);
        let middle = cost(|group| group.layer != Layer::Block(1));
        assert_eq!(whole.work - middle.work, 3.0 * 4.0);
        assert_eq!(middle.kept_bytes, whole.kept_bytes);
    }

    #[test]
    fn in_the_lowest_layer_the_gradient_goes_only_as_deep_as_needed() {
        let only = |kind: Kind| cost(move |group| group.layer == Layer::Block(1) && group.kind == kind).work;
        let forward_and_head = 8.0 + 2.0;
        assert_eq!(only(Kind::Mlp), forward_and_head + 4.0);
        assert_eq!(only(Kind::Attention), forward_and_head + 4.0 + 2.0);
        assert_eq!(only(Kind::Norm), forward_and_head + 4.0 + 4.0);
    }

    #[test]
    fn nothing_training_is_a_forward_pass() {
        let nothing = cost(|_| false);
        assert_eq!(nothing, Cost { work: 8.0, ..Cost::default() });
        assert_eq!(nothing.by(&cost(|_| true)), Some(8.0 / 54.0));
        assert_eq!(nothing.bytes_above(&cost(|_| true)), -8800);
        assert_eq!(Cost::default().by(&nothing), None);
    }

    #[test]
    fn a_tied_head_carries_the_gradient_whatever_trains() {
        let mut facts = model();
        facts.pop();
        facts.push(GroupFacts { backward_weight: 0.0, ..self::facts(Layer::Norm, Kind::Norm) });
        let only_the_norm: Vec<bool> = facts.iter().map(|facts| facts.group.layer == Layer::Norm).collect();
        assert_eq!(predict(&facts, &only_the_norm, 0.0).work, 8.0 + 2.0);
        let upper: Vec<bool> = facts.iter().map(|facts| facts.group.layer == Layer::Block(1)).collect();
        assert_eq!(predict(&facts, &upper, 0.0).work, 8.0 + 2.0 + 2.0 * 2.0 + 3.0 * 4.0);
    }

    #[test]
    fn fewer_flags_than_facts_mean_frozen() {
        assert_eq!(predict(&model(), &[], 0.0).trainable, 0);
    }

    #[test]
    fn rows_from_the_cache_skip_the_forward_pass_below_the_line_alone() {
        let facts = model();
        let upper: Vec<bool> = facts.iter().map(|facts| facts.group.layer >= Layer::Block(1)).collect();
        let cold = predict(&facts, &upper, 0.0);
        // The embedding and the three groups of block 0.
        assert_eq!(cold.work - predict(&facts, &upper, 1.0).work, 4.0);
        assert_eq!(cold.work - predict(&facts, &upper, 0.25).work, 1.0);
        let all = vec![true; facts.len()];
        assert_eq!(predict(&facts, &all, 1.0), predict(&facts, &all, 0.0), "nothing is frozen");
        assert_eq!(predict(&facts, &[], 1.0).work, 8.0, "without a frost line nothing is kept");
    }

    #[test]
    fn what_is_computed_again_counts_from_the_frost_line_up() {
        let mut facts = model();
        facts.iter_mut().filter(|facts| facts.group.kind == Kind::Mlp).for_each(|facts| facts.recomputed = 0.5);
        let upper: Vec<bool> = facts.iter().map(|facts| facts.group.layer >= Layer::Block(1)).collect();
        let extra = |trainable: &[bool]| predict(&facts, trainable, 0.0).work - predict(&model(), trainable, 0.0).work;
        assert_eq!(extra(&upper), 0.5);
        assert_eq!(extra(&vec![true; facts.len()]), 1.0);
    }
}
