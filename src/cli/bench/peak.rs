//! What the machine can do at best: the rate of a large matrix product.

use crate::model::config::{Rotary, RotaryScaling};
use crate::model::{Config, Decoder, Family};
use crate::ops::Precision;
use crate::ops::attention::Heads;
use crate::run::device;
use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};
use std::time::Instant;

/// Of each side of the square matrices.
const SIDE: usize = 2048;
const REPEATS: usize = 8;

/// The best rate of several products of 2048×2048 matrices, as models compute them, GFLOP/s.
pub fn product_gflops(precision: Precision, device: &Device) -> Result<f64> {
    Ok(2.0 * (SIDE * SIDE * SIDE) as f64 / shortest_product(SIDE, precision, device)? / 1e9)
}

/// The least seconds that a product of two square matrices took.
fn shortest_product(side: usize, precision: Precision, device: &Device) -> Result<f64> {
    let decoder = model_of_one_matrix(side, precision, device)?;
    let hidden = Tensor::ones((side, side), DType::F32, device)?;
    let mut shortest = f64::INFINITY;
    for _ in 0..REPEATS {
        let started = Instant::now();
        let product = decoder.logits(&hidden)?;
        device::synchronize(device)?;
        shortest = shortest.min(started.elapsed().as_secs_f64());
        if product.elem_count() != side * side {
            return Err(Error::new("the product that is measured has the wrong shape"));
        }
    }
    Ok(shortest)
}

/// A model that is little else than a square head.
fn model_of_one_matrix(side: usize, precision: Precision, device: &Device) -> Result<Decoder> {
    let config = Config {
        family: Family::Llama,
        vocabulary: side,
        width: side,
        layers: 1,
        heads: Heads { query: 1, key_value: 1, dimension: 2 },
        intermediate: 1,
        context: 1,
        norm_epsilon: 1e-5,
        tied: true,
        attention_bias: false,
        mlp_bias: false,
        rotary: Some(Rotary { theta: 10_000.0, scaling: RotaryScaling::None }),
        begin_of_text: None,
        token_types: 0,
        score: None,
        window: None,
    };
    let mut decoder = Decoder::random(config, 0, DType::F32, device)?;
    decoder.parameters.precision = precision;
    Ok(decoder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_timed_is_the_product_with_a_square_matrix() {
        let (side, cpu) = (48, Device::Cpu);
        let decoder = model_of_one_matrix(side, Precision::F32, &cpu).unwrap();
        let (_, head) = decoder.parameters.iter().find(|(_, p)| p.name == "embedding.tokens").unwrap();
        assert_eq!(head.value.dims(), [side, side]);
        let hidden = Tensor::randn(0f32, 1.0, (side, side), &cpu).unwrap();
        let wanted = hidden.matmul(&head.value.t().unwrap()).unwrap();
        let difference = (decoder.logits(&hidden).unwrap() - wanted).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f32>().unwrap() < 1e-5);
        let seconds = shortest_product(side, Precision::F32, &cpu).unwrap();
        assert!(seconds.is_finite() && seconds > 0.0);
    }
}
