//! English morphology: forms of nouns and verbs, numbers in words, articles and capitals.

mod noun;
mod number;
mod polish;
mod verb;

pub use noun::Word;
pub use number::{TENS, UP_TO_NINETEEN, in_words, ordinal};
pub use polish::{Style, polish};
pub use verb::{Form, inflect};

pub(super) fn is_vowel(letter: char) -> bool {
    matches!(letter.to_ascii_lowercase(), 'a' | 'e' | 'i' | 'o' | 'u')
}

/// Splits a word into all but its last letter and the last letter.
pub(super) fn split_last(word: &str) -> Option<(&str, char)> {
    let last = word.chars().next_back()?;
    Some((&word[..word.len() - last.len_utf8()], last))
}
