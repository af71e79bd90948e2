//! BLEU, for translations.

use super::{is_space, n_grams, shared, words};

/// The longest n-grams of words.
const ORDER: usize = 4;

/// BLEU (Papineni et al. 2002) of a whole set of (hypothesis, reference) pairs as sacreBLEU computes it by default (Post
/// 2018, arXiv 1804.08771): the geometric mean of the precisions of n-grams of 1 to 4 words over all pairs, times a
/// penalty where the hypotheses are shorter than the references together. Words are cut as `13a` does, case counts, and
/// an order without a match is smoothed by halving, exponentially. 0 where the hypotheses have no n-gram of some order.
pub fn bleu(pairs: &[(String, String)]) -> f64 {
    let (mut matches, mut totals) = ([0u64; ORDER], [0u64; ORDER]);
    let (mut said, mut asked) = (0, 0);
    for (hypothesis, reference) in pairs {
        let (hypothesis, reference) = (tokenise(hypothesis), tokenise(reference));
        said += hypothesis.len();
        asked += reference.len();
        for (at, order) in (1..=ORDER).enumerate() {
            matches[at] += shared(&n_grams(&hypothesis, order), &n_grams(&reference, order));
            totals[at] += (hypothesis.len() + 1).saturating_sub(order) as u64;
        }
    }
    if matches.iter().all(|&count| count == 0) || totals.contains(&0) {
        return 0.0;
    }
    let (mut smoothing, mut logs) = (1.0, 0.0);
    for (&matched, &total) in matches.iter().zip(&totals) {
        let matched = match matched {
            0 => {
                smoothing *= 2.0;
                1.0 / smoothing
            }
            count => count as f64,
        };
        logs += (matched / total as f64).ln();
    }
    let shortness = if said < asked { 1.0 - asked as f64 / said as f64 } else { 0.0 };
    (shortness + logs / ORDER as f64).exp()
}

/// The tokens that `mteval-v13a` makes: ASCII punctuation stands alone, but for apostrophes, for full stops and commas
/// between digits, and for hyphens that follow no digit.
fn tokenise(text: &str) -> Vec<String> {
    let mut text = text.trim_end_matches(is_space).replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    for (entity, character) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
        text = text.replace(entity, character);
    }
    let mut apart = vec![' '];
    for c in text.chars() {
        match is_apart(c) {
            true => apart.extend([' ', c, ' ']),
            false => apart.push(c),
        }
    }
    apart.push(' ');
    let is_point = |c: char| c == '.' || c == ',';
    // One pass after the other, each over what the one before it wrote.
    let apart = each_pair(&apart, |a, b| (!a.is_ascii_digit() && is_point(b)).then_some([a, ' ', b, ' ']));
    let apart = each_pair(&apart, |a, b| (is_point(a) && !b.is_ascii_digit()).then_some([' ', a, ' ', b]));
    let apart = each_pair(&apart, |a, b| (a.is_ascii_digit() && b == '-').then_some([a, ' ', b, ' ']));
    words(&apart.into_iter().collect::<String>()).map(str::to_string).collect()
}

fn is_apart(c: char) -> bool {
    matches!(c, '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/')
}

/// Replaces pairs of neighbours from left to right; a pair that was replaced is not read again.
fn each_pair(text: &[char], replace: impl Fn(char, char) -> Option<[char; 4]>) -> Vec<char> {
    let mut written = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match text.get(at + 1).and_then(|&next| replace(text[at], next)) {
            Some(replaced) => {
                written.extend(replaced);
                at += 2;
            }
            None => {
                written.push(text[at]);
                at += 1;
            }
        }
    }
    written
}
