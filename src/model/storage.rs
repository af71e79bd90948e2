//! How the matrices of a model are stored.

use candle_core::DType;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The type that matrices are stored in. Whatever computes with them widens them to f32 as it reads them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    #[default]
    F32,
    /// The type of most published checkpoints: weights that come from such a one lose nothing.
    Bf16,
    F16,
}

impl Storage {
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::F16];

    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
            Self::F16 => DType::F16,
        }
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Storage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|storage| storage.name() == text);
        found.ok_or_else(|| format!("\"{text}\" is no way to store weights: f32, bf16 and f16 are"))
    }
}
