//! The prefix cache of a phase: when it is used, and what is told of it.

use super::super::data::PhaseData;
use super::super::home::Home;
use super::super::plan::PhasePlan;
use crate::learn::prefix::{Budget, scalar_bytes};
use crate::learn::{PrefixReport, PrefixSettings, PrefixTotals};
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

/// Which share of a phase's different rows there is room for.
pub fn share(settings: &PrefixSettings, data: &PhaseData, decoder: &Decoder) -> f64 {
    let row = (data.batches.context() * decoder.config.width * scalar_bytes(settings.precision)) as u64;
    let room = settings.budget.memory / row + settings.budget.disk / row;
    (room as f64 / data.batches.distinct_rows().max(1) as f64).min(1.0)
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

/// What the cache did in the whole of a phase, at its end, wherever the frost line was; `None` where no row came from it.
pub fn account(totals: &PrefixTotals) -> Option<String> {
    let share = 100.0 * totals.hits as f64 / totals.rows.max(1) as f64;
    let megabytes = totals.most_bytes as f64 / 1e6;
    (totals.hits > 0).then(|| format!("prefix cache: {share:.0}% of the phase's rows came from it, {megabytes:.1} MB"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{execute, plan};
    use super::super::{Observer, PhaseRun};
    use super::*;
    use crate::Result;
    use crate::protocol::{Command, Event};

    /// Freezes or thaws at a step, and remembers everything.
    #[derive(Default)]
    struct Watcher {
        losses: Vec<u64>,
        notices: Vec<String>,
        states: Vec<Option<PrefixState>>,
        /// The state after each command.
        steered: Vec<Option<PrefixState>>,
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
            self.steered.push(phase.prefix());
            Ok(false)
        }
    }

    const FROZEN: &str = "frozen = [\"embedding\", \"block.0-1\"]";

    fn carry_out(settings: &str) -> Watcher {
        let folder = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::default();
        execute(&plan(&folder, &format!("{FROZEN}\n{settings}")), &folder, &mut watcher);
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
        let told = kept.notices.last().unwrap();
        assert!(told.starts_with("prefix cache: ") && told.contains("% of the phase's rows came from it"), "{told}");
        assert_eq!(kept.steered, [None, None], "what was kept goes with the frost line");
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
        let mut once = plan(&folder, FROZEN);
        (once.phases[0].steps, once.phases[0].epochs) = (None, Some(1.0));
        let mut watcher = Watcher::default();
        execute(&once, &folder, &mut watcher);
        assert_eq!((watcher.share, watcher.states.iter().flatten().count()), (0.0, 0));
    }
}
