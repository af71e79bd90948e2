//! What the valley remembers: floods, fires and other old events, each with its year, place and hero.

use super::Deck;
use super::places::Place;
use crate::corpus::world::lexicon::{Lexicon, Record};
use crate::error::{Error, Result};
use crate::random::Random;

/// The year in which the stories play.
pub const NOW: i64 = 412;

/// One past event.
#[derive(Debug)]
pub struct Event<'l> {
    /// What happened and how the hero helped.
    pub kind: &'l Record,
    pub year: i64,
    pub place: usize,
    /// A person of old times, not among the living.
    pub hero: &'l str,
}

/// One event of each kind, in different places and years.
pub fn remember<'l>(lexicon: &'l Lexicon, places: &[Place<'l>], random: &mut Random) -> Result<Vec<Event<'l>>> {
    let mut heroes = Deck::new(lexicon, "heroes_of_old", random)?;
    let mut sites: Vec<usize> = (0..places.len()).collect();
    random.shuffle(&mut sites);
    let kinds = lexicon.table("events")?;
    kinds
        .iter()
        .enumerate()
        .map(|(index, kind)| {
            let place = sites.get(index).ok_or_else(|| Error::new("there are more past events than places"))?;
            // Four years each, shuffled within: no two events share a year.
            let year = NOW - 20 - 4 * index as i64 - random.between(0, 3);
            Ok(Event { kind, year, place: *place, hero: &heroes.draw()?.one })
        })
        .collect()
}
