//! Sentences in English and in the constructed language, built side by side.

use std::collections::BTreeMap;

use super::Language;
use super::phonology::attach;
use crate::corpus::world::language::{Form, Style, Word, inflect, polish};
use crate::random::Random;

/// One sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub english: String,
    pub hillspeech: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tense {
    Past,
    Present,
    Future,
}

/// The subject's part of both sentences; `person` indexes pronouns and verb endings.
struct Subject {
    english: String,
    hillspeech: String,
    person: usize,
}

/// First to third person singular come before the plural ones.
const THIRD: usize = 2;
const PERSONS_OF_A_NUMBER: usize = 3;

/// A sentence of any shape; nothing only if the language lacks words of a kind.
pub fn pair(language: &Language, random: &mut Random) -> Option<Pair> {
    let subject = subject(language, random)?;
    let (verbs, mut phrases) = objects(language, random)?;
    if random.chance(45) {
        phrases.push((" in ", noun(language, &language.places, &language.endings.locative, random)?));
    }
    let (verb, stem) = any(verbs, random)?;
    let tense = [Tense::Past, Tense::Present, Tense::Future][random.below(3)];
    let negated = random.chance(18);
    let mut english = format!("{} {}", subject.english, english_verb(verb, tense, subject.person, negated));
    let mut hillspeech = subject.hillspeech;
    for (preposition, (words, _)) in &phrases {
        english.push_str(preposition);
        english.push_str(words);
    }
    // Place and recipient come before the object, the verb comes last.
    for (_, (_, words)) in phrases.iter().rev() {
        hillspeech.push(' ');
        hillspeech.push_str(words);
    }
    hillspeech.push(' ');
    hillspeech.push_str(&conjugate(language, stem, tense, subject.person, negated));
    Some(Pair {
        english: polish(&(english + "."), Style::Prose),
        hillspeech: polish(&(hillspeech + "."), Style::Prose),
    })
}

/// Verbs or nouns: English entry and stem.
type Words = BTreeMap<String, String>;
/// A phrase in English and in the other language.
type Both = (String, String);
/// What stands before an object in English, and the object.
type Object = (&'static str, Both);

/// Verbs of one kind and the objects that they take, each with what stands before it in English.
fn objects<'l>(language: &'l Language, random: &mut Random) -> Option<(&'l Words, Vec<Object>)> {
    let ending = &language.endings;
    Some(match random.below(10) {
        0..4 => (&language.handling, vec![(" ", noun(language, &language.things, &ending.accusative, random)?)]),
        4..6 => (&language.meeting, vec![(" ", noun(language, &language.people, &ending.accusative, random)?)]),
        6..8 => {
            let thing = noun(language, &language.things, &ending.accusative, random)?;
            let person = noun(language, &language.people, &ending.dative, random)?;
            (&language.giving, vec![(" ", thing), (" to ", person)])
        }
        _ => (&language.being, Vec::new()),
    })
}

fn any<'l>(words: &'l Words, random: &mut Random) -> Option<(&'l str, &'l str)> {
    let at = random.below(words.len());
    words.iter().nth(at).map(|(english, stem)| (english.as_str(), stem.as_str()))
}

fn subject(language: &Language, random: &mut Random) -> Option<Subject> {
    if random.chance(25) {
        let person = random.below(language.pronouns.len());
        let [english, stem] = language.pronouns.get(person)?;
        return Some(Subject { english: english.clone(), hillspeech: stem.clone(), person });
    }
    let plural = random.chance(35);
    let (english, hillspeech) = phrase(language, &language.people, "", plural, random)?;
    let person = THIRD + if plural { PERSONS_OF_A_NUMBER } else { 0 };
    Some(Subject { english, hillspeech, person })
}

fn noun(language: &Language, nouns: &Words, case: &str, random: &mut Random) -> Option<Both> {
    let plural = random.chance(35);
    phrase(language, nouns, case, plural, random)
}

/// A noun with `the`, perhaps an adjective and a possessor, in a case and number.
fn phrase(language: &Language, nouns: &Words, case: &str, plural: bool, random: &mut Random) -> Option<Both> {
    let inflected = |stem: &str, plural: bool, case: &str| {
        let number = if plural { language.endings.plural.as_str() } else { "" };
        attach(&attach(stem, number, &language.sandhi), case, &language.sandhi)
    };
    let (entry, stem) = any(nouns, random)?;
    let word = Word::parse(entry);
    let mut english = if plural { word.many } else { word.one };
    let mut hillspeech = inflected(stem, plural, case);
    if random.chance(40) {
        let (adjective, adjective_stem) = any(&language.adjectives, random)?;
        english = format!("{adjective} {english}");
        hillspeech = format!("{} {hillspeech}", inflected(adjective_stem, plural, case));
    }
    if random.chance(15) {
        let (owner, owner_stem) = any(&language.people, random)?;
        let owner = Word::parse(owner).one;
        let genitive = inflected(owner_stem, false, &language.endings.genitive);
        return Some((format!("the {owner}'s {english}"), format!("{genitive} {hillspeech}")));
    }
    Some((format!("the {english}"), hillspeech))
}

fn conjugate(language: &Language, stem: &str, tense: Tense, person: usize, negated: bool) -> String {
    let ending = &language.endings;
    let tense = match tense {
        Tense::Past => ending.past.as_str(),
        Tense::Present => "",
        Tense::Future => ending.future.as_str(),
    };
    let with_tense = attach(stem, tense, &language.sandhi);
    let person = ending.persons.get(person).map_or("", String::as_str);
    let verb = attach(&with_tense, person, &language.sandhi);
    if negated { format!("{} {verb}", ending.negation) } else { verb }
}

fn english_verb(entry: &str, tense: Tense, person: usize, negated: bool) -> String {
    let base = entry.split('/').next().unwrap_or(entry);
    match (tense, negated) {
        (Tense::Past, false) => inflect(entry, Form::Past),
        (Tense::Present, false) if person == THIRD => inflect(entry, Form::Third),
        (Tense::Present, false) => base.into(),
        (Tense::Future, false) => format!("will {base}"),
        (Tense::Past, true) => format!("did not {base}"),
        (Tense::Present, true) if person == THIRD => format!("does not {base}"),
        (Tense::Present, true) => format!("do not {base}"),
        (Tense::Future, true) => format!("will not {base}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_agree_with_their_subjects() {
        let language = Language::bundled().unwrap();
        let (_, stem) = language.handling.first_key_value().unwrap();
        let forms: Vec<String> = (0..6).map(|person| conjugate(&language, stem, Tense::Past, person, false)).collect();
        let mut different = forms.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), 6, "{forms:?}");
        assert_eq!(english_verb("give/gave", Tense::Present, THIRD, false), "gives");
        assert_eq!(english_verb("give/gave", Tense::Past, THIRD, true), "did not give");
    }

    #[test]
    fn adjectives_take_the_case_of_their_noun() {
        let language = Language::bundled().unwrap();
        let mut random = Random::new(3, 3);
        let agreeing = (0..400)
            .filter_map(|_| phrase(&language, &language.things, &language.endings.locative, false, &mut random))
            .filter(|(english, _)| english.split(' ').count() == 3 && !english.contains('\''))
            .collect::<Vec<_>>();
        assert!(agreeing.len() > 50);
        for (english, hillspeech) in agreeing {
            assert!(
                hillspeech.split(' ').all(|word| word.ends_with("sa") || word.ends_with("se")),
                "{english}: {hillspeech}"
            );
        }
    }
}
