//! Text that goes to a terminal or a script.

use crate::{Context, Result, tui};
use comfy_table::{LineStyle, Table, TableStyle};
use serde::Serialize;
use std::io::Write;

pub use crate::tui::text::{bytes, count, number};

/// Text with control characters shown instead of obeyed: what comes from a file or a model never steers the terminal.
/// Line breaks and tabs stay.
pub fn printable(text: &str) -> String {
    let show = |c| if matches!(c, '\n' | '\t') { c } else { tui::text::printable(c) };
    text.chars().map(show).collect()
}

/// Writes text to standard output. A reader that went away is no failure: nobody is left to tell.
pub fn write(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.what(|| "cannot write to standard output".into()),
    }
}

/// Writes text of any origin for a person to read: see [`printable`].
pub fn show(text: &str) -> Result<()> {
    write(&printable(text))
}

/// An empty table with these titles: a line below them, and no more.
pub fn table<T: Into<comfy_table::Row>>(titles: T) -> Table {
    let mut table = Table::new();
    let line = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().header_separator(line)).set_header(titles);
    table
}

/// A table as text: columns `gap` apart, nothing at the end of a line.
pub fn lay_out(mut table: Table, gap: u16) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, gap));
    }
    table.trim_fmt()
}

/// Columns of the terminal that standard output is; plenty where it is none.
pub fn width() -> usize {
    console::Term::stdout().size_checked().map_or(usize::MAX, |(_, columns)| columns as usize)
}

/// Writes a line to standard error. Where that is gone nobody is left to tell, and the work goes on.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", printable(line));
}

/// Writes one JSON object as a line.
pub fn write_json(value: &impl Serialize) -> Result<()> {
    let line = serde_json::to_string(value).what(|| "cannot write the result as JSON".into())?;
    write(&(line + "\n"))
}

/// 4.2 s, 3m05s, 2h07m.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        _ => format!("{}h{:02}m", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        assert_eq!(printable("a\x1b[31mb\x07\r\n\tc\u{9b}\u{202e}"), "a␛[31mb␇␍\n\tc\u{fffd}\u{fffd}");
    }

    #[test]
    fn figures_are_short() {
        let shown: Vec<String> = [0.0, 0.0031234, 0.5, 12.345, 999.6, 12345.6, 3e-6, f64::NAN].map(number).into();
        assert_eq!(shown, ["0", "0.00312", "0.500", "12.3", "1000", "12346", "3.00e-6", "–"]);
        assert_eq!([9_999, 12_400, 1_020_000].map(count), ["9999", "12.4k", "1.02M"]);
        assert_eq!([5, 1536, 3 << 30].map(bytes), ["5 B", "1.5 KiB", "3.0 GiB"]);
        assert_eq!([4.21, 185.0, 7620.0].map(duration), ["4.2 s", "3m05s", "2h07m"]);
    }
}
