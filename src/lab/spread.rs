//! The same over several seeds.

use crate::protocol::LabSpread;

/// Mean and sample standard deviation; `None` of nothing, or where a value is no number.
pub fn of(values: &[f64]) -> Option<LabSpread> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = if values.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
    Some(LabSpread { mean, deviation, count: values.len() as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        let spread = of(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((spread.mean, spread.deviation, spread.count), (2.0, 1.0, 3));
        assert_eq!(of(&[5.0]).unwrap().deviation, 0.0);
        assert!(of(&[]).is_none() && of(&[f64::NAN]).is_none());
    }
}
