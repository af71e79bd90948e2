//! Weights of a new model.

use crate::Result;
use crate::random::Random;
use candle_core::{DType, Device, Shape, Tensor};
use xxhash_rust::xxh3::xxh3_64;

/// Draws a parameter's first values; each parameter has a stream of its own, named by the seed and its name.
pub(super) struct Initializer<'a> {
    pub seed: u64,
    pub width: usize,
    pub layers: usize,
    pub dtype: DType,
    pub device: &'a Device,
}

/// How a parameter starts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    Zeros,
    Ones,
    /// Normal with deviation √(2 / 5·width) ("small init", Nguyen and Salazar 2019, arXiv 1910.05895): 0.023 at GPT-2's
    /// width of 768, more for narrow models, which otherwise start slowly.
    Normal,
    /// As [`Start::Normal`], divided by √(2·layers): projections that write to the residual stream (GPT-2).
    Residual,
}

impl Initializer<'_> {
    pub fn draw(&self, name: &str, shape: impl Into<Shape>, start: Start) -> Result<Tensor> {
        let shape = shape.into();
        let deviation = (2.0 / (5.0 * self.width as f64)).sqrt();
        match start {
            Start::Zeros => Ok(Tensor::zeros(shape, self.dtype, self.device)?),
            Start::Ones => Ok(Tensor::ones(shape, self.dtype, self.device)?),
            Start::Normal => self.normal(name, shape, deviation),
            Start::Residual => self.normal(name, shape, deviation / (2.0 * self.layers as f64).sqrt()),
        }
    }

    fn normal(&self, name: &str, shape: Shape, deviation: f64) -> Result<Tensor> {
        let mut random = Random::new(self.seed, xxh3_64(name.as_bytes()));
        let values: Vec<f32> = (0..shape.elem_count()).map(|_| (random.normal() * deviation) as f32).collect();
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(self.dtype)?.to_device(self.device)?)
    }
}
