//! What findings are made of: the best of a method, compared with another's.

use crate::protocol::{LabFinding, LabPoint, LabSpread, LabTrial};
use std::collections::BTreeMap;

/// Of a method, whatever its setting, the points at its best rate.
pub fn best_rates<'a>(points: &'a [LabPoint], method: &str) -> Vec<&'a LabPoint> {
    points.iter().filter(|point| point.method == method && point.is_best_rate).collect()
}

pub fn finding(claim: impl Into<String>, holds: Option<bool>, evidence: impl Into<String>) -> LabFinding {
    LabFinding { claim: claim.into(), holds, evidence: evidence.into() }
}

/// `+0.42 ± 0.05`, or `1.08` of one seed.
pub fn said(spread: &LabSpread) -> String {
    match spread.count {
        1 => format!("{:.3}", spread.mean),
        _ => format!("{:.3} ± {:.3}", spread.mean, spread.deviation),
    }
}

/// A method with its setting.
pub fn called(point: &LabPoint) -> String {
    match point.setting.as_str() {
        "" => point.method.clone(),
        setting => format!("{} {setting}", point.method),
    }
}

/// By how much `value` of the trials at `a` exceeds that at `b`, seed by seed, over the seeds that both have.
pub fn differences(trials: &[LabTrial], a: &LabPoint, b: &LabPoint, value: &str) -> Vec<f64> {
    let of = |point: &LabPoint| -> BTreeMap<u64, f64> {
        let is_own = |trial: &&LabTrial| {
            (&trial.method, &trial.setting, trial.rate, trial.labels)
                == (&point.method, &point.setting, point.rate, point.labels)
        };
        trials.iter().filter(is_own).filter_map(|trial| Some((trial.seed, *trial.values.get(value)?))).collect()
    };
    let (a, b) = (of(a), of(b));
    a.iter().filter_map(|(seed, value)| Some(value - b.get(seed)?)).collect()
}

/// Whether every seed says so; nothing where there are none.
pub fn always(differences: &[f64], says: impl Fn(f64) -> bool) -> Option<bool> {
    (!differences.is_empty()).then(|| differences.iter().all(|difference| says(*difference)))
}

/// Where a best rate is the lowest or the highest that was tried, a better one may lie beyond: worth saying.
pub fn edge(points: &[LabPoint], best: &LabPoint) -> &'static str {
    let rates = || points.iter().filter(|point| point.method == best.method).map(|point| point.rate);
    let (low, high) = (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
    match best.rate {
        _ if low == high => "",
        rate if rate == high => " (the highest that was tried)",
        rate if rate == low => " (the lowest that was tried)",
        _ => "",
    }
}
