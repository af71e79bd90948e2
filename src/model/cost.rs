//! What each group costs, worked out from the model's shape: for predictions before anything runs.

use super::config::Config;
use super::group::{Group, Kind, Layer};
use super::parameters::Parameters;
use super::recompute::Recompute;
use crate::protocol::GroupFacts;

/// Bytes of an f32.
const SCALAR: u64 = 4;
/// Gradient and two moments.
const TRAINING_SCALARS: u64 = 3;

/// The facts of every group, for steps of `rows` rows of `columns` positions that are held at once (a micro-batch).
///
/// Products count two operations for each weight and token; attention counts half of all pairs of positions where it is
/// causal, fewer with a window, and all where it sees both ways; its backward pass counts two and a half times its forward
/// pass. A tied decoder's head has no group of its own: its product counts at the last norm, and the gradient of its weight
/// at the embedding. An encoder's head counts as if every position had a loss. A block
/// that is computed again keeps its input alone, which counts at its norms.
pub fn facts(
    config: &Config,
    parameters: &Parameters,
    recompute: Recompute,
    rows: u64,
    columns: u64,
) -> Vec<GroupFacts> {
    let facts = |group: Group| {
        let of_group = parameters.iter().filter(|(_, parameter)| parameter.group == group);
        let count = of_group.map(|(_, parameter)| parameter.value.elem_count() as u64).sum();
        let facts = group_facts(config, group, count, rows * columns, columns);
        match group.layer {
            Layer::Block(index) if recompute.applies(index, config.layers) => {
                computed_again(config, facts, rows * columns)
            }
            _ => facts,
        }
    };
    parameters.groups().into_iter().map(facts).collect()
}

/// The facts of a group of a block that goes forward again on the way back.
fn computed_again(config: &Config, facts: GroupFacts, positions: u64) -> GroupFacts {
    let (recomputed, kept_width) = match facts.group.kind {
        Kind::Attention => (facts.forward, 0),
        // Its last product is not needed again.
        Kind::Mlp if !config.family.is_encoder() => (2.0 * config.width as f64 * config.mlp_up_width() as f64, 0),
        // A norm behind it reads what it yields.
        Kind::Mlp => (facts.forward, 0),
        _ => (0.0, config.width as u64),
    };
    GroupFacts { recomputed, kept_bytes: SCALAR * positions * kept_width, ..facts }
}

fn group_facts(config: &Config, group: Group, parameters: u64, positions: u64, columns: u64) -> GroupFacts {
    let weights = 2.0 * parameters as f64;
    let head = 2.0 * config.width as f64 * config.vocabulary as f64;
    let (forward, backward_input, backward_weight) = match group.kind {
        Kind::Attention => {
            // Half of all pairs; a window leaves a band of them.
            let reach = config.window.map_or(columns, |window| columns.min(window as u64)) as f64;
            let is_causal = !config.family.is_encoder();
            let seen = if is_causal { reach * (1.0 - reach / (2.0 * columns as f64)) } else { columns as f64 };
            let pairs = 4.0 * seen * config.heads.query_width() as f64;
            (weights + pairs, weights + 2.5 * pairs, weights)
        }
        Kind::Head if config.tied => (weights + head, weights + head, weights),
        Kind::Mlp | Kind::Head => (weights, weights, weights),
        // A handful of positions in a row: nothing beside the rest.
        Kind::Score => (0.0, 0.0, 0.0),
        Kind::Embedding => (0.0, 0.0, if config.tied { head } else { 0.0 }),
        Kind::Norm if group.layer == Layer::Norm && config.tied => (head, head, 0.0),
        Kind::Norm => (0.0, 0.0, 0.0),
    };
    GroupFacts {
        group,
        parameters,
        forward,
        backward_input,
        backward_weight,
        recomputed: 0.0,
        kept_bytes: SCALAR * positions * kept_width(config, group),
        training_bytes: SCALAR * TRAINING_SCALARS * parameters,
    }
}

/// Scalars that a position leaves behind for the backward pass.
fn kept_width(config: &Config, group: Group) -> u64 {
    let heads = &config.heads;
    let width = match (group.kind, group.layer) {
        // The normed input, queries, keys and values, what was attended to, and a logarithm for each head.
        (Kind::Attention, _) => config.width + heads.packed_width() + heads.query_width() + heads.query,
        // The normed input, the wide layer, and the wide layer activated.
        (Kind::Mlp, _) => config.width + config.mlp_up_width() + config.intermediate,
        (Kind::Norm, Layer::Block(_)) => 2 * config.width,
        (Kind::Norm, _) => config.width,
        (Kind::Embedding | Kind::Head | Kind::Score, _) => 0,
    };
    width as u64
}

#[cfg(test)]
mod tests {
    use super::super::{Decoder, preset};
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn the_forward_pass_of_a_model_costs_two_operations_a_weight_and_token() {
        let config = preset::find("llama-1m").unwrap().config(1000, 64);
        let decoder = Decoder::random(config.clone(), 1, DType::F32, &Device::Cpu).unwrap();
        let facts = facts(&config, &decoder.parameters, Recompute::Nothing, 4, 64);
        assert_eq!(facts.iter().map(|fact| fact.parameters).sum::<u64>(), decoder.parameters.count() as u64);
        let forward: f64 = facts.iter().map(|fact| fact.forward).sum();
        let pairs = 2.0 * 64.0 * config.heads.query_width() as f64 * config.layers as f64;
        let norms: f64 = facts.iter().filter(|f| f.group.kind == Kind::Norm).map(|f| 2.0 * f.parameters as f64).sum();
        // The tied embedding is looked up and, at the head, multiplied with.
        assert_eq!(forward, 2.0 * decoder.parameters.count() as f64 + pairs - norms);
        assert!(facts.iter().all(|fact| fact.training_bytes == 12 * fact.parameters && fact.recomputed == 0.0));
    }

    #[test]
    fn blocks_that_are_computed_again_keep_their_input_and_cost_most_of_a_forward_pass() {
        let config = preset::find("llama-1m").unwrap().config(1000, 64);
        let decoder = Decoder::random(config.clone(), 1, DType::F32, &Device::Cpu).unwrap();
        let facts = |recompute| facts(&config, &decoder.parameters, recompute, 4, 64);
        let (kept, again) = (facts(Recompute::Nothing), facts(Recompute::Blocks));
        let of = |facts: &[GroupFacts], layer: Layer| {
            let of_layer = facts.iter().filter(|fact| fact.group.layer == layer);
            of_layer.fold((0, 0.0), |(bytes, work), fact| (bytes + fact.kept_bytes, work + fact.recomputed))
        };
        let forward: f64 = kept.iter().filter(|f| f.group.layer == Layer::Block(0)).map(|f| f.forward).sum();
        let (bytes, work) = of(&again, Layer::Block(0));
        assert_eq!(bytes, 4 * 4 * 64 * config.width as u64);
        assert!(bytes < of(&kept, Layer::Block(0)).0 / 8);
        assert!(0.6 * forward < work && work < 0.8 * forward);
        assert_eq!(of(&again, Layer::Block(config.layers - 1)), of(&kept, Layer::Block(config.layers - 1)));
    }
}
