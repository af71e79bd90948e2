//! Retention between evaluations, and what holds its bound, in small runs of two phases.

use super::super::testing::{self, resume, stopped_after};
use super::super::{Observer, PhaseRun};
use super::*;
use crate::protocol::{By, KL_BASE};
use crate::run::home::Home;
use crate::run::plan::{self, Overrides, Plan};
use crate::run::{fork, recipe};
use std::path::Path;
use tempfile::TempDir;

#[derive(Default)]
struct Records(Vec<Event>);

impl Observer for Records {
    fn event(&mut self, event: &Event) {
        self.0.push(event.clone());
    }
}

impl Records {
    fn evaluations(&self, suite: &str) -> Vec<&Evaluation> {
        let all = self.0.iter().filter_map(|event| if let Event::Evaluation(of) = event { Some(of) } else { None });
        all.filter(|of| of.phase == "new" && of.suite == suite).collect()
    }

    fn held(&self) -> Vec<(u64, &str)> {
        let held = self.0.iter().filter_map(|event| match event {
            Event::Steered(steered) if steered.by == By::Bound => Some((steered.step, steered.change.command.as_str())),
            _ => None,
        });
        held.collect()
    }
}

/// Four steps on one text, then eight on another.
fn two_texts(folder: &TempDir, retention: &str) -> Plan {
    let text = |name: &str, line: &dyn Fn(usize) -> String| {
        let file = folder.path().join(name);
        std::fs::write(
            &file,
            (0..60).map(|at| format!("{{\"text\": \"{}\"}}\n", line(at).repeat(4))).collect::<String>(),
        )
        .unwrap();
        file.display().to_string()
    };
    let old = text("old.jsonl", &|at| format!("the mill by the river grinds {at} sacks. "));
    let new = text("new.jsonl", &|at| format!("xyzzy {at} plugh! "));
    let phase = |name: &str, file: &str, more: &str| {
        format!(
            "[[phase]]\nname = \"{name}\"\nobjective = \"clm\"\ncorpus = '{file}'\nbatch = 4\ncontext = 32\n\
             held_out = 0.2\noptimizer = {{ learning_rate = 3e-3 }}\n{more}\n"
        )
    };
    let top = "name = \"small\"\ntokenizer = { vocabulary = 300 }\nmodel = { preset = \"llama-1m\", context = 32 }\n";
    let new_more = format!("steps = 8\ncheckpoint_every = 3\nkeep = {{ last = 0 }}\n{retention}");
    let text = format!("{top}{}{}", phase("old", &old, "steps = 4"), phase("new", &new, &new_more));
    let file = folder.path().join("plan.toml");
    std::fs::write(&file, text).unwrap();
    plan::load(file.to_str().unwrap(), &Overrides::default()).unwrap()
}

fn weights(folder: &TempDir, name: &str) -> Vec<u8> {
    std::fs::read(folder.path().join("home/runs").join(name).join("checkpoints/step-12/model.safetensors")).unwrap()
}

const HELD: &str = "retention = { bound = 0.0001, hold = \"l2-sp\", every = 2, budget = 1, tokens = 64 }";
/// The same at the same steps, without the clock.
const HELD_BY_EVALUATIONS: &str =
    "retention = { bound = 0.0001, hold = \"l2-sp\" }\nevaluation = { every = 2, tokens = 64 }";

#[test]
fn what_is_measured_between_evaluations_changes_no_bit_of_what_is_learned() {
    let folder = tempfile::tempdir().unwrap();
    testing::execute(&two_texts(&folder, ""), &folder, &mut Records::default());
    let want = weights(&folder, "small");
    let often = tempfile::tempdir().unwrap();
    let mut records = Records::default();
    testing::execute(&two_texts(&often, "retention = { every = 2, budget = 1, tokens = 64 }"), &often, &mut records);
    assert!(weights(&often, "small") == want);
    let sampled = records.evaluations("old:sampled");
    assert_eq!(sampled.iter().map(|of| of.step).collect::<Vec<_>>(), [4, 6, 8, 10]);
    assert_eq!(sampled[0].retention, Some(0.0));
    assert!(sampled[1..].iter().all(|of| of.retention.is_some_and(|retention| retention > 0.0)));
    // How far the answers are from the base's is measured on both texts, and is no task's metric.
    for suite in ["old", "new"] {
        let found: Vec<(u64, f64)> = records
            .evaluations(suite)
            .iter()
            .map(|of| (of.step, of.metrics.iter().find(|metric| metric.name == KL_BASE).unwrap().value))
            .collect();
        assert!(matches!(found[..], [(4, 0.0), (12, kl)] if kl > 0.01), "{suite}: {found:?}");
        assert!(records.evaluations(suite).iter().all(|of| of.metric.is_none() && of.value.is_none()));
    }
    // What became of the old text is told at the end.
    let Some(Event::Finished(finished)) = records.0.last() else { panic!("{:?}", records.0.last()) };
    let [transfer] = &finished.transfer[..] else { panic!("{finished:?}") };
    let old = &transfer.earlier[0];
    assert_eq!((transfer.phase.as_str(), old.phase.as_str()), ("new", "old"));
    assert_eq!(old.now, records.evaluations("old")[1].loss);
    assert!(old.now > old.then && old.worst >= old.now && transfer.backward_transfer < 0.0, "{transfer:?}");

    let none = tempfile::tempdir().unwrap();
    let mut records = Records::default();
    testing::execute(&two_texts(&none, "retention = { every = 2, budget = 0 }"), &none, &mut records);
    assert_eq!(records.evaluations("old:sampled").len(), 1, "without time nothing but the first is measured");
    let told = |event: &Event| matches!(event, Event::Notice(of) if of.text.contains("3 times there was no time"));
    assert!(records.0.iter().any(told), "{:?}", records.0);
}

#[test]
fn a_bound_that_the_pull_holds_is_resumed_and_replayed_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Records::default();
    testing::execute(&two_texts(&folder, HELD), &folder, &mut records);
    assert_eq!(records.held(), [(6, "l2-sp 0.01"), (8, "l2-sp 0.02"), (10, "l2-sp 0.04")]);
    let want = weights(&folder, "small");
    // As a plan of its own, in which nothing is measured anew that steers.
    let recipe = recipe::of(&folder.path().join("home/runs/small")).unwrap().plan;
    let again = tempfile::tempdir().unwrap();
    let mut records = Records::default();
    testing::execute(&recipe, &again, &mut records);
    assert!(records.held().is_empty() && weights(&again, "small") == want);

    let stopped = tempfile::tempdir().unwrap();
    let run = stopped_after(&two_texts(&stopped, HELD), &stopped, 9, &[]);
    for at in [7, 9] {
        resume(&stopped, &run, Some(at)).unwrap();
        assert!(weights(&stopped, "small") == want, "from step {at}");
    }
}

#[test]
fn a_fork_between_checkpoints_steers_no_step_that_it_has_in_common() {
    // Retention is measured at steps 6, 8 and 10; the checkpoint before the fork is that of step 7.
    let taken_back = 8;
    for retention in [HELD, HELD_BY_EVALUATIONS] {
        let folder = tempfile::tempdir().unwrap();
        let mut says = Says(vec![(taken_back, "undo")], Vec::new(), Records::default());
        testing::execute(&two_texts(&folder, retention), &folder, &mut says);
        let undone = says.2.0.iter().filter(|event| matches!(event, Event::Rewound(of) if of.to_step == taken_back));
        assert_eq!((undone.count(), says.1), (1, vec![Ok(())]));
        let want = weights(&folder, "small");
        let home = Home::find(Some(&folder.path().join("home"))).unwrap();
        let run = home.runs().join("small");
        // What was taken back is measured again on the way from the checkpoint to the fork, and behind it the bound is held.
        let forked = fork::fork(&home, &run, Some(taken_back + 1), Some("fork")).unwrap();
        assert!(forked.from < taken_back, "{forked:?}");
        resume(&folder, &forked.path, None).unwrap();
        assert!(weights(&folder, "fork") == want, "{retention}");
        // A recipe does not do once more what was taken back either.
        let recipe = recipe::of(&run).unwrap().plan;
        let again = tempfile::tempdir().unwrap();
        testing::execute(&recipe, &again, &mut Records::default());
        assert!(weights(&again, "small") == want, "{retention}");
    }
}

/// Says commands at their steps.
struct Says(Vec<(u64, &'static str)>, Vec<Result<(), String>>, Records);

impl Observer for Says {
    fn event(&mut self, event: &Event) {
        self.2.event(event);
    }

    fn between_steps(&mut self, phase: &mut PhaseRun) -> crate::Result<bool> {
        let Some(place) = self.0.iter().position(|(step, _)| *step == phase.step()) else { return Ok(false) };
        let (_, text) = self.0.remove(place);
        self.1.push(phase.steer(&text.parse().unwrap()).map(drop).map_err(|error| error.to_string()));
        Ok(true)
    }
}

#[test]
fn a_bound_is_said_live_and_nonsense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let commands = vec![
        (1, "bound 0.1"),
        (5, "hold l2-sp"),
        (5, "bound 0.1 olds"),
        (5, "bound 0.0001 old"),
        (5, "hold l2-sp"),
        (9, "bound off"),
    ];
    let mut says = Says(commands, Vec::new(), Records::default());
    let often = "retention = { every = 2, budget = 1, tokens = 64 }";
    testing::execute(&two_texts(&folder, often), &folder, &mut says);
    let Says(_, answers, records) = says;
    let refused: Vec<&String> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    let expected = ["nothing to bound", "no bound that could be held", "name one of old"];
    assert_eq!(refused.len(), expected.len(), "{refused:?}");
    for (refused, expected) in refused.iter().zip(expected) {
        assert!(refused.contains(expected), "{refused}");
    }
    assert_eq!(records.held(), [(6, "l2-sp 0.01"), (8, "l2-sp 0.02")]);
    assert!(Path::new(&folder.path().join("home/runs/small/checkpoints/step-12")).is_dir());
}
