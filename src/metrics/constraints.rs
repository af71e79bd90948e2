//! What a request asks of the form of its answer, where that can be checked.

use super::words;
use crate::corpus::world::{TENS, UP_TO_NINETEEN};

/// Something that can be checked without knowing the answer (in the spirit of Zhou et al. 2023, IFEval, arXiv
/// 2311.07911).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// No small letter.
    Capitals,
    /// Exactly this many items between commas.
    Items(usize),
    /// Exactly one word.
    OneWord,
    /// One sentence that is ended.
    OneSentence,
    /// It begins with yes or no.
    YesOrNo,
    /// It has a number in it, in digits or in words.
    Number,
    /// This word, or these words one after the other, at least so often, whatever their case.
    Word(String, usize),
}

/// The most items that a list is asked for with in words; the fewest are two.
const MOST_ITEMS: usize = 10;
/// Words for numbers that no list of digits, teens and tens has.
const OTHER_NUMBERS: [&str; 3] = ["zero", "none", "hundred"];

/// The number that a word says, as far as lists have so many items.
fn items(word: &str) -> Option<usize> {
    (2..=MOST_ITEMS).find(|number| UP_TO_NINETEEN[*number] == word)
}

fn is_number(word: &str) -> bool {
    UP_TO_NINETEEN[1..].contains(&word) || TENS[2..].contains(&word) || OTHER_NUMBERS.contains(&word)
}

/// What a request asks for by its wording, in English. Only what the reference itself meets is taken: the rest was
/// misread.
pub fn constraints(request: &str, reference: &str) -> Vec<Constraint> {
    let asked = request.to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| asked.contains(phrase));
    let mut found = Vec::new();
    found.extend(says(&["capital letters", "in capitals"]).then_some(Constraint::Capitals));
    found.extend(says(&["one word"]).then_some(Constraint::OneWord));
    found.extend(says(&["one sentence", "a sentence"]).then_some(Constraint::OneSentence));
    found.extend(says(&["yes or no"]).then_some(Constraint::YesOrNo));
    found.extend(says(&["how many", "how much", "count the"]).then_some(Constraint::Number));
    if says(&["list", "name", "give", "which"]) {
        found.extend(plain_words(&asked).find_map(items).map(Constraint::Items));
    }
    for word in wanted_words(&asked) {
        let constraint = Constraint::Word(word.to_string(), occurrences(reference, word));
        if !found.contains(&constraint) {
            found.push(constraint);
        }
    }
    found.retain(|constraint| constraint.is_met(reference));
    found
}

/// What a request has in quotation marks, or lists behind "these words:".
fn wanted_words(asked: &str) -> Vec<&str> {
    let quoted = asked.split('"').skip(1).step_by(2);
    let listed = asked.split_once("these words:").map_or("", |(_, list)| list).split('.').next().unwrap_or_default();
    quoted.chain(listed.split(',')).map(str::trim).filter(|word| !word.is_empty()).collect()
}

impl Constraint {
    pub fn is_met(&self, answer: &str) -> bool {
        match self {
            Constraint::Capitals => answer.contains(char::is_alphabetic) && !answer.contains(char::is_lowercase),
            Constraint::Items(count) => {
                answer.split(',').count() == *count && answer.split(',').all(|item| words(item).next().is_some())
            }
            Constraint::OneWord => words(answer).count() == 1,
            Constraint::OneSentence => {
                let is_end = |c: char| ['.', '!', '?'].contains(&c);
                answer.chars().filter(|c| is_end(*c)).count() == 1 && answer.trim_end().ends_with(is_end)
            }
            Constraint::YesOrNo => {
                plain_words(&answer.to_lowercase()).next().is_some_and(|word| word == "yes" || word == "no")
            }
            Constraint::Number => {
                answer.contains(|c: char| c.is_ascii_digit()) || plain_words(&answer.to_lowercase()).any(is_number)
            }
            Constraint::Word(word, count) => *count > 0 && occurrences(answer, word) >= *count,
        }
    }
}

fn plain_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

fn occurrences(text: &str, word: &str) -> usize {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    let (text, word): (Vec<&str>, Vec<&str>) = (plain_words(&text).collect(), plain_words(&word).collect());
    if word.is_empty() { 0 } else { text.windows(word.len()).filter(|window| **window == word).count() }
}

/// The share of all constraints of a set that its answers meet; `None` where nothing is asked for that can be checked.
/// Items are (request, answer, reference).
pub fn constraints_met<'a>(items: impl Iterator<Item = (&'a str, &'a str, &'a str)>) -> Option<f64> {
    let (mut met, mut asked) = (0u64, 0u64);
    for (request, answer, reference) in items {
        for constraint in constraints(request, reference) {
            asked += 1;
            met += u64::from(constraint.is_met(answer));
        }
    }
    (asked > 0).then(|| met as f64 / asked as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_and_answers_checked() {
        // (request, reference, what is asked, an answer that meets it otherwise, one that does not)
        let cases = [
            ("List three wares.", "a, b, c", Constraint::Items(3), "x, y, z", "x, y"),
            ("Where is Ann? Answer in capital letters.", "MILL", Constraint::Capitals, "INN", "Inn"),
            ("Write one sentence about Ann.", "Ann sat.", Constraint::OneSentence, "Who is Ann?", "Ann sat. So!"),
            ("Is it? Yes or no?", "No.", Constraint::YesOrNo, "yes, it is", "not at all"),
            ("What is it? One word, please.", "Dog", Constraint::OneWord, "cat", "a cat"),
            ("How many are left?", "4", Constraint::Number, "17", "some"),
            ("How much is that?", "Twenty-two pence", Constraint::Number, "Four", "a pence"),
            ("Use \"pear tree\".", "A Pear tree.", Constraint::Word("pear tree".into(), 1), "pear tree", "tree pear"),
            ("Take these words: yew.", "A yew.", Constraint::Word("yew".into(), 1), "the yew", "views"),
            ("Say \"red\" twice.", "red red", Constraint::Word("red".into(), 2), "Red, red!", "red reds"),
        ];
        for (request, reference, constraint, good, bad) in cases {
            assert_eq!(constraints(request, reference), std::slice::from_ref(&constraint), "{request}");
            assert!(constraint.is_met(good) && !constraint.is_met(bad) && !constraint.is_met(""), "{request}");
        }
        assert!(constraints("How many letters has \"mill\"? Name two.", "M").is_empty(), "not what the reference does");
        let items = [("Yes or no?", "Yes", "No"), ("One word.", "two words", "one"), ("Why?", "x", "y")];
        assert_eq!(constraints_met(items.into_iter()), Some(0.5));
        assert_eq!(constraints_met([("Why?", "x", "y")].into_iter()), None);
    }
}
