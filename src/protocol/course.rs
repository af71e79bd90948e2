//! What a person says of a phase's course: in which order layers begin to train, and how the rate goes on.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The order in which layers begin to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The last layer first, then one more from the top at a time (ULMFiT, Howard and Ruder 2018, arXiv 1801.06146).
    Gradual,
    /// The last layer alone, then each other layer alone from the bottom, then all (Felbo et al. 2017, arXiv 1708.00524).
    ChainThaw,
    /// The last layer alone, then all (linear probing, then fine-tuning: Kumar et al. 2022, arXiv 2202.10054).
    HeadFirst,
}

/// An order, and the steps of each of its stages but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfreeze {
    pub order: Order,
    pub every: u64,
}

/// The shape of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Curve {
    Constant,
    Linear,
    Cosine,
    WarmupStableDecay,
    SlantedTriangular,
}

impl Order {
    pub const ALL: [Order; 3] = [Order::Gradual, Order::ChainThaw, Order::HeadFirst];

    /// As plans and commands write it.
    pub fn name(self) -> &'static str {
        match self {
            Order::Gradual => "gradual",
            Order::ChainThaw => "chain-thaw",
            Order::HeadFirst => "head-first",
        }
    }
}

impl Curve {
    pub const ALL: [Curve; 5] =
        [Curve::Constant, Curve::Linear, Curve::Cosine, Curve::WarmupStableDecay, Curve::SlantedTriangular];

    /// As plans and commands write it.
    pub fn name(self) -> &'static str {
        match self {
            Curve::Constant => "constant",
            Curve::Linear => "linear",
            Curve::Cosine => "cosine",
            Curve::WarmupStableDecay => "warmup-stable-decay",
            Curve::SlantedTriangular => "slanted-triangular",
        }
    }
}

impl FromStr for Order {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|order| order.name() == text).ok_or_else(|| {
            Error::usage(format!("\"{text}\" is no order of unfreezing"))
                .next("write gradual, chain-thaw or head-first, and the steps of a stage; or off")
        })
    }
}

impl FromStr for Curve {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|curve| curve.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::usage(format!("\"{text}\" is no schedule")).next(format!("write one of {names}"))
        })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Unfreeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.order, self.every)
    }
}

impl FromStr for Unfreeze {
    type Err = Error;

    /// As it is displayed: `gradual 50`.
    fn from_str(text: &str) -> Result<Self> {
        let (order, every) = text.split_once(' ').ok_or_else(|| {
            Error::usage(format!("\"{text}\" is no order with its steps")).next("write both: gradual 50")
        })?;
        Ok(Self { order: order.parse()?, every: read_steps(every)? })
    }
}

/// Steps of a stage: at least one.
pub(super) fn read_steps(text: &str) -> Result<u64> {
    let steps = text.parse().ok().filter(|steps| (1..=1 << 40).contains(steps));
    steps
        .ok_or_else(|| Error::usage(format!("\"{text}\" is no number of steps")).next("write a whole number from 1 on"))
}

/// Steps of a warm-up: none, or more.
pub(super) fn read_warmup(text: &str) -> Result<u64> {
    let steps = text.parse().ok().filter(|steps| *steps <= 1 << 40);
    steps.ok_or_else(|| {
        Error::usage(format!("\"{text}\" is no warm-up")).next("write its steps as a whole number, or leave it out")
    })
}
