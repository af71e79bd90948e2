//! Phases of texts that are scored: learned, stopped and gone on with, replayed, kept and replaced.

use super::testing::{execute, resume, stopped_after};
use crate::protocol::{Evaluation, Event};
use crate::run::execute::{Observer, PhaseRun};
use crate::run::plan::{self, ChangePlan, Overrides, Plan};
use crate::run::{checkpoint, records};
use candle_core::Device;
use std::path::Path;
use tempfile::TempDir;

/// Steps of the phases, one after the other: prompts; a classifier that replays them and is pulled to them; prompts again,
/// which replay the classifier; and a regression with a head of its own.
const STEPS: [u64; 4] = [4, 20, 3, 2];

fn four_phases(folder: &TempDir) -> Plan {
    let write = |name: &str, row: fn(usize) -> String| {
        std::fs::write(folder.path().join(name), (0..64).map(row).collect::<String>()).unwrap();
        folder.path().join(name).display().to_string()
    };
    let prompts =
        write("prompts.jsonl", |index| format!("{{\"prompt\": \"is it {index}?\", \"completion\": \"yes\"}}\n"));
    let classes = write("classes.jsonl", |index| {
        let (word, label) = if index % 2 == 0 { ("small", "low") } else { ("large", "high") };
        format!("{{\"text\": \"it is {index}, {word}\", \"label\": \"{label}\"}}\n")
    });
    let numbers =
        write("numbers.jsonl", |index| format!("{{\"text\": \"it is {index}\", \"label\": 0.{}}}\n", index % 10));
    let phase = |(place, name, objective): (usize, &str, &str), corpus: &str, more: &str| {
        format!(
            "[[phase]]\nname = \"{name}\"\nobjective = \"{objective}\"\ncorpus = '{corpus}'\nsteps = {}\nbatch = 4\n\
             context = 32\noptimizer = {{ learning_rate = 3e-3 }}\nheld_out = 0.2\n{more}\n",
            STEPS[place]
        )
    };
    let classify = "checkpoint_every = 2\nkeep = { last = 0 }\nreplay = { share = 0.25 }\n\
                    pull = { l2_sp = 0.01, ewc = 1.0, fisher_rows = 4 }\nevaluation = { every = 10 }";
    let text = "name = \"small\"\ntokenizer = { vocabulary = 300 }\nmodel = { preset = \"llama-1m\", context = 32 }\n"
        .to_string()
        + &phase((0, "ask", "sft"), &prompts, "")
        + &phase((1, "judge", "classify"), &classes, classify)
        + &phase((2, "again", "sft"), &prompts, "replay = { share = 0.5, of = [\"judge\"] }")
        + &phase((3, "value", "regress"), &numbers, "");
    let file = folder.path().join("plan.toml");
    std::fs::write(&file, text).unwrap();
    plan::load(file.to_str().unwrap(), &Overrides::default()).unwrap()
}

#[derive(Default)]
struct Watcher {
    evaluations: Vec<Evaluation>,
    notices: Vec<String>,
    pulls: Vec<f64>,
}

impl Observer for Watcher {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Evaluation(evaluation) => self.evaluations.push(evaluation.clone()),
            Event::Notice(notice) => self.notices.push(notice.text.clone()),
            Event::Step(step) => self.pulls.extend(step.pull),
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
    assert_eq!(own.iter().map(|found| found.step - 4).collect::<Vec<_>>(), [0, 10, 20]);
    assert!(own[2].loss < own[0].loss - 0.05, "{own:?}");
    assert!(own.iter().all(|found| found.perplexity.is_nan()), "nats per text");
    let names: Vec<&str> = own[0].metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(
        (&names[..], own[0].metric.as_deref(), own[0].bits_per_byte),
        (&["accuracy", "macro_f1"][..], Some("accuracy"), None)
    );
    // The text of the phase before is measured with the head for tokens; the classifier in a later phase with its own.
    assert!(of("judge", "ask").iter().all(|found| found.retention.is_some()));
    let kept = of("again", "judge");
    assert_eq!((kept[0].loss, kept[0].retention), (own[2].loss, Some(0.0)));
    // A regression has a head of its own: the classifier cannot be measured any more, nor replayed.
    assert!(of("value", "judge").is_empty());
    let value = of("value", "value");
    assert!(value[0].perplexity.is_nan() && value[0].metric.as_deref() == Some("pearson"), "{value:?}");
    for part in
        ["phase judge cannot be replayed: its head had other labels", "always answering", "labels have mean", "only "]
    {
        assert!(watcher.notices.iter().any(|text| text.contains(part)), "{part}: {:?}", watcher.notices);
    }
    assert!(!watcher.notices.iter().any(|text| text.contains("got no gradient")), "{:?}", watcher.notices);
    let end = checkpoint::weights(&run.join("checkpoints/step-24"), &Device::Cpu).unwrap();
    assert_eq!(end.config.score.as_ref().unwrap().labels(), ["high", "low"]);
    assert!(records::read(&run).is_ok());
}

/// With the head frozen and thawed live, more replayed, and the words of the texts held to what the base said of them.
#[test]
fn a_classifier_goes_on_from_any_checkpoint_to_the_same_bits() {
    let commands =
        [(9, "freeze head/score"), (11, "kl 2"), (12, "kl 0.5"), (13, "thaw head/score"), (13, "replay 0.5")];
    let all: u64 = STEPS.iter().sum();
    let first = tempfile::tempdir().unwrap();
    let whole = stopped_after(&four_phases(&first), &first, all - 1, &commands);
    resume(&first, &whole, None).unwrap();
    for (at, stop) in [(None, 15), (Some(10), 15), (Some(8), 14)] {
        let other = tempfile::tempdir().unwrap();
        let stopped = stopped_after(&four_phases(&other), &other, stop, &commands);
        resume(&other, &stopped, at).unwrap();
        for step in [24, 27, all] {
            assert!(files(&stopped, step) == files(&whole, step), "step {step} from {at:?}");
        }
    }
    // Done again from the plan alone; and without the pull it comes to something else.
    let ends = |commands: &[(u64, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = four_phases(&folder);
        plan.phases.truncate(2);
        let change = |(step, command): &(u64, &str)| ChangePlan { step: *step, command: command.to_string() };
        plan.changes = commands.iter().map(change).collect();
        let mut watcher = Watcher::default();
        execute(&plan, &folder, &mut watcher);
        (files(&folder.path().join("home/runs/small"), 24), watcher.pulls)
    };
    let (again, pulls) = ends(&commands);
    assert!(again == files(&whole, 24));
    let (without, weights_alone) = ends(&[commands[0], commands[3], commands[4]]);
    assert!(without != again);
    // The pull of weights was on before; that of answers is added from its first step.
    assert_eq!((pulls.len(), &pulls[..7]), (20, &weights_alone[..7]));
    assert!(pulls[7] > weights_alone[7], "{} and {}", pulls[7], weights_alone[7]);
}
