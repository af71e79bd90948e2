//! What a phase keeps, and what it computes again: memory for time.

use super::section::Section;
use crate::Result;
use crate::learn::prefix::Budget;
use crate::model::{Recompute, Storage};
use crate::ops::Precision;
use serde::Serialize;

/// Bytes of the unit that plans write budgets in.
const MEGABYTE: u64 = 1_000_000;
/// Megabytes of memory where the plan says nothing: on, since it changes no result and saves time; modest, since whoever
/// freezes may want to save memory; and nothing on the disk that nobody asked for.
const MEMORY: u64 = 256;

/// What frozen layers make of examples is kept for the next epoch. It changes nothing where no block is frozen from the
/// bottom up, or where no row comes again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrefixCachePlan {
    /// The most memory, in megabytes; with `disk`, 0 turns the cache off.
    pub memory: u64,
    /// The most that goes to a temporary file beyond that, in megabytes.
    pub disk: u64,
    /// How it is kept: f32 changes nothing in what is learned, bf16 takes half the room and rounds.
    pub precision: Precision,
}

impl PrefixCachePlan {
    /// In bytes.
    pub fn budget(&self) -> Budget {
        Budget { memory: self.memory * MEGABYTE, disk: self.disk * MEGABYTE }
    }
}

pub(super) fn read_recompute(phase: &Section) -> Result<Recompute> {
    let chosen = phase.choice("recompute", &Recompute::ALL.map(Recompute::name))?;
    Ok(chosen.and_then(|name| name.parse().ok()).unwrap_or_default())
}

pub(super) fn read_frozen_weights(phase: &Section) -> Result<Storage> {
    let chosen = phase.choice("frozen_weights", &Storage::ALL.map(Storage::name))?;
    Ok(chosen.and_then(|name| name.parse().ok()).unwrap_or_default())
}

pub(super) fn read_prefix_cache(phase: &Section) -> Result<PrefixCachePlan> {
    let standard = PrefixCachePlan { memory: MEMORY, disk: 0, precision: Precision::F32 };
    let Some(section) = phase.section("prefix_cache", &["memory", "disk", "precision"])? else { return Ok(standard) };
    let megabytes = |key| section.integer(key, 0..=1 << 30);
    let precision = section.choice("precision", &Precision::ALL.map(Precision::name))?;
    Ok(PrefixCachePlan {
        memory: megabytes("memory")?.unwrap_or(standard.memory),
        disk: megabytes("disk")?.unwrap_or(standard.disk),
        precision: precision.and_then(|name| name.parse().ok()).unwrap_or(standard.precision),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Overrides;
    use super::super::Plan;
    use super::super::read::parse;
    use super::*;

    fn with(lines: &str) -> Result<Plan> {
        let text = format!(
            "name = \"small\"\ntokenizer = {{ vocabulary = 300 }}\nmodel = {{ preset = \"llama-1m\" }}\n[[phase]]\n\
             name = \"tune\"\nobjective = \"sft\"\ncorpus = \"b.jsonl\"\nepochs = 3\n\
             optimizer = {{ learning_rate = 1e-4 }}\n{lines}"
        );
        parse("small.toml", &text, &Overrides::default())
    }

    #[test]
    fn defaults_are_written_out_and_what_is_given_is_kept() {
        let plan = with("").unwrap();
        let phase = &plan.phases[0];
        assert_eq!((phase.recompute, phase.prefix_cache.memory), (Recompute::Nothing, MEMORY));
        let text = plan.to_toml().unwrap();
        assert!(text.contains("recompute = \"none\"") && text.contains("[phase.prefix_cache]"), "{text}");
        let cache = "prefix_cache = { memory = 10, disk = 2000, precision = \"bf16\" }";
        let plan = with(&format!("recompute = \"blocks\"\nfrozen_weights = \"bf16\"\n{cache}")).unwrap();
        let phase = &plan.phases[0];
        assert_eq!((phase.recompute, phase.frozen_weights), (Recompute::Blocks, Storage::Bf16));
        assert_eq!(phase.prefix_cache, PrefixCachePlan { memory: 10, disk: 2000, precision: Precision::Bf16 });
        assert_eq!(phase.prefix_cache.budget(), Budget { memory: 10_000_000, disk: 2_000_000_000 });
        assert_eq!(parse("x", &plan.to_toml().unwrap(), &Overrides::default()).unwrap(), plan);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let cases = [
            ("recompute = \"block\"", "phase.tune.recompute"),
            ("recompute = true", "phase.tune.recompute"),
            ("frozen_weights = \"f8\"", "phase.tune.frozen_weights"),
            ("prefix_cache = { memory = -1 }", "phase.tune.prefix_cache.memory"),
            ("prefix_cache = { precision = \"f16\" }", "phase.tune.prefix_cache.precision"),
            ("prefix_cache = { size = 3 }", "phase.tune.prefix_cache.size"),
        ];
        for (line, key) in cases {
            let error = with(line).unwrap_err().to_string();
            assert!(error.contains(key), "{line}: {error}");
        }
    }
}
