//! Training against PyTorch's: the same weights, batches and optimizer give the same curves; and what freezing,
//! accumulation and moments promise.

mod common;

use candle_core::{DType, Device};
use common::{assert_within, fixture, tensors, u32s, values};
use frostline::corpus::batches::{Batch, IGNORE};
use frostline::learn::{AdamWSettings, Learner, Schedule};
use frostline::model::{Decoder, Parameter, Selector, Storage, folder};
use frostline::ops::Precision;
use frostline::ops::adamw::Settings;
use serde_json::Value;

fn load(name: &str) -> Decoder {
    folder::load(&fixture(name), DType::F32, &Device::Cpu).unwrap()
}

/// Those of `curve/`'s settings; checked against the file.
fn settings() -> AdamWSettings {
    let moments = Settings { beta1: 0.9, beta2: 0.95, epsilon: 1e-8 };
    AdamWSettings { moments, weight_decay: 0.1, largest_norm: Some(1.0) }
}

const LEARNING_RATE: f64 = 3e-3;

fn batches(name: &str) -> Vec<Batch> {
    let curve = tensors(&fixture(&format!("curve/{name}.safetensors")));
    let (ids, targets) = (u32s(&curve["input_ids"]), u32s(&curve["targets"]));
    let (rows, context) = (4, 16);
    ids.chunks(rows * context)
        .zip(targets.chunks(rows * context))
        .map(|(inputs, targets)| Batch {
            rows,
            context,
            inputs: inputs.to_vec(),
            targets: targets.to_vec(),
            positions: (0..rows * context).map(|i| (i % context) as u32).collect(),
            first_visible: vec![0; rows * context],
            labelled: Vec::new(),
        })
        .collect()
}

#[test]
fn weights_that_were_handed_out_no_longer_change() {
    let mut learner = Learner::new(load("gpt2"), &["block.0".parse().unwrap()], settings()).unwrap();
    let shared = learner.share();
    let all = |decoder: &Decoder| decoder.parameters.iter().map(|(_, p)| values(&p.value)).collect::<Vec<_>>();
    let before = all(&shared);
    let is_shared = |learner: &Learner| {
        let pairs = shared.parameters.iter().zip(learner.decoder.parameters.iter());
        pairs.map(|((_, a), (_, b))| a.value.id() == b.value.id()).collect::<Vec<_>>()
    };
    assert!(is_shared(&learner).iter().all(|is_shared| *is_shared));
    learner.step(&batches("gpt2")[..1], LEARNING_RATE).unwrap();
    let frozen: Vec<bool> = learner.decoder.parameters.iter().map(|(id, _)| !learner.thaw().trains(id)).collect();
    assert_eq!(is_shared(&learner), frozen);
    // What was frozen when it was handed out is copied before it changes, too.
    learner.set_trainable(|_| true).unwrap();
    learner.step(&batches("gpt2")[1..2], LEARNING_RATE).unwrap();
    assert!(all(&shared) == before && is_shared(&learner).iter().all(|is_shared| !is_shared));
    assert!(all(&learner.decoder).iter().zip(&before).all(|(now, before)| now != before));
}

#[test]
fn weights_that_nobody_holds_any_longer_are_not_copied() {
    let mut learner = Learner::new(load("gpt2"), &[], settings()).unwrap();
    let ids = |decoder: &Decoder| decoder.parameters.iter().map(|(_, p)| p.value.id()).collect::<Vec<_>>();
    let before = ids(&learner.decoder);
    drop(learner.share());
    learner.step(&batches("gpt2")[..1], LEARNING_RATE).unwrap();
    assert!(ids(&learner.decoder) == before, "something was copied for nobody");
    // Of several holders one is enough.
    let held = learner.share();
    drop(learner.share());
    learner.step(&batches("gpt2")[1..2], LEARNING_RATE).unwrap();
    assert!(ids(&held) == before && ids(&learner.decoder).iter().all(|id| !before.contains(id)));
}

#[test]
fn loss_curves_are_those_of_pytorch() {
    for name in ["llama-tied", "llama-untied", "gpt2"] {
        let curve = tensors(&fixture(&format!("curve/{name}.safetensors")));
        let mut learner = Learner::new(load(name), &[], settings()).unwrap();
        let (mut losses, mut norms) = (Vec::new(), Vec::new());
        for batch in batches(name) {
            let report = learner.step(&[batch], LEARNING_RATE).unwrap();
            assert!(report.missing.is_empty(), "{:?}", report.missing);
            losses.push(report.loss);
            norms.push(report.gradient_norm);
        }
        assert_within(&losses, &values(&curve["losses"]), 5e-5, &format!("{name} losses"));
        assert_within(&norms, &values(&curve["gradient_norms"]), 5e-4, &format!("{name} gradient norms"));
        check_final_weights(name, &learner);
    }
}

fn check_final_weights(name: &str, learner: &Learner) {
    let text = std::fs::read_to_string(fixture(&format!("curve/{name}.final.json"))).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let given = &expected["settings"];
    assert_eq!(given["learning_rate"].as_f64(), Some(LEARNING_RATE));
    assert_eq!(given["beta_2"].as_f64(), Some(settings().moments.beta2));
    assert_eq!(given["weight_decay"].as_f64(), Some(settings().weight_decay));
    let written = tempfile::tempdir().unwrap();
    folder::save(&learner.decoder, None, written.path()).unwrap();
    let got = tensors(&written.path().join("model.safetensors"));
    let wanted = expected["parameters"].as_object().unwrap();
    assert_eq!(got.len(), wanted.len());
    for (tensor, sums) in wanted {
        let mut values = values(&got[tensor]);
        if let Some(left_out) = sums.get("left_out").and_then(Value::as_array) {
            let bound = |i: usize| left_out[i].as_u64().unwrap() as usize;
            values.drain(bound(0)..bound(1));
        }
        let sum: f64 = values.iter().sum();
        let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert_within(&[sum], &[sums["sum"].as_f64().unwrap()], 1e-3, &format!("{name} {tensor} sum"));
        assert_within(&[norm], &[sums["norm"].as_f64().unwrap()], 1e-4, &format!("{name} {tensor} norm"));
    }
}

#[test]
fn micro_batches_add_up_to_the_whole() {
    // The last row learns only half its positions, so the parts weigh differently.
    let mut batch = batches("llama-tied").remove(0);
    batch.targets[56..].fill(IGNORE);
    let run = |parts: usize| {
        let mut learner = Learner::new(load("llama-tied"), &[], settings()).unwrap();
        let report = learner.step(&batch.split(parts), LEARNING_RATE).unwrap();
        (report.loss, report.gradient_norm)
    };
    let whole = run(1);
    for parts in [2, 4] {
        let divided = run(parts);
        assert_within(&[divided.0, divided.1], &[whole.0, whole.1], 1e-5, &format!("{parts} parts"));
    }
}

fn bits(learner: &Learner, part: &str) -> Vec<(String, Vec<u64>)> {
    let inside = learner.decoder.parameters.iter().filter(|(_, p)| p.group.to_string().contains(part));
    inside.map(|(_, p)| (p.name.clone(), values(&p.value).iter().map(|x| x.to_bits()).collect())).collect()
}

#[test]
fn frozen_groups_keep_their_bits_and_their_own_step_counts() {
    let batches = batches("gpt2");
    let frozen: Vec<Selector> = vec!["embedding".parse().unwrap(), "block.0/attention".parse().unwrap()];
    let mut learner = Learner::new(load("gpt2"), &frozen, settings()).unwrap();
    let before = [bits(&learner, "embedding"), bits(&learner, "block.0/attention")];
    let moving = bits(&learner, "block.1");
    for batch in &batches[..5] {
        learner.step(std::slice::from_ref(batch), LEARNING_RATE).unwrap();
    }
    assert_eq!([bits(&learner, "embedding"), bits(&learner, "block.0/attention")], before);
    assert!(bits(&learner, "block.1").iter().zip(&moving).all(|(now, then)| now != then));
    let frozen_late: Vec<Selector> = vec!["block.1".parse().unwrap()];
    learner.set_trainable(|group| !frozen_late.iter().any(|selector| selector.matches(group))).unwrap();
    let kept = bits(&learner, "block.1");
    let moments = |learner: &Learner, name: &str| {
        let (id, _) = learner.decoder.parameters.iter().find(|(_, p)| p.name == name).unwrap();
        learner.optimizer().moments(id).map(|m| (m.steps, values(&m.first), values(&m.second)))
    };
    let mlp = moments(&learner, "block.1.mlp.up.weight");
    learner.step(&batches[5..6], LEARNING_RATE).unwrap();
    assert_eq!(bits(&learner, "block.1"), kept);
    assert_eq!(moments(&learner, "block.1.mlp.up.weight"), mlp);
    assert_eq!(moments(&learner, "embedding.tokens").unwrap().0, 1, "a thawed parameter starts its own count");
    assert_eq!(moments(&learner, "block.0.mlp.up.weight").unwrap().0, 6);
}

#[test]
fn a_run_is_the_same_bits_every_time() {
    let run = || {
        let mut learner = Learner::new(load("llama-untied"), &[], settings()).unwrap();
        batches("llama-untied").iter().for_each(|batch| {
            learner.step(std::slice::from_ref(batch), LEARNING_RATE).unwrap();
        });
        bits(&learner, "")
    };
    assert_eq!(run(), run());
}

#[test]
fn the_audit_names_what_trains_without_a_gradient() {
    let mut decoder = load("llama-tied");
    let (id, _) = decoder.parameters.iter().find(|(_, p)| p.name == "block.1.mlp.down.weight").unwrap();
    decoder.parameters[id].value = decoder.parameters[id].value.zeros_like().unwrap();
    let batch = batches("llama-tied").remove(0);
    let mut learner = Learner::new(decoder, &["all/norm".parse().unwrap()], settings()).unwrap();
    let report = learner.step(std::slice::from_ref(&batch), LEARNING_RATE).unwrap();
    assert_eq!(report.missing, ["block.1.mlp.up.weight"], "nothing comes back through a weight of zeros");
    // The step moved that weight, and what trains did not change: nothing is looked for.
    assert!(learner.step(std::slice::from_ref(&batch), LEARNING_RATE).unwrap().missing.is_empty());
    learner.set_trainable(|_| true).unwrap();
    assert!(learner.step(std::slice::from_ref(&batch), LEARNING_RATE).unwrap().missing.is_empty());
}

#[test]
fn a_loss_that_is_no_number_leaves_the_weights_alone() {
    let mut learner = Learner::new(load("gpt2"), &[], settings()).unwrap();
    let (id, _) = learner.decoder.parameters.iter().find(|(_, p)| p.name == "norm.bias").unwrap();
    let broken = (learner.decoder.parameters[id].value.ones_like().unwrap() * f64::NAN).unwrap();
    learner.decoder.parameters[id].value = broken;
    let before = bits(&learner, "block");
    let error = learner.step(&batches("gpt2")[..1], LEARNING_RATE).unwrap_err().to_string();
    assert!(error.contains("diverged") && error.contains("learning rate"), "{error}");
    assert_eq!(bits(&learner, "block"), before);
    let everything = Learner::new(load("gpt2"), &["all".parse().unwrap()], settings()).unwrap_err().to_string();
    assert!(everything.contains("nothing is left to train"), "{everything}");
}

/// transformers counts finished updates, so its warm-up starts at 0; ours at the first step's share.
#[test]
fn schedules_are_those_of_transformers() {
    let text = std::fs::read_to_string(fixture("schedules.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let warmup = file["warmup_steps"].as_u64().unwrap();
    let (decay, total) = (file["decay_steps"].as_u64().unwrap(), file["total_steps"].as_u64().unwrap());
    let cases = [
        ("linear", Schedule::Linear { warmup, floor: 0.0 }),
        ("cosine", Schedule::Cosine { warmup, floor: 0.0 }),
        ("wsd_linear", Schedule::WarmupStableDecay { warmup, decay: decay as f64 / total as f64, floor: 0.0 }),
    ];
    for (name, schedule) in cases {
        let wanted: Vec<f64> = file["factors"][name].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        for step in 0..total {
            let index = if step < warmup { step + 1 } else { step } as usize;
            assert_within(&[schedule.factor(step, total)], &[wanted[index]], 1e-9, &format!("{name} at {step}"));
        }
    }
}

/// Where the processor has no such products, f32 stands in for them.
#[test]
fn products_in_bf16_learn_what_those_in_f32_do() {
    for name in ["llama-tied", "gpt2"] {
        let curve = tensors(&fixture(&format!("curve/{name}.safetensors")));
        let mut decoder = load(name);
        decoder.parameters.precision = Precision::Bf16;
        let mut learner = Learner::new(decoder, &[], settings()).unwrap();
        let losses: Vec<f64> =
            batches(name).into_iter().map(|batch| learner.step(&[batch], LEARNING_RATE).unwrap().loss).collect();
        assert_within(&losses, &values(&curve["losses"]), 2e-2, &format!("{name} losses in bf16"));
        let is_exact = losses.iter().zip(values(&curve["losses"])).all(|(got, want)| (got - want).abs() < 1e-6);
        assert!(!is_exact || !Precision::Bf16.is_supported(), "nothing was rounded");
    }
}

/// Storage rounds once; what is learned from then on is what the rounded weights would learn in f32.
#[test]
fn frozen_weights_in_half_precision_are_rounded_and_nothing_else() {
    let frozen: Vec<Selector> = ["embedding", "block.0"].map(|name| name.parse().unwrap()).into();
    let is_frozen = |p: &Parameter| frozen.iter().any(|selector| selector.matches(p.group));
    for storage in [Storage::Bf16, Storage::F16] {
        let run = |wide_again: bool| {
            let mut decoder = load("gpt2");
            decoder.store(storage, is_frozen).unwrap();
            if wide_again {
                decoder.store(Storage::F32, |_| true).unwrap();
            }
            let mut learner = Learner::new(decoder, &frozen, settings()).unwrap();
            let all = batches("gpt2");
            let mut losses: Vec<u64> =
                all[..3].iter().map(|b| learner.step(std::slice::from_ref(b), 3e-3).unwrap().loss.to_bits()).collect();
            let halves = learner.decoder.parameters.iter().filter(|(_, p)| p.value.dtype() == storage.dtype()).count();
            // Thawed, they are widened and learn.
            learner.set_trainable(|_| true).unwrap();
            assert!(learner.decoder.parameters.iter().all(|(_, p)| p.value.dtype() == DType::F32));
            losses.push(learner.step(&all[3..4], 3e-3).unwrap().loss.to_bits());
            (losses, bits(&learner, ""), halves)
        };
        let (halves, wide) = (run(false), run(true));
        assert_eq!((halves.0, halves.1), (wide.0, wide.1));
        assert!(halves.2 > 0 && wide.2 == 0, "nothing was stored in {storage}");
    }
}
