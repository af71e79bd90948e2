//! A small run for the tests of this room.

use super::super::home::Home;
use super::super::plan::{self, Overrides, Plan};
use super::{Observer, Request};
use crate::corpus::progress::Silent;
use candle_core::Device;
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
    let file = folder.path().join("plan.toml");
    std::fs::write(&file, text).unwrap();
    plan::load(file.to_str().unwrap(), &Overrides::default()).unwrap()
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
