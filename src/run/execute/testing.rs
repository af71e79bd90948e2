//! A small run for the tests of this room.

use super::super::folder::RunFolder;
use super::super::home::Home;
use super::super::plan::{self, Overrides, Plan};
use super::{Observer, PhaseRun, Request};
use crate::Result;
use crate::corpus::progress::Silent;
use crate::error::Kind;
use crate::protocol::{Evaluation, Event};
use candle_core::Device;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

/// One phase of 27 steps over 64 examples, with more `settings` of that phase.
pub fn plan(folder: &TempDir, settings: &str) -> Plan {
    let row = |index: usize| format!("{{\"prompt\": \"how much is {index}?\", \"completion\": \"it is {index}\"}}\n");
    let rows = folder.path().join("rows.jsonl");
    std::fs::write(&rows, (0..64).map(row).collect::<String>()).unwrap();
    let text = format!(
        "name = \"small\"\ntokenizer = {{ vocabulary = 300 }}\nmodel = {{ preset = \"llama-1m\", context = 32 }}\n\
         [[phase]]\nname = \"tune\"\nobjective = \"sft\"\ncorpus = '{}'\nsteps = 27\nbatch = 8\ncontext = 32\n\
         optimizer = {{ learning_rate = 1e-3 }}\n{settings}",
        rows.display()
    );
    load(folder, &text)
}

/// A plan's text as a file in `folder`, read again.
pub fn load(folder: &TempDir, text: &str) -> Plan {
    let file = folder.path().join("plan.toml");
    std::fs::write(&file, text).unwrap();
    plan::load(file.to_str().unwrap(), &Overrides::default()).unwrap()
}

/// What is trained after `step`: weights, and moments.
pub fn trained(run: &Path, step: u64) -> [Vec<u8>; 2] {
    let folder = run.join(format!("checkpoints/step-{step}"));
    ["model.safetensors", "frostline/optimizer.safetensors"].map(|name| std::fs::read(folder.join(name)).unwrap())
}

/// Listens to what is measured and said.
#[derive(Default)]
pub struct Watcher {
    pub evaluations: Vec<Evaluation>,
    pub notices: Vec<String>,
    /// The value of each step's pulls.
    pub pulls: Vec<f64>,
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
}

impl Watcher {
    /// What was measured in a phase on a suite, in order.
    pub fn of(&self, phase: &str, suite: &str) -> Vec<&Evaluation> {
        self.evaluations.iter().filter(|found| found.phase == phase && found.suite == suite).collect()
    }
}

/// Carries a plan out in a home inside `folder`.
pub fn execute(plan: &Plan, folder: &TempDir, observer: &mut dyn Observer) {
    let home = Home::find(Some(&folder.path().join("home"))).unwrap();
    let cancel = AtomicBool::new(false);
    let request = Request {
        plan,
        name: None,
        device: &Device::Cpu,
        home: &home,
        progress: &Silent,
        cancel: &cancel,
        until: None,
    };
    super::execute(&request, observer, None).unwrap();
}

/// Carries a plan out as `small`, saying `commands` at their steps, until it has made `steps` steps.
pub fn stopped_after(plan: &Plan, folder: &TempDir, steps: u64, commands: &[(u64, &'static str)]) -> PathBuf {
    stopped_with(plan, folder, steps, &mut Commands(commands.iter().rev().copied().collect()))
}

/// Carries a plan out as `small`, before an observer, until it has made `steps` steps.
pub fn stopped_with(plan: &Plan, folder: &TempDir, steps: u64, observer: &mut dyn Observer) -> PathBuf {
    let home = Home::find(Some(&folder.path().join("home"))).unwrap();
    let cancel = AtomicBool::new(false);
    let request = Request {
        plan,
        name: Some("small"),
        device: &Device::Cpu,
        home: &home,
        progress: &Silent,
        cancel: &cancel,
        until: Some(steps),
    };
    assert_eq!(super::execute(&request, observer, None).unwrap_err().kind, Kind::Interrupted);
    home.runs().join("small")
}

/// Goes on with a run, from its newest checkpoint or that of a step.
pub fn resume(folder: &TempDir, run: &Path, at: Option<u64>) -> Result<()> {
    let home = Home::find(Some(&folder.path().join("home"))).unwrap();
    let (mut opened, entries) = RunFolder::open(run)?;
    let plan = plan::load(&run.join("plan.toml").to_string_lossy(), &Overrides::default())?;
    let beginning = super::find_beginning(&mut opened, entries, at)?;
    let cancel = AtomicBool::new(false);
    let (device, progress) = (&Device::Cpu, &Silent);
    let request = Request { plan: &plan, name: None, device, home: &home, progress, cancel: &cancel, until: None };
    super::go_on(opened, beginning, &request, &mut Commands(Vec::new())).map(drop)
}

/// Says commands at their steps, the last first.
struct Commands(Vec<(u64, &'static str)>);

impl Observer for Commands {
    fn event(&mut self, _: &Event) {}

    fn between_steps(&mut self, phase: &mut PhaseRun) -> Result<bool> {
        let due = self.0.pop_if(|(step, _)| *step == phase.step());
        due.map(|(_, text)| phase.steer(&text.parse().unwrap())).transpose().map(|outcome| outcome.is_some())
    }
}
