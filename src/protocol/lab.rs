//! What a study of the lab found: every trial, what is the same over seeds together, and what it says.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A study as it stands: written to its folder after every run, and shown on the screen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabReport {
    /// The folder's name in the lab.
    pub name: String,
    /// Which comparison it is: `mitigations`.
    pub study: String,
    /// What is asked.
    pub question: String,
    /// How it was set up, for people: sizes, steps, data.
    pub setup: String,
    pub seeds: Vec<u64>,
    pub progress: LabProgress,
    /// What is better further left (or further right) on the plane, and further down (or up).
    pub x: LabAxis,
    pub y: LabAxis,
    /// One for each method, setting, rate and number of labels, over the seeds.
    pub points: Vec<LabPoint>,
    /// What is claimed, and whether it came out.
    pub findings: Vec<LabFinding>,
    pub trials: Vec<LabTrial>,
}

/// How far a study is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LabProgress {
    /// Trials that were carried out, and all.
    pub done: u64,
    pub total: u64,
    /// Seconds that the rest will take, as the steps up to now went; nothing before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<f64>,
}

impl LabProgress {
    pub fn is_done(&self) -> bool {
        self.done == self.total
    }
}

/// One axis of the plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabAxis {
    /// `forgetting of the old text`.
    pub name: String,
    /// `nats/token`; empty for a share.
    pub unit: String,
    pub better: LabBetter,
    /// Each step of it multiplies.
    pub is_logarithmic: bool,
}

/// Which way of an axis is better; neither where it is only set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabBetter {
    Low,
    High,
    Neither,
}

/// Mean and sample standard deviation over the seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabSpread {
    pub mean: f64,
    /// Divided by count − 1; 0 for one seed.
    pub deviation: f64,
    pub count: u64,
}

/// Trials that differ in nothing but the seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabPoint {
    pub method: String,
    /// Of the method: `0.1`; empty where it has none.
    pub setting: String,
    /// Peak learning rate.
    pub rate: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<u64>,
    pub x: LabSpread,
    pub y: LabSpread,
    /// No other point is better on both axes.
    pub is_front: bool,
    /// The best of its method, setting and labels, over the rates: by the y axis alone.
    pub is_best_rate: bool,
    /// `RUN@PHASE`, one for each seed.
    pub runs: Vec<String>,
}

/// A claim, and what came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabFinding {
    pub claim: String,
    /// Nothing where too little was measured to say.
    pub holds: Option<bool>,
    /// The figures it rests on.
    pub evidence: String,
}

/// One phase of one run, measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabTrial {
    pub run: String,
    pub phase: String,
    pub seed: u64,
    pub method: String,
    pub setting: String,
    pub rate: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<u64>,
    /// What it learned, by name: `new`, `old`, `forgetting`, `accuracy`….
    pub values: BTreeMap<String, f64>,
    /// Evaluations on the way: (steps of the phase, name, value).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<(u64, String, f64)>,
}
