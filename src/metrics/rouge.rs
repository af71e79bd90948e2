//! ROUGE-L, for summaries.

/// The F-measure of the longest common subsequence of words (Lin 2004, "ROUGE: A Package for Automatic Evaluation of
/// Summaries"), as the package rouge-score computes it without stemming: words are runs of ASCII letters and digits, in
/// lower case. 0 where either text has no words.
pub fn rouge_l(hypothesis: &str, reference: &str) -> f64 {
    let (hypothesis, reference) = (hypothesis.to_lowercase(), reference.to_lowercase());
    let (hypothesis, reference) = (plain_words(&hypothesis), plain_words(&reference));
    if hypothesis.is_empty() || reference.is_empty() {
        return 0.0;
    }
    2.0 * longest_common(&hypothesis, &reference) as f64 / (hypothesis.len() + reference.len()) as f64
}

fn plain_words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect()
}

/// The length of the longest common subsequence.
fn longest_common(a: &[&str], b: &[&str]) -> usize {
    // `row[j]`: of what was read of `a` and the first `j` of `b`.
    let mut row = vec![0; b.len() + 1];
    for word in a {
        let mut before = 0;
        for (j, other) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if word == other { before + 1 } else { above.max(row[j]) };
            before = above;
        }
    }
    row[b.len()]
}
