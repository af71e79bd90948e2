//! How suffixes join stems.

use std::collections::BTreeMap;

const FRONT: [char; 2] = ['e', 'i'];
const VOWELS: [char; 5] = ['a', 'e', 'i', 'o', 'u'];

/// Joins a suffix to a stem: its vowels follow the stem's last vowel, one of two meeting vowels is dropped, and the
/// letters where they meet may change.
pub(super) fn attach(stem: &str, suffix: &str, sandhi: &BTreeMap<String, String>) -> String {
    let front = stem.chars().rev().find(|letter| VOWELS.contains(letter)).is_some_and(|vowel| FRONT.contains(&vowel));
    let harmonised: String = suffix
        .chars()
        .map(|letter| match (letter, front) {
            ('A', true) => 'e',
            ('A', false) => 'a',
            ('U', true) => 'i',
            ('U', false) => 'u',
            _ => letter,
        })
        .collect();
    let mut rest = harmonised.as_str();
    if stem.ends_with(VOWELS) {
        rest = rest.strip_prefix(VOWELS).unwrap_or(rest);
    }
    let (Some(last), Some(first)) = (stem.chars().next_back(), rest.chars().next()) else { return stem.into() };
    match sandhi.get(&format!("{last}{first}")) {
        Some(joint) => format!("{}{joint}{}", &stem[..stem.len() - last.len_utf8()], &rest[first.len_utf8()..]),
        None => format!("{stem}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_follow_the_stem() {
        let sandhi = BTreeMap::from([("nm".to_string(), "mm".to_string())]);
        assert_eq!(attach("kol", "At", &sandhi), "kolat");
        assert_eq!(attach("mir", "At", &sandhi), "miret");
        assert_eq!(attach("tuma", "At", &sandhi), "tumat");
        assert_eq!(attach("bren", "mU", &sandhi), "bremmi");
        assert_eq!(attach("bren", "", &sandhi), "bren");
    }
}
