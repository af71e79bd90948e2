//! Verb forms. An entry names its irregular past after a slash: `sing/sang`.

use super::{is_vowel, split_last};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// he sings
    Third,
    /// he sang
    Past,
    /// singing
    Participle,
}

/// One form of a verb entry; the words after the first stay (`carry water` → `carried water`).
pub fn inflect(entry: &str, form: Form) -> String {
    let (phrase, past) = match entry.split_once('/') {
        Some((phrase, past)) => (phrase, Some(past)),
        None => (entry, None),
    };
    let (verb, rest) = match phrase.find(' ') {
        Some(space) => phrase.split_at(space),
        None => (phrase, ""),
    };
    let inflected = match (form, past) {
        (Form::Past, Some(past)) => past.to_string(),
        (Form::Past, None) => regular_past(verb),
        (Form::Third, _) => third_person(verb),
        (Form::Participle, _) => participle(verb),
    };
    inflected + rest
}

fn third_person(verb: &str) -> String {
    match split_last(verb) {
        Some((stem, 'y')) if !stem.ends_with(is_vowel) => format!("{stem}ies"),
        Some((_, 's' | 'x' | 'z' | 'o')) => format!("{verb}es"),
        Some((stem, 'h')) if stem.ends_with(['c', 's']) => format!("{verb}es"),
        _ => format!("{verb}s"),
    }
}

fn regular_past(verb: &str) -> String {
    match split_last(verb) {
        Some((_, 'e')) => format!("{verb}d"),
        Some((stem, 'y')) if !stem.ends_with(is_vowel) => format!("{stem}ied"),
        Some((_, last)) if doubles(verb) => format!("{verb}{last}ed"),
        _ => format!("{verb}ed"),
    }
}

fn participle(verb: &str) -> String {
    match split_last(verb) {
        Some((stem, 'e')) if stem.ends_with('i') => format!("{}ying", &stem[..stem.len() - 1]),
        Some((stem, 'e')) if !stem.ends_with(['e', 'y', 'o']) => format!("{stem}ing"),
        Some((_, last)) if doubles(verb) => format!("{verb}{last}ing"),
        _ => format!("{verb}ing"),
    }
}

/// A last consonant is doubled after one vowel in a word of one syllable: `stop` → `stopped`.
fn doubles(verb: &str) -> bool {
    let letters: Vec<char> = verb.chars().collect();
    let [.., before, vowel, last] = letters[..] else { return false };
    let one_syllable = letters.iter().filter(|letter| is_vowel(**letter)).count() == 1;
    one_syllable && is_vowel(vowel) && !is_vowel(before) && !is_vowel(last) && !matches!(last, 'w' | 'x' | 'y')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verb_forms() {
        let cases = [
            ("carry water", "carries water", "carried water", "carrying water"),
            ("stop", "stops", "stopped", "stopping"),
            ("sing/sang", "sings", "sang", "singing"),
            ("bake", "bakes", "baked", "baking"),
            ("wash", "washes", "washed", "washing"),
            ("tie", "ties", "tied", "tying"),
            ("see/saw", "sees", "saw", "seeing"),
            ("row", "rows", "rowed", "rowing"),
            ("gather", "gathers", "gathered", "gathering"),
        ];
        for (entry, third, past, participle) in cases {
            assert_eq!(inflect(entry, Form::Third), third);
            assert_eq!(inflect(entry, Form::Past), past);
            assert_eq!(inflect(entry, Form::Participle), participle);
        }
    }
}
