//! Masked language modelling, carried out.

use super::super::testing::{Watcher, execute, resume, stopped_after};
use crate::protocol::{Evaluation, Event};
use crate::run::plan::{self, Overrides, Plan};
use crate::run::records;
use std::path::Path;
use tempfile::TempDir;

/// An encoder that learns one text and then another, with which it replays the first, held to its base's answers.
fn two_texts(folder: &TempDir, settings: &str) -> Plan {
    let text = |name: &str, goods: [&str; 4]| {
        let sells =
            |index: usize| format!("the {} sells {} number {index}. ", goods[index % 4], goods[(index * 7 + 1) % 4]);
        let documents = (0..60).map(|index| serde_json::json!({ "text": sells(index).repeat(3) }).to_string());
        let path = folder.path().join(name);
        std::fs::write(&path, documents.collect::<Vec<_>>().join("\n")).unwrap();
        path
    };
    let first = text("first.jsonl", ["cook", "smith", "fish", "bread"]);
    let second = text("second.jsonl", ["baker", "potter", "salt", "wool"]);
    let phase = |name: &str, corpus: &Path, more: &str| {
        format!(
            "[[phase]]\nname = \"{name}\"\nobjective = \"mlm\"\ncorpus = '{}'\nsteps = 10\nbatch = 4\ncontext = 32\n\
             held_out = 0.2\nevaluation = {{ every = 5, tokens = 300 }}\n{settings}\n\
             optimizer = {{ learning_rate = 2e-3 }}\n{more}\n",
            corpus.display()
        )
    };
    let text = format!(
        "name = \"small\"\ntokenizer = {{ vocabulary = 320 }}\nmodel = {{ preset = \"bert-1m\", context = 32 }}\n{}{}",
        phase("first", &first, ""),
        phase("second", &second, "replay = { share = 0.25 }\npull = { kl = 0.5, temperature = 2.0 }"),
    );
    let file = folder.path().join("plan.toml");
    std::fs::write(&file, text).unwrap();
    plan::load(file.to_str().unwrap(), &Overrides::default()).unwrap()
}

fn evaluations(run: &Path) -> Vec<Evaluation> {
    let events = records::read(run).unwrap().events.into_iter();
    let evaluations = events.filter_map(|event| match event {
        Event::Evaluation(evaluation) => Some(evaluation),
        _ => None,
    });
    evaluations.collect()
}

fn weights(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("checkpoints/step-20/model.safetensors")).unwrap()
}

#[test]
fn an_encoder_learns_from_hidden_tokens_and_goes_on_to_the_same_bits() {
    let settings = "masking = { whole_words = true, pseudo_tokens = 20 }\nrecompute = \"blocks\"";
    let folder = tempfile::tempdir().unwrap();
    let mut watcher = Watcher::default();
    execute(&two_texts(&folder, settings), &folder, &mut watcher);
    let whole = folder.path().join("home/runs/small");
    let found = evaluations(&whole);
    let of = |suite: &str| found.iter().filter(move |evaluation| evaluation.suite == suite).collect::<Vec<_>>();
    for suite in ["first", "second"] {
        for evaluation in of(suite) {
            let names: Vec<&str> = evaluation.metrics.iter().map(|metric| metric.name.as_str()).collect();
            assert_eq!(names, ["masked_accuracy", "pseudo_perplexity"]);
            assert!((0.0..=1.0).contains(&evaluation.metrics[0].value) && evaluation.metrics[1].value > 1.0);
            assert_eq!(evaluation.bits_per_byte, None);
        }
    }
    let first = of("first");
    assert!(first[2].loss < first[0].loss - 1.0, "{first:?}");
    assert!(first[2].metrics[1].value < first[0].metrics[1].value / 2.0);
    let pulls = watcher.pulls;
    assert!(pulls.len() == 10 && pulls[0] == 0.0 && pulls[1..].iter().all(|pull| *pull > 0.0), "{pulls:?}");
    assert!(first.last().unwrap().retention.is_some(), "the second phase compares with its base");
    let stopped = tempfile::tempdir().unwrap();
    let run = stopped_after(&two_texts(&stopped, settings), &stopped, 13, &[]);
    resume(&stopped, &run, None).unwrap();
    assert_eq!(weights(&run), weights(&whole));
    assert_eq!(evaluations(&run).last(), found.last(), "the same tokens are hidden at every evaluation");
}
