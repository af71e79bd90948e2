//! Numbers in words.

/// From 0, which is `no`, to 19.
pub const UP_TO_NINETEEN: [&str; 20] = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
/// From 20 on by tens, at the place of their first digit.
pub const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// A number as a determiner, `0` as `no`; from 1000 on in digits, as years and prices are written.
pub fn in_words(number: i64) -> String {
    let Ok(small) = usize::try_from(number) else { return number.to_string() };
    match small {
        0..20 => UP_TO_NINETEEN[small].into(),
        20..100 if small % 10 == 0 => TENS[small / 10].into(),
        20..100 => format!("{}-{}", TENS[small / 10], UP_TO_NINETEEN[small % 10]),
        100..1000 if small % 100 == 0 => format!("{} hundred", UP_TO_NINETEEN[small / 100]),
        100..1000 => format!("{} hundred and {}", UP_TO_NINETEEN[small / 100], in_words(number % 100)),
        _ => number.to_string(),
    }
}

/// `first`, `second`, … in words.
pub fn ordinal(number: i64) -> String {
    let words = in_words(number);
    let (head, last) = match words.rfind(['-', ' ']) {
        Some(at) => words.split_at(at + 1),
        None => ("", words.as_str()),
    };
    let last = match last {
        "one" => "first".into(),
        "two" => "second".into(),
        "three" => "third".into(),
        "five" => "fifth".into(),
        "eight" => "eighth".into(),
        "nine" => "ninth".into(),
        "twelve" => "twelfth".into(),
        tens if tens.ends_with('y') => format!("{}ieth", &tens[..tens.len() - 1]),
        other => format!("{other}th"),
    };
    format!("{head}{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_words() {
        let cases = [(0, "no"), (7, "seven"), (21, "twenty-one"), (90, "ninety"), (312, "three hundred and twelve")];
        for (number, words) in cases {
            assert_eq!(in_words(number), words);
        }
        assert_eq!(in_words(-3), "-3");
        assert_eq!(in_words(1200), "1200");
    }

    #[test]
    fn ordinals_in_words() {
        for (number, words) in [(1, "first"), (12, "twelfth"), (20, "twentieth"), (33, "thirty-third"), (4, "fourth")] {
            assert_eq!(ordinal(number), words);
        }
    }
}
