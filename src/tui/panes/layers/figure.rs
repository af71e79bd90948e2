//! Figures of a fixed width, with three significant digits.

use crate::app::layers::Lens;

/// The widest figure.
pub const WIDTH: usize = 7;

/// As a lens writes its readings, in at most [`WIDTH`] columns.
pub fn reading(lens: Lens, value: f64) -> String {
    match lens {
        Lens::Trains => String::new(),
        Lens::Gradient | Lens::Drift => plain(value),
        Lens::Update => scientific(value),
        Lens::Multiplier => format!("×{}", multiplier(value)),
        Lens::Memory => bytes(value),
        Lens::Time if value > 0.0 && value < 0.001 => "<0.1%".into(),
        Lens::Time => format!("{}%", three_digits(100.0 * value)),
    }
}

/// 0.00123, 12.3, 123, 1.23e-4.
pub fn plain(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if !(0.0009995..99_950.0).contains(&size) => scientific(value),
        size if size < 0.009995 => format!("{value:.5}"),
        size if size < 0.09995 => format!("{value:.4}"),
        size if size < 0.9995 => format!("{value:.3}"),
        _ => three_digits(value),
    }
}

/// 1.23e-3.
pub fn scientific(value: f64) -> String {
    let precise = format!("{value:.2e}");
    match value {
        _ if !value.is_finite() => "–".into(),
        0.0 => "0".into(),
        _ if precise.len() > WIDTH => format!("{value:.1e}"),
        _ => precise,
    }
}

/// 1.23, 12.3, 123.
pub fn three_digits(value: f64) -> String {
    match value.abs() {
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// 0.25, 1.00, 1/64 as 0.0156.
fn multiplier(value: f64) -> String {
    let text = if value == 0.0 || value >= 0.1 { three_digits(value) } else { plain(value) };
    if text.len() < WIDTH { text } else { format!("{value:.0e}") }
}

/// 12.3MiB.
pub fn bytes(value: f64) -> String {
    let (scaled, unit) = in_unit(value);
    match unit {
        "B" => format!("{scaled:.0}B"),
        _ => format!("{}{unit}", three_digits(scaled)),
    }
}

/// −12.3 MiB, +512 KiB: for sentences.
pub fn bytes_more(value: i64) -> String {
    let (scaled, unit) = in_unit(value.unsigned_abs() as f64);
    let sign = if value < 0 { "−" } else { "+" };
    let digits = if unit == "B" { format!("{scaled:.0}") } else { three_digits(scaled) };
    format!("{sign}{digits} {unit}")
}

fn in_unit(value: f64) -> (f64, &'static str) {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let fits = |power: &usize| value < 1023.5 * 1024f64.powi(*power as i32);
    let power = (0..UNITS.len()).find(fits).unwrap_or(UNITS.len() - 1);
    (value / 1024f64.powi(power as i32), UNITS.get(power).copied().unwrap_or("B"))
}

/// The smallest of 1, 2, 5, 10, 20, … tenths and so on that is at least this: scales that seldom change.
pub fn snapped_up(value: f64) -> f64 {
    if !(value > 0.0 && value.is_finite()) {
        return 1.0;
    }
    let decade = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0].map(|step| step * decade).into_iter().find(|top| value <= *top).unwrap_or(10.0 * decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_fit_their_column_with_three_digits() {
        let plain_cases = [
            (0.0, "0"),
            (1.234e-7, "1.23e-7"),
            (1.234e-12, "1.2e-12"),
            (0.001234, "0.00123"),
            (0.01234, "0.0123"),
            (0.9996, "1.00"),
            (9.996, "10.0"),
            (12.34, "12.3"),
            (1234.0, "1234"),
            (1.234e9, "1.23e9"),
        ];
        for (value, expected) in plain_cases {
            assert_eq!(plain(value), expected);
        }
        for exponent in -30..30 {
            let value = 9.9996 * 10f64.powi(exponent);
            for lens in [Lens::Gradient, Lens::Update, Lens::Drift, Lens::Multiplier] {
                assert!(reading(lens, value).chars().count() <= WIDTH, "{lens:?} {value}");
            }
        }
        assert_eq!(reading(Lens::Time, 0.1234), "12.3%");
        assert_eq!(reading(Lens::Time, 0.0001234), "<0.1%");
        assert_eq!(reading(Lens::Multiplier, 0.015625), "×0.0156");
        assert_eq!(reading(Lens::Gradient, f64::NAN), "–");
    }

    #[test]
    fn memory_has_its_unit() {
        assert_eq!(bytes(0.0), "0B");
        assert_eq!(bytes(1023.0 * 1024.0), "1023KiB");
        assert_eq!(bytes(1.5 * 1024.0 * 1024.0), "1.50MiB");
        assert_eq!(bytes_more(-3_250_586), "−3.10 MiB");
        assert_eq!(bytes_more(512), "+512 B");
    }

    #[test]
    fn scales_snap() {
        let snapped = [0.0, 0.011, 0.02, 3.0, 6.0, 10.0].map(snapped_up);
        let expected = [1.0, 0.02, 0.02, 5.0, 10.0, 10.0];
        assert!(snapped.iter().zip(expected).all(|(left, right)| (left - right).abs() < 1e-9), "{snapped:?}");
        assert_eq!(snapped_up(f64::NAN), 1.0);
    }
}
