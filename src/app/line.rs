//! One line of text that is being typed: searches, places, paths, commands.

use super::{Code, Key};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The longest line that can be typed, in bytes: a paste of a whole file is an accident.
const LONGEST: usize = 4096;

/// A line and the place in it where typing goes on. What counts as one character is what a person sees as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    text: String,
    /// In bytes; always at the border of two characters.
    cursor: usize,
}

impl Line {
    /// With the cursor at the end.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cursor: text.len(), text }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Where the cursor stands, in columns of the terminal.
    pub fn cursor_columns(&self) -> usize {
        self.text[..self.cursor].width()
    }

    /// Puts text in at the cursor. A paste's line breaks and tabs become spaces; other control characters are left out.
    pub fn insert(&mut self, text: &str) {
        let clean = text.chars().map(|character| if matches!(character, '\n' | '\t') { ' ' } else { character });
        let clean: String = clean.filter(|character| !character.is_control()).collect();
        if self.text.len() + clean.len() <= LONGEST {
            self.text.insert_str(self.cursor, &clean);
            self.cursor += clean.len();
        }
    }

    /// Whether the key means something to a line; it has been carried out then.
    pub fn key(&mut self, key: Key) -> bool {
        let by_word = key.control || key.alt;
        match key.code {
            Code::Char(character) if !by_word => self.insert(character.encode_utf8(&mut [0; 4])),
            Code::Char('a') if key.control => self.cursor = 0,
            Code::Char('e') if key.control => self.cursor = self.text.len(),
            Code::Char('w') if key.control => self.remove(self.word_before(), self.cursor),
            Code::Char('u') if key.control => self.remove(0, self.cursor),
            Code::Char('k') if key.control => self.text.truncate(self.cursor),
            Code::Backspace if by_word => self.remove(self.word_before(), self.cursor),
            Code::Backspace => self.remove(self.before(), self.cursor),
            Code::Delete if by_word => self.remove(self.cursor, self.word_after()),
            Code::Delete => self.remove(self.cursor, self.after()),
            Code::Left if by_word => self.cursor = self.word_before(),
            Code::Left => self.cursor = self.before(),
            Code::Right if by_word => self.cursor = self.word_after(),
            Code::Right => self.cursor = self.after(),
            Code::Home => self.cursor = 0,
            Code::End => self.cursor = self.text.len(),
            _ => return false,
        }
        true
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    /// The border before the character that ends at the cursor.
    fn before(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        self.cursor + self.text[self.cursor..].graphemes(true).next().map_or(0, str::len)
    }

    /// Where the word before the cursor begins; the spaces after it belong to it.
    fn word_before(&self) -> usize {
        let words = self.text[..self.cursor].split_word_bound_indices();
        words.rev().find(|(_, word)| !word.trim().is_empty()).map_or(0, |(at, _)| at)
    }

    fn word_after(&self) -> usize {
        let rest = &self.text[self.cursor..];
        let word = rest.split_word_bound_indices().find(|(_, word)| !word.trim().is_empty());
        word.map_or(self.text.len(), |(at, word)| self.cursor + at + word.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn press(line: &mut Line, keys: &str) {
        for key in keys.split(' ') {
            line.key(key.parse().unwrap());
        }
    }

    #[test]
    fn text_is_edited_where_the_cursor_is() {
        let mut line = Line::new("one two");
        press(&mut line, "a-left X home Y end Z");
        assert_eq!(line.text(), "Yone XtwoZ");
        press(&mut line, "c-w");
        assert_eq!(line.text(), "Yone ");
        press(&mut line, "c-u a");
        assert_eq!((line.text(), line.cursor_columns()), ("a", 1));
        assert!(!line.key(Key::plain(Code::Enter)));
    }

    #[test]
    fn what_is_seen_as_one_character_is_removed_as_one() {
        let mut line = Line::new("né👩‍🚀");
        assert_eq!(line.cursor_columns(), 4);
        press(&mut line, "backspace");
        assert_eq!(line.text(), "né");
        line.insert("\u{1b}[2J\nx");
        assert_eq!(line.text(), "né[2J x");
    }

    proptest! {
        #[test]
        fn any_keys_keep_the_cursor_at_a_border(text in "\\PC{0,12}", keys in prop::collection::vec(0usize..14, 0..40)) {
            let names = ["left", "right", "home", "end", "backspace", "del", "a-left", "a-right", "c-w", "c-u", "c-k",
                "a-del", "é", "x"];
            let mut line = Line::new(text);
            for key in keys {
                line.key(names[key].parse().unwrap());
                prop_assert!(line.text.is_char_boundary(line.cursor));
                prop_assert!(line.cursor_columns() <= line.text().width());
            }
        }
    }
}
