//! Sampling: one prompt, answered by several checkpoints side by side.

use super::{Graft, Share};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which weights answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Lane {
    /// What the phase started from (θ*).
    Base,
    /// What is being trained, as it is when the answer begins.
    Live,
    /// A folder, `RUN`, `RUN@STEP`, `RUN@PHASE` or `RUN@best`; or `blend:A:B:SHARE`, `average:A:B…`,
    /// `graft:BASE:LIVE:LAYERS` of such.
    Checkpoint(String),
    /// (1 − share) · base + share · live.
    Blend(Share),
    /// Layers of the base in the live weights, or the other way round.
    Graft(Graft),
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lane::Base => f.write_str("base θ*"),
            Lane::Live => f.write_str("live"),
            Lane::Checkpoint(name) => f.write_str(name),
            Lane::Blend(share) => write!(f, "blend {share}"),
            Lane::Graft(graft) => graft.fmt(f),
        }
    }
}

/// How tokens are chosen. Settings that would change nothing are off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleSettings {
    /// 0 is greedy.
    pub temperature: f64,
    /// 0 for all.
    pub top_k: u64,
    /// 1 for all.
    pub top_p: f64,
    /// Only tokens at least this likely, relative to the likeliest; 0 for all.
    pub min_p: f64,
    /// Above 1 makes tokens that stand in the text already less likely; 1 is off.
    pub repetition_penalty: f64,
    pub seed: u64,
    pub max_tokens: u64,
    /// The answer ends before any of these texts.
    pub stop: Vec<String>,
    /// The prompt is what a user says, and is spelled as the lane's chat template does.
    #[serde(default)]
    pub chat: bool,
}

impl Default for SampleSettings {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            top_k: 0,
            top_p: 0.95,
            min_p: 0.0,
            repetition_penalty: 1.0,
            seed: 7,
            max_tokens: 120,
            stop: Vec::new(),
            chat: false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleAsk {
    pub prompt: String,
    pub lanes: Vec<Lane>,
    pub settings: SampleSettings,
}

/// Parts of an answer, by the place of the lane in the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SampleAnswer {
    /// The lane's weights are there and it has read the prompt.
    Started(LaneStarted),
    Tokens {
        lane: u32,
        tokens: Vec<SampledToken>,
    },
    Ended(LaneEnded),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneStarted {
    pub lane: u32,
    /// What answers: `step 1240`, `new weights`.
    pub weights: String,
    /// Of the prompt under this lane's weights; `None` where it is a single token.
    pub prompt_perplexity: Option<f64>,
    pub prompt_tokens: u64,
    /// Tokens at the start of the prompt that did not fit the context.
    pub left_out: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneEnded {
    pub lane: u32,
    pub why: LaneEnd,
    pub tokens_per_second: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LaneEnd {
    /// The model ended its text.
    EndOfText,
    /// A stop text came.
    StopText,
    /// As many tokens as were asked for.
    Complete,
    /// The context is full.
    ContextFull,
    Cancelled,
    Failed(String),
}

/// One token as it was chosen. Probabilities are the model's own, before temperature and cuts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampledToken {
    pub id: u32,
    /// What it adds to the text; empty while a character is not complete.
    pub text: String,
    pub probability: f32,
    /// Nats; the uncertainty of the whole distribution.
    pub entropy: f32,
    /// The likeliest tokens there, the likeliest first, with their probabilities.
    pub alternatives: Vec<(String, f32)>,
}
