//! Measures of numbers. Pairs are (truth, prediction).

/// The mean of the squared differences; 0 without pairs, and lower is better.
pub fn mean_squared_error(pairs: &[(f64, f64)]) -> f64 {
    pairs.iter().map(|(truth, predicted)| (predicted - truth).powi(2)).sum::<f64>() / pairs.len().max(1) as f64
}

/// Pearson's correlation, −1 to 1: how near the pairs lie to a rising line. NaN where either side is constant, as in SciPy.
pub fn pearson(pairs: &[(f64, f64)]) -> f64 {
    let count = pairs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (of_truth, of_predicted) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let (mut both, mut truth, mut predicted) = (0.0, 0.0, 0.0);
    for (a, b) in pairs.iter().map(|(a, b)| (a - of_truth, b - of_predicted)) {
        (both, truth, predicted) = (both + a * b, truth + a * a, predicted + b * b);
    }
    (both / (truth.sqrt() * predicted.sqrt())).clamp(-1.0, 1.0)
}

/// Spearman's correlation, −1 to 1: Pearson's of the ranks, equal values sharing the mean of theirs.
pub fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let (truth, predicted): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let ranked: Vec<(f64, f64)> = ranks(&truth).into_iter().zip(ranks(&predicted)).collect();
    pearson(&ranked)
}

/// From 1 for the lowest.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let shared = first as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|&index| ranks[index] = shared);
        first += equal.len();
    }
    ranks
}
