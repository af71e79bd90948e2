//! What happens in a run, as `train --json` prints it: one object a line, with the kind as its only key.

use super::LossUnit;
use serde::{Deserialize, Deserializer, Serialize};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The first line of a journal.
    Begun(Begun),
    Phase(PhaseStarted),
    Step(Step),
    Evaluation(Evaluation),
    Checkpoint(CheckpointSaved),
    Notice(Notice),
    Steered(Steered),
    /// A guard saw something go wrong, and did something about it.
    Guarded(Guarded),
    /// The run went back to where it stood before: what came between no longer counts.
    Rewound(Rewound),
    /// Somebody went on with a run that had ended or was killed.
    Resumed(Resumed),
    Failed(Failed),
    Finished(Finished),
}

/// A run's folder was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    pub run: String,
    /// Of the program.
    pub version: String,
    /// A hash of `plan.toml`: what was recorded belongs to this plan.
    pub plan: String,
    /// The run that this one came from, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Where a run came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The other run's name, in the same home.
    pub run: String,
    /// Steps that both have in common.
    pub step: u64,
    pub kind: OriginKind,
    /// Lines at the beginning of the journal that are the other's.
    #[serde(default)]
    pub lines: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginKind {
    /// It has the other's first steps, and goes on by itself.
    Fork,
    /// The other's plan and changes were carried out again.
    Replay,
}

/// A phase begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseStarted {
    pub phase: String,
    /// The checkpoint it starts from; `None` for new weights.
    pub base: Option<String>,
    pub first_step: u64,
    pub steps: u64,
    /// Scalars in the model, and how many of them train.
    pub parameters: u64,
    pub trainable: u64,
    /// What the operands of matrix products are rounded to: `f32` or `bf16`.
    #[serde(default = "single")]
    pub precision: String,
    /// What it learns from, for people.
    pub data: String,
    /// The plan's order of unfreezing with the steps of its stages, as a command says it: `gradual 50`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfreeze: Option<String>,
    /// What its losses are counted in.
    #[serde(default, skip_serializing_if = "LossUnit::is_per_token")]
    pub loss_unit: LossUnit,
}

/// One optimizer step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub phase: String,
    /// Counted through the whole run, from 1.
    pub step: u64,
    /// Before the step: nats per learned token, or in the phase's own unit.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    #[serde(deserialize_with = "number")]
    pub learning_rate: f64,
    /// Before clipping.
    #[serde(deserialize_with = "number")]
    pub gradient_norm: f64,
    /// Positions read a second, over this step alone.
    #[serde(deserialize_with = "number")]
    pub tokens_per_second: f64,
    /// Since the run began, evaluations and pauses included.
    #[serde(default)]
    pub seconds: f64,
    /// Changes that the journal held by then: one that lost some of them is found out.
    #[serde(default)]
    pub changes: u64,
    /// What pulls towards the base would add to the loss, nats; nothing where nothing pulls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<f64>,
}

/// One suite measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub phase: String,
    /// Steps done when it was measured.
    pub step: u64,
    /// Held-out text of a phase, by its name, or a probe set.
    pub suite: String,
    /// Nats per token; of scored texts nats per text, or the squared error.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// NaN, and null in JSON, where the loss is not in nats per token.
    #[serde(deserialize_with = "number")]
    pub perplexity: f64,
    pub bits_per_byte: Option<f64>,
    /// The task's metric, where the suite has one.
    pub metric: Option<String>,
    pub value: Option<f64>,
    /// Where the suite has several metrics, all of them, `metric` first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricValue>,
    /// On suites of earlier phases and probes: the loss minus that of the phase's base. Above zero is forgetting.
    pub retention: Option<f64>,
}

/// The metric that is no share of 1: KL(live ‖ base) on a text suite, nats per token, 0 being the base.
pub const KL_BASE: &str = "kl_base";

/// What the name of a suite ends with that is a small part of another, measured between evaluations.
pub const SAMPLED: &str = ":sampled";

/// A metric by name; [`super::MetricFacts`] has the forms and directions of all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricValue {
    pub name: String,
    #[serde(deserialize_with = "number")]
    pub value: f64,
}

/// A checkpoint is on disk, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointSaved {
    pub phase: String,
    pub step: u64,
    pub path: String,
}

/// Something a person should know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    pub phase: Option<String>,
    pub step: u64,
    pub text: String,
}

/// A command of a person took effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Steered {
    pub phase: String,
    /// Steps done before it took effect.
    pub step: u64,
    /// What was asked, and what came of it.
    #[serde(flatten)]
    pub change: super::Change,
    #[serde(default)]
    pub by: By,
}

/// Who told a run something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    #[default]
    Person,
    /// The plan has it at this step.
    Plan,
    /// A guard, by the plan's policy.
    Guard,
    /// What holds the plan's bound on forgetting.
    Bound,
}

/// Something went wrong in training, and was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guarded {
    pub phase: String,
    /// The step that went wrong.
    pub step: u64,
    /// What was seen: `the loss is NaN`.
    pub why: String,
    /// What was done about it: `went back to step 100 and paused`.
    pub effect: String,
}

/// The run stands where it stood before; everything from `to_line` of the journal and `to_step` of the metrics on, up
/// to here, was taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rewound {
    pub phase: String,
    /// Steps done before it went back.
    pub step: u64,
    /// Steps done where it stands now.
    pub to_step: u64,
    /// Lines of the journal that still count.
    pub to_line: u64,
    /// In a few words: `undid: froze block.0`.
    pub why: String,
}

/// A run goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resumed {
    /// Steps done where it goes on from.
    pub step: u64,
    /// The checkpoint that it goes on from; `None` for the run's beginning.
    pub checkpoint: Option<String>,
    /// Steps that had been done and are done again, the same way.
    pub again: u64,
}

/// The run ended in an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    /// Steps done before it.
    pub step: u64,
    /// What, why, and what to do next.
    pub error: String,
}

/// The run is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    pub run: String,
    /// The run's folder.
    pub path: String,
    pub steps: u64,
    pub seconds: f64,
    /// Positions read in training.
    pub tokens: u64,
    /// The most memory the process ever held.
    pub peak_rss_bytes: Option<u64>,
    /// What later phases made of earlier ones, for each phase that no other went on from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfer: Vec<Transfer>,
}

/// What a line of phases made of those at its beginning, by the losses on their own held-out data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// The last of the line.
    pub phase: String,
    /// The mean of now − best, nats per token.
    #[serde(deserialize_with = "number")]
    pub forgetting: f64,
    /// The mean of then − now (Lopez-Paz and Ranzato 2017, arXiv 1706.08840); above zero what came later helped.
    #[serde(deserialize_with = "number")]
    pub backward_transfer: f64,
    pub earlier: Vec<Retained>,
}

/// The loss on an earlier phase's own held-out data, nats per token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retained {
    pub phase: String,
    /// At the end of that phase.
    pub then: f64,
    /// The lowest from there on, before the last.
    pub best: f64,
    /// The highest from there on, with what was measured between evaluations.
    pub worst: f64,
    /// At the last evaluation.
    pub now: f64,
}

/// The precision of runs that were recorded before there was a choice.
fn single() -> String {
    "f32".into()
}

/// JSON has no infinity and no NaN, and writes them as null: they are read as NaN.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_are_no_numbers_are_read_again() {
        let step = Step {
            phase: "a".into(),
            step: 1,
            loss: f64::INFINITY,
            learning_rate: 0.1,
            gradient_norm: f64::NAN,
            tokens_per_second: 1.0,
            seconds: 1.0,
            changes: 0,
            pull: None,
        };
        let json = serde_json::to_string(&Event::Step(step)).unwrap();
        let Event::Step(read) = serde_json::from_str(&json).unwrap() else { panic!("{json}") };
        assert!(read.loss.is_nan() && read.gradient_norm.is_nan() && read.learning_rate == 0.1);
    }
}
