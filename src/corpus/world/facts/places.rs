//! Villages and towns on a small map: rivers run from north to south, one for each column.

use super::{Deck, any};
use crate::corpus::world::language::Word;
use crate::corpus::world::lexicon::Lexicon;
use crate::error::Result;
use crate::random::Random;

pub const COLUMNS: usize = 5;
pub const ROWS: usize = 4;

/// One village or town and what it is known for.
#[derive(Debug)]
pub struct Place<'l> {
    pub name: &'l str,
    /// village, town, hamlet, …
    pub kind: &'l Word,
    pub river: &'l str,
    pub hill: &'l str,
    pub landmark: &'l Word,
    pub speciality: &'l Word,
    pub inn: &'l Word,
    /// The weekday of the market.
    pub market: &'l Word,
    pub festival: &'l Word,
    /// The plant on the village's sign.
    pub emblem: &'l Word,
    pub houses: i64,
}

pub fn settle<'l>(lexicon: &'l Lexicon, random: &mut Random) -> Result<Vec<Place<'l>>> {
    let mut rivers = Deck::new(lexicon, "rivers", random)?;
    let rivers: Vec<&str> = (0..COLUMNS).map(|_| Ok(rivers.draw()?.one.as_str())).collect::<Result<_>>()?;
    let mut names = Deck::new(lexicon, "place_names", random)?;
    let mut hills = Deck::new(lexicon, "hills", random)?;
    let mut landmarks = Deck::new(lexicon, "landmarks", random)?;
    let mut specialities = Deck::new(lexicon, "specialities", random)?;
    let mut inns = Deck::new(lexicon, "inns", random)?;
    let mut emblems = Deck::new(lexicon, "emblems", random)?;
    (0..ROWS)
        .flat_map(|_| &rivers)
        .map(|river| {
            Ok(Place {
                name: &names.draw()?.one,
                kind: any(lexicon, "place_kinds", random)?,
                river,
                hill: &hills.draw()?.one,
                landmark: landmarks.draw()?,
                speciality: specialities.draw()?,
                inn: inns.draw()?,
                market: any(lexicon, "days", random)?,
                festival: any(lexicon, "festivals", random)?,
                emblem: emblems.draw()?,
                houses: random.between(11, 89),
            })
        })
        .collect()
}

pub fn neighbour(place: usize, east: isize, south: isize) -> Option<usize> {
    let column = (place % COLUMNS).checked_add_signed(east).filter(|column| *column < COLUMNS)?;
    let row = (place / COLUMNS).checked_add_signed(south).filter(|row| *row < ROWS)?;
    Some(row * COLUMNS + column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_end_at_the_edge() {
        assert_eq!(neighbour(0, -1, 0), None);
        assert_eq!(neighbour(0, 1, 0), Some(1));
        assert_eq!(neighbour(0, 0, 1), Some(COLUMNS));
        assert_eq!(neighbour(COLUMNS - 1, 1, 0), None);
        assert_eq!(neighbour(COLUMNS * ROWS - 1, 0, 1), None);
    }
}
