//! What figures are: the unit of a loss, and the table of metrics with their forms and directions.

use super::KL_BASE;
use serde::{Deserialize, Serialize};

/// What the loss of a phase is counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossUnit {
    /// The only one that has a perplexity, and bits per byte.
    #[default]
    NatsPerToken,
    /// Of the class of a whole text.
    NatsPerText,
    /// Of a number for a whole text.
    SquaredError,
}

impl LossUnit {
    pub fn is_per_token(&self) -> bool {
        *self == LossUnit::NatsPerToken
    }
}

/// How the values of a metric are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricForm {
    /// From 0 to 1: a percentage.
    Share,
    Number,
}

/// What is known of a metric by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricFacts {
    pub name: &'static str,
    pub form: MetricForm,
    pub higher_is_better: bool,
}

/// Every metric that a suite has.
pub const METRICS: [MetricFacts; 14] = [
    share("exact_match"),
    share("accuracy"),
    share("macro_f1"),
    share("token_f1"),
    share("rouge_l"),
    share("chrf"),
    share("bleu"),
    share("constraints"),
    share("masked_accuracy"),
    MetricFacts { name: "pearson", form: MetricForm::Number, higher_is_better: true },
    MetricFacts { name: "spearman", form: MetricForm::Number, higher_is_better: true },
    MetricFacts { name: "mse", form: MetricForm::Number, higher_is_better: false },
    MetricFacts { name: "pseudo_perplexity", form: MetricForm::Number, higher_is_better: false },
    MetricFacts { name: KL_BASE, form: MetricForm::Number, higher_is_better: false },
];

const fn share(name: &'static str) -> MetricFacts {
    MetricFacts { name, form: MetricForm::Share, higher_is_better: true }
}

impl MetricFacts {
    /// A name that the table does not have is taken for a share: another version may know more.
    pub fn of(name: &str) -> Self {
        METRICS.into_iter().find(|facts| facts.name == name).unwrap_or(share("metric"))
    }
}
