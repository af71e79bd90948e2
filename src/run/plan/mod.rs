//! A plan: what a run is to do, validated before anything is done.

mod chat;
mod checkpoints;
mod for_corpus;
mod keep;
mod masking;
mod labels;
mod overrides;
mod presets;
mod pull;
mod read;
mod replay;
mod retention;
mod safety;
mod section;
mod task;
mod unfreeze;

pub use chat::ChatPlan;
pub use for_corpus::for_corpus;
pub use keep::PrefixCachePlan;
pub use labels::{LABEL, TEXT};
pub use masking::{MaskingPlan, check_objective};
pub use overrides::Overrides;
pub use presets::PRESETS;
pub use pull::PullPlan;
pub(crate) use read::is_plain_name;
pub use read::load;
pub use replay::ReplayPlan;
pub use retention::{Hold, RetentionPlan};
pub use safety::{ChangePlan, GuardAction, GuardPlan, OnDiskError, OnShortMemory, SnapshotsPlan};
pub use task::{ITEMS, TOKENS, TaskKind, TaskPlan};
pub use unfreeze::UnfreezePlan;

use super::checkpoint::Keep;
use crate::learn::Schedule;
use crate::model::{Recompute, Storage};
use crate::ops::Precision;
use crate::protocol::LossUnit;
use serde::Serialize;

/// A run, from the tokenizer to the last phase. Serialises to the TOML that it can be read from again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    pub name: String,
    pub seed: u64,
    pub on_disk_error: OnDiskError,
    pub on_short_memory: OnShortMemory,
    /// `None` where the model's checkpoint brings its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<TokenizerPlan>,
    pub model: ModelPlan,
    /// States in memory, to go back to.
    pub snapshots: SnapshotsPlan,
    #[serde(rename = "phase")]
    pub phases: Vec<PhasePlan>,
    /// What changes while it runs, without anybody saying so.
    #[serde(rename = "change", skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangePlan>,
}

/// Where the tokenizer comes from: exactly one is set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenizerPlan {
    /// Trained from the first phase's corpus, with this many tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<usize>,
    /// A `tokenizer.json`, or a folder that holds one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Where the model comes from: `preset` or `from`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelPlan {
    /// A shape by name, with new weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// The most positions of a new model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<usize>,
    /// Whether a new model's head shares its weight with the embedding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tied: Option<bool>,
    /// A checkpoint: a folder, or a run's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// What a phase learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Causal language modelling: every next token of running text.
    Clm,
    /// Masked language modelling: hidden tokens of running text, from both sides.
    Mlm,
    /// Supervised fine-tuning: the completions of prompts.
    Sft,
    /// The class of whole texts.
    Classify,
    /// A number for whole texts.
    Regress,
}

impl Objective {
    /// As plans write it.
    pub fn name(self) -> &'static str {
        match self {
            Objective::Clm => "clm",
            Objective::Mlm => "mlm",
            Objective::Sft => "sft",
            Objective::Classify => "classify",
            Objective::Regress => "regress",
        }
    }

    /// What its loss is counted in.
    pub fn loss_unit(self) -> LossUnit {
        match self {
            Objective::Clm | Objective::Mlm | Objective::Sft => LossUnit::NatsPerToken,
            Objective::Classify => LossUnit::NatsPerText,
            Objective::Regress => LossUnit::SquaredError,
        }
    }
}

/// One stage of the model's life.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhasePlan {
    pub name: String,
    pub objective: Objective,
    /// An earlier phase, or `scratch` for the run's first weights; the phase before where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Paths, or sets of the bundled world (`world:stories`).
    pub corpus: Vec<CorpusPlan>,
    /// The share of documents or examples that is held out, where the source does not say itself.
    pub held_out: f64,
    /// Skip rows of JSON that cannot be read, rather than refuse the corpus.
    pub skip_broken: bool,
    /// For `sft` on rows of other fields: templates with field names in braces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion: Option<String>,
    /// For `classify` and `regress`: the field of the text, or a template with field names in braces; the field of the
    /// label; and the classes in their order, where they are not to be those that are found, sorted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// For `sft` on conversations: how they are spelled.
    #[serde(flatten)]
    pub chat: ChatPlan,
    /// But for `clm`: how many examples are used, chosen by the seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Prompt–completion sets that are measured at every evaluation and never trained on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Instead of `steps`: how often everything is seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<f64>,
    /// Rows of a step, all micro-batches together.
    pub batch: usize,
    /// Micro-batches that a step is divided into.
    pub accumulate: usize,
    /// Tokens of a row.
    pub context: usize,
    /// Of matrix products, in training and in the evaluations on its way; one at the plan's top is for all phases.
    pub precision: Precision,
    /// For `mlm`: what is hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masking: Option<MaskingPlan>,
    /// Rows of earlier phases among its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayPlan>,
    /// How much of what came before may be forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionPlan>,
    /// Groups that do not train.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<String>,
    /// Layers that begin to train one after another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfreeze: Option<UnfreezePlan>,
    /// How the matrices are stored that are frozen when the phase begins. What is frozen later keeps its bits.
    pub frozen_weights: Storage,
    /// What the backward pass computes again instead of keeping it, for less memory: `blocks`, or `none`.
    pub recompute: Recompute,
    /// What frozen layers make of rows that come again.
    pub prefix_cache: PrefixCachePlan,
    /// Pulls towards the weights that the phase starts from.
    #[serde(skip_serializing_if = "PullPlan::is_default")]
    pub pull: PullPlan,
    pub optimizer: OptimizerPlan,
    /// How rates differ between layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rates: Option<RatesPlan>,
    pub schedule: Schedule,
    pub evaluation: EvaluationPlan,
    /// For `sft`: a task whose answers are generated at evaluations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskPlan>,
    /// What is done about steps that go wrong.
    pub guard: GuardPlan,
    /// Steps between checkpoints, besides the one at the end; 0 for none.
    pub checkpoint_every: u64,
    /// Which of those stay.
    pub keep: Keep,
}

/// A source of text and its share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CorpusPlan {
    pub path: String,
    /// The share of rows in a mixture; by size where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

/// Discriminative learning rates (Howard and Ruder 2018, arXiv 1801.06146).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RatesPlan {
    /// What the rate is divided by from each layer to the one below.
    pub decay: f64,
}

impl PhasePlan {
    /// The layer-wise decay of the rates; 1 for none.
    pub fn decay(&self) -> f64 {
        self.rates.as_ref().map_or(1.0, |rates| rates.decay)
    }
}

/// AdamW's settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OptimizerPlan {
    /// At the schedule's peak.
    pub learning_rate: f64,
    pub weight_decay: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    /// The largest gradient norm; 0 for no clipping.
    pub clip: f64,
}

/// When and how much is evaluated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvaluationPlan {
    /// Steps between evaluations, besides the first and the last; 0 for none.
    pub every: u64,
    /// At most this many tokens of each held-out text.
    pub tokens: u64,
    /// At most this many held-out examples of each set.
    pub examples: usize,
}

impl Plan {
    /// The place of the phase that phase `index` starts from; `None` for new weights.
    pub fn parent(&self, index: usize) -> Option<usize> {
        match self.phases[index].from.as_deref() {
            None => index.checked_sub(1),
            Some("scratch") => None,
            Some(name) => self.phases[..index].iter().position(|phase| phase.name == name),
        }
    }

    /// The phases that phase `index` stands on, the nearest first.
    pub fn ancestors(&self, index: usize) -> Vec<usize> {
        std::iter::successors(self.parent(index), |&parent| self.parent(parent)).collect()
    }
}
