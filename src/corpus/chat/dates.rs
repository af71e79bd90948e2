//! Dates as templates write them: `strftime_now("%d %b %Y")`.

use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A second, by its number since 1970 in universal time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(i64);

impl Moment {
    pub fn now() -> Moment {
        Moment(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64))
    }

    /// The beginning of a day written `2025-01-31`.
    pub fn parse(day: &str) -> Option<Moment> {
        let mut parts =
            day.splitn(3, '-').map(|part| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()));
        let (year, month, day): (i64, i64, i64) = (parts.next()???, parts.next()???, parts.next()???);
        let moment = Moment(days_before(year, month, day) * 86_400);
        ((1..=9999).contains(&year) && moment.civil() == (year, month, day)).then_some(moment)
    }

    /// Year, month from 1, day from 1 (Hinnant 2021, "chrono-compatible low-level date algorithms").
    fn civil(self) -> (i64, i64, i64) {
        let shifted = self.0.div_euclid(86_400) + 719_468;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        (year_of_era + era * 400 + i64::from(month <= 2), month, of_year - (153 * from_march + 2) / 5 + 1)
    }

    /// As Python's `strftime` in the C locale and universal time; what it cannot write.
    pub fn format(self, format: &str) -> Result<String, String> {
        let (mut out, mut rest) = (String::new(), format.chars());
        while let Some(c) = rest.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let (mut letter, mut padded) = (rest.next(), true);
            if letter == Some('-') {
                (letter, padded) = (rest.next(), false);
            }
            let field = letter.and_then(|letter| self.field(letter, padded));
            out += &field
                .ok_or_else(|| format!("strftime_now knows no %{}", letter.map_or(String::new(), String::from)))?;
        }
        Ok(out)
    }

    fn field(self, letter: char, padded: bool) -> Option<String> {
        let (year, month, day) = self.civil();
        let second = self.0.rem_euclid(86_400);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let weekday = (self.0.div_euclid(86_400) + 4).rem_euclid(7);
        let of_year = self.0.div_euclid(86_400) - days_before(year, 1, 1) + 1;
        let two = |number: i64| if padded { format!("{number:02}") } else { number.to_string() };
        let name = |name: &str| name.chars().take(3).collect::<String>();
        let (month_name, day_name) = (MONTHS.get(month as usize - 1)?, DAYS.get(weekday as usize)?);
        Some(match letter {
            'Y' => format!("{year:04}"),
            'y' => two(year % 100),
            'm' => two(month),
            'd' => two(day),
            'e' => format!("{day:2}"),
            'H' => two(hour),
            'I' => two((hour + 11) % 12 + 1),
            'M' => two(minute),
            'S' => two(second % 60),
            'p' => if hour < 12 { "AM" } else { "PM" }.into(),
            'B' => month_name.to_string(),
            'b' | 'h' => name(month_name),
            'A' => day_name.to_string(),
            'a' => name(day_name),
            'j' if padded => format!("{of_year:03}"),
            'j' => of_year.to_string(),
            'w' => weekday.to_string(),
            'u' => ((weekday + 6) % 7 + 1).to_string(),
            'F' => format!("{year}-{month:02}-{day:02}"),
            'T' => format!("{hour:02}:{minute:02}:{:02}", second % 60),
            'R' => format!("{hour:02}:{minute:02}"),
            'D' => format!("{month:02}/{day:02}/{:02}", year % 100),
            'Z' | 'z' => String::new(),
            '%' => "%".into(),
            'n' => "\n".into(),
            't' => "\t".into(),
            _ => return None,
        })
    }
}

/// Days from 1970 on, before a day.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let of_era = year.rem_euclid(400) * 365 + year.rem_euclid(400) / 4 - year.rem_euclid(400) / 100 + of_year;
    year.div_euclid(400) * 146_097 + of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_python_writes_them() {
        // datetime(2024, 2, 29, 13, 5, 9).strftime(...)
        let moment = Moment(Moment::parse("2024-02-29").unwrap().0 + 13 * 3600 + 5 * 60 + 9);
        let all = moment.format("%d %b %Y|%A %B %-d, %y|%H:%M:%S %I %p|%j %e %w %u %F %T %D %a %%").unwrap();
        assert_eq!(
            all,
            "29 Feb 2024|Thursday February 29, 24|13:05:09 01 PM|060 29 4 4 2024-02-29 13:05:09 02/29/24 Thu %"
        );
        assert_eq!(Moment(-1).format("%F %T %A").unwrap(), "1969-12-31 23:59:59 Wednesday");
        assert!(moment.format("%Q").unwrap_err().contains("%Q") && moment.format("a%").is_err());
    }

    #[test]
    fn only_days_that_there_are_are_read() {
        for wrong in ["2023-02-29", "2024-13-01", "2024-1", "", "2024-01-00", "24-01-01-", "2024-+1-01", "99999-01-01"]
        {
            assert_eq!(Moment::parse(wrong), None, "{wrong}");
        }
        for days in (0..1_000_000).step_by(37) {
            let moment = Moment(days * 86_400);
            assert_eq!(Moment::parse(&moment.format("%F").unwrap()), Some(moment));
        }
    }
}
