//! The last hand on a text: spaces, `a` or `an`, capitals at the start of sentences.

use super::is_vowel;

/// Whether sentences begin with a capital: a ledger full of abbreviations keeps its letters as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Prose,
    Terse,
}

/// Words that start with a vowel letter but a consonant sound, by their beginnings.
const CONSONANT_SOUND: [&str; 9] = ["one", "once", "use", "usual", "usef", "uni", "eu", "ewe", "ukul"];
/// Words whose `h` is silent, by their beginnings.
const SILENT_H: [&str; 4] = ["hour", "honest", "honour", "heir"];

/// What goes on with a sentence after a quotation: the full stop inside the quotes becomes a comma.
const GOES_ON: [&str; 6] = ["said", "asked", "wrote", "says", "is", "as"];

/// Removes doubled spaces and stops and spaces before punctuation, sets articles, and capitals in prose.
pub fn polish(text: &str, style: Style) -> String {
    let spaced = spaces(text).replace("..", ".");
    let text = articles(&spaced);
    match style {
        Style::Prose => capitals(&quotations(&text)),
        Style::Terse => text,
    }
}

/// `"It rains." said Mira` becomes `"It rains," said Mira`.
fn quotations(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(".\" ") {
        let after = &rest[at + 3..];
        let next = after.split([' ', ',', '.', '\n']).next().unwrap_or_default();
        out.push_str(&rest[..at]);
        out.push_str(if GOES_ON.contains(&next) { ",\" " } else { ".\" " });
        rest = after;
    }
    out + rest
}

fn spaces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.trim().chars() {
        if matches!(letter, ' ' | '\n' | ',' | '.' | ';' | '!' | '?') {
            let kept = out.trim_end_matches(' ').len();
            out.truncate(kept);
        }
        if letter == ' ' && (out.is_empty() || out.ends_with('\n')) {
            continue;
        }
        out.push(letter);
    }
    out
}

fn articles(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(space) = rest.find(' ') {
        let (word, after) = rest.split_at(space);
        out.push_str(word);
        let bare = word.trim_start_matches(|letter: char| !letter.is_alphanumeric());
        // After a newline the last line's words are still in front of the article.
        let article = bare.rsplit('\n').next().unwrap_or(bare);
        if matches!(article, "a" | "A") && takes_an(after.trim_start()) {
            out.push('n');
        }
        out.push(' ');
        rest = &after[1..];
    }
    out + rest
}

/// Whether the article before `next` is `an`.
fn takes_an(next: &str) -> bool {
    let word = next.split([' ', ',', '.']).next().unwrap_or(next).to_lowercase();
    let begins = |list: &[&str]| list.iter().any(|start| word.starts_with(start));
    if begins(&SILENT_H) {
        return true;
    }
    word.starts_with(is_vowel) && !begins(&CONSONANT_SOUND)
}

/// Capitals at the start of sentences: after a line break, after a stop, also one inside quotes, and where a quotation
/// opens after a stop or a colon. After `!"` or `?"` the sentence may go on (`"Stop!" she said`), so nothing is changed.
fn capitals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut start = true;
    // The last letter that is neither space nor quote, and what came directly before this one.
    let (mut stop, mut previous) = (' ', ' ');
    for letter in text.chars() {
        if start && letter.is_alphanumeric() {
            out.extend(letter.to_uppercase());
            start = false;
        } else {
            out.push(letter);
        }
        start |= match letter {
            '\n' => true,
            ' ' => matches!(previous, '.' | '!' | '?') || (previous == '"' && stop == '.'),
            '"' if matches!(previous, ' ' | '\n') => matches!(stop, '.' | '!' | '?' | ':'),
            _ => false,
        };
        if !matches!(letter, ' ' | '"') {
            stop = letter;
        }
        previous = letter;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polishes_prose() {
        let rough = "  she had a  apple , a hour and a useful one . \"a egg!\" she said. he took\na owl";
        let fine = "She had an apple, an hour and a useful one. \"An egg!\" she said. He took\nAn owl";
        assert_eq!(polish(rough, Style::Prose), fine);
    }

    #[test]
    fn polishes_speech() {
        let rough =
            "\"it rains.\" said Mira. \"the sun!\" she cried. \"go..\" he went. he asked: \"why?\" the \"old\" cat";
        let fine =
            "\"It rains,\" said Mira. \"The sun!\" she cried. \"Go.\" He went. He asked: \"Why?\" the \"old\" cat";
        assert_eq!(polish(rough, Style::Prose), fine);
    }

    #[test]
    fn leaves_terse_letters() {
        assert_eq!(polish("fr. sallow. 3 brl. tar, a awl", Style::Terse), "fr. sallow. 3 brl. tar, an awl");
    }
}
