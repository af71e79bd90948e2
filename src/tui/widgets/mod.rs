//! What panes and overlays are made of.

pub mod chart;
mod popup;

pub use popup::popup;

use super::text::printable;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Writes a text into the first line of an area, as far as there is room; returns the columns it took.
pub fn put(buffer: &mut Buffer, area: Rect, text: &str, style: Style) -> u16 {
    let area = area.intersection(buffer.area);
    if area.is_empty() {
        return 0;
    }
    let shown: String = text.chars().map(printable).collect();
    let (end, _) = buffer.set_stringn(area.x, area.y, shown, usize::from(area.width), style);
    end.saturating_sub(area.x)
}

/// Writes a text so that it ends with the area's line; returns the columns it took.
pub fn put_right(buffer: &mut Buffer, area: Rect, text: &str, style: Style) -> u16 {
    let width = columns(text).min(area.width);
    put(buffer, skip(area, area.width - width), text, style)
}

/// Columns that a text takes.
pub fn columns(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// What is left of an area after so many columns of it.
pub fn skip(area: Rect, columns: u16) -> Rect {
    let columns = columns.min(area.width);
    Rect { x: area.x + columns, width: area.width - columns, ..area }
}

/// Line number `index` of an area; empty past its end.
pub fn row(area: Rect, index: u16) -> Rect {
    match index < area.height {
        true => Rect { y: area.y + index, height: 1, ..area },
        false => Rect { height: 0, ..area },
    }
}

/// The text if it fits, or its beginning with a sign that something is missing.
pub fn fit(text: &str, room: u16) -> String {
    if columns(text) <= room {
        return text.to_string();
    }
    let mut kept = String::new();
    let mut width = 1;
    for grapheme in text.graphemes(true) {
        width += columns(grapheme);
        if width > room {
            break;
        }
        kept.push_str(grapheme);
    }
    if room > 0 {
        kept.truncate(kept.trim_end().len());
        kept.push('…');
    }
    kept
}

/// A text in lines of at most so many columns, broken at spaces where that can be.
pub fn wrap(text: &str, room: u16) -> Vec<String> {
    let room = room.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_inclusive(' ') {
            // What cannot stand in a line of its own is broken anywhere.
            let pieces: Vec<&str> =
                if columns(word.trim_end()) > room { word.graphemes(true).collect() } else { vec![word] };
            for piece in pieces {
                // Measured together: marks may change the width of what they join.
                if !line.is_empty() && columns(format!("{line}{piece}").trim_end()) > room {
                    lines.push(line.trim_end().to_string());
                    line.clear();
                }
                if !(line.is_empty() && piece.trim().is_empty()) {
                    line.push_str(piece);
                }
            }
        }
        lines.push(line.trim_end().to_string());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_cut_with_a_sign_and_wrapped_between_words() {
        assert_eq!(fit("training", 8), "training");
        assert_eq!(fit("training now", 10), "training…");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 0), "");
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("a b. c", 4), ["a b.", "c"]);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_its_room(text in "\\PC{0,30}", room in 0u16..12) {
            prop_assert!(columns(&fit(&text, room)) <= room);
            // What a person sees as one character is never broken, however wide it is.
            let fits = |line: &String| columns(line) <= room.max(1) || line.graphemes(true).count() == 1;
            prop_assert!(wrap(&text, room).iter().all(fits));
        }
    }
}
