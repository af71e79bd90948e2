//! Learning without forgetting where the new task is of masks, classes or numbers: values and gradients against PyTorch
//! (`tests/fixtures/forgetting.py`), and in f64 against finite differences through the whole model.

use super::super::objective::{self, Scale};
use super::*;
use crate::corpus::batches::{Batch, Batches, IGNORE, Packed};
use crate::corpus::examples::{EncodedExample, Label};
use crate::model::{Answers, ParameterId, Pooled, Score, Target, Thaw, folder};
use crate::ops::check::values;
use candle_core::{D, Device};
use std::collections::HashMap;
use std::path::PathBuf;

const STRENGTH: f64 = 0.7;
const TEMPERATURE: f64 = 2.0;

/// New tasks: their name, the base, and the folder whose score is learned.
const TASKS: [(&str, &str, Option<&str>); 4] = [
    ("mlm", "bert", None),
    ("classify", "llama-untied", Some("score-llama")),
    ("regress", "llama-tied", Some("score-number")),
    ("encode", "bert", Some("score-bert")),
];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn tensors(name: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(fixture(name), &Device::Cpu).unwrap()
}

fn u32s(tensor: &Tensor) -> Vec<u32> {
    values(tensor).into_iter().map(|number| number as u32).collect()
}

/// Hidden tokens in rows of 17, with padding behind them.
fn masked() -> Batch {
    let expected = tensors("bert/expected.safetensors");
    let lengths = u32s(&expected["lengths"]);
    let places: Vec<(u32, u32)> =
        lengths.iter().flat_map(|&length| (0..17).map(move |at| (at, u32::from(at >= length)))).collect();
    let target = |target: f64| if target < 0.0 { IGNORE } else { target as u32 };
    Batch {
        rows: 3,
        context: 17,
        inputs: u32s(&expected["input_ids"]),
        targets: values(&expected["targets"]).into_iter().map(target).collect(),
        positions: places.iter().map(|(at, pads)| at * (1 - pads)).collect(),
        first_visible: places.iter().map(|(at, pads)| at * pads).collect(),
        labelled: Vec::new(),
    }
}

/// Three texts in two rows of 10.
fn texts(folder: &str, pooled: Pooled, is_number: bool) -> Batch {
    let expected = tensors(&format!("{folder}/expected.safetensors"));
    let (ids, labels) = (u32s(&expected["input_ids"]), values(&expected["labels"]));
    let text = |((ids, length), label): ((&[u32], u32), f64)| {
        let target = if is_number { Target::Number(label as f32) } else { Target::Class(label as u32) };
        let tokens = ids[..length as usize].to_vec();
        EncodedExample { learned: vec![false; tokens.len()], tokens, label: Some(Label { target, pooled }) }
    };
    let texts: Vec<EncodedExample> = ids.chunks(9).zip(u32s(&expected["lengths"])).zip(labels).map(text).collect();
    Packed::new(texts, 10, 2, 7, 0).unwrap().batch(0).unwrap()
}

/// A task's live model and base, and its batch.
fn task((_, base, score): (&str, &str, Option<&str>), dtype: DType) -> (Decoder, Arc<Decoder>, Batch) {
    let base = folder::load(&fixture(base), dtype, &Device::Cpu).unwrap();
    let is_encoder = base.config.family.is_encoder();
    let mut live = base.clone();
    for index in 0..live.parameters.len() {
        let value = base.parameters[ParameterId(index)].value.to_dtype(DType::F64).unwrap();
        let moved = (&value + (&value * (value.abs().unwrap() / 2.0).unwrap()).unwrap()).unwrap();
        live.parameters[ParameterId(index)].value = moved.to_dtype(dtype).unwrap();
    }
    let Some(folder) = score else { return (live, Arc::new(base), masked()) };
    let weights = tensors(&format!("{folder}/model.safetensors"));
    let is_number = folder == "score-number";
    let answers = if is_number { Answers::Number } else { Answers::Classes(["a", "b", "c"].map(String::from).into()) };
    let score = if is_encoder { Score::of_encoder(answers) } else { Score::of_decoder(answers) };
    live = live.with_score(&score, 0).unwrap();
    let base = base.with_score(&score, 0).unwrap();
    for (own, theirs) in [
        ("score.output.weight", if is_encoder { "classifier.weight" } else { "score.weight" }),
        ("score.output.bias", "classifier.bias"),
        ("score.dense.weight", "bert.pooler.dense.weight"),
        ("score.dense.bias", "bert.pooler.dense.bias"),
    ] {
        let found = live.parameters.iter().find(|(_, parameter)| parameter.name == own).map(|(id, _)| id);
        assert!(found.is_some() || !is_encoder || own == "score.output.weight", "{own}");
        if let Some(id) = found {
            live.parameters[id].value = weights[theirs].to_dtype(dtype).unwrap();
        }
    }
    (live, Arc::new(base), texts(folder, score.pooled, is_number))
}

/// The loss, the pull, and the gradients of their sum, over micro-batches of a row each.
fn taught(live: &Decoder, base: Option<&Arc<Decoder>>, batch: &Batch) -> (f64, f64, Gradients) {
    let mut gradients = Gradients::new(&Thaw::of_groups(&live.parameters, |_| true));
    let thaw = Thaw::of_groups(&live.parameters, |_| true);
    let rows = batch.split(batch.rows);
    let scale = Scale::of(&rows).unwrap();
    let mut teacher = base.map(|base| Teacher::new(base.clone(), STRENGTH, TEMPERATURE, None));
    let (mut loss, mut pull) = (0.0, 0.0);
    for row in &rows {
        let teacher = teacher.as_mut();
        let sums = objective::accumulate_taught(live, row, &thaw, None, teacher, scale, &mut gradients).unwrap();
        (loss, pull) = (loss + sums.0, pull + sums.1);
    }
    (loss, pull, gradients)
}

#[test]
fn new_tasks_are_learned_without_forgetting_as_by_pytorch() {
    let expected = tensors("forgetting.safetensors");
    for of in TASKS {
        let (name, (live, base, batch)) = (of.0, task(of, DType::F32));
        let (loss, pull, gradients) = taught(&live, Some(&base), &batch);
        for (what, is) in [("loss", loss), ("pull", pull)] {
            let want = values(&expected[&format!("{name}.{what}")])[0];
            assert!((is / want - 1.0).abs() < 1e-4, "{name} {what}: {is} and {want}");
        }
        // Written through the same mapping to Hugging Face names as weights are.
        let (mut as_weights, written) = (live.clone(), tempfile::tempdir().unwrap());
        for (id, gradient) in gradients.iter() {
            as_weights.parameters[id].value = gradient.clone();
        }
        folder::save(&as_weights, None, written.path()).unwrap();
        let got = candle_core::safetensors::load(written.path().join("model.safetensors"), &Device::Cpu).unwrap();
        let prefix = format!("{name}.");
        let wanted = expected.iter().filter_map(|(key, want)| Some((key.strip_prefix(&prefix)?, values(want))));
        let wanted: Vec<(&str, Vec<f64>)> = wanted.filter(|(key, _)| !["loss", "pull"].contains(key)).collect();
        assert!(wanted.len() >= 4, "{name}");
        for (parameter, want) in wanted {
            let largest = want.iter().fold(1e-3f64, |a, b| a.max(b.abs()));
            let apart =
                values(&got[parameter]).iter().zip(&want).map(|(is, want)| (is - want).abs()).fold(0.0, f64::max);
            assert!(apart < 2e-4 * largest, "{name} {parameter}: {apart} of {largest}");
        }
    }
}

/// A · T² · KL, the mean over the positions that the pull is on, from all logits in f64.
fn by_hand(live: &Decoder, base: &Decoder, batch: &Batch) -> f64 {
    let log_p = |decoder: &Decoder| {
        let hidden = decoder.forward(&objective::input(batch), None).unwrap().hidden;
        let logits = (decoder.logits(&hidden).unwrap() / TEMPERATURE).unwrap();
        log_softmax(&logits)
    };
    let (p, q) = (log_p(live), log_p(base));
    let rows = values(&(q.exp().unwrap() * (q - p).unwrap()).unwrap().sum(D::Minus1).unwrap());
    let positions = match batch.labelled.is_empty() {
        true => (0..rows.len()).filter(|&at| batch.targets[at] != IGNORE).collect::<Vec<_>>(),
        // Packed padding sees itself alone, from no first position.
        false => (0..rows.len()).filter(|&at| batch.inputs[at] != 0).collect(),
    };
    let sum: f64 = positions.iter().map(|&at| rows[at]).sum();
    STRENGTH * TEMPERATURE * TEMPERATURE * sum / positions.len() as f64
}

fn log_softmax(logits: &Tensor) -> Tensor {
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1).unwrap()).unwrap();
    let sums = shifted.exp().unwrap().sum_keepdim(D::Minus1).unwrap().log().unwrap();
    shifted.broadcast_sub(&sums).unwrap()
}

#[test]
fn gradients_of_the_pull_are_finite_differences_through_the_whole_model() {
    for of in TASKS {
        let (live, base, batch) = task(of, DType::F64);
        let (alone, with) = (taught(&live, None, &batch), taught(&live, Some(&base), &batch));
        assert!((with.1 / by_hand(&live, &base, &batch) - 1.0).abs() < 1e-6, "{}", of.0);
        assert_eq!((alone.0, alone.1), (with.0, 0.0));
        for (id, parameter) in live.parameters.iter() {
            let numbers = |gradients: &Gradients| gradients.get(id).map(values);
            let count = parameter.value.elem_count();
            let zeros = || vec![0.0; count];
            let (alone, with) = (numbers(&alone.2).unwrap_or_else(zeros), numbers(&with.2).unwrap_or_else(zeros));
            let pull: Vec<f64> = with.iter().zip(&alone).map(|(with, alone)| with - alone).collect();
            // Where it pulls most, and somewhere.
            let most = (0..count).max_by(|a, b| pull[*a].abs().total_cmp(&pull[*b].abs())).unwrap();
            for place in [most, count * 5 / 7] {
                let moved = |by: f64| {
                    let mut moved = live.clone();
                    let mut weights = values(&parameter.value);
                    weights[place] += by;
                    let weights = Tensor::from_vec(weights, parameter.value.shape(), &Device::Cpu).unwrap();
                    moved.parameters[id].value = weights;
                    by_hand(&moved, &base, &batch)
                };
                let step = 1e-5;
                let want = (moved(step) - moved(-step)) / (2.0 * step);
                let tolerance = 1e-5 * want.abs().max(1.0);
                let is = pull[place];
                assert!((is - want).abs() < tolerance, "{} {}[{place}]: {is} and {want}", of.0, parameter.name);
            }
            let is_score = parameter.group.kind == Kind::Score;
            assert!(is_score == (pull[most] == 0.0), "{} {}: {}", of.0, parameter.name, pull[most]);
        }
    }
}
