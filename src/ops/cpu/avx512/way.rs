//! The instructions that a product is computed with, and the sizes that suit them.

use super::super::super::Precision;
use super::amx::{self, Tiles};
use super::kernel::{Kernel, Registers};
use super::words::{Halves, Singles, Words};

/// How operands are multiplied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// In f32.
    Singles,
    /// Pairs of bfloat16 in vector registers.
    Halves,
    /// Pairs of bfloat16 in tiles.
    Tiles,
}

/// What [`super::plan`] has to know of a way.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Rows of a panel of a.
    pub rows: usize,
    /// Elements in a word of 32 bits.
    pub in_word: usize,
    /// Words along k of which a panel has a multiple.
    pub step: usize,
    /// Words of b that stay in the second-level cache of a thread.
    pub block_words: usize,
    /// Whether packing a takes so little of the time that it may be done again for every block of columns.
    pub packs_again: bool,
}

impl Way {
    /// The fastest here.
    pub fn of(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::Singles,
            Precision::Bf16 if amx::is_available() => Self::Tiles,
            Precision::Bf16 => Self::Halves,
        }
    }

    pub fn sizes(self) -> Sizes {
        match self {
            Self::Singles => of::<Registers<Singles>>(),
            Self::Halves => of::<Registers<Halves>>(),
            Self::Tiles => of::<Tiles>(),
        }
    }
}

fn of<K: Kernel>() -> Sizes {
    Sizes {
        rows: K::ROWS,
        in_word: K::Words::DEPTH,
        step: K::STEP,
        block_words: K::BLOCK_WORDS,
        packs_again: K::PACKS_AGAIN,
    }
}
