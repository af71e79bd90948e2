//! The closed world: who lives where, with whom, and what happened. Every text is derived from it, so all agree.

mod attributes;
mod events;
mod people;
mod places;
mod value;

pub use attributes::is_attribute;
pub use events::Event;
pub use people::{Person, Pet};
pub use places::Place;
pub use value::Value;

use super::language::Word;
use super::lexicon::Lexicon;
use crate::error::{Error, Result};
use crate::random::Random;

/// The seed of the world that is bundled.
pub const SEED: u64 = 0xf205;

/// All entities; they refer to each other by index.
#[derive(Debug)]
pub struct World<'l> {
    pub lexicon: &'l Lexicon,
    pub places: Vec<Place<'l>>,
    pub people: Vec<Person<'l>>,
    pub pets: Vec<Pet<'l>>,
    pub events: Vec<Event<'l>>,
}

impl<'l> World<'l> {
    /// Builds the world of a seed from the lexicon's names; an error when a list is missing or too short.
    pub fn build(lexicon: &'l Lexicon, seed: u64) -> Result<Self> {
        let mut random = Random::named(seed, "world", 0);
        let places = places::settle(lexicon, &mut random)?;
        let people::Population { people, pets } = people::populate(lexicon, &places, &mut random)?;
        let events = events::remember(lexicon, &places, &mut random)?;
        Ok(Self { lexicon, places, people, pets, events })
    }

    /// Places lie on a grid, rows from north to south: the neighbour of `place` that many columns and rows away.
    pub fn neighbour(&self, place: usize, east: isize, south: isize) -> Option<usize> {
        places::neighbour(place, east, south)
    }
}

/// Hands out the words of a list in a shuffled order, each once.
struct Deck<'l> {
    name: &'static str,
    cards: Vec<&'l Word>,
}

impl<'l> Deck<'l> {
    fn new(lexicon: &'l Lexicon, name: &'static str, random: &mut Random) -> Result<Self> {
        let mut cards: Vec<&Word> = lexicon.list(name)?.iter().collect();
        random.shuffle(&mut cards);
        Ok(Self { name, cards })
    }

    /// The next word; an error when the list is used up.
    fn draw(&mut self) -> Result<&'l Word> {
        self.cards.pop().ok_or_else(|| Error::new(format!("the word list {} is too short for the world", self.name)))
    }
}

/// Any word of a list.
fn any<'l>(lexicon: &'l Lexicon, name: &str, random: &mut Random) -> Result<&'l Word> {
    let list = lexicon.list(name)?;
    random.pick(list).ok_or_else(|| Error::new(format!("the word list {name} is empty")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::world::sources;

    #[test]
    fn the_same_seed_gives_the_same_world() {
        let lexicon = sources::lexicon().unwrap();
        let names = |seed| -> Vec<String> {
            let world = World::build(&lexicon, seed).unwrap();
            world.people.iter().map(|person| format!("{} {}", person.name, person.home)).collect()
        };
        assert_eq!(names(SEED), names(SEED));
        assert_ne!(names(SEED), names(SEED + 1));
    }

    #[test]
    fn relations_agree_with_each_other() {
        let lexicon = sources::lexicon().unwrap();
        let world = World::build(&lexicon, SEED).unwrap();
        assert!(world.people.len() >= 50 && world.places.len() >= 20 && world.events.len() >= 12);
        for (index, person) in world.people.iter().enumerate() {
            if let Some(spouse) = person.spouse {
                assert_eq!(world.people[spouse].spouse, Some(index));
                assert_eq!(world.people[spouse].home, person.home);
            }
            for &parent in &person.parents {
                assert!(world.people[parent].children.contains(&index));
            }
            if let Some(friend) = person.friend {
                assert_eq!(world.people[friend].friend, Some(index));
            }
            assert_eq!(person.trade.is_none(), person.child);
        }
        let mut names: Vec<&str> = world.people.iter().map(|person| person.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), world.people.len());
    }

    #[test]
    fn a_trade_is_followed_by_one_person_in_a_place() {
        let lexicon = sources::lexicon().unwrap();
        let world = World::build(&lexicon, SEED).unwrap();
        let mut posts: Vec<_> = world
            .people
            .iter()
            .filter_map(|person| person.trade.map(|trade| (person.home, trade.name.one.as_str())))
            .collect();
        let all = posts.len();
        posts.sort_unstable();
        posts.dedup();
        assert_eq!(posts.len(), all);
    }
}
