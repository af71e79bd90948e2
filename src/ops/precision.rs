//! The arithmetic of matrix products.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What the operands of matrix products are rounded to. Weights, activations, gradients and sums stay f32. Few rows at
/// once (up to sixteen, as in generation) are not rounded where the weight is stored in f32: reading it is what takes time
/// there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    #[default]
    F32,
    /// bfloat16: eight bits of mantissa, the exponent's range of f32 (Kalamkar et al. 2019, arXiv 1905.12322).
    Bf16,
}

impl Precision {
    pub const ALL: [Self; 2] = [Self::F32, Self::Bf16];

    /// Whether this machine's processor has instructions for it; elsewhere products are f32.
    pub fn is_supported(self) -> bool {
        self == Self::F32 || super::cpu::has_bf16()
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|precision| precision.name() == text);
        found.ok_or_else(|| format!("\"{text}\" is no precision: f32 and bf16 are"))
    }
}
