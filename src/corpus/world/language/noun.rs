//! Nouns (and any other listed word) with their plural.

use super::{is_vowel, split_last};

/// A listed word: `goose/geese` names its plural, `bread~` has none, `hen` takes the regular one. Of a verb the second
/// form is the past, and what follows belongs to both: `build/built a dam`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub one: String,
    /// The plural of a noun; of an irregular verb the past.
    pub many: String,
    /// Whether the second form was named.
    pub irregular: bool,
    /// Whether it cannot be counted.
    pub mass: bool,
}

impl Word {
    /// Reads one entry of a word list.
    pub fn parse(entry: &str) -> Self {
        let entry = entry.trim();
        if let Some(one) = entry.strip_suffix('~') {
            return Self { one: one.into(), many: one.into(), irregular: false, mass: true };
        }
        let Some((one, many)) = entry.split_once('/') else {
            return Self { one: entry.into(), many: plural(entry), irregular: false, mass: false };
        };
        let rest = many.find(' ').filter(|_| !one.contains(' ')).map_or("", |space| &many[space..]);
        Self { one: format!("{one}{rest}"), many: many.into(), irregular: true, mass: false }
    }
}

/// The regular plural of a phrase; in `sack of barley` the head is `sack`.
fn plural(phrase: &str) -> String {
    for joint in [" of ", " with ", " in ", " for "] {
        if let Some((head, rest)) = phrase.split_once(joint) {
            return format!("{}{joint}{rest}", plural(head));
        }
    }
    let Some((stem, last)) = split_last(phrase) else { return String::new() };
    let before = stem.chars().next_back().unwrap_or(' ');
    match last {
        'y' if !is_vowel(before) => format!("{stem}ies"),
        's' | 'x' | 'z' => format!("{phrase}es"),
        'h' if matches!(before, 'c' | 's') => format!("{phrase}es"),
        _ => format!("{phrase}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals() {
        let cases = [
            ("hen", "hens"),
            ("box", "boxes"),
            ("perch", "perches"),
            ("brush", "brushes"),
            ("bath", "baths"),
            ("berry", "berries"),
            ("donkey", "donkeys"),
            ("goose/geese", "geese"),
            ("sack of barley", "sacks of barley"),
        ];
        for (entry, many) in cases {
            assert_eq!(Word::parse(entry).many, many);
        }
        assert_eq!(Word::parse("build/built a dam").one, "build a dam");
        assert_eq!(Word::parse("pair of jacks/pairs of jacks").one, "pair of jacks");
        assert!(Word::parse("bread~").mass);
        assert_eq!(Word::parse("bread~").many, "bread");
    }
}
