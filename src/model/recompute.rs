//! Memory for time: what the backward pass computes again instead of keeping it.

use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// What a pass computes again on its way back (gradient checkpointing, Chen et al. 2016, arXiv 1604.06174). Neither
/// changes a bit of what is learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Recompute {
    /// Every block keeps what its backward pass needs.
    #[default]
    #[serde(rename = "none")]
    Nothing,
    /// Every block but the last keeps its input alone, and goes forward again before it goes back. The last block comes
    /// first on the way back: to compute it again would save nothing at the moment at which most is held.
    Blocks,
}

impl Recompute {
    pub const ALL: [Self; 2] = [Self::Nothing, Self::Blocks];

    /// As plans write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Blocks => "blocks",
        }
    }

    /// Whether block `index` of `blocks` is computed again.
    pub fn applies(self, index: usize, blocks: usize) -> bool {
        self == Self::Blocks && index + 1 < blocks
    }
}

impl fmt::Display for Recompute {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Recompute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|recompute| recompute.name() == text);
        found.ok_or_else(|| format!("\"{text}\" cannot be recomputed: none and blocks can"))
    }
}
