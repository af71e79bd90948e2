//! A learning-rate range test on a fork of the live weights: the rate rises from step to step, the run stays as it is.

use serde::{Deserialize, Serialize};

/// The rates that are gone through, exponentially.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RangeAsk {
    pub from: f64,
    pub to: f64,
    /// Steps from one to the other.
    pub steps: u64,
}

impl Default for RangeAsk {
    fn default() -> Self {
        Self { from: 1e-7, to: 1.0, steps: 100 }
    }
}

/// Parts of an answer: the beginning, a point for each step, and one end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RangeAnswer {
    /// The weights were forked.
    Started(RangeStarted),
    Point(RangePoint),
    Ended(RangeEnd),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RangeStarted {
    /// The phase that is tested.
    pub phase: String,
    /// Steps of the run that the weights have behind them.
    pub step: u64,
    /// The plan's rate at the peak, and the peak as it stands after what was said live.
    pub planned: f64,
    pub peak: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RangePoint {
    pub rate: f64,
    /// Nats per token, or per text that is scored, before the step.
    pub loss: f64,
    /// The running mean, without its bias towards the start.
    pub smoothed: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RangeEnd {
    /// All rates were gone through.
    Done(RangeFound),
    /// The loss left its lowest far behind, or was no number.
    Diverged(RangeFound),
    Cancelled,
    Failed(String),
}

/// Peak rates that the curve suggests; `None` where the loss never fell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RangeFound {
    /// Where the loss falls fastest over the logarithm of the rate.
    pub steepest: Option<f64>,
    /// Inside the longest fall.
    pub valley: Option<f64>,
    /// A tenth of the rate of the lowest loss.
    pub minimum_tenth: Option<f64>,
}
