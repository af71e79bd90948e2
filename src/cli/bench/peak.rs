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
    let decoder = model_of_one_matrix(precision, device)?;
    let hidden = Tensor::ones((SIDE, SIDE), DType::F32, device)?;
    let mut shortest = f64::INFINITY;
    for _ in 0..REPEATS {
        let started = Instant::now();
        let product = decoder.logits(&hidden)?;
        device::synchronize(device)?;
        shortest = shortest.min(started.elapsed().as_secs_f64());
        if product.elem_count() != SIDE * SIDE {
            return Err(Error::new("the product that is measured has the wrong shape"));
        }
    }
    Ok(2.0 * (SIDE * SIDE * SIDE) as f64 / shortest / 1e9)
}

/// A model that is little else than a square head.
fn model_of_one_matrix(precision: Precision, device: &Device) -> Result<Decoder> {
    let config = Config {
        family: Family::Llama,
        vocabulary: SIDE,
        width: SIDE,
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
        window: None,
    };
    let mut decoder = Decoder::random(config, 0, DType::F32, device)?;
    decoder.parameters.precision = precision;
    Ok(decoder)
}
