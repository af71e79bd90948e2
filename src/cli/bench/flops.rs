//! The arithmetic of a step, from a model's shape.

use crate::model::{Decoder, Layer, Thaw};

/// Floating-point operations that a training step over `tokens` positions in rows of `context` takes, by the usual
/// count: 6 for each position and scalar (two each for the forward pass, the gradient that is passed down, and the
/// weight's own) and 12 · width · context for each position and layer (attention, as if every position saw all of its
/// row). Tables that are only looked into (learned positions, the embedding where the head has a weight of its own)
/// count nothing, and neither do the parts of the backward pass that frozen layers save.
pub fn of_step(decoder: &Decoder, thaw: &Thaw, tokens: u64, context: usize) -> f64 {
    let config = &decoder.config;
    let is_table = |name: &str| name == "embedding.positions" || (name == "embedding.tokens" && !config.tied);
    let passes = |is_reached: bool, trains: bool| 1 + u64::from(is_reached) + u64::from(trains);
    let mut weights = 0;
    for (id, parameter) in decoder.parameters.iter().filter(|(_, parameter)| !is_table(&parameter.name)) {
        // A tied embedding is multiplied with at the head, which the gradient comes through whatever trains.
        let is_reached = parameter.group.layer == Layer::Embedding || thaw.reaches(parameter.group.layer);
        weights += 2 * parameter.value.elem_count() as u64 * passes(is_reached, thaw.trains(id));
    }
    let reached = (0..config.layers).filter(|&index| thaw.reaches(Layer::Block(index))).count();
    let attention = 4 * config.layers as u64 + 8 * reached as u64;
    tokens as f64 * (weights as f64 + attention as f64 * config.width as f64 * context as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Config, Selector, preset};
    use candle_core::{DType, Device};

    fn flops(tied: bool, frozen: &[&str]) -> (f64, Decoder) {
        let config = Config { tied, ..preset::find("gpt2-1m").unwrap().config(300, 64) };
        let decoder = Decoder::random(config, 1, DType::F32, &Device::Cpu).unwrap();
        let frozen: Vec<Selector> = frozen.iter().map(|selector| selector.parse().unwrap()).collect();
        let thaw = Thaw::all_but(&decoder.parameters, &frozen).unwrap();
        (of_step(&decoder, &thaw, 128, 64), decoder)
    }

    #[test]
    fn a_full_step_counts_six_operations_for_each_scalar_and_token() {
        for tied in [true, false] {
            let (counted, decoder) = flops(tied, &[]);
            let tables = 64 * 128 + if tied { 0 } else { 300 * 128 };
            let weights = 6 * (decoder.parameters.count() - tables);
            assert_eq!(counted, (128 * (weights + 12 * 4 * 128 * 64)) as f64);
        }
    }

    #[test]
    fn frozen_layers_count_their_forward_pass_alone() {
        let (full, decoder) = flops(true, &[]);
        let (upper_half, _) = flops(true, &["embedding", "block.0-1"]);
        let count = |part: fn(Layer) -> bool| {
            let inside = decoder.parameters.iter().filter(|(_, parameter)| part(parameter.group.layer));
            inside.map(|(_, parameter)| parameter.value.elem_count()).sum::<usize>()
        };
        let blocks = count(|layer| matches!(layer, Layer::Block(0 | 1)));
        // The tied head's own gradient is saved too.
        let saved = 128 * (4 * blocks + 2 * 300 * 128 + 2 * 8 * 128 * 64);
        assert_eq!(full - upper_half, saved as f64);
    }
}
