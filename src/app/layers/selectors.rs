//! Groups as a person would name them: `all/norm`, `block.0-3`, `block.5/mlp`.

use crate::protocol::{Group, Kind, Layer, Selector};
use std::collections::BTreeSet;

/// Few and readable selectors that name exactly `chosen` out of `all` groups of the model, each group once: what
/// multiplies must not reach a group twice. From the bottom up.
pub fn selectors_for(chosen: &[Group], all: &[Group]) -> Vec<Selector> {
    let mut left: BTreeSet<Group> = all.iter().copied().filter(|group| chosen.contains(group)).collect();
    let mut found: Vec<(Group, Selector)> = Vec::new();
    while let Some(first) = left.first().copied() {
        let (selector, named) = widest(&left, all).unwrap_or((Selector::from(first), vec![first]));
        let lowest = named.iter().min().copied().unwrap_or(first);
        left.retain(|group| !named.contains(group));
        found.push((lowest, selector));
    }
    found.sort_by_key(|(lowest, _)| *lowest);
    found.into_iter().map(|(_, selector)| selector).collect()
}

/// The selector that names most of what is `left` and nothing else; of equals the shortest.
fn widest(left: &BTreeSet<Group>, all: &[Group]) -> Option<(Selector, Vec<Group>)> {
    let named =
        |selector: &Selector| -> Vec<Group> { all.iter().copied().filter(|group| selector.matches(*group)).collect() };
    candidates(left, all)
        .iter()
        .filter_map(|text| text.parse::<Selector>().ok())
        .map(|selector| (named(&selector), selector))
        .filter(|(named, _)| named.iter().all(|group| left.contains(group)))
        .max_by_key(|(named, selector)| (named.len(), std::cmp::Reverse(selector.to_string().len())))
        .map(|(named, selector)| (selector, named))
        .filter(|(_, named)| !named.is_empty())
}

/// Selectors that could name much of what is left.
fn candidates(left: &BTreeSet<Group>, all: &[Group]) -> Vec<String> {
    let mut texts = vec!["all".to_string()];
    texts.extend([Layer::Embedding, Layer::Norm, Layer::Head].map(|layer| layer.to_string()));
    let is_whole = |layer: Layer| all.iter().filter(|group| group.layer == layer).all(|group| left.contains(group));
    let mut whole: Vec<usize> = blocks(all.iter());
    whole.retain(|index| is_whole(Layer::Block(*index)));
    texts.extend(runs(&whole));
    for kind in Kind::ALL {
        texts.push(format!("all/{kind}"));
        let of_kind = blocks(left.iter().filter(|group| group.kind == kind));
        texts.extend(runs(&of_kind).into_iter().map(|run| format!("{run}/{kind}")));
    }
    texts
}

/// The blocks among these groups, ascending, each once.
fn blocks<'a>(groups: impl Iterator<Item = &'a Group>) -> Vec<usize> {
    let indices: BTreeSet<usize> = groups
        .filter_map(|group| match group.layer {
            Layer::Block(index) => Some(index),
            _ => None,
        })
        .collect();
    indices.into_iter().collect()
}

/// Ascending blocks without gaps between them, as ranges: `block.0-3`, `block.7`.
fn runs(blocks: &[usize]) -> Vec<String> {
    blocks
        .chunk_by(|left, right| left + 1 == *right)
        .filter_map(|run| Some((run.first()?, run.last()?)))
        .map(|(first, last)| if first == last { format!("block.{first}") } else { format!("block.{first}-{last}") })
        .collect()
}

/// Selectors as a sentence names them, the first few of them: `block.0–3, norm and 2 more`.
pub fn in_words(selectors: &[Selector], most: usize) -> String {
    let shown: Vec<String> = selectors.iter().take(most).map(Selector::to_string).collect();
    let more = selectors.len().saturating_sub(most);
    let names = shown.join(", ").replace('-', "–");
    if more == 0 { names } else { format!("{names} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::layers::testing::groups;
    use proptest::prelude::*;

    fn texts(chosen: impl Fn(&Group) -> bool) -> Vec<String> {
        let all = groups(6, true);
        let chosen: Vec<Group> = all.iter().copied().filter(|group| chosen(group)).collect();
        selectors_for(&chosen, &all).iter().map(Selector::to_string).collect()
    }

    #[test]
    fn names_are_those_that_a_person_would_write() {
        let block = |group: &Group| match group.layer {
            Layer::Block(index) => Some(index),
            _ => None,
        };
        assert_eq!(texts(|_| true), ["all"]);
        assert_eq!(texts(|group| group.kind == Kind::Norm), ["all/norm"]);
        assert_eq!(texts(|group| group.layer == Layer::Head), ["head"]);
        assert_eq!(texts(|group| block(group).is_some_and(|index| index < 4)), ["block.0-3"]);
        assert_eq!(texts(|group| group.layer < Layer::Block(3)), ["embedding", "block.0-2"]);
        assert_eq!(
            texts(|group| block(group).is_some_and(|index| index < 2 || (index == 4 && group.kind == Kind::Mlp))),
            ["block.0-1", "block.4/mlp"]
        );
        assert_eq!(
            texts(|group| block(group).is_some_and(|index| index > 2) && group.kind == Kind::Norm),
            ["block.3-5/norm"]
        );
        assert!(texts(|_| false).is_empty());
    }

    #[test]
    fn long_lists_are_cut_in_sentences() {
        let all = groups(6, true);
        let selectors = selectors_for(&[all[0], all[1], all[5], all[9]], &all);
        assert_eq!(in_words(&selectors, 1), "embedding and 3 more");
    }

    proptest! {
        #[test]
        fn each_chosen_group_is_named_once_and_no_other(bits in prop::collection::vec(any::<bool>(), 21), head: bool) {
            let all = groups(6, head);
            let chosen: Vec<Group> = all.iter().copied().zip(&bits).filter(|(_, bit)| **bit).map(|(group, _)| group).collect();
            let selectors = selectors_for(&chosen, &all);
            for group in &all {
                let times = selectors.iter().filter(|selector| selector.matches(*group)).count();
                prop_assert_eq!(times, usize::from(chosen.contains(group)), "{} in {:?}", group, selectors);
            }
            let fewest = chosen.len().min(1);
            prop_assert!(selectors.len() >= fewest && selectors.len() <= chosen.len());
        }
    }
}
