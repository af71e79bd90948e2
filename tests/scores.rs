//! Scores of whole texts against `transformers` (`tests/fixtures/scores.py`): logits, losses, gradients, folders.

mod common;

use candle_core::{DType, Device};
use common::program::Bench;
use common::{assert_within, fixture, tensors, u32s, values};
use frostline::corpus::batches::{Batch, Batches, Packed, held_out_examples};
use frostline::corpus::examples::{EncodedExample, Label};
use frostline::learn::objective::{self, Scale};
use frostline::model::{Answers, Config, Decoder, Gradients, Pooled, Target, Thaw, folder};
use frostline::run::suite::ScoredTexts;
use std::sync::atomic::AtomicBool;

fn load(name: &str) -> Decoder {
    folder::load(&fixture(name), DType::F32, &Device::Cpu).unwrap()
}

/// The fixture's texts as examples, without their padding.
fn examples(name: &str) -> Vec<EncodedExample> {
    let expected = tensors(&fixture(name).join("expected.safetensors"));
    let (ids, lengths, labels) =
        (u32s(&expected["input_ids"]), u32s(&expected["lengths"]), values(&expected["labels"]));
    let pooled = if name.starts_with("score-bert") { Pooled::First } else { Pooled::Last };
    let text = |((ids, length), label): ((&[u32], u32), f64)| {
        let target = match name {
            "score-number" | "score-bert-number" => Target::Number(label as f32),
            _ => Target::Class(label as u32),
        };
        let tokens = ids[..length as usize].to_vec();
        EncodedExample { learned: vec![false; tokens.len()], tokens, label: Some(Label { target, pooled }) }
    };
    ids.chunks(9).zip(lengths).zip(labels).map(text).collect()
}

const NAMES: [&str; 5] = ["score-llama", "score-gpt2", "score-number", "score-bert", "score-bert-number"];

#[test]
fn scores_and_losses_are_those_of_transformers_however_texts_are_packed() {
    for name in NAMES {
        let (decoder, expected) = (load(name), tensors(&fixture(name).join("expected.safetensors")));
        for context in [9, 10, 16, 32] {
            let batches = held_out_examples(&examples(name), context, 2, 0).unwrap();
            let scored: Vec<_> =
                batches.iter().flat_map(|held| objective::scores(&decoder, &held.batch).unwrap()).collect();
            let logits: Vec<f64> = scored.iter().flat_map(|scored| scored.scores.clone()).collect();
            assert_within(&logits, &values(&expected["logits"]), 1e-4, &format!("{name} in {context}"));
            // As `frostline classify` scores them.
            let score = decoder.config.score.clone().unwrap();
            let texts = ScoredTexts::new(score, &examples(name), context, 8, 0).unwrap();
            let found = texts.scored(&decoder, &AtomicBool::new(false)).unwrap().unwrap();
            let found: Vec<f64> = found.iter().flat_map(|(_, scored)| scored.scores.clone()).collect();
            assert_within(&found, &values(&expected["logits"]), 1e-4, &format!("{name} in {context}, classified"));
            let loss = scored.iter().map(|scored| scored.loss).sum::<f64>() / 3.0;
            assert_within(&[loss], &values(&expected["loss"]), 1e-4, name);
        }
    }
}

/// The folder that `transformers` wrote, with a tokenizer whose words are the numbers of tokens.
#[test]
fn classify_gives_the_number_of_a_folder_for_regression() {
    let (bench, name) = (Bench::new(), "score-number");
    std::fs::create_dir(bench.path("number")).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(fixture(name).join(file), bench.path("number").join(file)).unwrap();
    }
    let words: serde_json::Map<String, serde_json::Value> = (0..96).map(|id| (format!("w{id}"), id.into())).collect();
    let model = serde_json::json!({"type": "WordLevel", "vocab": words, "unk_token": "w0"});
    let split = serde_json::json!({"type": "WhitespaceSplit"});
    let tokenizer = serde_json::json!({"version": "1.0", "added_tokens": [], "pre_tokenizer": split, "model": model});
    bench.write("number/tokenizer.json", &tokenizer.to_string());
    let expected = tensors(&fixture(name).join("expected.safetensors"));
    let (ids, lengths) = (u32s(&expected["input_ids"]), u32s(&expected["lengths"]));
    let text = |(ids, length): (&[u32], u32)| {
        let words: Vec<String> = ids[..length as usize].iter().map(|id| format!("w{id}")).collect();
        words.join(" ")
    };
    let texts: Vec<String> = ids.chunks(9).zip(lengths).map(text).collect();
    let arguments = ["classify", "number", &texts[0], &texts[1], &texts[2], "--json"];
    let report = &bench.json(&arguments)[0]["texts"];
    let found: Vec<f64> = (0..3).map(|at| report[at]["number"].as_f64().unwrap()).collect();
    assert_within(&found, &values(&expected["logits"]), 1e-4, "classify");
}

/// A BERT for masks with the pooler of its pretraining, as the first ones were published: `transformers` builds a classifier
/// on that pooler, and so do we, also behind a checkpoint of ours.
#[test]
fn a_pretrained_pooler_is_the_classifiers() {
    let (classifier, expected) = (load("score-bert"), tensors(&fixture("score-bert").join("expected.safetensors")));
    let (bare, with_pooler) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let theirs = tensors(&fixture("score-bert").join("model.safetensors"));
    let mut weights = tensors(&fixture("bert").join("model.safetensors"));
    weights.extend(theirs.clone().into_iter().filter(|(name, _)| name.starts_with("bert.pooler.")));
    std::fs::copy(fixture("bert").join("config.json"), with_pooler.path().join("config.json")).unwrap();
    candle_core::safetensors::save(&weights, with_pooler.path().join("model.safetensors")).unwrap();
    folder::check(with_pooler.path()).unwrap();
    let read = |path: &std::path::Path| folder::load(path, DType::F32, &Device::Cpu).unwrap();
    let masks = read(with_pooler.path());
    assert_eq!(masks.parameters.len(), load("bert").parameters.len(), "it trains with a classifier alone");
    folder::save(&masks, None, bare.path()).unwrap();
    for folder in [with_pooler.path(), bare.path()] {
        let score = classifier.config.score.clone().unwrap();
        let decoder = read(folder).with_score(&score, 3).unwrap();
        let copy = tempfile::tempdir().unwrap();
        folder::save(&decoder, None, copy.path()).unwrap();
        // The scores themselves are drawn anew, here as there: those of the fixture take their place.
        let file = copy.path().join("model.safetensors");
        let mut weights = tensors(&file);
        weights.extend(theirs.clone().into_iter().filter(|(name, _)| name.starts_with("classifier.")));
        candle_core::safetensors::save(&weights, &file).unwrap();
        let batches = held_out_examples(&examples("score-bert"), 9, 3, 0).unwrap();
        let scored = objective::scores(&read(copy.path()), &batches[0].batch).unwrap();
        let logits: Vec<f64> = scored.iter().flat_map(|scored| scored.scores.clone()).collect();
        assert_within(&logits, &values(&expected["logits"]), 1e-4, "on the pretrained pooler");
    }
    let mut damaged = weights;
    let short = damaged["bert.pooler.dense.bias"].narrow(0, 0, 4).unwrap().contiguous().unwrap();
    damaged.insert("bert.pooler.dense.bias".into(), short);
    candle_core::safetensors::save(&damaged, with_pooler.path().join("model.safetensors")).unwrap();
    let error = folder::check(with_pooler.path()).unwrap_err().to_string();
    assert!(error.contains("bert.pooler.dense.bias") && error.contains("shape"), "{error}");
}

#[test]
fn gradients_are_those_of_transformers() {
    for name in NAMES {
        let (decoder, expected) = (load(name), tensors(&fixture(name).join("expected.safetensors")));
        // Two rows hold the three texts.
        let batch = Packed::new(examples(name), 10, 2, 7, 0).unwrap().batch(0).unwrap();
        let micro = batch.split(2);
        let scale = Scale::of(&micro).unwrap();
        let thaw = Thaw::of_groups(&decoder.parameters, |_| true);
        let mut gradients = Gradients::new(&thaw);
        let loss: f64 = micro
            .iter()
            .map(|batch| objective::accumulate(&decoder, batch, &thaw, None, scale, &mut gradients).unwrap())
            .sum();
        assert_within(&[loss], &values(&expected["loss"]), 1e-4, name);
        for (own, theirs) in [
            ("score.output.weight", "d_score"),
            ("score.output.bias", "d_score_bias"),
            ("score.dense.weight", "d_pooler"),
            ("score.dense.bias", "d_pooler_bias"),
            // The query's rows are the first of the packed matrix.
            ("block.0.attention.packed.weight", "d_query"),
            ("embedding.tokens", "d_embedding"),
        ] {
            let Some(theirs) = expected.get(theirs).map(values) else { continue };
            let (id, _) = decoder.parameters.iter().find(|(_, parameter)| parameter.name == own).unwrap();
            let found = values(gradients.get(id).unwrap());
            assert_within(&found[..theirs.len()], &theirs, 2e-5, &format!("{name} {own}"));
        }
        assert_eq!(expected.contains_key("d_pooler"), decoder.config.family.is_encoder());
    }
}

/// Rows of running text beside rows of texts to score: each kind has its mean, and its share of the rows.
#[test]
fn mixed_rows_count_by_their_share_of_rows() {
    let decoder = load("score-gpt2");
    let texts = Packed::new(examples("score-gpt2"), 10, 3, 7, 0).unwrap().batch(0).unwrap();
    let mut tokens = Batch { rows: 1, context: 10, labelled: Vec::new(), ..texts.split(3)[0].clone() };
    tokens.targets = (0..10).map(|at| 20 + at).collect();
    (tokens.positions, tokens.first_visible) = ((0..10).collect(), vec![0; 10]);
    let alone = |batch: &Batch| {
        let thaw = Thaw::of_groups(&decoder.parameters, |_| true);
        let scale = Scale::of(std::slice::from_ref(batch)).unwrap();
        objective::accumulate(&decoder, batch, &thaw, None, scale, &mut Gradients::new(&thaw)).unwrap()
    };
    let both = [texts.clone(), tokens.clone()];
    let scale = Scale::of(&both).unwrap();
    let thaw = Thaw::of_groups(&decoder.parameters, |_| true);
    let mut gradients = Gradients::new(&thaw);
    let loss: f64 = both
        .iter()
        .map(|batch| objective::accumulate(&decoder, batch, &thaw, None, scale, &mut gradients).unwrap())
        .sum();
    assert!((loss - (0.75 * alone(&texts) + 0.25 * alone(&tokens))).abs() < 1e-6);
    assert!(gradients.missing().is_empty());
}

#[test]
fn a_classifier_is_written_and_read_again_with_its_head_for_tokens() {
    for (name, tied) in [
        ("score-llama", true),
        ("score-gpt2", true),
        ("llama-untied", false),
        ("score-bert", true),
        ("bert", true),
        ("bert-untied", false),
    ] {
        let (body, answers) = (load(name), load("score-llama").config.score.unwrap().answers);
        let score = body.config.score_for(answers);
        let decoder = body.with_score(&score, 3).unwrap();
        assert_eq!(decoder.config.tied, tied);
        let copy = tempfile::tempdir().unwrap();
        folder::save(&decoder, Some(2), copy.path()).unwrap();
        folder::check(copy.path()).unwrap();
        let again = folder::load(copy.path(), DType::F32, &Device::Cpu).unwrap();
        // BERT's own configuration names no begin token.
        let begin_of_text = decoder.config.begin_of_text.or(Some(2));
        assert_eq!(again.config, Config { begin_of_text, ..decoder.config.clone() }, "{name}");
        for ((_, a), (_, b)) in decoder.parameters.iter().zip(again.parameters.iter()) {
            assert_eq!(values(&a.value), values(&b.value), "{name} {}", a.name);
        }
        let config = std::fs::read_to_string(copy.path().join("config.json")).unwrap();
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        let architecture = config["architectures"][0].as_str().unwrap();
        let body = ["Llama", "GPT2", "Bert"].map(|name| format!("{name}ForSequenceClassification"));
        assert!(body.iter().any(|name| name == architecture), "{architecture}");
        // It would keep a row of an encoder's embedding from training.
        assert_eq!(config["pad_token_id"].is_null(), decoder.config.family.is_encoder());
        assert_eq!((&config["id2label"]["1"], &config["label2id"]["good"]), (&"fair".into(), &2.into()));
    }
    assert_eq!(load("score-number").config.score.unwrap().answers, Answers::Number);
}

#[test]
fn what_cannot_be_a_score_is_refused_with_a_reason() {
    let path = fixture("score-llama").join("config.json");
    let text = std::fs::read_to_string(path).unwrap();
    let read = |from: &str, to: &str| {
        assert!(text.contains(from));
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(copy.path().join("config.json"), text.replace(from, to)).unwrap();
        folder::read_config(copy.path())
    };
    let single = "\"single_label_classification\"";
    assert!(read(single, "null").is_ok());
    for (from, to, part) in [
        (single, "\"multi_label_classification\"", "multi_label_classification"),
        (single, "\"regression\"", "3 numbers"),
        ("\"1\": \"fair\"", "\"7\": \"fair\"", "id2label"),
        ("\"1\": \"fair\"", "\"1\": \"good\"", "good"),
    ] {
        let error = read(from, to).unwrap_err().to_string();
        assert!(error.contains(part), "{to}: {error}");
    }
}
