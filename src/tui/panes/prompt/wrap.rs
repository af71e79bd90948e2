//! Foreign text in lines of a given width, with the place in the text that every cell comes from.

use crate::tui::text::printable;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// What a person sees as one character, safe to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub symbol: String,
    /// Columns; 0 for a space that hangs over the end of its line.
    pub width: u16,
    /// Its first byte in the text.
    pub at: usize,
}

/// One line on the screen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Its first byte in the text.
    pub start: usize,
    pub pieces: Vec<Piece>,
}

impl Line {
    fn width(&self) -> u16 {
        self.pieces.iter().map(|piece| piece.width).sum()
    }

    /// Columns before a byte of the text.
    pub fn column(&self, at: usize) -> u16 {
        self.pieces.iter().take_while(|piece| piece.at < at).map(|piece| piece.width).sum()
    }

    /// Takes off the word that the line ends with; everything where it is one word, and nothing after a space.
    fn split_word(&mut self) -> Vec<Piece> {
        match self.pieces.iter().rposition(|piece| is_space(&piece.symbol)) {
            Some(space) => self.pieces.split_off(space + 1),
            None => Vec::new(),
        }
    }
}

fn is_space(symbol: &str) -> bool {
    symbol.is_empty() || symbol == " "
}

/// A character as it is drawn: control characters shown, marks with no width of their own replaced.
fn piece(grapheme: &str, at: usize, columns: u16) -> Piece {
    let symbol: String = grapheme.chars().map(printable).collect();
    let width = symbol.width() as u16;
    match width == 0 || width > columns {
        true => Piece { symbol: "\u{fffd}".into(), width: 1, at },
        false => Piece { symbol, width, at },
    }
}

/// Breaks at spaces where it can, and at line breaks; there is always a last line. Without columns there are no lines.
pub fn wrap(text: &str, columns: u16) -> Vec<Line> {
    if columns == 0 {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let mut line = Line::default();
    for (at, grapheme) in text.grapheme_indices(true) {
        if matches!(grapheme, "\n" | "\r\n") {
            lines.push(std::mem::replace(&mut line, Line { start: at + grapheme.len(), pieces: Vec::new() }));
            continue;
        }
        let mut piece = piece(grapheme, at, columns);
        if piece.symbol == " " && line.width() >= columns {
            piece = Piece { symbol: String::new(), width: 0, at };
        }
        while line.width() + piece.width > columns && !line.pieces.is_empty() {
            let pieces = line.split_word();
            let start = pieces.first().map_or(at, |piece| piece.at);
            lines.push(std::mem::replace(&mut line, Line { start, pieces }));
        }
        line.pieces.push(piece);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &str, columns: u16) -> Vec<String> {
        let symbols = |line: &Line| line.pieces.iter().map(|piece| piece.symbol.as_str()).collect::<String>();
        wrap(text, columns).iter().map(symbols).collect()
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_anywhere() {
        assert_eq!(lines("the miller went", 10), ["the miller", "went"]);
        assert_eq!(lines("a bcdefgh", 4), ["a ", "bcde", "fgh"]);
        assert_eq!(lines("one\n\ntwo\r\n", 9), ["one", "", "two", ""]);
        assert_eq!(lines("水水水", 5), ["水水", "水"]);
        assert_eq!(lines("水", 1), ["\u{fffd}"]);
        assert_eq!(lines("", 5), [""]);
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(lines("\u{1b}[2J\u{301}\u{200b}", 20), ["\u{241b}[2J\u{301}\u{fffd}"]);
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide_and_no_text_is_lost(text in "[ a-c水é\n\u{301}\u{200d}👩]{0,60}", columns in 1u16..12) {
            let lines = wrap(&text, columns);
            prop_assert!(lines.iter().all(|line| line.width() <= columns));
            let places: Vec<usize> = lines.iter().flat_map(|line| line.pieces.iter().map(|piece| piece.at)).collect();
            let graphemes = text.grapheme_indices(true).filter(|(_, grapheme)| !grapheme.contains('\n'));
            prop_assert_eq!(places, graphemes.map(|(at, _)| at).collect::<Vec<_>>());
        }
    }
}
