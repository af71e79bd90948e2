//! What is known of every group of the layer grid.

use super::group::Group;
use serde::{Deserialize, Serialize};

/// What a group costs, known before anything runs. Work is in floating-point operations a token; the layers' share of
/// memory follows from the same figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupFacts {
    pub group: Group,
    /// Scalars.
    pub parameters: u64,
    /// Of the forward pass.
    pub forward: f64,
    /// Of carrying the gradient through to what lies below.
    pub backward_input: f64,
    /// Of the gradient of its own weights.
    pub backward_weight: f64,
    /// Of its forward pass when it is computed again on the way back, where the backward pass reaches its layer.
    #[serde(default)]
    pub recomputed: f64,
    /// Bytes that a step keeps of it for the backward pass, where the backward pass reaches its layer.
    pub kept_bytes: u64,
    /// Bytes of gradient and moments, where it trains.
    pub training_bytes: u64,
}

/// What was measured of a group. What was not is NaN.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupReport {
    /// Euclidean, before clipping.
    pub gradient_norm: f32,
    /// Norm of the step's change of the weights, by the norm of the weights.
    pub update_ratio: f32,
    /// Norm of the weights' distance from the base (θ*), by the norm of the base's weights.
    pub drift: f32,
    /// Optimizer steps that the group has made.
    pub steps: u64,
}

/// Every group, in the order of the run's [`GroupFacts`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupReports {
    pub step: u64,
    pub groups: Vec<GroupReport>,
}
