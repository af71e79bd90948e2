//! How a plan pulls a phase towards the weights that it starts from.

use super::section::Section;
use super::{ModelPlan, PhasePlan};
use crate::Result;
use crate::learn::Strengths;
use serde::Serialize;

/// Rows of the phase before that the Fisher information is measured on, where the plan says nothing.
const FISHER_ROWS: usize = 256;

/// Pulls towards the base; see [`crate::learn::pull`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PullPlan {
    /// α of L2-SP; 0 for none.
    pub l2_sp: f64,
    /// λ of elastic weight consolidation; 0 for none.
    pub ewc: f64,
    /// Strength of the pull of the base's answers (KL to the base); 0 for none.
    pub kl: f64,
    /// What logits are divided by for that pull, also where `kl` is set live.
    pub temperature: f64,
    /// Rows of the phase before that the Fisher information is measured on, also where `ewc` is set live.
    pub fisher_rows: usize,
}

impl Default for PullPlan {
    fn default() -> Self {
        Self { l2_sp: 0.0, ewc: 0.0, kl: 0.0, temperature: 1.0, fisher_rows: FISHER_ROWS }
    }
}

impl PullPlan {
    pub fn strengths(&self) -> Strengths {
        Strengths { l2_sp: self.l2_sp, ewc: self.ewc, kl: self.kl }
    }

    /// Whether it says what it would say unsaid.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

pub(super) fn read_pull(phase: &Section) -> Result<PullPlan> {
    let standard = PullPlan::default();
    let Some(section) = phase.section("pull", &["l2_sp", "ewc", "kl", "temperature", "fisher_rows"])? else {
        return Ok(standard);
    };
    Ok(PullPlan {
        l2_sp: section.number("l2_sp", 0.0..=1e12)?.unwrap_or(0.0),
        ewc: section.number("ewc", 0.0..=1e12)?.unwrap_or(0.0),
        kl: section.number("kl", 0.0..=1e12)?.unwrap_or(0.0),
        temperature: section.number("temperature", 0.01..=100.0)?.unwrap_or(1.0),
        fisher_rows: section.integer("fisher_rows", 1..=1 << 32)?.map_or(FISHER_ROWS, |rows| rows as usize),
    })
}

/// A pull needs weights to pull to, and elastic weight consolidation data that they were learned from.
pub(super) fn check_pulls(top: &Section, model: &ModelPlan, phases: &[PhasePlan]) -> Result<()> {
    for (index, phase) in phases.iter().enumerate() {
        let stands_on_phase = match phase.from.as_deref() {
            None => index > 0,
            Some(from) => from != "scratch",
        };
        let key = |key: &str| format!("phase.{}.pull.{key}", phase.name);
        if phase.pull.strengths().is_on() && !stands_on_phase && model.from.is_none() {
            let pull = &phase.pull;
            let on = [("l2_sp", pull.l2_sp), ("ewc", pull.ewc), ("kl", pull.kl)].into_iter().find(|(_, of)| *of > 0.0);
            let name = on.map_or("l2_sp", |(name, _)| name);
            return Err(top
                .refuse(&key(name), "the phase starts from new weights, so there is nothing to pull to")
                .next("leave `pull` out, or let the phase start from another"));
        }
        if phase.pull.ewc > 0.0 && !stands_on_phase {
            return Err(top
                .refuse(&key("ewc"), "no phase of this run comes before, whose data would say which weights matter")
                .next("use l2_sp, which needs no data"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::read::parse;
    use super::super::{Overrides, Plan};
    use super::*;

    fn with(model: &str, first: &str, second: &str) -> Result<Plan> {
        let phase = |name: &str, lines: &str| {
            format!(
                "[[phase]]\nname = \"{name}\"\nobjective = \"sft\"\ncorpus = \"b.jsonl\"\nsteps = 3\n\
                 optimizer = {{ learning_rate = 1e-4 }}\n{lines}\n"
            )
        };
        let text = format!("name = \"small\"\n{model}\n{}{}", phase("one", first), phase("two", second));
        parse("small.toml", &text, &Overrides::default())
    }

    const NEW: &str = "tokenizer = { vocabulary = 300 }\nmodel = { preset = \"llama-1m\" }";
    const OLD: &str = "model = { from = \"old\" }";

    #[test]
    fn pulls_are_read_and_written_again() {
        let plan =
            with(NEW, "", "pull = { l2_sp = 0.01, ewc = 100.0, kl = 0.5, temperature = 2, fisher_rows = 32 }").unwrap();
        assert_eq!(
            plan.phases[1].pull,
            PullPlan { l2_sp: 0.01, ewc: 100.0, kl: 0.5, temperature: 2.0, fisher_rows: 32 }
        );
        assert_eq!(parse("x", &plan.to_toml().unwrap(), &Overrides::default()).unwrap(), plan);
        assert!(!plan.phases[0].pull.strengths().is_on());
        assert!(with(OLD, "pull = { l2_sp = 0.01 }", "").is_ok());
    }

    #[test]
    fn what_has_no_base_is_not_pulled() {
        let cases = [
            (NEW, "pull = { l2_sp = 0.01 }", "", "phase.one.pull.l2_sp"),
            (NEW, "pull = { ewc = 1.0 }", "", "phase.one.pull.ewc"),
            (NEW, "pull = { kl = 1.0 }", "", "phase.one.pull.kl"),
            (NEW, "", "pull = { temperature = 0 }", "phase.two.pull.temperature"),
            (NEW, "", "from = \"scratch\"\npull = { l2_sp = 1.0 }", "phase.two.pull.l2_sp"),
            (OLD, "pull = { ewc = 1.0 }", "", "phase.one.pull.ewc"),
            (NEW, "", "pull = { l2_sp = -1.0 }", "phase.two.pull.l2_sp"),
            (NEW, "", "pull = { fisher_rows = 0 }", "phase.two.pull.fisher_rows"),
        ];
        for (model, first, second, key) in cases {
            let error = with(model, first, second).unwrap_err().to_string();
            assert!(error.contains(key), "{first} {second}: {error}");
        }
    }
}
