//! Phases of texts that are scored: learned, stopped and gone on with, replayed, kept and replaced.

use super::super::testing::{execute, plan, resume, stopped_after};
use crate::protocol::{Evaluation, Event};
use crate::run::execute::{Observer, PhaseRun};
use crate::run::plan::Plan;
use crate::run::{checkpoint, records};
use candle_core::Device;
use std::path::Path;
use tempfile::TempDir;

/// 27 steps of prompts, 30 of a classifier that replays them, 4 of prompts again that replay the classifier, and 3 of a
/// regression with a head of its own.
fn four_phases(folder: &TempDir) -> Plan {
    let write = |name: &str, label: fn(usize) -> String| {
        let row = |index: usize| format!("{{\"text\": \"it is {index}\", \"label\": {}}}\n", label(index));
        std::fs::write(folder.path().join(name), (0..64).map(row).collect::<String>()).unwrap();
        folder.path().join(name).display().to_string()
    };
    let classes = write("classes.jsonl", |index| format!("\"{}\"", if index % 10 < 5 { "low" } else { "high" }));
    let numbers = write("numbers.jsonl", |index| format!("{}", (index % 10) as f64 / 10.0));
    let prompts = folder.path().join("rows.jsonl");
    let phase = |name: &str, objective: &str, corpus: &str, steps: u64, more: &str| {
        format!(
            "\n[[phase]]\nname = \"{name}\"\nobjective = \"{objective}\"\ncorpus = '{corpus}'\nsteps = {steps}\nbatch = 4\n\
             context = 32\noptimizer = {{ learning_rate = 2e-3 }}\nheld_out = 0.2\n{more}\n"
        )
    };
    let each = "checkpoint_every = 2\nkeep = { last = 0 }\n";
    let classify = format!("{each}replay = {{ share = 0.25 }}\npull = {{ l2_sp = 0.01, ewc = 1.0 }}\nevaluation = {{ every = 10 }}");
    let text = phase("judge", "classify", &classes, 30, &classify)
        + &phase("again", "sft", &prompts.display().to_string(), 4, "replay = { share = 0.5, of = [\"judge\"] }")
        + &phase("value", "regress", &numbers, 3, each);
    plan(folder, &format!("held_out = 0.2{text}"))
}

#[derive(Default)]
struct Watcher {
    evaluations: Vec<Evaluation>,
    notices: Vec<String>,
}

impl Observer for Watcher {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Evaluation(evaluation) => self.evaluations.push(evaluation.clone()),
            Event::Notice(notice) => self.notices.push(notice.text.clone()),
            _ => {}
        }
    }

    fn between_steps(&mut self, _: &mut PhaseRun) -> crate::Result<bool> {
        Ok(false)
    }
}

fn files(run: &Path, step: u64) -> [Vec<u8>; 2] {
    let folder = run.join(format!("checkpoints/step-{step}"));
    ["model.safetensors", "frostline/optimizer.safetensors"].map(|name| std::fs::read(folder.join(name)).unwrap())
}

#[test]
fn a_classifier_learns_beside_replay_and_pulls_and_later_phases_keep_or_replace_its_head() {
    let folder = tempfile::tempdir().unwrap();
    let mut watcher = Watcher::default();
    execute(&four_phases(&folder), &folder, &mut watcher);
    let run = folder.path().join("home/runs/small");
    let of = |phase: &str, suite: &str| -> Vec<&Evaluation> {
        watcher.evaluations.iter().filter(|found| found.phase == phase && found.suite == suite).collect()
    };
    let own = of("judge", "judge");
    assert_eq!(own.iter().map(|found| found.step - 27).collect::<Vec<_>>(), [0, 10, 20, 30]);
    assert!(own[3].loss < own[0].loss - 0.05, "{own:?}");
    let names: Vec<&str> = own[0].metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!((&names[..], own[0].metric.as_deref(), own[0].bits_per_byte), (&["accuracy", "macro_f1"][..], Some("accuracy"), None));
    // The text of the phase before is measured with the head for tokens; the classifier in a later phase with its own.
    assert!(of("judge", "tune").iter().all(|found| found.retention.is_some()));
    let kept = of("again", "judge");
    assert_eq!((kept[0].loss, kept[0].retention), (own[3].loss, Some(0.0)));
    // A regression has a head of its own: the classifier cannot be measured any more, nor replayed.
    assert!(of("value", "judge").is_empty());
    let value = of("value", "value");
    assert!(value[0].perplexity.is_nan() && value[0].metric.as_deref() == Some("pearson"), "{value:?}");
    for part in ["phase judge cannot be replayed: its head had other labels", "always answering", "labels have mean", "only "] {
        assert!(watcher.notices.iter().any(|text| text.contains(part)), "{part}: {:?}", watcher.notices);
    }
    assert!(!watcher.notices.iter().any(|text| text.contains("got no gradient")), "{:?}", watcher.notices);
    let end = checkpoint::weights(&run.join("checkpoints/step-57"), &Device::Cpu).unwrap();
    assert_eq!(end.config.score.as_ref().unwrap().labels(), ["high", "low"]);
    assert!(records::read(&run).is_ok());

    // Stopped in the classifier's phase, with the head frozen and thawed live, and gone on with from two checkpoints.
    let commands = [(33, "freeze head/score"), (36, "thaw head/score"), (36, "replay 0.5")];
    let third = tempfile::tempdir().unwrap();
    let whole = stopped_after(&four_phases(&third), &third, 63, &commands);
    resume(&third, &whole, None).unwrap();
    for (at, others) in [(None, 39), (Some(34), 36)] {
        let other = tempfile::tempdir().unwrap();
        let stopped = stopped_after(&four_phases(&other), &other, others, &commands);
        resume(&other, &stopped, at).unwrap();
        for step in [57, 61, 64] {
            assert!(files(&stopped, step) == files(&whole, step), "step {step} from {at:?}");
        }
    }
}

