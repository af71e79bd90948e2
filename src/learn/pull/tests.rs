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
        ("l2-sp", Strengths { l2_sp: 0.3, ewc: 0.0, kl: 0.0 }),
        ("ewc", Strengths { l2_sp: 0.0, ewc: 20.0, kl: 0.0 }),
        ("both", Strengths { l2_sp: 0.3, ewc: 20.0, kl: 0.0 }),
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
    let fisher = Fisher::measure(&decoder, [Ok(batch.clone())], 10, 0).unwrap();
    assert_eq!(fisher.rows(), 3);
    for (index, want) in want.iter().enumerate() {
        let is = numbers(fisher.diagonal(ParameterId(index)));
        let near = |(is, want): (&f32, &f64)| (*is as f64 - want).abs() <= 1e-5 * want + 1e-12;
        assert!(is.iter().zip(want).all(near), "parameter {index}");
    }
    let one = Fisher::measure(&decoder, [Ok(batch.clone())], 1, 0).unwrap();
    assert_eq!(one.rows(), 1);
    assert!(Fisher::measure(&decoder, [Ok(rows[3].clone())], 5, 0).is_err(), "nothing to learn from");
}

fn weights_after(pull: Option<Strengths>) -> (Vec<Vec<f32>>, Option<f64>) {
    let base = Arc::new(base());
    let mut learner = Learner::new((*base).clone(), &["embedding".parse().unwrap()], settings()).unwrap();
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
    let (pulled, penalty) = weights_after(Some(Strengths { l2_sp: 50.0, ewc: 0.0, kl: 0.0 }));
    assert!(penalty.unwrap() > 0.0);
    let base: Vec<Vec<f32>> = base().parameters.iter().map(|(_, parameter)| numbers(&parameter.value)).collect();
    let away = |weights: &[Vec<f32>]| {
        let pairs = weights.iter().flatten().zip(base.iter().flatten());
        pairs.map(|(own, base)| ((own - base) as f64).powi(2)).sum::<f64>()
    };
    assert!(away(&pulled) < away(&alone), "{} and {}", away(&pulled), away(&alone));
}

/// The weights after some steps on rows that come again, pulled by the base's answers; the last penalty, and what the
/// cache served.
type Taught = (Vec<Vec<f32>>, f64, Option<(u64, u64)>);

fn taught(kl: f64, cache: Option<PrefixSettings>) -> Taught {
    let mut learner = Learner::new(base(), &["embedding".parse().unwrap()], settings()).unwrap();
    let held = learner.share();
    let strengths = Strengths { kl, ..Strengths::default() };
    let mut penalty = f64::NAN;
    for step in 0..4 {
        if step % 2 == 0 {
            // As a command does: what was kept is kept on.
            let pull = Pull::new(strengths, held.clone(), None).teaching(2.0, cache.clone());
            learner.set_pull(Some(pull));
        }
        penalty = learner.step(&[large_batch()], 1e-2).unwrap().pull.unwrap_or(f64::NAN);
    }
    let served = learner.pulled().and_then(Pull::teacher).and_then(|teacher| teacher.served());
    (learner.decoder.parameters.iter().map(|(_, parameter)| numbers(&parameter.value)).collect(), penalty, served)
}

/// Enough positions for the way through the products that a cache is for.
fn large_batch() -> Batch {
    let mut batch = batch();
    for values in [&mut batch.inputs, &mut batch.targets, &mut batch.positions, &mut batch.first_visible] {
        *values = values.repeat(8);
    }
    batch.rows *= 8;
    // No two rows are the same.
    batch.inputs.iter_mut().enumerate().for_each(|(at, token)| *token = (*token + at as u32 / 8) % 96);
    batch
}

fn settings() -> AdamWSettings {
    let moments = Settings { beta1: 0.9, beta2: 0.95, epsilon: 1e-8 };
    AdamWSettings { moments, weight_decay: 0.1, largest_norm: Some(1.0) }
}

#[test]
fn answers_are_held_and_the_cache_of_the_base_changes_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let budget = crate::learn::prefix::Budget { memory: 1 << 20, disk: 0 };
    let precision = crate::ops::Precision::F32;
    let cache = PrefixSettings { budget, precision, folder: folder.path().into() };
    let (alone, none, _) = taught(0.0, None);
    assert!(none.is_nan());
    let (pulled, penalty, none) = taught(5.0, None);
    assert!(pulled != alone && none.is_none());
    let (kept, same, served) = taught(5.0, Some(cache));
    assert!(kept == pulled && same == penalty);
    assert_eq!(served, Some((3 * 32, 4 * 32)), "the base reads each row once");
    let (near, less, _) = taught(500.0, None);
    assert!(near != pulled && less / 500.0 < penalty / 5.0, "{less} and {penalty}");
}

#[test]
fn the_pull_of_answers_is_the_divergence_at_the_learned_positions() {
    let base = Arc::new(base());
    let (moved, _, _) = moved(&base);
    let (batch, thaw) = (batch(), Thaw::of_groups(&moved.parameters, |_| true));
    let gradients = |teacher: Option<&mut Teacher>| {
        let mut gradients = Gradients::new(&thaw);
        let sums = objective::accumulate_taught(&moved, &batch, &thaw, None, teacher, 0.1, &mut gradients).unwrap();
        (sums, gradients.iter().map(|(_, gradient)| numbers(gradient)).collect::<Vec<_>>())
    };
    let mut teacher = Teacher::new(base.clone(), 3.0, 2.0, None);
    let ((loss, taught), with) = gradients(Some(&mut teacher));
    let ((same, nothing), without) = gradients(None);
    assert_eq!((loss, nothing), (same, 0.0));
    // By hand, from all logits.
    let input = objective::input(&batch);
    let logits = |decoder: &Decoder| {
        let hidden = decoder.forward(&input, None).unwrap().hidden;
        let logits = decoder.logits(&hidden).unwrap().to_dtype(DType::F64).unwrap();
        candle_core::Tensor::to_vec2::<f64>(&logits).unwrap()
    };
    let log_p = |row: &[f64]| {
        let total = row.iter().map(|logit| (logit / 2.0).exp()).sum::<f64>().ln();
        row.iter().map(|logit| logit / 2.0 - total).collect::<Vec<f64>>()
    };
    let rows = logits(&base).into_iter().zip(logits(&moved)).zip(&batch.targets);
    let learned = rows.filter(|(_, target)| **target != crate::corpus::batches::IGNORE);
    let divergence = |((base, live), _): ((Vec<f64>, Vec<f64>), &u32)| {
        let (base, live) = (log_p(&base), log_p(&live));
        base.iter().zip(live).map(|(q, p)| q.exp() * (q - p)).sum::<f64>()
    };
    let want = 0.1 * 3.0 * 4.0 * learned.map(divergence).sum::<f64>();
    assert!((taught / want - 1.0).abs() < 1e-4, "{taught} and {want}");
    // A small step against the gradient that it adds makes the divergence smaller, by as much as the gradient says.
    let mut stepped = moved.clone();
    let (mut squares, step) = (0.0, 1e-5);
    for (index, (with, without)) in with.iter().zip(&without).enumerate() {
        let id = ParameterId(index);
        let pull: Vec<f32> = with.iter().zip(without).map(|(with, without)| with - without).collect();
        squares += pull.iter().map(|pull| (*pull as f64).powi(2)).sum::<f64>();
        let pull = Tensor::from_vec(pull, stepped.parameters[id].value.shape(), &Device::Cpu).unwrap();
        stepped.parameters[id].value = (&stepped.parameters[id].value - (pull * step).unwrap()).unwrap();
    }
    let mut gradients = Gradients::new(&thaw);
    let mut after = |decoder: &Decoder| {
        let mut teacher = Teacher::new(base.clone(), 3.0, 2.0, None);
        objective::accumulate_taught(decoder, &batch, &thaw, None, Some(&mut teacher), 0.1, &mut gradients).unwrap().1
    };
    let (fell, foreseen) = (taught - after(&stepped), step * squares);
    assert!((fell / foreseen - 1.0).abs() < 0.05, "{fell} and {foreseen}");
}

#[test]
fn a_parameter_that_the_loss_does_not_reach_is_named_although_it_is_pulled() {
    let base = base();
    let mut moved = base.clone();
    // Attention that is multiplied by nothing on its way out gives what lies before it no gradient.
    let out = moved.parameters.iter().find(|(_, parameter)| parameter.name == "block.1.attention.output.weight");
    let out = out.map(|(id, _)| id).unwrap_or_else(|| panic!("{:?}", names(&moved)));
    let zero = moved.parameters[out].value.zeros_like().unwrap();
    moved.parameters[out].value = zero;
    let mut learner = Learner::new(moved, &[], settings()).unwrap();
    let strengths = Strengths { l2_sp: 0.5, ..Strengths::default() };
    let before = numbers(&learner.decoder.parameters[out].value);
    let away = Decoder::random(base.config.clone(), 3, DType::F32, &Device::Cpu).unwrap();
    learner.set_pull(Some(Pull::new(strengths, Arc::new(away), None)));
    let missing = learner.step(&[batch()], 1e-3).unwrap().missing;
    assert!(missing.iter().any(|name| name.starts_with("block.1.attention.")), "{missing:?}");
    assert!(numbers(&learner.decoder.parameters[out].value) != before, "the pull moves it");
    assert!(learner.step(&[batch()], 1e-3).unwrap().missing.is_empty(), "it is looked for once");
}

fn names(decoder: &Decoder) -> Vec<String> {
    decoder.parameters.iter().map(|(_, parameter)| parameter.name.clone()).collect()
}

#[test]
fn the_key_of_the_fisher_information_is_that_of_weights_and_rows() {
    let (decoder, batch) = (base(), batch());
    let key = |decoder: &Decoder, batch: &Batch, rows: usize| fisher_key(decoder, [Ok(batch.clone())], rows).unwrap();
    let own = key(&decoder, &batch, 3);
    // The last row has nothing to learn: asking for it as well asks for the same.
    assert_eq!(own, key(&decoder, &batch, 10));
    assert_ne!(own, key(&decoder, &batch, 2));
    let mut other = batch.clone();
    other.inputs[5] ^= 1;
    assert_ne!(own, key(&decoder, &other, 3));
    let (moved, _, _) = moved(&decoder);
    assert_ne!(own, key(&moved, &batch, 3));
    let mut rounded = decoder.clone();
    rounded.store(crate::model::Storage::Bf16, |_| true).unwrap();
    assert_ne!(own, key(&rounded, &batch, 3));
}
