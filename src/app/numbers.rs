//! Numbers as sentences have them.

/// Digits in groups of three: 12 400.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let spaced = digits.char_indices().map(|(at, digit)| {
        let is_border = at > 0 && (digits.len() - at).is_multiple_of(3);
        if is_border { format!(" {digit}") } else { digit.to_string() }
    });
    spaced.collect()
}

/// `3 h 12 min`: the two largest units.
pub fn long_time(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let first = units.iter().position(|(size, _)| seconds >= *size).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units.iter().skip(first).take(2) {
        if rest / size > 0 || parts.is_empty() {
            parts.push(format!("{} {unit}", rest / size));
        }
        rest %= size;
    }
    parts.join(" ")
}

/// `1 step`, `12 400 steps`.
pub fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!([1, 999, 12_400, 1_000_000].map(grouped), ["1", "999", "12 400", "1 000 000"]);
        let times = [0, 59, 60, 3_600 * 3 + 12 * 60 + 9, 86_400 * 2 + 5];
        assert_eq!(times.map(long_time), ["0 s", "59 s", "1 min", "3 h 12 min", "2 d"]);
        assert_eq!((counted(1, "step"), counted(2_000, "step")), ("1 step".into(), "2 000 steps".into()));
    }
}
