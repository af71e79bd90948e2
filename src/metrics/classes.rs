//! Measures of labels.

/// The share of labels that were predicted; `None` is an answer that is no label and counts as wrong. Pairs are (truth,
/// prediction).
pub fn accuracy<T: PartialEq>(pairs: &[(T, Option<T>)]) -> f64 {
    let right = pairs.iter().filter(|(truth, predicted)| predicted.as_ref() == Some(truth)).count();
    right as f64 / pairs.len().max(1) as f64
}

/// F1 of each class that occurs among the truths or the predictions, averaged with equal weight, as scikit-learn's
/// `f1_score(average="macro")` has it: a rare class counts as much as a frequent one. An answer that is no label is a
/// miss of its true class, and makes no class of its own. Pairs are (truth, prediction).
pub fn macro_f1<T: Ord>(pairs: &[(T, Option<T>)]) -> f64 {
    let truths = pairs.iter().map(|(truth, _)| truth);
    let predictions = pairs.iter().filter_map(|(_, predicted)| predicted.as_ref());
    let classes: std::collections::BTreeSet<&T> = truths.chain(predictions).collect();
    let sum: f64 = classes.iter().map(|class| f1_of(pairs, class)).sum();
    sum / classes.len().max(1) as f64
}

fn f1_of<T: PartialEq>(pairs: &[(T, Option<T>)], class: &T) -> f64 {
    let (mut hits, mut asked, mut said) = (0u64, 0u64, 0u64);
    for (truth, predicted) in pairs {
        let (is_asked, is_said) = (truth == class, predicted.as_ref() == Some(class));
        asked += is_asked as u64;
        said += is_said as u64;
        hits += (is_asked && is_said) as u64;
    }
    // 2·TP / (2·TP + FP + FN); the class occurs, so this divides by no zero.
    2.0 * hits as f64 / (asked + said) as f64
}
