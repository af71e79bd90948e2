//! Axes: bounds that snap to round numbers and stay where they are while they still fit, and ticks at round numbers.

/// The part of a value axis that is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub low: f64,
    pub high: f64,
    pub log: bool,
}

/// Of the axis, how much of it the values must fill for it to stay as it is.
const FILLED_ENOUGH: f64 = 0.3;
/// On log axes that span less than this factor, round numbers of a linear axis stand closer.
const NARROW: f64 = 4.0;

impl Span {
    /// Round bounds around values from `low` to `high`. Where the axis before still fits, it stays: no jitter.
    pub fn around(low: f64, high: f64, log: bool, before: Option<Span>) -> Span {
        let (low, high) = widened(low, high, log);
        if let Some(before) = before.filter(|before| before.log == log && before.low <= low && high <= before.high) {
            let (bottom, top) = (before.share(low), before.share(high));
            if top - bottom >= FILLED_ENOUGH {
                return before;
            }
        }
        let step = round_up((high - low) / 4.0);
        let linear = ((low / step).floor() * step, (high / step).ceil() * step);
        let (low, high) = match log {
            true if high / low > NARROW || linear.0 <= 0.0 => (round_down(low), round_up(high)),
            _ => linear,
        };
        Span { low, high, log }
    }

    /// Where a value stands: 0 at the bottom, 1 at the top, not bounded.
    pub fn share(&self, value: f64) -> f64 {
        if self.log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    /// Round values within the bounds, at most about `most` of them, from the bottom, with their labels.
    pub fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let most = most.max(1);
        if self.log && self.high / self.low > NARROW {
            return self.log_ticks(most);
        }
        let step = round_up((self.high - self.low) / most as f64);
        multiples(self.low, self.high, step).into_iter().map(|value| (value, label(value, step))).collect()
    }

    /// 1, 2 and 5 of every power of ten; where those are too many, only some powers of ten.
    fn log_ticks(&self, most: usize) -> Vec<(f64, String)> {
        let first = self.low.log10().floor() as i32;
        let last = self.high.log10().ceil() as i32;
        let decades = (last - first).max(1) as usize;
        let digits: &[f64] = if decades * 3 <= most { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let stride = if digits.len() == 1 { decades.div_ceil(most) } else { 1 };
        let slack = 1.0 + 1e-9;
        (first..=last)
            .step_by(stride)
            .flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power)))
            .filter(|value| *value >= self.low / slack && *value <= self.high * slack)
            .map(|value| (value, label(value, value)))
            .collect()
    }
}

/// Bounds that are apart, finite, and on log axes above zero.
fn widened(low: f64, high: f64, log: bool) -> (f64, f64) {
    let (low, high) = if low.is_finite() && high.is_finite() && low <= high { (low, high) } else { (0.0, 1.0) };
    let (low, high) = match log {
        true if high <= 0.0 => (0.1, 1.0),
        // Zero has no place on a log axis: six decades below the highest are. What is above it has, down to twelve.
        true if low <= 0.0 => (high * 1e-6, high),
        true => (low.max(high * 1e-12), high),
        false => (low, high),
    };
    let size = high.abs().max(low.abs());
    match high - low > size * 1e-6 {
        true => (low, high),
        false if size == 0.0 => (-1.0, 1.0),
        // A constant stands in the middle.
        false => (low - size * 0.1, high + size * 0.1),
    }
}

/// The least of 1, 2, 5 times a power of ten that is not below `value`, which is above zero.
pub fn round_up(value: f64) -> f64 {
    round(value, |mantissa| [1.0, 2.0, 5.0].into_iter().find(|digit| mantissa <= digit * (1.0 + 1e-9)).unwrap_or(10.0))
}

/// The greatest of 1, 2, 5 times a power of ten that is not above `value`.
fn round_down(value: f64) -> f64 {
    round(value, |mantissa| [5.0, 2.0, 1.0].into_iter().find(|digit| mantissa >= digit * (1.0 - 1e-9)).unwrap_or(1.0))
}

fn round(value: f64, digit: impl Fn(f64) -> f64) -> f64 {
    // Below the least normal number a power of ten would be zero.
    let value = value.max(1e-300);
    let power = 10f64.powi(value.log10().floor() as i32);
    digit(value / power) * power
}

/// Multiples of `step` from `low` to `high`; bounded, whatever they are.
fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    let first = (low / step - 1e-6).ceil();
    (0..64).map(|index| (first + f64::from(index)) * step).take_while(|value| *value <= high + step * 1e-6).collect()
}

/// A round value as an axis says it, exact enough to tell it from its neighbours `step` away: 0.05, 2.5, 40k, 3e-4.
pub fn label(value: f64, step: f64) -> String {
    if value.abs() < step * 1e-6 {
        return "0".into();
    }
    let (magnitude, finest) = (value.abs().log10().floor() as i32, (step * (1.0 + 1e-9)).log10().floor() as i32);
    let (unit, name) = match magnitude {
        4..=5 => (3, "k"),
        6..=8 => (6, "M"),
        9..=11 => (9, "G"),
        _ => (0, ""),
    };
    match (finest, magnitude) {
        (-3.., -3..=11) => format!("{:.*}{name}", (unit - finest).max(0) as usize, value / 10f64.powi(unit)),
        _ => {
            let said = format!("{value:.*e}", (magnitude - finest).clamp(0, 3) as usize);
            let (mantissa, power) = said.split_once('e').unwrap_or((&said, "0"));
            let mantissa =
                if mantissa.contains('.') { mantissa.trim_end_matches(['0']).trim_end_matches('.') } else { mantissa };
            format!("{mantissa}e{power}")
        }
    }
}

/// Steps of time that people count in, seconds.
const CLOCK: [f64; 24] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0,
    21_600.0, 43_200.0, 86_400.0, 172_800.0, 432_000.0, 864_000.0,
];

/// What a horizontal axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Whole ones.
    Steps,
    Seconds,
    /// Anything.
    Value,
}

/// Ticks of a horizontal axis, so that labels of their width stand apart in `columns`.
pub fn place_ticks(from: f64, to: f64, unit: Unit, columns: usize) -> Vec<(f64, String)> {
    let span = to - from;
    if columns == 0 || span.is_nan() || span <= 0.0 {
        return Vec::new();
    }
    let mut step = least_step(span / columns as f64 * 4.0, unit);
    for _ in 0..8 {
        let ticks: Vec<(f64, String)> =
            multiples(from, to, step).into_iter().map(|at| (at, place_name(at, step, unit))).collect();
        let widest = ticks.iter().map(|(_, label)| label.len()).max().unwrap_or(0);
        if (widest + 3) as f64 <= step / span * columns as f64 {
            return ticks;
        }
        step = least_step(step * 1.01, unit);
    }
    Vec::new()
}

fn least_step(value: f64, unit: Unit) -> f64 {
    match unit {
        Unit::Value => round_up(value),
        Unit::Steps => round_up(value).max(1.0),
        Unit::Seconds => CLOCK.into_iter().find(|step| *step >= value).unwrap_or_else(|| round_up(value)),
    }
}

/// A place on a horizontal axis, exact enough to tell it from its neighbours `step` away.
pub fn place_name(at: f64, step: f64, unit: Unit) -> String {
    if unit != Unit::Seconds {
        return label(at, step);
    }
    if step < 1.0 {
        return format!("{at:.1}s");
    }
    let whole = at.round() as u64;
    let parts = [(whole / 86_400, "d"), (whole / 3600 % 24, "h"), (whole / 60 % 60, "m"), (whole % 60, "s")];
    let said: String =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if said.is_empty() { "0".into() } else { said }
}

#[cfg(test)]
#[path = "scale_tests.rs"]
mod tests;
