//! Named properties of entities, as templates ask for them (`{hero.home.river}`).

use super::{Person, Place, Value, World};
use crate::random::Random;

/// Every name [`World::attribute`] answers to besides the fields of records; a test keeps the two in step.
const ATTRIBUTES: [&str; 47] = [
    "name",
    "family",
    "full",
    "he",
    "him",
    "his",
    "hers",
    "himself",
    "man",
    "boy",
    "son",
    "brother",
    "husband",
    "mother_word",
    "woman",
    "adult",
    "child",
    "age",
    "trade",
    "home",
    "spouse",
    "parent",
    "mother",
    "father",
    "kid",
    "friend",
    "pet",
    "food",
    "treasure",
    "temper",
    "season",
    "pastime",
    "kind",
    "owner",
    "river",
    "hill",
    "landmark",
    "speciality",
    "inn",
    "market",
    "festival",
    "emblem",
    "houses",
    "place",
    "hero",
    "year",
    "sibling",
];
const PLACE_RELATIONS: [&str; 6] = ["north", "south", "east", "west", "near", "dweller"];

pub fn is_attribute(name: &str) -> bool {
    ATTRIBUTES.contains(&name) || PLACE_RELATIONS.contains(&name)
}

impl<'l> World<'l> {
    /// One property of a value, or nothing where the value has none: a person without a spouse, a place at the edge.
    /// Properties with several values (a trade's wares, the people of a place) give any of them; of children the first.
    pub fn attribute(&self, value: Value<'l>, name: &str, random: &mut Random) -> Option<Value<'l>> {
        match value {
            Value::Person(index) => self.of_person(index, self.people.get(index)?, name),
            Value::Place(index) => self.of_place(index, self.places.get(index)?, name, random),
            Value::Pet(index) => {
                let pet = self.pets.get(index)?;
                match name {
                    "name" => Some(Value::Text(pet.name)),
                    "kind" => Some(Value::Record(pet.kind)),
                    "owner" => Some(Value::Person(pet.owner)),
                    _ => self.attribute(Value::Record(pet.kind), name, random),
                }
            }
            Value::Event(index) => {
                let event = self.events.get(index)?;
                match name {
                    "place" => Some(Value::Place(event.place)),
                    "year" => Some(Value::Year(event.year)),
                    "hero" => Some(Value::Text(event.hero)),
                    "kind" => Some(Value::Record(event.kind)),
                    _ => self.attribute(Value::Record(event.kind), name, random),
                }
            }
            Value::Record(record) if name == "name" => Some(Value::Word(&record.name)),
            Value::Record(record) => random.pick(record.fields.get(name)?).map(Value::Word),
            Value::Word(_) | Value::Text(_) | Value::Number(_) | Value::Year(_) => None,
        }
    }

    fn of_person(&self, index: usize, person: &Person<'l>, name: &str) -> Option<Value<'l>> {
        let gendered = |woman, man| Some(Value::Text(if person.woman { woman } else { man }));
        let kin = |found: Option<usize>| found.map(Value::Person);
        match name {
            "name" => Some(Value::Text(person.name)),
            "family" => Some(Value::Text(person.family)),
            "he" => gendered("she", "he"),
            "him" => gendered("her", "him"),
            "his" => gendered("her", "his"),
            "hers" => gendered("hers", "his"),
            "himself" => gendered("herself", "himself"),
            "man" if person.child => gendered("girl", "boy"),
            "man" => gendered("woman", "man"),
            "son" => gendered("daughter", "son"),
            "brother" => gendered("sister", "brother"),
            "husband" => gendered("wife", "husband"),
            "mother_word" => gendered("mother", "father"),
            "woman" => person.woman.then_some(Value::Text("woman")),
            "boy" => (!person.woman).then_some(Value::Text("boy")),
            "adult" => (!person.child).then_some(Value::Text("adult")),
            "child" => person.child.then_some(Value::Text("child")),
            "age" => Some(Value::Number(person.age)),
            "trade" => person.trade.map(Value::Record),
            "home" => Some(Value::Place(person.home)),
            "spouse" => kin(person.spouse),
            "parent" => kin(person.parents.first().copied()),
            "mother" => kin(self.parent(person, true)),
            "father" => kin(self.parent(person, false)),
            "kid" => kin(person.children.first().copied()),
            "sibling" => kin(self.sibling(index, person)),
            "friend" => kin(person.friend),
            "pet" => person.pet.map(Value::Pet),
            "food" => Some(Value::Word(person.food)),
            "treasure" => Some(Value::Word(person.treasure)),
            "temper" => Some(Value::Record(person.temper)),
            "season" => Some(Value::Word(person.season)),
            "pastime" => Some(Value::Word(person.pastime)),
            _ => None,
        }
    }

    fn parent(&self, person: &Person, woman: bool) -> Option<usize> {
        person.parents.iter().copied().find(|&parent| self.people[parent].woman == woman)
    }

    fn sibling(&self, index: usize, person: &Person) -> Option<usize> {
        let parent = person.parents.first()?;
        self.people[*parent].children.iter().copied().find(|&child| child != index)
    }

    fn of_place(&self, index: usize, place: &Place<'l>, name: &str, random: &mut Random) -> Option<Value<'l>> {
        let at = |east, south| self.neighbour(index, east, south).map(Value::Place);
        match name {
            "name" => Some(Value::Text(place.name)),
            "kind" => Some(Value::Word(place.kind)),
            "river" => Some(Value::Text(place.river)),
            "hill" => Some(Value::Text(place.hill)),
            "landmark" => Some(Value::Word(place.landmark)),
            "speciality" => Some(Value::Word(place.speciality)),
            "inn" => Some(Value::Word(place.inn)),
            "market" => Some(Value::Word(place.market)),
            "festival" => Some(Value::Word(place.festival)),
            "emblem" => Some(Value::Word(place.emblem)),
            "houses" => Some(Value::Number(place.houses)),
            "north" => at(0, -1),
            "south" => at(0, 1),
            "east" => at(1, 0),
            "west" => at(-1, 0),
            "near" => {
                let around: Vec<Value> =
                    [(0, -1), (0, 1), (1, 0), (-1, 0)].iter().filter_map(|&(east, south)| at(east, south)).collect();
                random.pick(&around).copied()
            }
            "dweller" => {
                let dwellers: Vec<usize> =
                    (0..self.people.len()).filter(|&person| self.people[person].home == index).collect();
                random.pick(&dwellers).map(|&person| Value::Person(person))
            }
            _ => None,
        }
    }
}
