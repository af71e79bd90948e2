//! Text laid out in columns: which character stands in which line. Screen and pointer agree on it because both ask here.

use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns between two tab stops.
const TAB: usize = 4;

/// Something that stands in cells of its own: what a person sees as one character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyph {
    /// The stretch of text that it is from, and its bytes there.
    pub span: usize,
    pub start: usize,
    pub end: usize,
    /// Byte of all stretches together.
    pub at: usize,
    /// Columns, at least one: what has no width of its own is shown by a sign.
    pub width: usize,
}

/// Glyphs in lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    glyphs: Vec<Glyph>,
    lines: Vec<Range<usize>>,
}

/// How text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub columns: usize,
    /// Whether lines that are too long go on below, rather than out of sight.
    pub wraps: bool,
    /// Whether line breaks are shown as characters, for tokens that hold them.
    pub shows_breaks: bool,
}

impl Layout {
    /// Lays out stretches of text, one after the other. There is at least one line, unless there are no columns.
    pub fn new<'a>(spans: impl IntoIterator<Item = &'a str>, shape: Shape) -> Layout {
        let mut layout = Layout::default();
        if shape.columns == 0 {
            return layout;
        }
        let mut line = Line { shape, ..Line::default() };
        let mut before = 0;
        for (span, text) in spans.into_iter().enumerate() {
            for (start, grapheme) in text.grapheme_indices(true) {
                let is_break = grapheme.ends_with('\n');
                let width = line.width_of(grapheme);
                let glyph = Glyph { span, start, end: start + grapheme.len(), at: before + start, width };
                if !is_break || shape.shows_breaks {
                    layout.push(&mut line, glyph, grapheme.starts_with([' ', '\t']));
                }
                if is_break {
                    layout.finish(&mut line);
                }
            }
            before += text.len();
        }
        if line.start < layout.glyphs.len() || layout.lines.is_empty() {
            layout.finish(&mut line);
        }
        layout
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The glyphs of a line, from its left.
    pub fn line(&self, index: usize) -> &[Glyph] {
        self.lines.get(index).and_then(|line| self.glyphs.get(line.clone())).unwrap_or(&[])
    }

    /// The first line with a glyph of this stretch, or of one after it.
    pub fn line_of(&self, span: usize) -> Option<usize> {
        self.lines.iter().position(|line| self.glyphs[line.clone()].iter().any(|glyph| glyph.span >= span))
    }

    /// The glyph that stands in a column of a line.
    pub fn glyph_at(&self, line: usize, column: usize) -> Option<&Glyph> {
        let mut end = 0;
        self.line(line).iter().find(|glyph| {
            end += glyph.width;
            column < end
        })
    }

    fn push(&mut self, line: &mut Line, glyph: Glyph, is_space: bool) {
        // One space may stay out of sight at the end of a line that is full: the next one should not begin with it.
        let hangs = is_space && glyph.width == 1 && line.width == line.shape.columns;
        while line.shape.wraps
            && !hangs
            && line.width + glyph.width > line.shape.columns
            && line.start < self.glyphs.len()
        {
            // What follows the last space moves down with the new glyph; without one the line is cut where it is.
            let cut = line.after_space.filter(|cut| *cut > line.start && !is_space).unwrap_or(self.glyphs.len());
            self.lines.push(line.start..cut);
            line.width = self.glyphs[cut..].iter().map(|glyph| glyph.width).sum();
            (line.start, line.after_space) = (cut, None);
        }
        self.glyphs.push(glyph);
        line.width += glyph.width;
        if is_space {
            line.after_space = Some(self.glyphs.len());
        }
    }

    fn finish(&mut self, line: &mut Line) {
        self.lines.push(line.start..self.glyphs.len());
        *line = Line { shape: line.shape, start: self.glyphs.len(), ..Line::default() };
    }
}

/// The line that is being filled.
struct Line {
    shape: Shape,
    /// Index of its first glyph.
    start: usize,
    width: usize,
    /// Index after its last space.
    after_space: Option<usize>,
}

impl Default for Line {
    fn default() -> Self {
        let shape = Shape { columns: 1, wraps: true, shows_breaks: false };
        Self { shape, start: 0, width: 0, after_space: None }
    }
}

impl Line {
    fn width_of(&self, grapheme: &str) -> usize {
        let width = match grapheme {
            "\t" => TAB - self.width % TAB,
            _ if grapheme.ends_with('\n') => 1,
            _ => grapheme.width().max(1),
        };
        width.min(self.shape.columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(spans: &[&str], columns: usize, wraps: bool) -> Vec<String> {
        let layout = Layout::new(spans.iter().copied(), Shape { columns, wraps, shows_breaks: false });
        let text = |glyph: &Glyph| &spans[glyph.span][glyph.start..glyph.end];
        (0..layout.len()).map(|line| layout.line(line).iter().map(text).collect()).collect()
    }

    #[test]
    fn lines_break_after_spaces_and_long_words_anywhere() {
        assert_eq!(lines(&["the mill by the river"], 8, true), ["the mill ", "by the ", "river"]);
        assert_eq!(lines(&["incompre", "hensible"], 6, true), ["incomp", "rehens", "ible"]);
        assert_eq!(lines(&["a\nb\r\n\nc\n"], 8, true), ["a", "b", "", "c"]);
        assert_eq!(lines(&["the mill by the river\nb"], 8, false), ["the mill by the river", "b"]);
        assert_eq!(lines(&[""], 8, true), [""]);
        assert!(lines(&["a"], 0, true).is_empty());
    }

    #[test]
    fn wide_and_joined_characters_take_the_columns_that_they_need() {
        assert_eq!(lines(&["雪雪雪"], 5, true), ["雪雪", "雪"]);
        assert_eq!(lines(&["e\u{301}e\u{301}"], 1, true), ["e\u{301}", "e\u{301}"]);
        let layout = Layout::new(["\t\u{200b}雪"], Shape { columns: 9, wraps: true, shows_breaks: true });
        let widths: Vec<usize> = layout.line(0).iter().map(|glyph| glyph.width).collect();
        assert_eq!(widths, [4, 1, 2]);
        assert_eq!(layout.glyph_at(0, 5).map(|glyph| glyph.start), Some(4));
        assert_eq!(layout.glyph_at(0, 7), None);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_line_is_too_long(spans in prop::collection::vec("[a \\n\\t雪\u{301}\u{200b}]{0,9}", 0..6), columns in 1usize..12) {
            let shape = Shape { columns, wraps: true, shows_breaks: true };
            let layout = Layout::new(spans.iter().map(String::as_str), shape);
            let glyphs: Vec<Glyph> = (0..layout.len()).flat_map(|line| layout.line(line).to_vec()).collect();
            let text: String = glyphs.iter().map(|glyph| &spans[glyph.span][glyph.start..glyph.end]).collect();
            prop_assert_eq!(text, spans.concat());
            for line in 0..layout.len() {
                let glyphs = layout.line(line);
                let hanging = glyphs.last().filter(|glyph| spans[glyph.span][glyph.start..].starts_with([' ', '\t']));
                let width = glyphs.iter().map(|glyph| glyph.width).sum::<usize>();
                prop_assert!(width <= columns + hanging.is_some() as usize);
            }
        }
    }
}
