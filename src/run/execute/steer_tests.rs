//! Going back: undo, guards, and a disk that fails, on a small run.

use super::super::testing::{self, plan};
use super::super::{Observer, Request};
use super::*;
use crate::protocol::{Event, Step};
use crate::run::disk::testing::{Fault, Watched};
use crate::run::plan::OnDiskError;
use crate::run::{disk, journal};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// Says things at steps, and remembers what came of them.
#[derive(Default)]
struct Says {
    /// (steps done, command); each is said once.
    commands: Vec<(u64, &'static str)>,
    answers: Vec<Result<Outcome, String>>,
    steps: Vec<Step>,
    events: Vec<Event>,
    /// Standing still, what is looked at before `continue` is said.
    held: Vec<String>,
    numbers: Vec<(u64, Vec<Vec<f32>>)>,
}

impl Says {
    fn new(commands: &[(u64, &'static str)]) -> Self {
        Self { commands: commands.iter().rev().copied().collect(), ..Self::default() }
    }
}

fn numbers(phase: &PhaseRun) -> Vec<Vec<f32>> {
    let numbers = |tensor: &candle_core::Tensor| tensor.flatten_all().unwrap().to_vec1().unwrap();
    let moments = phase.learner.optimizer().all_moments().iter().flatten();
    let weights = phase.learner.decoder.parameters.iter().map(|(_, parameter)| numbers(&parameter.value));
    weights.chain(moments.flat_map(|moments| [numbers(&moments.first), numbers(&moments.second)])).collect()
}

impl Observer for Says {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Step(step) => self.steps.push(step.clone()),
            event => self.events.push(event.clone()),
        }
    }

    fn waits(&self) -> bool {
        true
    }

    fn between_steps(&mut self, phase: &mut PhaseRun) -> crate::Result<bool> {
        self.numbers.push((phase.step(), numbers(phase)));
        if let Some(why) = phase.held() {
            self.held.push(why.to_string());
        }
        match self.commands.last() {
            Some((step, text)) if *step == phase.step() => {
                let command: Command = text.parse().unwrap();
                self.commands.pop();
                self.answers.push(phase.steer(&command).map_err(|error| error.to_string()));
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

fn run_folder(folder: &TempDir) -> PathBuf {
    folder.path().join("home/runs/small")
}

fn weights(folder: &TempDir) -> Vec<u8> {
    std::fs::read(run_folder(folder).join("checkpoints/step-27/model.safetensors")).unwrap()
}

#[test]
fn undo_goes_back_to_the_bits_before_the_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut says = Says::new(&[(5, "freeze block.0"), (9, "rate x10"), (12, "undo"), (9, "undo"), (5, "undo")]);
    testing::execute(&plan(&folder, "frozen = [\"block.1\"]"), &folder, &mut says);
    let said: Vec<String> = says.answers.iter().map(|answer| format!("{answer:?}")).collect();
    assert!(said[2].contains("undid: rate ×10") && said[2].contains("3 steps back"), "{said:?}");
    assert!(said[3].contains("undid: froze block.0, 4 steps back"), "{said:?}");
    assert!(said[4].contains("nothing to undo"), "{said:?}");
    // Before the change, behind it, and when the run is back; step 9 is come to once more, with nothing frozen.
    for step in [5, 9] {
        let of_step = says.numbers.iter().filter(|(own, _)| *own == step).map(|(_, numbers)| numbers);
        let of_step: Vec<_> = of_step.take(3).collect();
        assert!(of_step.len() == 3 && of_step.iter().all(|numbers| *numbers == of_step[0]), "step {step}");
    }
    let folder_alone = tempfile::tempdir().unwrap();
    testing::execute(&plan(&folder_alone, "frozen = [\"block.1\"]"), &folder_alone, &mut Says::default());
    assert!(weights(&folder) == weights(&folder_alone), "as if nothing had been changed");
    let entries = journal::read(&run_folder(&folder).join(journal::FILE)).unwrap();
    assert!(entries.effective().iter().all(|entry| !matches!(entry.event, Event::Steered(_))));
    let records = crate::run::records::read(&run_folder(&folder)).unwrap();
    assert_eq!(records.steps.step, (1..=27).collect::<Vec<_>>());
}

#[test]
fn what_has_no_room_in_memory_cannot_be_undone_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(&folder, "");
    plan.snapshots.memory = 0;
    let mut says = Says::new(&[(5, "freeze block.0"), (7, "undo")]);
    testing::execute(&plan, &folder, &mut says);
    let refused = says.answers[1].clone().unwrap_err();
    assert!(refused.contains("no longer in memory") && refused.contains("step 5"), "{refused}");
}

#[test]
fn a_skipped_batch_changes_nothing_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut says = Says::new(&[(5, "skip")]);
    testing::execute(&plan(&folder, ""), &folder, &mut says);
    let of = |step: u64| says.numbers.iter().find(|(own, _)| *own == step).map(|(_, numbers)| numbers).unwrap();
    assert!(of(5) == of(6) && of(6) != of(7));
    assert_eq!(says.steps.len(), 27);
}

/// Carries a plan out, stops where it is held, and says how it ended.
fn held_or_done(plan: &crate::run::Plan, folder: &TempDir, says: Says) -> (Says, crate::Result<()>) {
    let home = crate::run::Home::find(Some(&folder.path().join("home"))).unwrap();
    let cancel = AtomicBool::new(false);
    let mut ends = EndsWhenHeld { says, cancel: &cancel };
    let (device, progress) = (&candle_core::Device::Cpu, &crate::corpus::progress::Silent);
    let request = Request { plan, name: None, device, home: &home, progress, cancel: &cancel, until: None };
    let outcome = super::super::execute(&request, &mut ends, None);
    (ends.says, outcome.map(drop))
}

/// Stops the run when it is held.
struct EndsWhenHeld<'a> {
    says: Says,
    cancel: &'a AtomicBool,
}

impl Observer for EndsWhenHeld<'_> {
    fn event(&mut self, event: &Event) {
        self.says.event(event);
    }

    fn waits(&self) -> bool {
        true
    }

    fn between_steps(&mut self, phase: &mut PhaseRun) -> crate::Result<bool> {
        if phase.held().is_some() {
            self.cancel.store(true, Ordering::Relaxed);
        }
        self.says.between_steps(phase)
    }
}

/// At this rate the loss leaps after some twenty steps.
fn wild(folder: &TempDir, action: &str) -> crate::run::Plan {
    let guard = format!("guard = {{ action = \"{action}\", spike = 0.5, factor = 0.001, every = 4, most = 9 }}");
    let mut plan = plan(folder, &guard);
    (plan.phases[0].steps, plan.phases[0].optimizer.learning_rate) = (Some(40), 1.0);
    (plan.phases[0].optimizer.clip, plan.phases[0].checkpoint_every) = (0.0, 7);
    plan
}

#[test]
fn a_guard_goes_back_to_a_good_state_and_holds() {
    let folder = tempfile::tempdir().unwrap();
    let (says, outcome) = held_or_done(&wild(&folder, "pause"), &folder, Says::new(&[(2, "freeze block.0/norm")]));
    assert_eq!(outcome.unwrap_err().kind, crate::error::Kind::Interrupted);
    let Some(Event::Guarded(guarded)) = says.events.iter().find(|event| matches!(event, Event::Guarded(_))) else {
        panic!("{:?}", says.events)
    };
    let Some(Event::Rewound(rewound)) = says.events.iter().find(|event| matches!(event, Event::Rewound(_))) else {
        panic!("{:?}", says.events)
    };
    assert!(rewound.to_step < rewound.step && rewound.to_step.is_multiple_of(4), "{rewound:?}");
    assert!(says.held[0].contains(&guarded.why), "{:?}", says.held);
    let (_, held) = says.numbers.last().unwrap();
    let (_, then) = says.numbers.iter().find(|(step, _)| *step == rewound.to_step).unwrap();
    assert!(held == then, "it stands where it stood");
    let saved = crate::run::checkpoint::list(&run_folder(&folder)).unwrap();
    assert!(saved.iter().all(|(_, state)| state.step <= rewound.to_step), "what went wrong is set aside");
}

#[test]
fn a_guard_lowers_the_rate_or_skips_and_the_run_comes_to_its_end() {
    for action in ["lower-rate", "skip"] {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = wild(&folder, action);
        plan.phases[0].guard.most = 1000;
        let (says, outcome) = held_or_done(&plan, &folder, Says::new(&[(2, "freeze block.0/norm")]));
        outcome.unwrap();
        assert!(says.events.iter().any(|event| matches!(event, Event::Guarded(_))), "{action}");
        // What it did is a part of the recipe: whoever carries that out needs no guard, and gets the same weights.
        let recipe = crate::run::recipe::of(&run_folder(&folder)).unwrap();
        assert!(recipe.is_finished && recipe.plan.changes.len() >= 2, "{action}: {:?}", recipe.plan.changes);
        let again = tempfile::tempdir().unwrap();
        let mut plan = recipe.plan;
        plan.phases[0].guard.spike = 0.0;
        testing::execute(&plan, &again, &mut Says::default());
        let weights =
            |folder: &TempDir| std::fs::read(run_folder(folder).join("checkpoints/step-40/model.safetensors"));
        assert!(weights(&folder).unwrap() == weights(&again).unwrap(), "{action}");
    }
}

/// Lets the disk under the run's folder fail from when its data is there.
struct Fails {
    watched: Watched,
    fault: Fault,
    says: Says,
}

impl Observer for Fails {
    fn event(&mut self, event: &Event) {
        self.says.event(event);
    }

    fn prepared(&mut self, _: &super::super::Preparations) {
        self.watched.fail(self.fault);
    }

    fn between_steps(&mut self, phase: &mut PhaseRun) -> crate::Result<bool> {
        if phase.step() == 20 || phase.held().is_some() {
            self.watched.heal();
        }
        self.says.between_steps(phase)
    }
}

/// A run whose disk fails at one operation, and perhaps stays so for a while; it has to come to its end with `want`.
fn with_fault(fault: Fault, policy: OnDiskError, want: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(&folder, "checkpoint_every = 9");
    plan.on_disk_error = policy;
    let watched = disk::testing::watch(&run_folder(&folder));
    let mut fails = Fails { watched, fault, says: Says::new(&[(3, "rate x1.5"), (4, "undo"), (11, "freeze block.1")]) };
    // Two of them may be refused, with nothing changed; the last is said again.
    fails.says.commands.insert(0, (22, "freeze block.1"));
    testing::execute(&plan, &folder, &mut fails);
    let Fails { says, .. } = fails;
    let is_frozen_early = says.answers.iter().rev().nth(1).is_some_and(|answer| answer.is_ok());
    if is_frozen_early && says.answers[0].is_ok() == says.answers[1].is_ok() {
        assert!(weights(&folder) == want, "{fault:?}");
    }
    let run = run_folder(&folder);
    let entries = journal::read(&run.join(journal::FILE)).unwrap();
    let told = entries.list.iter().filter(|entry| matches!(entry.event, Event::Steered(_))).count();
    let taken = says.answers.iter().zip([1, 0, 1, 1]).filter(|(answer, _)| answer.is_ok()).map(|(_, count)| count);
    assert_eq!(told, taken.sum::<usize>(), "what was taken stands in the journal, and nothing else: {fault:?}");
    assert!(matches!(entries.list.last().unwrap().event, Event::Finished(_)), "{fault:?}");
    for (path, _) in crate::run::checkpoint::list(&run).unwrap() {
        crate::run::checkpoint::verify(&path).unwrap();
    }
}

#[test]
fn a_disk_that_fails_at_any_moment_costs_no_step_and_no_command() {
    let folder = tempfile::tempdir().unwrap();
    let watched = disk::testing::watch(&run_folder(&folder));
    let mut says = Says::new(&[(11, "freeze block.1")]);
    testing::execute(&plan(&folder, "checkpoint_every = 9"), &folder, &mut says);
    let (operations, want) = (watched.count(), weights(&folder));
    drop(watched);
    let errors = [libc::ENOSPC, libc::EIO, libc::EACCES];
    let mut random = crate::random::Random::new(7, 0);
    for round in 0..24 {
        let (at, errno) = (random.below(operations as usize) as u64, errors[round % errors.len()]);
        let fault = Fault { at, errno, is_lasting: round % 4 == 1, is_short: round % 2 == 0 };
        with_fault(fault, if round % 3 == 0 { OnDiskError::Pause } else { OnDiskError::Continue }, &want);
    }
}

#[test]
fn more_memory_than_there_is_is_refused_with_what_to_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(&folder, "");
    plan.phases[0].batch = 60_000_000;
    let (_, outcome) = held_or_done(&plan, &folder, Says::default());
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("GB are free") && error.contains("recompute"), "{error}");
}
