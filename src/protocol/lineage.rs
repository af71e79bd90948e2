//! Runs that come from each other, and curves that lie beside a run's own.

use super::event::{Evaluation, Origin};
use super::step::StepRecords;
use serde::{Deserialize, Serialize};

/// A run of a family, as far as its files tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kin {
    pub run: String,
    /// `None` for the run that all others come from.
    pub origin: Option<Origin>,
    /// The phases that began: name, first step, and the checkpoint that each started from.
    pub phases: Vec<KinPhase>,
    /// What was changed by hand, by the plan or by a guard since the origin: steps done before, and what was done.
    pub changes: Vec<(u64, String)>,
    /// Steps done.
    pub step: u64,
    /// Of the last step.
    pub loss: Option<f64>,
    /// One word: training, finished, stopped, failed.
    pub state: String,
}

/// A phase of a related run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KinPhase {
    pub name: String,
    pub first_step: u64,
    pub base: Option<String>,
}

/// A curve beside the run's own, from where they part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// The other run's name, or what was undone.
    pub name: String,
    pub kind: BranchKind,
    /// The last step that both have.
    pub from: u64,
    /// Its steps after that; of long ones a part that keeps every extreme of the loss.
    pub steps: StepRecords,
    pub evaluations: Vec<Evaluation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BranchKind {
    /// A stretch of this run that was taken back.
    Undone,
    /// Another run.
    Run,
}
