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

/// Removes doubled spaces and spaces before punctuation, sets articles, and capitals in prose.
pub fn polish(text: &str, style: Style) -> String {
    let spaced = spaces(text);
    let text = articles(&spaced);
    match style {
        Style::Prose => capitals(&text),
        Style::Terse => text,
    }
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

/// Capitals at the start, after a line break, and after a full stop, `!` or `?`. After closing quotes the sentence may
/// go on (`"Stop!" she said`), so nothing is changed there.
fn capitals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut start = true;
    let mut ended = false;
    for letter in text.chars() {
        if start && letter.is_alphanumeric() {
            out.extend(letter.to_uppercase());
            start = false;
        } else {
            out.push(letter);
        }
        match letter {
            '\n' => start = true,
            ' ' if ended => start = true,
            _ => {}
        }
        ended = matches!(letter, '.' | '!' | '?');
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
    fn leaves_terse_letters() {
        assert_eq!(polish("fr. sallow. 3 brl. tar, a awl", Style::Terse), "fr. sallow. 3 brl. tar, an awl");
    }
}
