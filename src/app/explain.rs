//! What every metric, lens, method and setting is: one table for the screen and the docs.

/// One entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What it is found by: the metric's, lens's or setting's own name, such as `loss`, `drift`, `top-p`.
    pub key: &'static str,
    pub title: &'static str,
    /// A few sentences.
    pub what: &'static str,
    /// As one would write it by hand; empty where there is none.
    pub formula: &'static str,
    /// What is normal, and what is a warning.
    pub normal: &'static str,
    /// The paper or the place it comes from; empty where there is none.
    pub source: &'static str,
}

/// Every explanation, in the order of the docs.
pub fn all() -> impl Iterator<Item = &'static Explanation> {
    super::global::EXPLANATIONS
        .iter()
        .chain(super::corpus::EXPLANATIONS)
        .chain(super::graphs::EXPLANATIONS)
        .chain(super::layers::EXPLANATIONS)
        .chain(super::prompt::EXPLANATIONS)
}

/// The explanation with this key.
pub fn find(key: &str) -> Option<&'static Explanation> {
    all().find(|explanation| explanation.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_explanation_is_found_by_its_own_key_and_is_whole() {
        for explanation in all() {
            assert_eq!(find(explanation.key), Some(explanation), "{} is there twice", explanation.key);
            for (part, text) in
                [("title", explanation.title), ("what", explanation.what), ("normal", explanation.normal)]
            {
                assert!(!text.is_empty(), "{} has no {part}", explanation.key);
            }
        }
    }
}
