//! Masked language modelling: what is hidden, and which models learn by it.

use super::section::Section;
use super::{ModelPlan, Objective, PhasePlan};
use crate::model::preset;
use crate::{Error, Result};
use serde::Serialize;

/// What an `mlm` phase hides of its rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MaskingPlan {
    /// Of the tokens of a row.
    pub share: f64,
    /// Tokens of a word are hidden together.
    pub whole_words: bool,
    /// At evaluations, how many tokens of a held-out text are hidden one by one for its pseudo-perplexity; 0 for none.
    pub pseudo_tokens: u64,
}

/// What BERT hides (Devlin et al. 2018, arXiv 1810.04805).
pub const SHARE: f64 = 0.15;
/// Enough for a curve, at about the cost of the other held-out losses.
pub const PSEUDO_TOKENS: u64 = 128;

impl Default for MaskingPlan {
    fn default() -> Self {
        Self { share: SHARE, whole_words: false, pseudo_tokens: PSEUDO_TOKENS }
    }
}

pub(super) fn read_masking(phase: &Section, objective: Objective) -> Result<Option<MaskingPlan>> {
    let section = phase.section("masking", &["share", "whole_words", "pseudo_tokens"])?;
    if objective != Objective::Mlm {
        return match section {
            Some(_) => Err(phase.refuse("masking", "this belongs to objective \"mlm\"").next("leave it out")),
            None => Ok(None),
        };
    }
    let standard = MaskingPlan::default();
    let Some(section) = section else { return Ok(Some(standard)) };
    Ok(Some(MaskingPlan {
        share: section.number("share", 0.001..=0.9)?.unwrap_or(standard.share),
        whole_words: section.boolean("whole_words")?.unwrap_or(standard.whole_words),
        pseudo_tokens: section.integer("pseudo_tokens", 0..=1 << 20)?.unwrap_or(standard.pseudo_tokens),
    }))
}

/// A model must be able to learn by the objectives of its phases; of one that comes from a checkpoint that is known later.
pub(super) fn check_objectives(top: &Section, model: &ModelPlan, phases: &[PhasePlan]) -> Result<()> {
    let Some(preset) = model.preset.as_deref().and_then(preset::find) else { return Ok(()) };
    let mut refused = phases.iter().filter_map(|phase| Some((phase, mismatch(phase.objective, preset.is_encoder())?)));
    match refused.next() {
        None => Ok(()),
        Some((phase, (why, advice))) => {
            let key = format!("phase.{}.objective", phase.name);
            Err(top.refuse(&key, format!("{}, {why}", preset.name)).next(advice))
        }
    }
}

/// The same for a model of which nothing but its family is known.
pub fn check_objective(phase: &PhasePlan, is_encoder: bool) -> Result<()> {
    match mismatch(phase.objective, is_encoder) {
        None => Ok(()),
        Some((why, advice)) => {
            let text = format!("the phase {} does not fit the model", phase.name);
            Err(Error::new(text).because(format!("the model, {why}")).next(advice))
        }
    }
}

/// Why a model cannot learn by an objective, and what to do.
fn mismatch(objective: Objective, is_encoder: bool) -> Option<(String, &'static str)> {
    let name = objective.name();
    match (objective, is_encoder) {
        (Objective::Mlm, false) => Some((
            format!(
                "a decoder, sees nothing of what comes after a position, and \"{name}\" is learned from both sides"
            ),
            "take objective \"clm\", or an encoder such as preset = \"bert-1m\"",
        )),
        (Objective::Clm | Objective::Sft, true) => Some((
            format!(
                "an encoder, sees what comes after a position, so that \"{name}\" would be learned by looking ahead"
            ),
            "take objective \"mlm\", or \"classify\" or \"regress\" for labels, or a decoder such as preset = \"llama-1m\"",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::parse;
    use super::super::{Overrides, Plan};
    use super::*;

    fn with(preset: &str, objective: &str, lines: &str) -> Result<Plan> {
        let text = format!(
            "name = \"small\"\ntokenizer = {{ vocabulary = 300 }}\nmodel = {{ preset = \"{preset}\" }}\n[[phase]]\n\
             name = \"a\"\nobjective = \"{objective}\"\ncorpus = \"a\"\nsteps = 3\n\
             optimizer = {{ learning_rate = 1e-4 }}\n{lines}"
        );
        parse("small.toml", &text, &Overrides::default())
    }

    #[test]
    fn masking_is_read_and_written_out_again() {
        let plan = with("bert-1m", "mlm", "").unwrap();
        assert_eq!(plan.phases[0].masking, Some(MaskingPlan::default()));
        let lines = "masking = { share = 0.3, whole_words = true, pseudo_tokens = 0 }";
        let plan = with("bert-1m", "mlm", lines).unwrap();
        let masking = MaskingPlan { share: 0.3, whole_words: true, pseudo_tokens: 0 };
        assert_eq!(plan.phases[0].masking, Some(masking));
        assert_eq!(parse("x", &plan.to_toml().unwrap(), &Overrides::default()).unwrap(), plan);
        assert_eq!(with("llama-1m", "clm", "").unwrap().phases[0].masking, None);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let cases = [
            ("llama-1m", "clm", "masking = { share = 0.2 }", "phase.a.masking"),
            ("bert-1m", "mlm", "masking = { share = 1.5 }", "phase.a.masking.share"),
            ("bert-1m", "mlm", "masking = { words = true }", "whole_words"),
            ("bert-1m", "clm", "", "phase.a.objective: bert-1m, an encoder"),
            ("bert-1m", "sft", "", "phase.a.objective: bert-1m, an encoder"),
            ("gpt2-1m", "mlm", "", "phase.a.objective: gpt2-1m, a decoder"),
            ("bert-1m", "mlm", "prompt = \"{a}\"\ncompletion = \"{b}\"", "phase.a.prompt"),
            ("bert-1m", "mlm", "task = { kind = \"translation\" }", "phase.a.task"),
        ];
        for (preset, objective, lines, part) in cases {
            let error = with(preset, objective, lines).unwrap_err();
            let text = format!("{error} {}", error.next.clone().unwrap_or_default());
            assert!(text.contains(part), "{preset} {objective} {lines}: {text}");
        }
        assert!(["classify", "regress"].iter().all(|objective| with("bert-1m", objective, "").is_ok()));
    }
}
