//! Templates to text.

use super::discourse::{Discourse, pronoun};
use super::source::{Operand, Source};
use super::template::{Case, Filter, Path, Piece, Template, Wanted};
use super::{Document, Grammar};
use crate::corpus::world::facts::{Value, World};
use crate::corpus::world::language::{Form, Style, Word, in_words, inflect, ordinal, polish};
use crate::random::Random;

/// Draws after which a repeated word, or someone already in the text, is given up.
const DRAWS: usize = 12;

/// One told document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    pub text: String,
    /// What happened, in a sentence, for documents that can be summed up.
    pub gist: Option<String>,
}

/// The state of telling one text.
pub struct Teller<'a> {
    grammar: &'a Grammar,
    world: &'a World<'a>,
    random: Random,
    bindings: Vec<(&'a str, Value<'a>)>,
    /// Alternatives told already, as (rule, alternative).
    told: Vec<(usize, usize)>,
    /// Facts stated already, as (rule, subject).
    stated: Vec<(usize, Value<'a>)>,
    /// Words of lists used already.
    used: Vec<&'a Word>,
    discourse: Discourse,
    out: String,
}

impl<'a> Teller<'a> {
    pub fn new(grammar: &'a Grammar, world: &'a World<'a>, random: Random) -> Self {
        let mut teller = Self {
            grammar,
            world,
            random,
            bindings: Vec::new(),
            told: Vec::new(),
            stated: Vec::new(),
            used: Vec::new(),
            discourse: Discourse::default(),
            out: String::new(),
        };
        for (name, list) in [("season", "seasons"), ("day", "days")] {
            let words = world.lexicon.find_list(list);
            if let Some(word) = words.and_then(|words| teller.random.pick(words)) {
                teller.bind(name, Value::Word(word));
            }
        }
        teller
    }

    /// Gives a name to a value, before telling.
    pub fn bind(&mut self, name: &'a str, value: Value<'a>) {
        self.bindings.push((name, value));
    }

    /// What a name was bound to last.
    pub fn bound(&self, name: &str) -> Option<Value<'a>> {
        self.bindings.iter().rev().find(|(bound, _)| *bound == name).map(|(_, value)| *value)
    }

    /// Tells a document; nothing if no one in the world fits its cast this time.
    pub fn document(&mut self, document: &'a Document) -> Option<Telling> {
        self.cast(document)?;
        let text = self.text(&document.text, document.style)?;
        let start = self.random.below(document.gist.len());
        let rotated = (0..document.gist.len()).map(|step| &document.gist[(start + step) % document.gist.len()]);
        let gist = rotated.into_iter().find_map(|gist| self.text(gist, document.style));
        Some(Telling { text, gist })
    }

    /// Tells a document of several parts, each begun by a tag (`@user …`): pairs of tag and text.
    pub fn parts(&mut self, document: &'a Document) -> Option<Vec<(String, String)>> {
        self.cast(document)?;
        self.out.clear();
        self.tell(&document.text).then(|| {
            let parts = self.out.split('@').map(str::trim).filter(|part| !part.is_empty());
            let parts = parts.map(|part| part.split_once([' ', '\n']).unwrap_or((part, "")));
            parts.map(|(tag, text)| (tag.to_string(), polish(text, document.style))).collect()
        })
    }

    /// Chooses who and what is in a document.
    fn cast(&mut self, document: &'a Document) -> Option<()> {
        for binding in &document.cast {
            let value = self.choose(&binding.source)?;
            self.bindings.push((&binding.name, value));
        }
        Some(())
    }

    /// Tells one template as a text of its own.
    pub fn text(&mut self, template: &'a Template, style: Style) -> Option<String> {
        self.out.clear();
        self.discourse.forget();
        self.tell(template).then(|| polish(&self.out, style))
    }

    /// Appends a template; on failure everything is as before, and false is returned.
    fn tell(&mut self, template: &'a Template) -> bool {
        let (length, bound, told, discourse) = (self.out.len(), self.bindings.len(), self.told.len(), self.discourse);
        let done = template.pieces.iter().all(|piece| self.piece(piece));
        if !done {
            self.out.truncate(length);
            self.bindings.truncate(bound);
            self.told.truncate(told);
            self.discourse = discourse;
        }
        done
    }

    fn piece(&mut self, piece: &'a Piece) -> bool {
        match piece {
            Piece::Text(text) => {
                if text.contains(['\n', '@']) {
                    self.discourse.forget();
                }
                self.out.push_str(text);
                true
            }
            Piece::Choice(alternatives) => self.any_of(alternatives, None),
            Piece::Rule { rule, argument } => self.rule(*rule, argument.as_ref()),
            Piece::Guard { path, wanted } => self.holds(path, wanted),
            Piece::Let { name, source } => match self.choose(source) {
                Some(value) => {
                    self.bindings.push((name, value));
                    true
                }
                None => false,
            },
            Piece::Slot { path, filters, capital } => self.slot(path, filters, *capital),
            Piece::Range { low, high, filters } => {
                let number = self.random.between(*low, *high);
                let text = self.display(Value::Year(number), filters);
                self.out.push_str(&text);
                true
            }
        }
    }

    /// Tells any alternative that can be told, those not told yet first.
    fn any_of(&mut self, alternatives: &'a [Template], rule: Option<usize>) -> bool {
        let start = self.random.below(alternatives.len());
        let order = || (0..alternatives.len()).map(|step| (start + step) % alternatives.len());
        let Some(rule) = rule else { return order().any(|at| self.tell(&alternatives[at])) };
        let fresh: Vec<bool> = (0..alternatives.len()).map(|at| !self.told.contains(&(rule, at))).collect();
        let (first, second): (Vec<usize>, Vec<usize>) = order().partition(|&at| fresh[at]);
        first.into_iter().chain(second).any(|at| {
            self.told.push((rule, at));
            let done = self.tell(&alternatives[at]);
            if !done {
                self.told.retain(|told| *told != (rule, at));
            }
            done
        })
    }

    fn rule(&mut self, rule: usize, argument: Option<&'a Path>) -> bool {
        let Some(found) = self.grammar.rules.get(rule) else { return false };
        let bound = self.bindings.len();
        if let Some(path) = argument {
            let Some(value) = self.evaluate(path) else { return false };
            self.bindings.push(("this", value));
        }
        let subject = self.bound("this").filter(|_| found.once);
        let fresh = subject.is_none_or(|subject| !self.is_stated(rule, subject));
        let done = fresh && self.any_of(&found.alternatives, Some(rule));
        self.stated.extend(subject.filter(|_| done).map(|subject| (rule, subject)));
        if argument.is_some() {
            // What the rule named stays; its argument goes.
            self.bindings.remove(bound);
        }
        done
    }

    fn is_stated(&self, rule: usize, subject: Value) -> bool {
        self.stated.iter().any(|(stated, of)| *stated == rule && of.is_same(&subject))
    }

    fn holds(&mut self, path: &'a Path, wanted: &Wanted) -> bool {
        let value = self.evaluate(path);
        match wanted {
            Wanted::Present => value.is_some(),
            Wanted::Absent => value.is_none(),
            Wanted::Equal(text) => value.is_some_and(|value| self.display(value, &[]) == *text),
        }
    }

    fn slot(&mut self, path: &'a Path, filters: &[Filter], capital: bool) -> bool {
        let text = match path.case() {
            Some((steps, case)) => {
                let Some(Value::Person(person)) = self.walk(&path.root, steps) else { return false };
                self.reference(person, case)
            }
            None => {
                let Some(value) = self.evaluate(path) else { return false };
                if let Value::Person(person) = value {
                    self.discourse.name(person, self.world.people[person].woman);
                }
                self.display(value, filters)
            }
        };
        let first = text.chars().next().filter(|_| capital);
        match first {
            Some(first) => {
                self.out.extend(first.to_uppercase());
                self.out.push_str(&text[first.len_utf8()..]);
            }
            None => self.out.push_str(&text),
        }
        true
    }

    /// A pronoun, or the name where the pronoun would be unclear.
    fn reference(&mut self, person: usize, case: Case) -> String {
        let name = self.world.people[person].name;
        let woman = self.world.people[person].woman;
        if self.discourse.takes_pronoun(person, woman) {
            return pronoun(case, woman).into();
        }
        self.discourse.name(person, woman);
        if case == Case::Possessive { format!("{name}'s") } else { name.into() }
    }

    fn evaluate(&mut self, path: &'a Path) -> Option<Value<'a>> {
        self.walk(&path.root, &path.steps)
    }

    fn walk(&mut self, root: &str, steps: &[String]) -> Option<Value<'a>> {
        let world = self.world;
        let mut value = self.bound(root).or_else(|| self.listed(root))?;
        for step in steps {
            value = world.attribute(value, step, &mut self.random)?;
        }
        Some(value)
    }

    /// Any word of a list, one not used yet if there is one, or any record of a table.
    fn listed(&mut self, name: &str) -> Option<Value<'a>> {
        let lexicon = self.world.lexicon;
        let Some(list) = lexicon.find_list(name) else {
            return self.random.pick(lexicon.find_table(name)?).map(Value::Record);
        };
        let mut word = self.random.pick(list)?;
        for _ in 0..DRAWS {
            if !self.used.iter().any(|used| std::ptr::eq(*used, word)) {
                break;
            }
            word = self.random.pick(list)?;
        }
        self.used.push(word);
        Some(Value::Word(word))
    }

    /// A value for a new name, different from everything named so far.
    fn choose(&mut self, source: &'a Source) -> Option<Value<'a>> {
        for _ in 0..DRAWS {
            let value = self.draw(source)?;
            if !self.bindings.iter().any(|(_, bound)| bound.is_same(&value)) {
                return Some(value);
            }
        }
        None
    }

    fn draw(&mut self, source: &'a Source) -> Option<Value<'a>> {
        match source {
            Source::Person { wants, home } => self.person(wants, home.as_ref()),
            Source::Place => Some(Value::Place(self.random.below(self.world.places.len()))),
            Source::Event => Some(Value::Event(self.random.below(self.world.events.len()))),
            Source::Path(path) => self.evaluate(path),
            Source::Number { low, high } => {
                let (low, high) = (self.operand(low)?, self.operand(high)?);
                (low <= high).then(|| Value::Number(self.random.between(low, high)))
            }
            Source::Sum(one, other) => Some(Value::Number(self.operand(one)? + self.operand(other)?)),
            Source::Difference(one, other) => Some(Value::Number(self.operand(one)? - self.operand(other)?)),
            Source::Product(one, other) => Some(Value::Number(self.operand(one)? * self.operand(other)?)),
        }
    }

    fn operand(&mut self, operand: &'a Operand) -> Option<i64> {
        match operand {
            Operand::Literal(number) => Some(*number),
            Operand::Named(path) => self.evaluate(path)?.number(),
        }
    }

    fn person(&mut self, wants: &[String], home: Option<&'a Path>) -> Option<Value<'a>> {
        let world = self.world;
        let home = match home {
            Some(path) => match self.evaluate(path)? {
                Value::Place(place) => Some(place),
                _ => return None,
            },
            None => None,
        };
        let fits: Vec<usize> = (0..world.people.len())
            .filter(|&person| home.is_none_or(|home| world.people[person].home == home))
            .filter(|&person| {
                let mut random = self.random.clone();
                wants.iter().all(|want| world.attribute(Value::Person(person), want, &mut random).is_some())
            })
            .collect();
        // The lower of two draws: some are spoken of often and some seldom, as anywhere.
        let at = self.random.below(fits.len()).min(self.random.below(fits.len()));
        fits.get(at).map(|&person| Value::Person(person))
    }

    fn display(&self, value: Value, filters: &[Filter]) -> String {
        let plural = filters.contains(&Filter::Plural);
        let (mut text, mass) = match value {
            Value::Person(person) => (self.world.people[person].name.to_string(), false),
            Value::Place(place) => (self.world.places[place].name.to_string(), false),
            Value::Pet(pet) => (self.world.pets[pet].name.to_string(), false),
            Value::Event(event) => (self.world.events[event].kind.name.one.clone(), false),
            Value::Record(record) if plural => (record.name.many.clone(), record.name.mass),
            Value::Record(record) => (record.name.one.clone(), record.name.mass),
            Value::Word(word) if plural => (word.many.clone(), word.mass),
            Value::Word(word) => (word.one.clone(), word.mass),
            Value::Text(text) => (text.to_string(), false),
            Value::Number(number) if filters.contains(&Filter::Digits) => (number.to_string(), false),
            Value::Number(number) => (in_words(number), false),
            Value::Year(number) if filters.contains(&Filter::Words) => (in_words(number), false),
            Value::Year(number) => (number.to_string(), false),
        };
        let irregular = match value {
            Value::Word(word) if word.irregular => Some(word.many.as_str()),
            _ => None,
        };
        for filter in filters {
            text = match filter {
                Filter::Article if mass => format!("some {text}"),
                Filter::Article => format!("a {text}"),
                Filter::Ordinal => value.number().map_or(text, ordinal),
                Filter::Upper => text.to_uppercase(),
                Filter::Capital => capitalised(&text),
                Filter::Past if irregular.is_some() => irregular.unwrap_or_default().into(),
                Filter::Past => inflect(&text, Form::Past),
                Filter::Third => inflect(&text, Form::Third),
                Filter::Participle => inflect(&text, Form::Participle),
                Filter::TwoDigits => format!("{text:0>2}"),
                Filter::Letters => in_words(text.chars().filter(|letter| letter.is_alphabetic()).count() as i64),
                Filter::Initial => text.chars().next().map(|first| first.to_uppercase().collect()).unwrap_or_default(),
                Filter::Backwards => text.chars().rev().collect(),
                Filter::Plural | Filter::Words | Filter::Digits => text,
            };
        }
        text
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}
