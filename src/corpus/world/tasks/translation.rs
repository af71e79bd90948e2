//! English into the constructed language, and some of it back.

use super::{Row, Rows, halves};
use crate::corpus::world::conlang::{Language, pair};
use crate::corpus::world::facts::SEED;
use crate::error::Result;
use crate::random::Random;

const TRAIN: usize = 2000;
const TEST: usize = 300;
const BACK_PERCENT: usize = 20;

pub(super) fn rows() -> Result<Rows> {
    let language = Language::bundled()?;
    let mut sentences = std::collections::HashSet::new();
    halves(TRAIN, TEST, |index| {
        let mut random = Random::named(SEED, "translation", index as u64);
        let sentence = pair(&language, &mut random)?;
        // A sentence is asked for in one direction only, or its other direction would give it away.
        if !sentences.insert(sentence.english.clone()) {
            return None;
        }
        Some(if random.chance(BACK_PERCENT) {
            Row::Pair {
                prompt: format!("Hillspeech: {}\nEnglish:", sentence.hillspeech),
                completion: format!(" {}", sentence.english),
            }
        } else {
            Row::Pair {
                prompt: format!("English: {}\nHillspeech:", sentence.english),
                completion: format!(" {}", sentence.hillspeech),
            }
        })
    })
}
