//! Tasks: answers generated at evaluations.

use super::super::testing::{execute, plan, resume, stopped_after};
use crate::Result;
use crate::corpus::progress::Silent;
use crate::error::Kind;
use crate::protocol::{Evaluation, Event, State};
use crate::run::execute::{Observer, PhaseRun, Request};
use crate::run::{Home, records};
use candle_core::Device;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const TASK: &str = "held_out = 0.2\nevaluation = { every = 4, examples = 16 }\n\
                    task = { kind = \"question-answering\", every = 8, items = 10, tokens = 8 }";

struct Quiet;

impl Observer for Quiet {
    fn event(&mut self, _: &Event) {}

    fn between_steps(&mut self, _: &mut PhaseRun) -> Result<bool> {
        Ok(false)
    }
}

fn of_task(run: &Path) -> Vec<Evaluation> {
    let events = records::read(run).unwrap().events.into_iter();
    let evaluations = events.filter_map(|event| match event {
        Event::Evaluation(evaluation) => Some(evaluation),
        _ => None,
    });
    evaluations.filter(|evaluation| evaluation.suite == "tune:task").collect()
}

fn weights(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("checkpoints/step-27/model.safetensors")).unwrap()
}

#[test]
fn a_task_is_measured_at_its_own_steps_and_changes_no_weight() {
    let folder = tempfile::tempdir().unwrap();
    execute(&plan(&folder, TASK), &folder, &mut Quiet);
    let run = folder.path().join("home/runs/small");
    let found = of_task(&run);
    assert_eq!(found.iter().map(|evaluation| evaluation.step).collect::<Vec<_>>(), [0, 8, 16, 24, 27]);
    for evaluation in &found {
        let names: Vec<&str> = evaluation.metrics.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(names, ["exact_match", "token_f1"]);
        assert!(evaluation.metrics.iter().all(|metric| (0.0..=1.0).contains(&metric.value)));
        assert_eq!(
            (evaluation.metric.as_deref(), evaluation.value),
            (Some(names[0]), Some(evaluation.metrics[0].value))
        );
        assert_eq!(evaluation.retention, None);
    }
    let f1 = |evaluation: &Evaluation| evaluation.metrics[1].value;
    assert!(f1(&found[0]) < f1(&found[4]), "every answer begins alike, which is learned: {found:?}");
    let other = tempfile::tempdir().unwrap();
    execute(&plan(&other, "held_out = 0.2\nevaluation = { every = 0, examples = 16 }"), &other, &mut Quiet);
    assert!(weights(&run) == weights(&other.path().join("home/runs/small")));
}

/// Wants the run to stop while the third evaluation is made, that after 8 steps.
struct Impatient<'a> {
    cancel: &'a AtomicBool,
    evaluations: u32,
}

impl Observer for Impatient<'_> {
    fn event(&mut self, _: &Event) {}

    fn state(&mut self, state: State) {
        self.evaluations += u32::from(state == State::Evaluating);
        self.cancel.store(self.evaluations == 3, Ordering::Relaxed);
    }
}

#[test]
fn an_evaluation_that_is_cancelled_on_its_way_is_made_by_whoever_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let of = plan(&folder, TASK);
    let home = Home::find(Some(&folder.path().join("home"))).unwrap();
    let cancel = AtomicBool::new(false);
    let (device, progress) = (&Device::Cpu, &Silent);
    let request =
        Request { plan: &of, name: Some("small"), device, home: &home, progress, cancel: &cancel, until: None };
    let stopped = crate::run::execute(&request, &mut Impatient { cancel: &cancel, evaluations: 0 }, None).unwrap_err();
    assert_eq!(stopped.kind, Kind::Interrupted);
    let run = folder.path().join("home/runs/small");
    assert!(of_task(&run).iter().all(|evaluation| evaluation.step != 8));
    resume(&folder, &run, None).unwrap();
    let other = tempfile::tempdir().unwrap();
    execute(&plan(&other, TASK), &other, &mut Quiet);
    assert_eq!(of_task(&run), of_task(&other.path().join("home/runs/small")));
}

#[test]
fn a_run_that_was_stopped_measures_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let of = plan(&folder, TASK);
    let run = stopped_after(&of, &folder, 11, &[]);
    resume(&folder, &run, None).unwrap();
    let other = tempfile::tempdir().unwrap();
    execute(&plan(&other, TASK), &other, &mut Quiet);
    assert_eq!(of_task(&run), of_task(&other.path().join("home/runs/small")));
}
