//! Pulls against PyTorch, and the Fisher information against gradients row by row.

use super::super::{AdamWSettings, Learner, objective};
use super::*;
use crate::corpus::batches::Batch;
use crate::model::{ParameterId, Thaw, folder};
use crate::ops::adamw::Settings;
use candle_core::Device;
use std::collections::HashMap;
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn base() -> Decoder {
    folder::load(&fixture("llama-tied"), DType::F32, &Device::Cpu).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Rows with different numbers of learned positions; the last has none.
fn batch() -> Batch {
    let (rows, context) = (4, 8);
    let inputs: Vec<u32> = (0..rows * context).map(|at| (at * 37 + 11) as u32 % 96).collect();
    let learns = |at: usize| at % context >= at / context && at / context < rows - 1;
    let target = |at: usize| if learns(at) { (at * 53 + 7) as u32 % 96 } else { crate::corpus::batches::IGNORE };
    Batch {
        rows,
        context,
        inputs,
        targets: (0..rows * context).map(target).collect(),
        positions: (0..rows * context).map(|at| (at % context) as u32).collect(),
        first_visible: vec![0; rows * context],
        labelled: Vec::new(),
    }
}

/// Weights away from the base, gradients of the loss and importances, each a fixed function of the place: the script that
/// made the fixture has the same.
fn moved(base: &Decoder) -> (Decoder, Vec<Tensor>, Vec<Tensor>) {
    let mut moved = base.clone();
    let (mut gradients, mut importances) = (Vec::new(), Vec::new());
    for index in 0..moved.parameters.len() {
        let id = ParameterId(index);
        let value = moved.parameters[id].value.clone();
        let made = |of: &dyn Fn(f32) -> f32| {
            let numbers: Vec<f32> = (0..value.elem_count()).map(|at| of((at % 97) as f32 - 48.0)).collect();
            Tensor::from_vec(numbers, value.shape(), &Device::Cpu).unwrap()
        };
        moved.parameters[id].value = (&value + made(&|x| x / 512.0)).unwrap();
        gradients.push(made(&|x| x / 1024.0));
        importances.push(made(&|x| (x + 48.0) / 64.0));
    }
    (moved, gradients, importances)
}

/// (penalty, gradients with the pull in them) of the moved model, where everything trains.
fn pulled(strengths: Strengths) -> (f64, Vec<Vec<f32>>) {
    let base = Arc::new(base());
    let (moved, loss, importances) = moved(&base);
    let mut gradients = Gradients::new(&Thaw::of_groups(&moved.parameters, |_| true));
    for (index, gradient) in loss.into_iter().enumerate() {
        *gradients.slot(ParameterId(index)).unwrap() = Some(gradient);
    }
    let fisher = Arc::new(Fisher::of(importances));
    let penalty = Pull::new(strengths, base, Some(fisher)).add(&moved.parameters, &mut gradients).unwrap();
    (penalty, gradients.iter().map(|(_, gradient)| numbers(gradient)).collect())
}

#[test]
fn penalties_and_gradients_are_those_of_pytorch() {
    let names: Vec<String> = base().parameters.iter().map(|(_, parameter)| parameter.name.clone()).collect();
    let expected = candle_core::safetensors::load(fixture("pulls.safetensors"), &Device::Cpu).unwrap();
    let expected: HashMap<String, Vec<f32>> = expected.iter().map(|(name, of)| (name.clone(), numbers(of))).collect();
    let cases = [
        ("l2-sp", Strengths { l2_sp: 0.3, ewc: 0.0 }),
        ("ewc", Strengths { l2_sp: 0.0, ewc: 20.0 }),
        ("both", Strengths { l2_sp: 0.3, ewc: 20.0 }),
    ];
    for (case, strengths) in cases {
        let (penalty, gradients) = pulled(strengths);
        let value = expected[&format!("{case}.penalty")][0] as f64;
        assert!((penalty / value - 1.0).abs() < 1e-5, "{case}: {penalty} and {value}");
        // The fixture has the first numbers of each parameter: the rest repeat them.
        for (index, gradient) in gradients.iter().enumerate() {
            let want = &expected[&format!("{case}.gradient")][..97.min(gradient.len())];
            let apart = gradient.iter().zip(want).map(|(is, want)| (is - want).abs());
            assert!(apart.fold(0.0, f32::max) < 2e-5, "{case}: {}", names[index]);
        }
    }
}

#[test]
fn the_fisher_information_is_the_mean_of_squared_gradients_of_rows() {
    let (decoder, batch) = (base(), batch());
    let thaw = Thaw::of_groups(&decoder.parameters, |_| true);
    let rows = batch.split(4);
    let mut want: Vec<Vec<f64>> =
        decoder.parameters.iter().map(|(_, parameter)| vec![0.0; parameter.value.elem_count()]).collect();
    for row in &rows[..3] {
        let mut gradients = Gradients::new(&thaw);
        objective::accumulate(&decoder, row, &thaw, None, 1.0 / row.learned() as f64, &mut gradients).unwrap();
        for (id, gradient) in gradients.iter() {
            let squared = numbers(gradient).into_iter().map(|g| (g as f64).powi(2) / 3.0);
            want[id.0].iter_mut().zip(squared).for_each(|(sum, squared)| *sum += squared);
        }
    }
    // More rows are asked for than there are; the one without targets does not count.
    let fisher = Fisher::measure(&decoder, [Ok(batch.clone())], 10).unwrap();
    assert_eq!(fisher.rows(), 3);
    for (index, want) in want.iter().enumerate() {
        let is = numbers(fisher.diagonal(ParameterId(index)));
        let near = |(is, want): (&f32, &f64)| (*is as f64 - want).abs() <= 1e-5 * want + 1e-12;
        assert!(is.iter().zip(want).all(near), "parameter {index}");
    }
    let one = Fisher::measure(&decoder, [Ok(batch.clone())], 1).unwrap();
    assert_eq!(one.rows(), 1);
    assert!(Fisher::measure(&decoder, [Ok(rows[3].clone())], 5).is_err(), "nothing to learn from");
}

fn weights_after(pull: Option<Strengths>) -> (Vec<Vec<f32>>, Option<f64>) {
    let base = Arc::new(base());
    let moments = Settings { beta1: 0.9, beta2: 0.95, epsilon: 1e-8 };
    let settings = AdamWSettings { moments, weight_decay: 0.1, largest_norm: Some(1.0) };
    let mut learner = Learner::new((*base).clone(), &["embedding".parse().unwrap()], settings).unwrap();
    // The learner steps on weights of its own, not on the base's.
    let held = learner.share();
    learner.set_pull(pull.map(|strengths| Pull::new(strengths, held.clone(), None)));
    let mut penalty = None;
    for _ in 0..3 {
        penalty = learner.step(&[batch()], 1e-2).unwrap().pull;
    }
    let kept = held.parameters.iter().zip(base.parameters.iter());
    assert!(kept.into_iter().all(|((_, held), (_, base))| numbers(&held.value) == numbers(&base.value)));
    (learner.decoder.parameters.iter().map(|(_, parameter)| numbers(&parameter.value)).collect(), penalty)
}

#[test]
fn a_pull_of_zero_changes_no_bit_and_a_pull_keeps_near() {
    let (alone, none) = weights_after(None);
    let (zero, nothing) = weights_after(Some(Strengths::default()));
    assert!(alone == zero && none.is_none() && nothing.is_none());
    let (pulled, penalty) = weights_after(Some(Strengths { l2_sp: 50.0, ewc: 0.0 }));
    assert!(penalty.unwrap() > 0.0);
    let base: Vec<Vec<f32>> = base().parameters.iter().map(|(_, parameter)| numbers(&parameter.value)).collect();
    let away = |weights: &[Vec<f32>]| {
        let pairs = weights.iter().flatten().zip(base.iter().flatten());
        pairs.map(|(own, base)| ((own - base) as f64).powi(2)).sum::<f64>()
    };
    assert!(away(&pulled) < away(&alone), "{} and {}", away(&pulled), away(&alone));
}
