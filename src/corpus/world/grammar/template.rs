//! The parsed form of a template.

use super::source::Source;

/// A sequence of pieces.
#[derive(Debug, Clone, Default)]
pub struct Template {
    pub(super) pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
pub(super) enum Piece {
    Text(String),
    Choice(Vec<Template>),
    /// A rule by its index in the grammar.
    Rule {
        rule: usize,
        argument: Option<Path>,
    },
    Guard {
        path: Path,
        wanted: Wanted,
    },
    Let {
        name: String,
        source: Source,
    },
    Slot {
        path: Path,
        filters: Vec<Filter>,
        capital: bool,
    },
    Range {
        low: i64,
        high: i64,
        filters: Vec<Filter>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Present,
    Absent,
    Equal(String),
}

/// A name and the properties asked of it: `hero.home.river`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub root: String,
    pub steps: Vec<String>,
}

/// How a person is referred to: by pronoun where that is clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Subject,
    Object,
    Possessive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Plural,
    Article,
    Words,
    Digits,
    Ordinal,
    Upper,
    Capital,
    Past,
    Third,
    Participle,
    TwoDigits,
    /// The number of letters, in words.
    Letters,
    Initial,
    Backwards,
}

impl Path {
    pub fn parse(text: &str) -> Self {
        let mut names = text.split('.').map(String::from);
        Self { root: names.next().unwrap_or_default(), steps: names.collect() }
    }

    /// Splits off a last step that asks for a reference instead of a property.
    pub fn case(&self) -> Option<(&[String], Case)> {
        let (last, steps) = self.steps.split_last()?;
        let case = match last.as_str() {
            "sub" => Case::Subject,
            "obj" => Case::Object,
            "pos" => Case::Possessive,
            _ => return None,
        };
        Some((steps, case))
    }
}

impl Filter {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "s" => Filter::Plural,
            "a" => Filter::Article,
            "words" => Filter::Words,
            "digits" => Filter::Digits,
            "ordinal" => Filter::Ordinal,
            "upper" => Filter::Upper,
            "cap" => Filter::Capital,
            "ed" => Filter::Past,
            "third" => Filter::Third,
            "ing" => Filter::Participle,
            "two" => Filter::TwoDigits,
            "letters" => Filter::Letters,
            "initial" => Filter::Initial,
            "backwards" => Filter::Backwards,
            _ => return None,
        })
    }
}

impl Template {
    pub(super) fn slot(path: Path) -> Self {
        Self { pieces: vec![Piece::Slot { path, filters: Vec::new(), capital: false }] }
    }

    /// Everything before a last slot of that path and the full stop after it; nothing if the template ends otherwise.
    pub(super) fn without_last(&self, answer: &Path) -> Option<Self> {
        match self.pieces.as_slice() {
            [before @ .., Piece::Slot { path, filters, .. }, Piece::Text(stop)]
                if path == answer && filters.is_empty() && stop == "." =>
            {
                Some(Self { pieces: before.to_vec() })
            }
            _ => None,
        }
    }

    /// All pieces, also those inside alternatives.
    pub(super) fn visit(&self, see: &mut impl FnMut(&Piece)) {
        for piece in &self.pieces {
            see(piece);
            if let Piece::Choice(alternatives) = piece {
                alternatives.iter().for_each(|alternative| alternative.visit(see));
            }
        }
    }
}
