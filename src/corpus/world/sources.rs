//! The bundled data files, embedded.

use super::grammar::Grammar;
use super::lexicon::Lexicon;
use crate::error::Result;

/// A data file below `data/world/`, as (name, text).
macro_rules! data {
    ($($space:literal: $path:literal),* $(,)?) => {
        [$(($space, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/world/", $path)))),*]
    };
}

/// The words of the valley and of the harbour.
pub fn lexicon() -> Result<Lexicon> {
    Lexicon::read(&data! {
        "names.toml": "words/names.toml",
        "people.toml": "words/people.toml",
        "things.toml": "words/things.toml",
        "feelings.toml": "words/feelings.toml",
        "doings.toml": "words/doings.toml",
        "ledger.toml": "words/ledger.toml",
    })
}

/// The templates of the valley. Documents of the pretraining corpus begin with `tale_` and `page_`.
pub fn grammar(lexicon: &Lexicon) -> Result<Grammar> {
    let files = data! {
        "common": "common.toml",
        "common": "relations.toml",
        "tale_errand": "stories/errand.toml",
        "tale_loss": "stories/loss.toml",
        "tale_bargain": "stories/bargain.toml",
        "tale_quarrel": "stories/quarrel.toml",
        "tale_journey": "stories/journey.toml",
        "tale_learning": "stories/learning.toml",
        "tale_riddles": "stories/riddles.toml",
        "tale_occasions": "stories/occasions.toml",
        "page_verses": "registers/verses.toml",
        "page_portrait": "registers/portrait.toml",
        "page_gossip": "registers/gossip.toml",
        "page_letters": "registers/letters.toml",
        "page_visitors": "registers/visitors.toml",
        "page_almanac": "registers/almanac.toml",
        "roll": "registers/roll.toml",
        "ledger": "ledger.toml",
        "sentiment": "tasks/sentiment.toml",
        "instructions": "tasks/instructions.toml",
        "preferences": "tasks/preferences.toml",
    };
    Grammar::read(&files, lexicon)
}
