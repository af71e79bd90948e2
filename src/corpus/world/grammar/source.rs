//! How a name of a text's cast is chosen: `hero = person child`, `left = difference eggs broken`.

use super::template::Path;
use crate::error::{Context, Error, Result};

/// A name and where its value comes from.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    pub name: String,
    pub source: Source,
}

#[derive(Debug, Clone)]
pub(super) enum Source {
    /// Any person that has these properties, in a place if one is given.
    Person {
        wants: Vec<String>,
        home: Option<Path>,
    },
    Place,
    Event,
    Number {
        low: Operand,
        high: Operand,
    },
    Sum(Operand, Operand),
    Difference(Operand, Operand),
    Product(Operand, Operand),
    /// A property of something named before, or a word of a list.
    Path(Path),
}

#[derive(Debug, Clone)]
pub(super) enum Operand {
    Literal(i64),
    Named(Path),
}

/// Reads the lines of a cast.
pub(super) fn parse_cast(text: &str) -> Result<Vec<Binding>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (name, source) =
                line.split_once('=').ok_or_else(|| Error::new(format!("the cast line {line:?} has no =")))?;
            Ok(Binding { name: name.trim().into(), source: parse(source.trim())? })
        })
        .collect()
}

pub(super) fn parse(text: &str) -> Result<Source> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let source = match words[..] {
        ["person", .., "of", home] => {
            Source::Person { wants: owned(&words[1..words.len() - 2]), home: Some(Path::parse(home)) }
        }
        ["person", ..] => Source::Person { wants: owned(&words[1..]), home: None },
        ["place"] => Source::Place,
        ["event"] => Source::Event,
        ["number", low, high] => Source::Number { low: operand(low), high: operand(high) },
        ["sum", one, other] => Source::Sum(operand(one), operand(other)),
        ["difference", one, other] => Source::Difference(operand(one), operand(other)),
        ["product", one, other] => Source::Product(operand(one), operand(other)),
        [path] => Source::Path(Path::parse(path)),
        _ => return Err::<Source, _>("it is none of the known forms").what(|| format!("cannot choose from {text:?}")),
    };
    Ok(source)
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_string()).collect()
}

fn operand(text: &str) -> Operand {
    match text.parse() {
        Ok(number) => Operand::Literal(number),
        Err(_) => Operand::Named(Path::parse(text)),
    }
}

impl Source {
    /// The paths that the source reads.
    pub fn paths(&self) -> Vec<&Path> {
        match self {
            Source::Person { home, .. } => home.iter().collect(),
            Source::Place | Source::Event => Vec::new(),
            Source::Number { low, high } => named(low, high),
            Source::Sum(one, other) | Source::Difference(one, other) | Source::Product(one, other) => named(one, other),
            Source::Path(path) => vec![path],
        }
    }
}

fn named<'o>(one: &'o Operand, other: &'o Operand) -> Vec<&'o Path> {
    [one, other]
        .into_iter()
        .filter_map(|operand| match operand {
            Operand::Named(path) => Some(path),
            Operand::Literal(_) => None,
        })
        .collect()
}
