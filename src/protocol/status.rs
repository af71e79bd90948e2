//! Where a run stands.

use super::group::Group;
use serde::{Deserialize, Serialize};

/// What the run is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Reading, tokenising, loading: nothing trains yet.
    Preparing(Preparation),
    Training,
    /// Measuring held-out data.
    Evaluating,
    /// Writing a checkpoint.
    Saving,
    Paused,
    /// Every phase is done.
    Finished,
    /// Stopped before its end, by a person or because its host went away.
    Stopped,
    /// It ended in an error.
    Failed(String),
}

impl State {
    /// One word for scripts and headers.
    pub fn name(&self) -> &'static str {
        match self {
            State::Preparing(_) => "preparing",
            State::Training => "training",
            State::Evaluating => "evaluating",
            State::Saving => "saving",
            State::Paused => "paused",
            State::Finished => "finished",
            State::Stopped => "stopped",
            State::Failed(_) => "failed",
        }
    }

    /// Whether commands can take effect.
    pub fn is_live(&self) -> bool {
        !matches!(self, State::Finished | State::Stopped | State::Failed(_))
    }
}

/// What is being prepared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    /// In a few words: `tokenising stories`.
    pub what: String,
    /// Bytes done and there are, where both are known.
    pub progress: Option<Progress>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}

/// The phase that is being carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    pub name: String,
    /// Its place in the plan.
    pub index: usize,
    /// Its first step, counted through the run, and how many it has.
    pub first_step: u64,
    pub steps: u64,
    /// The checkpoint that it starts from (θ*); `None` for new weights.
    pub base: Option<String>,
    /// The objective's name: clm, sft.
    pub objective: String,
    /// Positions of a row, and rows of a step.
    pub context: u64,
    pub batch: u64,
    /// Which share of the rows the prefix cache has room for, where rows come again; 0 where it is off.
    #[serde(default)]
    pub prefix_share: f64,
}

/// How the prefix cache stands: what frozen layers made of rows, kept for when the rows come again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrefixState {
    /// Frozen blocks that are skipped.
    pub blocks: u64,
    pub rows: u64,
    /// In memory and in a file.
    pub bytes: u64,
    pub disk_bytes: u64,
    /// Rows that were there when they came, and those that were not, since the frost line moved last.
    pub hits: u64,
    pub misses: u64,
    /// The share of the former in recent batches.
    pub served: f64,
}

/// A group as it is trained now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupState {
    pub group: Group,
    pub trainable: bool,
    /// What the learning rate is multiplied by for this group.
    pub multiplier: f64,
}

/// A change that can be taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undoable {
    /// What it did, in a few words: `froze block.0`.
    pub effect: String,
    /// Steps done before it: where the run would stand again.
    pub step: u64,
}

/// Everything that changes slowly. It is sent when something in it changed, at most ten times a second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub run: String,
    pub state: State,
    pub phase: Option<Phase>,
    /// Steps done in the whole run.
    pub step: u64,
    /// Of the step before: schedule and changes by hand together, without groups' multipliers.
    pub learning_rate: f64,
    /// What the schedule is multiplied by, by hand.
    pub rate_factor: f64,
    /// In the order of the run's facts about groups; empty until the model is there.
    pub groups: Vec<GroupState>,
    /// `None` where nothing is kept.
    #[serde(default)]
    pub prefix: Option<PrefixState>,
    /// Why the run is held, where nobody asked for it: a guard, a full disk.
    #[serde(default)]
    pub held: Option<String>,
    /// What `undo` would take back now.
    #[serde(default)]
    pub undo: Option<Undoable>,
    /// Commands that wait for the end of the step, as they were typed.
    pub pending: Vec<String>,
    /// Until the end of the phase.
    pub seconds_left: Option<f64>,
    /// Smoothed seconds of a step, without evaluations.
    pub step_seconds: Option<f64>,
    /// Memory that the host holds now, bytes.
    pub resident_bytes: Option<u64>,
    /// Lanes that are writing now.
    pub sampling: u32,
    /// Training rate while lanes write by the rate while none does; `None` until both were measured.
    pub sampling_cost: Option<f64>,
    pub clients: u32,
}

impl Status {
    /// Of a run of which nothing more is known.
    pub fn new(run: &str, state: State) -> Self {
        Self {
            run: run.to_string(),
            state,
            phase: None,
            step: 0,
            learning_rate: 0.0,
            rate_factor: 1.0,
            groups: Vec::new(),
            prefix: None,
            held: None,
            undo: None,
            pending: Vec::new(),
            seconds_left: None,
            step_seconds: None,
            resident_bytes: None,
            sampling: 0,
            sampling_cost: None,
            clients: 0,
        }
    }
}
