//! The decoder against what PyTorch and transformers say (`tests/fixtures`), and against itself in f64.

mod common;

use candle_core::{DType, Device, Tensor};
use common::{assert_within, fixture, tensors, u32s, values};
use frostline::model::{Config, Decoder, Gradients, Input, Layer, Thaw, folder, preset};
use std::path::Path;

fn load(name: &str) -> Decoder {
    folder::load(&fixture(name), DType::F32, &Device::Cpu).unwrap()
}

/// Rows of tokens that each count from position 0.
fn plain_positions(rows: usize, columns: usize) -> Vec<u32> {
    (0..rows * columns).map(|i| (i % columns) as u32).collect()
}

fn logits(decoder: &Decoder, ids: &Tensor) -> Tensor {
    let (rows, columns) = ids.dims2().unwrap();
    let positions = plain_positions(rows, columns);
    let input = Input { rows, columns, tokens: &u32s(ids), positions: &positions, first_visible: None };
    let pass = decoder.forward(&input, None).unwrap();
    decoder.logits(&pass.hidden).unwrap()
}

#[test]
fn logits_are_those_of_transformers() {
    for name in ["llama-tied", "llama-untied", "llama-scaled", "llama-bf16", "mistral", "gpt2", "gpt2-sharded"] {
        let expected = tensors(&fixture(name).join("expected.safetensors"));
        let got = logits(&load(name), &expected["input_ids"]);
        assert_within(&values(&got), &values(&expected["logits"]), 1e-4, name);
    }
}

#[test]
fn both_ways_of_writing_a_configuration_are_understood() {
    for name in ["llama-tied", "llama-untied", "llama-scaled", "gpt2"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(fixture(&format!("configs-of-4/{name}.json")), folder.path().join("config.json")).unwrap();
        assert_eq!(folder::read_config(folder.path()).unwrap(), folder::read_config(&fixture(name)).unwrap(), "{name}");
    }
}

#[test]
fn a_saved_folder_reads_back_to_the_same_bits() {
    for name in ["llama-untied", "mistral", "gpt2-sharded"] {
        folder::check(&fixture(name)).unwrap();
        let decoder = load(name);
        let copy = tempfile::tempdir().unwrap();
        folder::save(&decoder, Some(1), copy.path()).unwrap();
        let again = folder::load(copy.path(), DType::F32, &Device::Cpu).unwrap();
        assert_eq!(again.config, decoder.config);
        for ((_, a), (_, b)) in decoder.parameters.iter().zip(again.parameters.iter()) {
            assert_eq!(values(&a.value), values(&b.value), "{name} {}", a.name);
        }
    }
}

#[test]
fn generation_with_a_cache_is_that_of_transformers() {
    for name in ["llama-tied", "llama-untied", "llama-scaled", "mistral", "gpt2"] {
        let expected = tensors(&fixture(name).join("expected.safetensors"));
        let decoder = load(name);
        let wanted = u32s(&expected["greedy"]);
        let mut read: Vec<u32> = u32s(&expected["input_ids"])[..5].to_vec();
        let mut cache = decoder.cache(1, 64).unwrap();
        let mut last = decoder.extend(&read, &mut cache).unwrap();
        for &want in &wanted {
            let ids = Tensor::from_slice(&read, (1, read.len()), &Device::Cpu).unwrap();
            let whole = logits(&decoder, &ids).narrow(0, read.len() - 1, 1).unwrap();
            assert_within(&values(&last), &values(&whole), 5e-5, name);
            let next = last.argmax(1).unwrap().to_vec1::<u32>().unwrap()[0];
            assert_eq!(next, want, "{name} after {} tokens", read.len());
            read.push(next);
            last = decoder.extend(&[next], &mut cache).unwrap();
        }
    }
}

/// Mean loss over the targets and the gradient of every parameter.
fn loss_and_gradients(decoder: &Decoder, input: &Input, targets: &[u32], thaw: &Thaw) -> (f64, Gradients) {
    let mut gradients = Gradients::new(thaw);
    let pass = decoder.forward(input, Some(thaw)).unwrap();
    let scale = 1.0 / targets.len() as f64;
    let (rows, d_hidden) = decoder.losses_and_gradients(&pass.hidden, targets, scale, &mut gradients).unwrap();
    decoder.backward(pass, &d_hidden, input, thaw, &mut gradients).unwrap();
    (rows.iter().map(|row| row.loss as f64).sum::<f64>() * scale, gradients)
}

#[test]
fn gradients_are_those_of_pytorch() {
    for name in ["llama-untied", "gpt2"] {
        let decoder = load(name);
        let batch = tensors(&fixture(&format!("gradients/{name}.batch.safetensors")));
        let (ids, targets) = (u32s(&batch["input_ids"]), u32s(&batch["targets"]));
        let positions = plain_positions(4, 16);
        let input = Input { rows: 4, columns: 16, tokens: &ids, positions: &positions, first_visible: None };
        let thaw = Thaw::all_but(&decoder.parameters, &[]).unwrap();
        let (loss, gradients) = loss_and_gradients(&decoder, &input, &targets, &thaw);
        assert_within(&[loss], &values(&batch["loss"]), 1e-5, name);
        assert!(gradients.missing().is_empty());
        // Written through the same mapping to Hugging Face names as weights are.
        let mut as_weights = decoder.clone();
        for (id, gradient) in gradients.iter() {
            as_weights.parameters[id].value = gradient.clone();
        }
        let written = tempfile::tempdir().unwrap();
        folder::save(&as_weights, None, written.path()).unwrap();
        let got = tensors(&written.path().join("model.safetensors"));
        let wanted = tensors(&fixture(&format!("gradients/{name}.safetensors")));
        assert_eq!(got.len(), wanted.len());
        for (tensor, want) in &wanted {
            let want = values(want);
            let largest = want.iter().fold(1e-3f64, |a, b| a.max(b.abs()));
            assert_within(&values(&got[tensor]), &want, 2e-4 * largest, &format!("{name} {tensor}"));
        }
    }
}

#[test]
fn packed_documents_do_not_see_each_other() {
    let decoder = load("llama-tied");
    let expected = tensors(&fixture("packed/expected.safetensors"));
    let ids = u32s(&expected["input_ids"]);
    let first_visible: Vec<u32> = (0..16).map(|i| if i < 7 { 0 } else { 7 }).collect();
    let positions = u32s(&expected["position_ids"]);
    let input =
        Input { rows: 1, columns: 16, tokens: &ids, positions: &positions, first_visible: Some(&first_visible) };
    let hidden = decoder.forward(&input, None).unwrap().hidden;
    assert_within(&values(&decoder.logits(&hidden).unwrap()), &values(&expected["logits"]), 1e-4, "packed");
    let targets: Vec<i64> = expected["targets"].flatten_all().unwrap().to_vec1().unwrap();
    let learned: Vec<u32> = (0..16).filter(|&i| targets[i] >= 0).map(|i| i as u32).collect();
    let wanted: Vec<u32> = learned.iter().map(|&i| targets[i as usize] as u32).collect();
    let index = Tensor::from_slice(&learned, learned.len(), &Device::Cpu).unwrap();
    let rows = decoder.losses(&hidden.index_select(&index, 0).unwrap(), &wanted).unwrap();
    let loss = rows.iter().map(|row| row.loss as f64).sum::<f64>() / rows.len() as f64;
    assert_within(&[loss], &values(&expected["loss"]), 1e-5, "packed loss");
}

fn small(name: &str) -> Config {
    let mut config = preset::find(name).unwrap().config(11, 8);
    (config.width, config.layers, config.intermediate) = (8, 3, 12);
    config.heads.dimension = 4;
    (config.heads.query, config.heads.key_value) = if name.starts_with("llama") { (4, 2) } else { (2, 2) };
    config
}

/// The whole model in f64, where the plain expressions run, against finite differences; and frozen layers, in every
/// pattern, against the same gradients.
#[test]
fn gradients_of_the_whole_model_agree_with_finite_differences_whatever_is_frozen() {
    for (name, window) in [("llama-1m", None), ("llama-1m", Some(2)), ("gpt2-1m", None), ("bert-1m", None)] {
        let decoder = Decoder::random(Config { window, ..small(name) }, 5, DType::F64, &Device::Cpu).unwrap();
        let tokens = [1u32, 4, 9, 10, 0, 3, 7, 7, 2, 5];
        let targets = [4u32, 9, 10, 0, 3, 7, 7, 2, 5, 6];
        let positions = [0, 1, 2, 0, 1, 0, 1, 2, 3, 4];
        let first_visible = [0, 0, 0, 3, 3, 0, 0, 0, 0, 0];
        let input =
            Input { rows: 2, columns: 5, tokens: &tokens, positions: &positions, first_visible: Some(&first_visible) };
        assert_eq!(decoder.config.groups(), decoder.parameters.groups());
        assert_eq!(decoder.config.parameter_count(), decoder.parameters.count());
        let all = Thaw::all_but(&decoder.parameters, &[]).unwrap();
        let (_, whole) = loss_and_gradients(&decoder, &input, &targets, &all);
        check_finite_differences(&decoder, &input, &targets, &whole);
        let patterns =
            ["embedding", "block.0-1", "block.1", "all/attention", "all/mlp", "all/norm", "block.2/mlp", "norm"];
        let has_norm = decoder.config.groups().iter().any(|group| group.layer == Layer::Norm);
        let patterns = patterns.iter().map(|pattern| if has_norm || *pattern != "norm" { *pattern } else { "head" });
        for frozen in patterns.map(|p| vec![p]).chain([vec!["embedding", "block.0-1", "block.2/attention"]]) {
            let selectors: Vec<_> = frozen.iter().map(|s| s.parse().unwrap()).collect();
            let thaw = Thaw::all_but(&decoder.parameters, &selectors).unwrap();
            let (_, gradients) = loss_and_gradients(&decoder, &input, &targets, &thaw);
            assert!(gradients.missing().is_empty(), "{frozen:?}");
            for (id, parameter) in decoder.parameters.iter() {
                match gradients.get(id) {
                    None => assert!(!thaw.trains(id), "{} got no gradient under {frozen:?}", parameter.name),
                    Some(got) => assert_within(&values(got), &values(whole.get(id).unwrap()), 1e-12, &parameter.name),
                }
            }
        }
    }
}

fn check_finite_differences(decoder: &Decoder, input: &Input, targets: &[u32], gradients: &Gradients) {
    for (id, parameter) in decoder.parameters.iter() {
        let base = values(&parameter.value);
        let got = values(gradients.get(id).unwrap());
        for element in (0..base.len()).step_by(base.len() / 3 + 1) {
            let at = |delta: f64| {
                let mut moved = base.clone();
                moved[element] += delta;
                let mut decoder = decoder.clone();
                decoder.parameters[id].value = Tensor::from_vec(moved, parameter.value.shape(), &Device::Cpu).unwrap();
                let pass = decoder.forward(input, None).unwrap();
                common::exact_loss(&decoder.logits(&pass.hidden).unwrap(), targets)
            };
            let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert_within(&[got[element]], &[slope], 1e-8, &format!("{}[{element}]", parameter.name));
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Each way to damage a folder, and what the error must say.
#[test]
fn damaged_folders_are_refused_with_a_reason() {
    type Damage = fn(&Path);
    let cases: [(&str, &str, Damage); 8] = [
        ("llama-tied", "too long", |f| {
            let path = f.join("config.json");
            let text = std::fs::read_to_string(&path).unwrap();
            let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
            config["max_position_embeddings"] = (1 << 24).into();
            config["head_dim"] = 64.into();
            std::fs::write(&path, config.to_string()).unwrap();
        }),
        ("gpt2", "is damaged", |f| {
            let bytes = std::fs::read(f.join("model.safetensors")).unwrap();
            std::fs::write(f.join("model.safetensors"), &bytes[..bytes.len() - 100]).unwrap();
        }),
        ("gpt2", "is damaged", |f| {
            let mut bytes = std::fs::read(f.join("model.safetensors")).unwrap();
            bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
            std::fs::write(f.join("model.safetensors"), bytes).unwrap();
        }),
        ("gpt2", "is damaged", |f| std::fs::write(f.join("model.safetensors"), b"").unwrap()),
        ("gpt2", "wrong shape", |f| replace(&f.join("config.json"), "\"n_positions\": 64", "\"n_positions\": 63")),
        ("gpt2", "missing", |f| replace(&f.join("config.json"), "\"n_layer\": 2", "\"n_layer\": 3")),
        ("gpt2", "does not have", |f| replace(&f.join("config.json"), "\"n_layer\": 2", "\"n_layer\": 1")),
        ("gpt2-sharded", "no plain file name", |f| {
            let index = f.join("model.safetensors.index.json");
            let text = std::fs::read_to_string(&index).unwrap();
            std::fs::write(&index, text.replace("model-00001", "../model-00001")).unwrap();
        }),
    ];
    for (name, part, damage) in cases {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(&fixture(name), folder.path());
        damage(folder.path());
        let error = folder::load(folder.path(), DType::F32, &Device::Cpu).unwrap_err().to_string();
        assert!(error.contains(part), "{name}: expected \"{part}\" in: {error}");
        assert_eq!(folder::check(folder.path()).unwrap_err().to_string(), error);
    }
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{} lacks {from}", path.display());
    std::fs::write(path, text.replace(from, to)).unwrap();
}
