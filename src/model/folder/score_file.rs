//! What `config.json` says of a score: the architecture, the labels by their number, and whether they are classes.
//!
//! The weights of the head for tokens stay in the folder, so that a classifier can still be measured on text: a tied
//! one is the embedding, another stands beside `score.weight` as `lm_head.weight`, and an encoder's is `cls.predictions`;
//! `transformers` passes over them.

use super::super::config::Family;
use super::super::score::{Answers, Score};
use super::not_a_model;
use crate::Result;
use serde_json::{Map, Value, json};
use std::path::Path;

/// What the architectures of classifiers end with.
const CLASSIFIER: &str = "ForSequenceClassification";

/// What the architectures of models for tokens end with.
const FOR_TOKENS: [&str; 3] = ["ForCausalLM", "LMHeadModel", "ForMaskedLM"];

/// The answers of the score that a configuration names; `None` of models for tokens alone.
pub fn read(config: &Value, folder: &Path) -> Result<Option<Answers>> {
    let architectures = config.get("architectures").and_then(Value::as_array);
    let mut names = architectures.into_iter().flatten().filter_map(Value::as_str);
    if !names.any(|name| name.ends_with(CLASSIFIER)) {
        return Ok(None);
    }
    let labels = labels(config, folder)?;
    let problem = config.get("problem_type").and_then(Value::as_str);
    let answers = match (problem, labels.len()) {
        (Some("regression"), 1) | (None, 1) => Answers::Number,
        (Some("regression"), count) => {
            return Err(not_a_model(folder, format!("its regression has {count} numbers, and one is known")));
        }
        (Some("single_label_classification") | None, _) => Answers::Classes(labels),
        (Some(other), _) => {
            let known = "single_label_classification and regression are known";
            return Err(not_a_model(folder, format!("problem_type is {other}, and {known}")));
        }
    };
    Ok(Some(answers))
}

/// In the order of their numbers. Where nothing is said there are two, as `transformers` has it.
fn labels(config: &Value, folder: &Path) -> Result<Vec<String>> {
    let Some(named) = config.get("id2label").filter(|value| !value.is_null()) else {
        let count = config.get("num_labels").and_then(Value::as_u64).unwrap_or(2).min(1 << 20);
        return Ok((0..count).map(|index| format!("LABEL_{index}")).collect());
    };
    let wrong = || not_a_model(folder, "its id2label is no list of labels by number, from 0 up");
    let named = named.as_object().ok_or_else(wrong)?;
    let label = |index: usize| named.get(&index.to_string()).and_then(Value::as_str).map(str::to_string);
    (0..named.len()).map(|index| label(index).ok_or_else(wrong)).collect()
}

/// Makes a model's configuration that of a classifier. `transformers` finds the last token of a decoder's padded rows by the
/// padding's number; an encoder's first token needs none.
pub fn write(score: &Score, family: Family, padding: Option<u32>, config: &mut Value) {
    let architecture = config["architectures"][0].as_str().unwrap_or_default();
    let name = FOR_TOKENS.iter().find_map(|end| architecture.strip_suffix(end));
    config["architectures"] = json!([format!("{}{CLASSIFIER}", name.unwrap_or(architecture))]);
    let (labels, problem) = match &score.answers {
        Answers::Classes(labels) => (labels.clone(), "single_label_classification"),
        Answers::Number => (vec!["LABEL_0".to_string()], "regression"),
    };
    let by_number: Map<String, Value> =
        labels.iter().enumerate().map(|(index, label)| (index.to_string(), json!(label))).collect();
    let by_label: Map<String, Value> =
        labels.iter().enumerate().map(|(index, label)| (label.clone(), json!(index))).collect();
    config["num_labels"] = json!(labels.len());
    config["id2label"] = Value::Object(by_number);
    config["label2id"] = Value::Object(by_label);
    config["problem_type"] = json!(problem);
    config["pad_token_id"] = json!(padding.filter(|_| !family.is_encoder()));
}
