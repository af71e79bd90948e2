//! Questions on facts. The test half asks about other households, places and events than the train half.

use super::{Fact, Row, Rows, Scene, all_facts};
use crate::corpus::world::facts::{SEED, Value};
use crate::corpus::world::language::Style;
use crate::error::Result;
use crate::random::Random;

const TRAIN: usize = 1200;
const TEST: usize = 200;
/// One subject in this many is only asked about in the test half.
const HELD_OUT: usize = 5;

pub(super) fn rows(scene: Scene) -> Result<Rows> {
    let mut train = Vec::new();
    let mut test = Vec::new();
    let facts = all_facts(scene);
    for fact in facts.iter().filter(|fact| !tells_of_both(scene, fact)) {
        for (wording, question) in fact.relation.questions.iter().enumerate() {
            let Some(asked) = scene.say(fact.subject, question, Style::Prose) else { continue };
            let row =
                Row::Pair { prompt: format!("Question: {asked}\nAnswer:"), completion: format!(" {}", fact.answer) };
            if !is_held_out(scene, fact.subject) {
                train.push(row);
            } else if wording == 0 || fact.relation.of != "person" {
                test.push(row);
            }
        }
    }
    for (name, half, size) in [("train", &mut train, TRAIN), ("test", &mut test, TEST)] {
        Random::named(SEED, name, 0).shuffle(half);
        half.truncate(size);
    }
    Ok(Rows { train, test })
}

/// People are held out by household, so that no spouse or child gives an answer away.
fn is_held_out(scene: Scene, subject: Value) -> bool {
    let number = match subject {
        Value::Person(person) => scene.world.people[person].household,
        Value::Place(place) => place,
        Value::Event(event) => event,
        _ => 1,
    };
    number % HELD_OUT == 2
}

/// Friendship is mutual: of friends in both halves either could be asked after.
fn tells_of_both(scene: Scene, fact: &Fact) -> bool {
    let Value::Person(person) = fact.subject else { return false };
    let friend = scene.world.people[person].friend.filter(|_| fact.relation.name == "friend");
    friend.is_some_and(|friend| is_held_out(scene, Value::Person(friend)) != is_held_out(scene, fact.subject))
}
