//! The arithmetic of a step, from a model's shape.

use crate::model::{Decoder, Layer, Thaw};

/// Floating-point operations that a training step over `tokens` positions in rows of `context` takes, by the usual
/// count: 6 for each position and scalar (two each for the forward pass, the gradient that is passed down, and the
/// weight's own) and 12 · width · context for each position and layer (attention, as if every position saw all of its
/// row). Tables that are only looked into (learned positions, the embedding where the head has a weight of its own)
/// count nothing, and neither do the parts of the backward pass that frozen layers save, nor the forward pass of frozen
/// blocks for the share `known` of rows, whose outputs were kept. What is computed again counts once.
pub fn of_step(decoder: &Decoder, thaw: &Thaw, tokens: u64, context: usize, known: f64) -> f64 {
    let config = &decoder.config;
    let is_table = |name: &str| match name {
        "embedding.tokens" => !config.tied,
        name => ["embedding.positions", "embedding.types"].contains(&name),
    };
    let is_skipped = |layer: Layer| matches!(layer, Layer::Block(_)) && !thaw.reaches(layer);
    let forward = |layer: Layer| if is_skipped(layer) { 1.0 - known } else { 1.0 };
    let mut weights = 0.0;
    for (id, parameter) in decoder.parameters.iter().filter(|(_, parameter)| !is_table(&parameter.name)) {
        // A tied embedding is multiplied with at the head, which the gradient comes through whatever trains.
        let is_reached = parameter.group.layer == Layer::Embedding || thaw.reaches(parameter.group.layer);
        let backward = u32::from(is_reached) + u32::from(thaw.trains(id));
        let passes = forward(parameter.group.layer) + f64::from(backward);
        weights += 2.0 * parameter.value.elem_count() as f64 * passes;
    }
    let blocks = (0..config.layers).map(Layer::Block);
    let attention: f64 = blocks.map(|block| 4.0 * forward(block) + if thaw.reaches(block) { 8.0 } else { 0.0 }).sum();
    tokens as f64 * (weights + attention * config.width as f64 * context as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Config, Selector, preset};
    use candle_core::{DType, Device};

    fn flops(tied: bool, frozen: &[&str], known: f64) -> (f64, Decoder) {
        let config = Config { tied, ..preset::find("gpt2-1m").unwrap().config(300, 64) };
        let decoder = Decoder::random(config, 1, DType::F32, &Device::Cpu).unwrap();
        let frozen: Vec<Selector> = frozen.iter().map(|selector| selector.parse().unwrap()).collect();
        let thaw = Thaw::all_but(&decoder.parameters, &frozen).unwrap();
        (of_step(&decoder, &thaw, 128, 64, known), decoder)
    }

    #[test]
    fn a_full_step_counts_six_operations_for_each_scalar_and_token() {
        for tied in [true, false] {
            let (counted, decoder) = flops(tied, &[], 0.0);
            let tables = 64 * 128 + if tied { 0 } else { 300 * 128 };
            let weights = 6 * (decoder.parameters.count() - tables);
            assert_eq!(counted, (128 * (weights + 12 * 4 * 128 * 64)) as f64);
        }
    }

    #[test]
    fn frozen_layers_count_their_forward_pass_alone() {
        let lower_half = ["embedding", "block.0-1"];
        let (full, decoder) = flops(true, &[], 1.0);
        let (upper_half, _) = flops(true, &lower_half, 0.0);
        let count = |part: fn(Layer) -> bool| {
            let inside = decoder.parameters.iter().filter(|(_, parameter)| part(parameter.group.layer));
            inside.map(|(_, parameter)| parameter.value.elem_count()).sum::<usize>()
        };
        let blocks = count(|layer| matches!(layer, Layer::Block(0 | 1)));
        // The tied head's own gradient is saved too.
        let saved = 128 * (4 * blocks + 2 * 300 * 128 + 2 * 8 * 128 * 64);
        assert_eq!(full - upper_half, saved as f64);
        let (half_known, _) = flops(true, &lower_half, 0.5);
        assert_eq!(upper_half - half_known, (128 * (blocks + 4 * 128 * 64)) as f64);
    }
}
