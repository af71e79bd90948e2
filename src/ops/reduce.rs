//! Reductions of a whole tensor to one number.

use super::cpu;
use super::storage::{on_cpu_f32, with_slices};
use candle_core::{DType, Result, Tensor};
use rayon::prelude::*;

const CHUNK: usize = 1 << 16;

/// Σ x². Chunks are summed in f32 lanes, and added in order in f64.
pub fn sum_of_squares(x: &Tensor) -> Result<f64> {
    if !on_cpu_f32(&[x]) {
        return x.to_dtype(DType::F32)?.sqr()?.sum_all()?.to_dtype(DType::F64)?.to_scalar();
    }
    with_slices([x], |[x]| {
        let parts: Vec<f32> = x.par_chunks(CHUNK).map(|part| cpu::simd!(cpu::vector::sum_squares(part, 0.0))).collect();
        parts.iter().map(|&part| part as f64).sum()
    })
}

/// Σ (x − y)², summed in the same way; of equal shape.
pub fn squared_distance(x: &Tensor, y: &Tensor) -> Result<f64> {
    if !on_cpu_f32(&[x, y]) {
        let wide = |x: &Tensor| if x.dtype() == DType::F64 { Ok(x.clone()) } else { x.to_dtype(DType::F32) };
        return sum_of_squares(&(wide(x)? - wide(y)?)?);
    }
    with_slices([x, y], |[x, y]| {
        let chunks = x.par_chunks(CHUNK).zip(y.par_chunks(CHUNK));
        let part = |(x, y): (&[f32], &[f32])| {
            let difference: Vec<f32> = x.iter().zip(y).map(|(x, y)| x - y).collect();
            cpu::simd!(cpu::vector::sum_squares(&difference, 0.0))
        };
        let parts: Vec<f32> = chunks.map(part).collect();
        parts.iter().map(|&part| part as f64).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::super::check::{random, single, values};
    use super::*;

    #[test]
    fn agrees_with_f64() {
        let x = random(200_001, 1);
        let want: f64 = values(&x).iter().map(|v| v * v).sum();
        assert!((sum_of_squares(&single(&x)).unwrap() / want - 1.0).abs() < 1e-6);
        assert!((sum_of_squares(&x).unwrap() / want - 1.0).abs() < 1e-5);
        let y = random(200_001, 2);
        let want: f64 = values(&x).iter().zip(values(&y)).map(|(x, y)| (x - y) * (x - y)).sum();
        assert!((squared_distance(&single(&x), &single(&y)).unwrap() / want - 1.0).abs() < 1e-6);
        assert!((squared_distance(&x, &y).unwrap() / want - 1.0).abs() < 1e-5);
        // Of two types, as a weight that was thawed and its base may be.
        let half = y.to_dtype(DType::BF16).unwrap();
        assert!((squared_distance(&single(&x), &half).unwrap() / want - 1.0).abs() < 1e-3);
    }
}
