//! What the curve of a range test suggests: the three readings that fastai's `lr_find` gives.

use super::{End, Point};
use serde::Serialize;

/// The share of the steps at the beginning that no reading looks at: the mean is still of few losses there.
const SKIPPED: u64 = 10;
/// The steps at the end of a curve that diverged, which none looks at either.
const TAIL: usize = 5;

/// Peak rates that the curve suggests; `None` where the loss never fell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Suggestions {
    /// Where the loss falls fastest over the logarithm of the rate.
    pub steepest: Option<f64>,
    /// A tenth of the rate of the lowest loss.
    pub minimum_tenth: Option<f64>,
    /// In the longest valley, two thirds of the way down: between the other two, as a rule.
    pub valley: Option<f64>,
}

impl Suggestions {
    /// From the points of a test that was to have so many steps.
    pub fn of(points: &[Point], steps: u64, ended: End) -> Self {
        let first = (steps / SKIPPED) as usize;
        let tail = if ended == End::Diverged { TAIL } else { 0 };
        let Some(points) = points.get(first..points.len().saturating_sub(tail)) else { return Self::default() };
        let lowest = points.iter().enumerate().min_by(|(_, a), (_, b)| a.smoothed.total_cmp(&b.smoothed));
        let Some((place, lowest)) = lowest.filter(|(place, _)| *place > 0) else { return Self::default() };
        let before = &points[..=place];
        Self { steepest: steepest(before), minimum_tenth: Some(lowest.rate / 10.0), valley: valley(points) }
    }
}

/// The first of the two neighbouring points between which the loss falls fastest.
fn steepest(points: &[Point]) -> Option<f64> {
    let slope = |pair: &[Point]| (pair[1].smoothed - pair[0].smoothed) / (pair[1].rate.ln() - pair[0].rate.ln());
    points.windows(2).min_by(|a, b| slope(a).total_cmp(&slope(b))).map(|pair| pair[0].rate)
}

/// The longest run of points, not all neighbours, in which each is lower than the one before; of the stretch that ends with
/// its end and is as long as it has points, the place half of a third behind the first third.
fn valley(points: &[Point]) -> Option<f64> {
    let mut longest = vec![1; points.len()];
    let (mut start, mut end) = (0, 0);
    for i in 1..points.len() {
        for j in 0..i {
            if points[i].smoothed < points[j].smoothed && longest[i] < longest[j] + 1 {
                longest[i] = longest[j] + 1;
            }
            if longest[end] < longest[i] {
                end = i;
                start = end.saturating_sub(longest[end]);
            }
        }
    }
    let section = (end - start) as f64 / 3.0;
    let place = start + section as usize + (section / 2.0) as usize;
    points.get(place).map(|point| point.rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_readings_are_those_of_fastai() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/lr_find.json");
        let cases: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for case in cases["cases"].as_array().unwrap() {
            let list = |key: &str| -> Vec<f64> {
                case[key].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
            };
            let points: Vec<Point> = list("rates")
                .into_iter()
                .zip(list("losses"))
                .map(|(rate, loss)| Point { rate, loss, smoothed: loss })
                .collect();
            let ended = if case["diverged"].as_bool().unwrap() { End::Diverged } else { End::Done };
            let got = Suggestions::of(&points, case["steps"].as_u64().unwrap(), ended);
            let [steepest, minimum, valley] = ["steep", "minimum", "valley"].map(|key| case[key].as_f64());
            assert_eq!(got, Suggestions { steepest, minimum_tenth: minimum, valley }, "{}", case["name"]);
        }
    }

    #[test]
    fn a_loss_that_never_falls_suggests_nothing() {
        let point = |step: i32| Point { rate: 10f64.powi(step), loss: 1.0, smoothed: 1.0 + f64::from(step) };
        let rising: Vec<Point> = (0..30).map(point).collect();
        assert_eq!(Suggestions::of(&rising, 30, End::Done), Suggestions::default());
        assert_eq!(Suggestions::of(&rising[..3], 100, End::Diverged), Suggestions::default());
        assert_eq!(Suggestions::of(&[], 100, End::Diverged), Suggestions::default());
    }
}
