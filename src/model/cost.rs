//! What each group costs, worked out from the model's shape: for predictions before anything runs.

use super::config::Config;
use super::group::{Group, Kind, Layer};
use super::parameters::Parameters;
use crate::protocol::GroupFacts;

/// Bytes of an f32.
const SCALAR: u64 = 4;
/// Gradient and two moments.
const TRAINING_SCALARS: u64 = 3;

/// The facts of every group, for steps of `rows` rows of `columns` positions that are held at once (a micro-batch).
///
/// Products count two operations for each weight and token; attention counts half of all pairs of positions, since it
/// is causal, and fewer with a window; and its backward pass two and a half times its forward pass. A tied head has no group of its own: its
/// product counts at the last norm, and the gradient of its weight at the embedding.
pub fn facts(config: &Config, parameters: &Parameters, rows: u64, columns: u64) -> Vec<GroupFacts> {
    let facts = |group: Group| {
        let of_group = parameters.iter().filter(|(_, parameter)| parameter.group == group);
        let count = of_group.map(|(_, parameter)| parameter.value.elem_count() as u64).sum();
        group_facts(config, group, count, rows * columns, columns)
    };
    parameters.groups().into_iter().map(facts).collect()
}

fn group_facts(config: &Config, group: Group, parameters: u64, positions: u64, columns: u64) -> GroupFacts {
    let weights = 2.0 * parameters as f64;
    let head = 2.0 * config.width as f64 * config.vocabulary as f64;
    let (forward, backward_input, backward_weight) = match group.kind {
        Kind::Attention => {
            // Half of all pairs; a window leaves a band of them.
            let reach = config.window.map_or(columns, |window| columns.min(window as u64)) as f64;
            let seen = reach * (1.0 - reach / (2.0 * columns as f64));
            let pairs = 4.0 * seen * config.heads.query_width() as f64;
            (weights + pairs, weights + 2.5 * pairs, weights)
        }
        Kind::Mlp | Kind::Head => (weights, weights, weights),
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
        (Kind::Embedding | Kind::Head, _) => 0,
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
        let facts = facts(&config, &decoder.parameters, 4, 64);
        assert_eq!(facts.iter().map(|fact| fact.parameters).sum::<u64>(), decoder.parameters.count() as u64);
        let forward: f64 = facts.iter().map(|fact| fact.forward).sum();
        let pairs = 2.0 * 64.0 * config.heads.query_width() as f64 * config.layers as f64;
        let norms: f64 = facts.iter().filter(|f| f.group.kind == Kind::Norm).map(|f| 2.0 * f.parameters as f64).sum();
        // The tied embedding is looked up and, at the head, multiplied with.
        assert_eq!(forward, 2.0 * decoder.parameters.count() as f64 + pairs - norms);
        assert!(facts.iter().all(|fact| fact.training_bytes == 12 * fact.parameters));
    }
}
