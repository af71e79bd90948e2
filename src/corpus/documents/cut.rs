//! Cuts long text into pieces at its seams, without ever holding more than two of them.

use std::io::{self, Read};

/// Pieces of about `target` bytes: their concatenation is the text.
///
/// A piece ends before the first blank line beyond `target` bytes; without one before twice as many, before the first
/// line end, else the first space, else after a character. The white space begins the next piece: so do words as GPT-2
/// cuts them, and the pieces have the tokens of the whole. Text of at most one and a half times `target` stays whole.
pub(crate) struct Pieces<R> {
    reader: R,
    target: usize,
    buffer: Vec<u8>,
    at_end: bool,
}

impl<R: Read> Pieces<R> {
    /// `target` is at least 1; `usize::MAX` keeps the text whole.
    pub(crate) fn new(reader: R, target: usize) -> Self {
        Self { reader, target: target.max(1), buffer: Vec::new(), at_end: false }
    }

    fn fill(&mut self) -> io::Result<()> {
        let wanted = self.target.saturating_mul(2).saturating_sub(self.buffer.len());
        if !self.at_end && wanted > 0 {
            let read = self.reader.by_ref().take(wanted as u64).read_to_end(&mut self.buffer)?;
            self.at_end = read < wanted;
        }
        Ok(())
    }
}

impl<R: Read> Iterator for Pieces<R> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.fill() {
            self.at_end = true;
            self.buffer.clear();
            return Some(Err(error));
        }
        if self.buffer.is_empty() {
            return None;
        }
        if self.at_end && self.buffer.len() <= self.target.saturating_add(self.target / 2) {
            return Some(Ok(std::mem::take(&mut self.buffer)));
        }
        let rest = self.buffer.split_off(seam(&self.buffer, self.target));
        Some(Ok(std::mem::replace(&mut self.buffer, rest)))
    }
}

/// Where to cut `text`, which is longer than `target` bytes: between `target` and its length.
fn seam(text: &[u8], target: usize) -> usize {
    let window = &text[target..];
    let blank_line = window.iter().enumerate().position(|(at, &byte)| {
        byte == b'\n' && (at > 0 && window[at - 1] == b'\n' || at > 1 && window[at - 2..at] == *b"\n\r")
    });
    let after = |byte: u8| window.iter().position(|&other| other == byte);
    let Some(space) = blank_line.or_else(|| after(b'\n')).or_else(|| after(b' ')) else {
        return character_start(text, text.len());
    };
    // White space all the way from the start is cut where it is found.
    let end = text[..target + space].iter().rposition(|byte| !byte.is_ascii_whitespace());
    end.map_or(target + space + 1, |last| last + 1)
}

/// The start of the character that `end` would cut in two, or `end` itself.
fn character_start(text: &[u8], end: usize) -> usize {
    let earliest = end.saturating_sub(3).max(1);
    let lead = (earliest..end).rev().find(|&at| !is_continuation(text[at]));
    match lead {
        Some(at) if at + character_length(text[at]) > end => at,
        _ => end,
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// Bytes of the character that begins with `lead`.
fn character_length(lead: u8) -> usize {
    match lead {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(text: &str, target: usize) -> Vec<String> {
        Pieces::new(text.as_bytes(), target).map(|piece| String::from_utf8(piece.unwrap()).unwrap()).collect()
    }

    #[test]
    fn cuts_at_blank_lines_then_lines_then_spaces() {
        assert_eq!(pieces("aaaa bb\n\ncccc\nd", 6), ["aaaa bb", "\n\ncccc\nd"]);
        assert_eq!(pieces("aaaa\r\n\r\nbbbbbbbbbb", 4), ["aaaa", "\r\n\r\nbbbb", "bbbbbb"]);
        assert_eq!(pieces("aaaa bbbbb\nccccccccccccc", 8), ["aaaa bbbbb", "\nccccccccccccc"]);
        assert_eq!(pieces("word word word word", 6), ["word word", " word word"]);
        assert_eq!(pieces("          word", 4), ["     ", "     ", "word"]);
    }

    #[test]
    fn short_text_stays_whole() {
        assert_eq!(pieces("aaaa\n\nbbbb\n\ncc", 10), ["aaaa\n\nbbbb\n\ncc"]);
        assert_eq!(pieces("a\n\nb", usize::MAX), ["a\n\nb"]);
        assert!(pieces("", 4).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_piece_is_too_long(text in "[a-z \n雪é🜂]{0,300}", target in 4usize..40) {
            let pieces = pieces(&text, target);
            prop_assert_eq!(pieces.concat(), text);
            prop_assert!(pieces.iter().all(|piece| piece.len() <= 2 * target && !piece.is_empty()));
        }
    }
}
