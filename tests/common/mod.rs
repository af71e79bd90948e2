//! What the tests share: fixtures, tensors as plain numbers, tolerances.
#![allow(dead_code)]

pub mod life;
pub mod program;
pub mod twins;
pub mod words;

use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub fn tensors(path: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

pub fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

pub fn u32s(tensor: &Tensor) -> Vec<u32> {
    tensor.to_dtype(DType::U32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Every element within `tolerance`; `what` is named where one is not.
pub fn assert_within(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance, "{what}: element {i} is {g} instead of {w}");
    }
}

/// Mean cross-entropy in f64 of logits (n, vocabulary).
pub fn exact_loss(logits: &Tensor, targets: &[u32]) -> f64 {
    let rows = logits.to_dtype(DType::F64).unwrap().to_vec2::<f64>().unwrap();
    let losses = rows.iter().zip(targets).map(|(row, &target)| {
        let highest = row.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let total: f64 = row.iter().map(|x| (x - highest).exp()).sum();
        highest + total.ln() - row[target as usize]
    });
    losses.sum::<f64>() / targets.len() as f64
}
