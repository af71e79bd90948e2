//! The encoder against what PyTorch and transformers say (`tests/fixtures/masked.py`).

mod common;

use candle_core::{DType, Device, Tensor};
use common::{assert_within, fixture, tensors, u32s, values};
use frostline::model::{Decoder, Gradients, Input, Thaw, folder};
use std::collections::HashMap;

fn load(name: &str) -> Decoder {
    folder::load(&fixture(name), DType::F32, &Device::Cpu).unwrap()
}

fn expected(name: &str) -> HashMap<String, Tensor> {
    tensors(&fixture(name).join("expected.safetensors"))
}

/// Rows of 17 tokens, and what each of them sees.
struct Rows {
    tokens: Vec<u32>,
    positions: Vec<u32>,
    first_visible: Vec<u32>,
}

impl Rows {
    /// Texts that padding follows, which sees itself alone.
    fn padded(tokens: &Tensor, lengths: &[u32]) -> Self {
        let places = || lengths.iter().flat_map(|&length| (0..17).map(move |at| (at, length)));
        Self {
            tokens: u32s(tokens),
            positions: places().map(|(at, length)| if at < length { at } else { 0 }).collect(),
            first_visible: places().map(|(at, length)| if at < length { 0 } else { at }).collect(),
        }
    }

    fn input(&self) -> Input<'_> {
        let Self { tokens, positions, first_visible } = self;
        Input { rows: tokens.len() / 17, columns: 17, tokens, positions, first_visible: Some(first_visible) }
    }
}

fn logits(decoder: &Decoder, input: &Input) -> Vec<f64> {
    values(&decoder.logits(&decoder.forward(input, None).unwrap().hidden).unwrap())
}

#[test]
fn logits_are_those_of_transformers_and_padding_is_not_seen() {
    for (folder, answers) in [("bert", "bert"), ("bert-pretraining", "bert"), ("bert-untied", "bert-untied")] {
        let expected = expected(answers);
        let lengths = u32s(&expected["lengths"]);
        let rows = Rows::padded(&expected["input_ids"], &lengths);
        let (got, want) = (logits(&load(folder), &rows.input()), values(&expected["logits"]));
        for (row, length) in lengths.into_iter().enumerate() {
            let text = row * 17 * 96..(row * 17 + length as usize) * 96;
            assert_within(&got[text.clone()], &want[text], 1e-4, folder);
        }
    }
}

#[test]
fn documents_of_a_row_do_not_see_each_other() {
    let expected = expected("bert");
    let tokens = expected["input_ids"].narrow(0, 0, 1).unwrap();
    let rows = Rows {
        tokens: u32s(&tokens),
        positions: (0..7).chain(0..10).collect(),
        first_visible: [vec![0; 7], vec![7; 10]].concat(),
    };
    assert_within(&logits(&load("bert"), &rows.input()), &values(&expected["packed_logits"]), 1e-4, "packed");
}

#[test]
fn loss_and_gradients_are_those_of_pytorch_and_a_folder_reads_back_to_the_same_bits() {
    let (decoder, expected) = (load("bert"), expected("bert"));
    let rows = Rows::padded(&expected["input_ids"], &u32s(&expected["lengths"]));
    let targets: Vec<i64> = expected["targets"].flatten_all().unwrap().to_vec1().unwrap();
    let learned: Vec<u32> = (0..targets.len() as u32).filter(|&at| targets[at as usize] >= 0).collect();
    let wanted: Vec<u32> = learned.iter().map(|&at| targets[at as usize] as u32).collect();
    let thaw = Thaw::all_but(&decoder.parameters, &[]).unwrap();
    let mut gradients = Gradients::new(&thaw);
    let pass = decoder.forward(&rows.input(), Some(&thaw)).unwrap();
    let index = Tensor::from_slice(&learned, learned.len(), &Device::Cpu).unwrap();
    let (scale, picked) = (1.0 / learned.len() as f64, pass.hidden.index_select(&index, 0).unwrap());
    let (losses, d_picked) = decoder.losses_and_gradients(&picked, &wanted, scale, &mut gradients).unwrap();
    let d_hidden = pass.hidden.zeros_like().unwrap().index_add(&index, &d_picked, 0).unwrap();
    decoder.backward(pass, &d_hidden, &rows.input(), &thaw, &mut gradients).unwrap();
    let loss = losses.iter().map(|row| row.loss as f64).sum::<f64>() * scale;
    assert_within(&[loss], &values(&expected["loss"]), 1e-5, "loss");
    assert!(gradients.missing().is_empty());
    // Written through the same mapping to Hugging Face names as weights are.
    let mut as_weights = decoder.clone();
    for (id, gradient) in gradients.iter() {
        as_weights.parameters[id].value = gradient.clone();
    }
    let written = tempfile::tempdir().unwrap();
    folder::save(&as_weights, None, written.path()).unwrap();
    let got = tensors(&written.path().join("model.safetensors"));
    let wanted = tensors(&fixture("bert/gradients.safetensors"));
    assert_eq!(got.len(), wanted.len());
    for (tensor, want) in &wanted {
        let want = values(want);
        let largest = want.iter().fold(1e-3f64, |a, b| a.max(b.abs()));
        assert_within(&values(&got[tensor]), &want, 2e-4 * largest, tensor);
    }
    for name in ["bert", "bert-pretraining", "bert-untied"] {
        folder::check(&fixture(name)).unwrap();
        let (decoder, copy) = (load(name), tempfile::tempdir().unwrap());
        folder::save(&decoder, None, copy.path()).unwrap();
        let again = folder::load(copy.path(), DType::F32, &Device::Cpu).unwrap();
        assert_eq!(again.config, decoder.config);
        for ((_, a), (_, b)) in decoder.parameters.iter().zip(again.parameters.iter()) {
            assert_eq!(values(&a.value), values(&b.value), "{name} {}", a.name);
        }
    }
}

#[test]
fn an_encoder_does_not_go_on_with_a_text() {
    let error = load("bert").cache(1, 8).unwrap_err().to_string();
    assert!(error.contains("encoder") && error.contains("[MASK]"), "{error}");
}
