//! The prefix cache of a phase: when it is used, and what is told of it.

use super::super::data::PhaseData;
use super::super::home::Home;
use super::super::plan::PhasePlan;
use crate::learn::prefix::{Budget, scalar_bytes};
use crate::learn::{PrefixReport, PrefixSettings};
use crate::model::Decoder;
use crate::protocol::PrefixState;

/// What a phase of so many steps keeps; `None` where the plan keeps nothing, or no row comes twice.
pub fn settings(plan: &PhasePlan, data: &PhaseData, steps: u64, home: &Home) -> Option<PrefixSettings> {
    let budget = plan.prefix_cache.budget();
    let comes_again = data.batches.repeats() && steps > data.batches.batches_per_epoch();
    let settings =
        PrefixSettings { budget, precision: plan.prefix_cache.precision, folder: home.cache().join("prefix") };
    (comes_again && budget != Budget::default()).then_some(settings)
}

/// Which share of a phase's rows there is room for.
pub fn share(settings: &PrefixSettings, data: &PhaseData, decoder: &Decoder) -> f64 {
    let row = (data.batches.context() * decoder.config.width * scalar_bytes(settings.precision)) as u64;
    let room = settings.budget.memory / row + settings.budget.disk / row;
    (room as f64 / data.batches.rows_per_epoch().max(1) as f64).min(1.0)
}

/// A report as the protocol has it.
pub fn state(report: &PrefixReport, decoder: &Decoder) -> PrefixState {
    PrefixState {
        blocks: decoder.blocks_below(report.layer) as u64,
        rows: report.rows,
        bytes: report.bytes.memory,
        disk_bytes: report.bytes.disk,
        hits: report.hits,
        misses: report.misses,
        served: report.served,
    }
}

/// What the cache did, at the end of a phase; `None` where no row came from it.
pub fn account(state: &PrefixState) -> Option<String> {
    let blocks = if state.blocks == 1 { "1 block".to_string() } else { format!("{} blocks", state.blocks) };
    let share = 100.0 * state.hits as f64 / (state.hits + state.misses).max(1) as f64;
    let megabytes = (state.bytes + state.disk_bytes) as f64 / 1e6;
    (state.hits > 0).then(|| format!("prefix cache: {blocks} · {share:.0}% of rows · {megabytes:.1} MB"))
}

#[cfg(test)]
mod tests {
    use super::super::super::plan::{self, Overrides, Plan};
    use super::super::{Observer, PhaseRun, Request, execute};
    use super::*;
    use crate::Result;
    use crate::corpus::progress::Silent;
    use crate::protocol::{Command, Event};
    use candle_core::Device;
    use std::sync::atomic::AtomicBool;
    use tempfile::TempDir;

    /// Freezes or thaws at a step, and remembers everything.
    #[derive(Default)]
    struct Watcher {
        losses: Vec<u64>,
        notices: Vec<String>,
        states: Vec<Option<PrefixState>>,
        share: f64,
    }

    impl Observer for Watcher {
        fn event(&mut self, event: &Event) {
            match event {
                Event::Step(step) => self.losses.push(step.loss.to_bits()),
                Event::Notice(notice) => self.notices.push(notice.text.clone()),
                _ => {}
            }
        }

        fn between_steps(&mut self, phase: &mut PhaseRun) -> Result<bool> {
            self.share = phase.describe().prefix_share;
            self.states.push(phase.prefix());
            let command = match phase.step() {
                10 => "thaw block.1",
                15 => "freeze block.0-2",
                _ => return Ok(false),
            };
            phase.steer(&command.parse::<Command>().unwrap())?;
            Ok(false)
        }
    }

    fn plan(folder: &TempDir, settings: &str) -> Plan {
        let row =
            |index: usize| format!("{{\"prompt\": \"how much is {index}?\", \"completion\": \"it is {index}\"}}\n");
        let rows = folder.path().join("rows.jsonl");
        std::fs::write(&rows, (0..64).map(row).collect::<String>()).unwrap();
        let text = format!(
            "name = \"small\"\ntokenizer = {{ vocabulary = 300 }}\nmodel = {{ preset = \"llama-1m\", context = 32 }}\n\
             [[phase]]\nname = \"tune\"\nobjective = \"sft\"\ncorpus = '{}'\nsteps = 27\nbatch = 8\ncontext = 32\n\
             frozen = [\"embedding\", \"block.0-1\"]\noptimizer = {{ learning_rate = 1e-3 }}\n{settings}",
            rows.display()
        );
        let file = folder.path().join("plan.toml");
        std::fs::write(&file, text).unwrap();
        plan::load(file.to_str().unwrap(), &Overrides::default()).unwrap()
    }

    fn carry_out(settings: &str) -> Watcher {
        let folder = tempfile::tempdir().unwrap();
        let (plan, home) = (plan(&folder, settings), Home::find(Some(&folder.path().join("home"))).unwrap());
        let cancel = AtomicBool::new(false);
        let mut watcher = Watcher::default();
        let request =
            Request { plan: &plan, name: None, device: &Device::Cpu, home: &home, progress: &Silent, cancel: &cancel };
        execute(&request, &mut watcher).unwrap();
        watcher
    }

    #[test]
    fn a_phase_of_examples_uses_its_cache_and_ends_at_the_same_losses() {
        let plain = carry_out("prefix_cache = { memory = 0 }");
        assert_eq!((plain.share, plain.states.iter().flatten().count()), (0.0, 0));
        assert!(plain.notices.is_empty(), "{:?}", plain.notices);
        let kept = carry_out("recompute = \"blocks\"");
        assert_eq!((&kept.losses, kept.share), (&plain.losses, 1.0));
        assert!(kept.notices.iter().any(|text| text.contains("blocks 0 to 1")), "{:?}", kept.notices);
        assert!(kept.notices.last().unwrap().starts_with("prefix cache: 3 blocks · "), "{:?}", kept.notices);
        let blocks: Vec<u64> = kept.states.iter().flatten().map(|state| state.blocks).collect();
        assert_eq!((blocks.first(), blocks.last(), blocks.contains(&1)), (Some(&2), Some(&3), true));
        let on_disk = carry_out("prefix_cache = { memory = 0, disk = 1000 }");
        assert_eq!(on_disk.losses, plain.losses);
        let last = on_disk.states.last().unwrap().unwrap();
        assert!(last.bytes == 0 && last.disk_bytes > 0 && last.served > 0.8 && last.hits > last.misses, "{last:?}");
    }

    #[test]
    fn a_phase_that_sees_every_row_once_keeps_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut once = plan(&folder, "");
        (once.phases[0].steps, once.phases[0].epochs) = (None, Some(1.0));
        let home = Home::find(Some(folder.path())).unwrap();
        let cancel = AtomicBool::new(false);
        let request =
            Request { plan: &once, name: None, device: &Device::Cpu, home: &home, progress: &Silent, cancel: &cancel };
        let mut watcher = Watcher::default();
        execute(&request, &mut watcher).unwrap();
        assert_eq!((watcher.share, watcher.states.iter().flatten().count()), (0.0, 0));
    }
}
