//! Households, their people and the people's animals.

use super::places::Place;
use super::{Deck, any};
use crate::corpus::world::language::Word;
use crate::corpus::world::lexicon::{Lexicon, Record};
use crate::error::{Error, Result};
use crate::random::Random;

/// Households in each place.
const HOUSEHOLDS: usize = 1;

/// One person; relations are indices of people, places and pets.
#[derive(Debug)]
pub struct Person<'l> {
    pub name: &'l str,
    pub family: &'l str,
    pub woman: bool,
    pub child: bool,
    pub age: i64,
    /// Adults have one.
    pub trade: Option<&'l Record>,
    pub home: usize,
    pub household: usize,
    pub spouse: Option<usize>,
    pub parents: Vec<usize>,
    pub children: Vec<usize>,
    pub friend: Option<usize>,
    pub pet: Option<usize>,
    pub food: &'l Word,
    pub treasure: &'l Word,
    /// A temperament and what it is called as a virtue or fault.
    pub temper: &'l Record,
    /// The season of birth.
    pub season: &'l Word,
    /// What the person likes doing, as a participle phrase.
    pub pastime: &'l Word,
}

/// A beast with a name and an owner.
#[derive(Debug)]
pub struct Pet<'l> {
    pub name: &'l str,
    pub kind: &'l Record,
    pub owner: usize,
}

pub struct Population<'l> {
    pub people: Vec<Person<'l>>,
    pub pets: Vec<Pet<'l>>,
}

/// The decks that people are dealt from.
struct Census<'l> {
    lexicon: &'l Lexicon,
    women: Deck<'l>,
    men: Deck<'l>,
    families: Deck<'l>,
    people: Vec<Person<'l>>,
}

/// A household for each place: a couple or one adult, and up to two children.
pub fn populate<'l>(lexicon: &'l Lexicon, places: &[Place<'l>], random: &mut Random) -> Result<Population<'l>> {
    let mut census = Census {
        lexicon,
        women: Deck::new(lexicon, "names_of_women", random)?,
        men: Deck::new(lexicon, "names_of_men", random)?,
        families: Deck::new(lexicon, "families", random)?,
        people: Vec::new(),
    };
    for home in 0..places.len() {
        let mut trades: Vec<&Record> = lexicon.table("trades")?.iter().collect();
        random.shuffle(&mut trades);
        for household in home * HOUSEHOLDS..(home + 1) * HOUSEHOLDS {
            census.household(home, household, &mut trades, random)?;
        }
    }
    let mut people = census.people;
    befriend(&mut people, random);
    let pets = give_pets(lexicon, &mut people, random)?;
    Ok(Population { people, pets })
}

impl<'l> Census<'l> {
    fn household(
        &mut self,
        home: usize,
        household: usize,
        trades: &mut Vec<&'l Record>,
        random: &mut Random,
    ) -> Result<()> {
        let family = &self.families.draw()?.one;
        let couple = random.chance(80);
        let first_is_woman = random.chance(50);
        let mut parents = Vec::new();
        for adult in 0..1 + usize::from(couple) {
            let mut person = self.person(home, household, family, first_is_woman == (adult == 0), random)?;
            let trade = trades.pop().ok_or_else(|| Error::new("there are too few trades for a place's households"))?;
            person.trade = Some(trade);
            person.age = random.between(26, 71);
            parents.push(self.people.len());
            self.people.push(person);
        }
        if let [first, second] = parents[..] {
            self.people[first].spouse = Some(second);
            self.people[second].spouse = Some(first);
        }
        for _ in 0..random.below(2) + usize::from(couple && random.chance(75)) {
            let woman = random.chance(50);
            let mut child = self.person(home, household, family, woman, random)?;
            child.child = true;
            child.age = random.between(6, 13);
            child.parents = parents.clone();
            let index = self.people.len();
            parents.iter().for_each(|&parent| self.people[parent].children.push(index));
            self.people.push(child);
        }
        Ok(())
    }

    /// A person without relations yet.
    fn person(
        &mut self,
        home: usize,
        household: usize,
        family: &'l str,
        woman: bool,
        random: &mut Random,
    ) -> Result<Person<'l>> {
        let lexicon = self.lexicon;
        let names = if woman { &mut self.women } else { &mut self.men };
        let temper = random.pick(lexicon.table("tempers")?).ok_or_else(|| Error::new("there are no tempers"))?;
        Ok(Person {
            name: &names.draw()?.one,
            family,
            woman,
            child: false,
            age: 0,
            trade: None,
            home,
            household,
            spouse: None,
            parents: Vec::new(),
            children: Vec::new(),
            friend: None,
            pet: None,
            food: any(lexicon, "dishes", random)?,
            treasure: any(lexicon, "treasures", random)?,
            temper,
            season: any(lexicon, "seasons", random)?,
            pastime: any(lexicon, "pastimes", random)?,
        })
    }
}

/// Pairs people of one age and different households, so that friendship is mutual.
fn befriend(people: &mut [Person], random: &mut Random) {
    for child in [false, true] {
        let mut alone: Vec<usize> = (0..people.len()).filter(|&index| people[index].child == child).collect();
        random.shuffle(&mut alone);
        while let Some(one) = alone.pop() {
            let other = alone.iter().rposition(|&other| people[other].household != people[one].household);
            let Some(other) = other.map(|at| alone.remove(at)) else { continue };
            people[one].friend = Some(other);
            people[other].friend = Some(one);
        }
    }
}

/// About two people in three keep an animal.
fn give_pets<'l>(lexicon: &'l Lexicon, people: &mut [Person<'l>], random: &mut Random) -> Result<Vec<Pet<'l>>> {
    let mut names = Deck::new(lexicon, "pet_names", random)?;
    let mut pets = Vec::new();
    for (owner, person) in people.iter_mut().enumerate() {
        if !random.chance(62) {
            continue;
        }
        let kind = random.pick(lexicon.table("pets")?).ok_or_else(|| Error::new("there are no kinds of pets"))?;
        person.pet = Some(pets.len());
        pets.push(Pet { name: &names.draw()?.one, kind, owner });
    }
    Ok(pets)
}
