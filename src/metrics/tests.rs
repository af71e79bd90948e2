use super::*;
use proptest::prelude::*;
use serde::Deserialize;

/// What the reference implementations say, in percent.
#[derive(Deserialize)]
struct Fixtures {
    pairs: Vec<Pair>,
    corpora: Vec<Corpus>,
    labels: Vec<Labels>,
    numbers: Vec<Numbers>,
}

#[derive(Deserialize)]
struct Pair {
    hypothesis: String,
    reference: String,
    exact_match: f64,
    token_f1: f64,
    rouge_l: f64,
    chrf: f64,
    bleu: f64,
}

#[derive(Deserialize)]
struct Corpus {
    pairs: Vec<(String, String)>,
    chrf: f64,
    bleu: f64,
}

#[derive(Deserialize)]
struct Labels {
    truth: Vec<String>,
    predicted: Vec<String>,
    accuracy: f64,
    macro_f1: f64,
}

#[derive(Deserialize)]
struct Numbers {
    truth: Vec<f64>,
    predicted: Vec<f64>,
    mean_squared_error: f64,
    /// Null where there is none.
    pearson: Option<f64>,
    spearman: Option<f64>,
}

/// In percent, and far nearer than the hundredth of a point that is asked for.
fn same(name: &str, of: &str, ours: f64, theirs: f64) {
    assert!((100.0 * ours - theirs).abs() < 1e-6, "{name} of {of}: {} here, {theirs} there", 100.0 * ours);
}

#[test]
fn the_measures_are_those_of_the_reference_implementations() {
    let fixtures: Fixtures = serde_json::from_str(include_str!("../../tests/fixtures/metrics.json")).unwrap();
    assert!(fixtures.pairs.len() > 30);
    for pair in &fixtures.pairs {
        let (hypothesis, reference) = (pair.hypothesis.as_str(), pair.reference.as_str());
        let of = format!("{hypothesis:?} for {reference:?}");
        let alone = [(hypothesis.to_string(), reference.to_string())];
        same("exact match", &of, exact_match(hypothesis, reference), pair.exact_match);
        same("token F1", &of, token_f1(hypothesis, reference), pair.token_f1);
        same("ROUGE-L", &of, rouge_l(hypothesis, reference), pair.rouge_l);
        same("chrF", &of, chrf(&alone), pair.chrf);
        same("BLEU", &of, bleu(&alone), pair.bleu);
    }
    for corpus in &fixtures.corpora {
        let of = format!("{} pairs", corpus.pairs.len());
        same("chrF", &of, chrf(&corpus.pairs), corpus.chrf);
        same("BLEU", &of, bleu(&corpus.pairs), corpus.bleu);
    }
    for labels in &fixtures.labels {
        let pairs: Vec<(&str, Option<&str>)> =
            labels.truth.iter().zip(&labels.predicted).map(|(t, p)| (t.as_str(), Some(p.as_str()))).collect();
        same("accuracy", "labels", accuracy(&pairs), labels.accuracy);
        same("macro-F1", "labels", macro_f1(&pairs), labels.macro_f1);
    }
}

#[test]
fn an_answer_that_is_no_label_is_a_miss_and_no_class() {
    let pairs = [("good", Some("good")), ("good", None), ("bad", Some("bad"))];
    assert_eq!(accuracy(&pairs), 2.0 / 3.0);
    assert_eq!(macro_f1(&pairs), (2.0 / 3.0 + 1.0) / 2.0);
}

#[test]
fn nothing_scores_nothing() {
    assert_eq!([chrf(&[]), bleu(&[]), mean(&[], rouge_l), accuracy::<u8>(&[]), macro_f1::<u8>(&[])], [0.0; 5]);
}

/// Letters of several widths, punctuation, digits and white space.
const TEXT: &str = "[a-cA-C1-2 .,;'\"&<\\-\n\téßЖ日🙂]{0,24}";

#[test]
fn the_measures_of_numbers_are_those_of_scipy() {
    let fixtures: Fixtures = serde_json::from_str(include_str!("../../tests/fixtures/metrics.json")).unwrap();
    assert!(fixtures.numbers.len() > 5);
    for numbers in &fixtures.numbers {
        let pairs: Vec<(f64, f64)> = numbers.truth.iter().copied().zip(numbers.predicted.iter().copied()).collect();
        assert!((mean_squared_error(&pairs) - numbers.mean_squared_error).abs() < 1e-9);
        for (own, theirs) in [(pearson(&pairs), numbers.pearson), (spearman(&pairs), numbers.spearman)] {
            match theirs {
                Some(theirs) => assert!((own - theirs).abs() < 1e-9, "{own} {theirs}"),
                None => assert!(own.is_nan()),
            }
        }
    }
    assert_eq!(mean_squared_error(&[]), 0.0);
}

proptest! {
    #[test]
    fn measures_are_shares_and_the_reference_itself_is_best(
        texts in prop::collection::vec((TEXT, TEXT), 1..4),
    ) {
        let same: Vec<(String, String)> = texts.iter().map(|(a, _)| (a.clone(), a.clone())).collect();
        let bounded = |value: f64| (0.0..=1.0 + 1e-12).contains(&value);
        let best = |value: f64| (value - 1.0).abs() < 1e-12;
        prop_assert!(bounded(chrf(&texts)) && bounded(bleu(&texts)));
        // Neither is defined where there are too few characters or words.
        prop_assert!(best(chrf(&same)) || chrf(&same) == 0.0);
        prop_assert!(best(bleu(&same)) || bleu(&same) == 0.0);
        for (a, b) in &texts {
            prop_assert!(bounded(rouge_l(a, b)) && bounded(token_f1(a, b)));
            prop_assert!(best(exact_match(a, a)) && best(token_f1(a, a)));
            prop_assert!(best(rouge_l(a, a)) || rouge_l(a, a) == 0.0);
            prop_assert!(exact_match(a, b) <= token_f1(a, b));
            prop_assert_eq!(token_f1(a, b), token_f1(b, a));
        }
    }

    #[test]
    fn measures_of_labels_are_shares(pairs in prop::collection::vec((0u8..4, prop::option::of(0u8..4)), 1..20)) {
        prop_assert!((0.0..=1.0).contains(&accuracy(&pairs)) && (0.0..=1.0).contains(&macro_f1(&pairs)));
        let right: Vec<(u8, Option<u8>)> = pairs.iter().map(|(truth, _)| (*truth, Some(*truth))).collect();
        prop_assert_eq!((accuracy(&right), macro_f1(&right)), (1.0, 1.0));
    }
}
