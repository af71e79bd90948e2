//! The text itself: rows in lines, with signs left of them.

use super::{line, put, shade};
use crate::app::Spot;
use crate::app::corpus::{Corpus, GUTTER, Glyph, Layout, Mode};
use crate::protocol::CorpusRow;
use crate::tui::panes::Canvas;
use crate::tui::text::printable;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use unicode_width::UnicodeWidthStr;

/// Draws the rows of the window from its top on.
pub(super) fn draw(corpus: &Corpus, area: Rect, canvas: &mut Canvas) {
    let window = corpus.shown();
    let (mut y, mut above) = (0, window.above);
    for (index, row) in window.rows.iter().enumerate().skip(window.top) {
        if y >= area.height {
            break;
        }
        let drawn = Row::new(corpus, row, index == window.cursor, area.width, canvas);
        let first = above.min(drawn.height());
        let lines = (drawn.height() - first).min((area.height - y) as usize) as u16;
        for offset in 0..lines {
            drawn.draw_line(first + offset as usize, line(area, y + offset), canvas);
        }
        let place = Rect { y: area.y + y, height: lines, ..area };
        canvas.spots.push((place, Spot::Row(index - window.top)));
        (y, above) = (y + lines, 0);
    }
}

/// A row as it is drawn.
struct Row<'a> {
    corpus: &'a Corpus,
    row: &'a CorpusRow,
    spans: Vec<&'a str>,
    styles: Vec<Style>,
    layout: Layout,
    is_current: bool,
}

impl<'a> Row<'a> {
    fn new(corpus: &'a Corpus, row: &'a CorpusRow, is_current: bool, width: u16, canvas: &Canvas) -> Row<'a> {
        let layout = corpus.layout(row, width.saturating_sub(GUTTER));
        let styles = shade::styles(corpus, row, canvas.theme);
        Row { corpus, row, spans: corpus.spans(row), styles, layout, is_current }
    }

    fn height(&self) -> usize {
        (self.layout.len() + self.row.broken.is_some() as usize).max(1)
    }

    fn draw_line(&self, index: usize, area: Rect, canvas: &mut Canvas) {
        self.draw_gutter(index, area, canvas);
        let text = Rect { x: area.x.saturating_add(GUTTER), width: area.width.saturating_sub(GUTTER), ..area };
        if index >= self.layout.len() {
            if let Some(why) = &self.row.broken {
                put(canvas.buffer, text, &format!("⚠ {why}"), canvas.theme.warning);
            }
            return;
        }
        let shift = self.corpus.unwrapped.unwrap_or(0);
        let mut column = 0;
        for glyph in self.layout.line(index) {
            let x = column;
            column += glyph.width;
            if x >= shift && column <= shift + text.width as usize {
                let place = Rect { x: text.x + (x - shift) as u16, width: glyph.width as u16, ..text };
                self.draw_glyph(glyph, place, canvas);
            }
        }
        let is_last = index + 1 == self.layout.len();
        let end = column.saturating_sub(shift);
        if self.row.is_cut && is_last && end < text.width as usize {
            let rest = Rect { x: text.x + end as u16, width: text.width - end as u16, ..text };
            put(canvas.buffer, rest, "…", canvas.theme.dim);
        }
    }

    /// The cursor's bar, and the sign of what is learned where not everything is.
    fn draw_gutter(&self, index: usize, area: Rect, canvas: &mut Canvas) {
        let gutter = Rect { width: area.width.min(GUTTER), ..area };
        let theme = canvas.theme;
        let (mark, style) = match self.is_current {
            true if canvas.is_focused => ("▎", theme.border_focused),
            true => ("▎", theme.border),
            false if index == 0 && self.height() > 1 => ("·", theme.dim),
            false => (" ", theme.dim),
        };
        put(canvas.buffer, gutter, mark, style);
        let is_pair = self.row.segments.iter().any(|segment| !segment.learned);
        if is_pair && gutter.width > 1 && self.layout.line(index).iter().any(|glyph| self.is_learned(glyph)) {
            put(canvas.buffer, Rect { x: gutter.x + 1, width: 1, ..gutter }, "▏", theme.training);
        }
    }

    fn is_learned(&self, glyph: &Glyph) -> bool {
        match self.corpus.tokens_of(self.row).filter(|_| self.corpus.is_cut_in_tokens()) {
            Some(tokens) => tokens.get(glyph.span).is_some_and(|token| token.learned),
            None => self.row.segments.get(glyph.span).is_some_and(|segment| segment.learned),
        }
    }

    fn draw_glyph(&self, glyph: &Glyph, place: Rect, canvas: &mut Canvas) {
        let theme = canvas.theme;
        let text = self.spans.get(glyph.span).and_then(|span| span.get(glyph.start..glyph.end)).unwrap_or_default();
        let mut style = self.styles.get(glyph.span).copied().unwrap_or(theme.text);
        let shows_breaks = self.corpus.is_cut_in_tokens();
        let shown = match text {
            "\t" if shows_breaks => "→   ".into(),
            "\t" => "    ".into(),
            _ if text.ends_with('\n') => "↵".into(),
            _ => text.chars().map(printable).collect::<String>(),
        };
        // What is shown by a sign should not be taken for text.
        let is_sign = text.chars().any(|character| character.is_control() || printable(character) != character);
        if is_sign && style.bg.is_none() {
            style = style.patch(theme.dim);
        }
        if self.is_hit(glyph) {
            style = style.patch(theme.mark).add_modifier(Modifier::REVERSED);
        }
        if self.is_current && self.corpus.token == Some(glyph.span) && shows_breaks {
            style = match canvas.is_focused {
                true => style.patch(theme.cursor),
                false => style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            };
        }
        let shown = if shown.width() == 0 { "◌".into() } else { shown };
        canvas.buffer.set_stringn(place.x, place.y, shown, place.width as usize, style);
    }

    /// Whether the match that a search found goes through this glyph.
    fn is_hit(&self, glyph: &Glyph) -> bool {
        let hit = self.corpus.search.hit.as_ref().filter(|_| self.corpus.mode == Mode::Rows);
        hit.is_some_and(|hit| {
            let (start, end) = (hit.start as usize, hit.end as usize);
            hit.offset == self.row.offset && glyph.at < end && glyph.at + (glyph.end - glyph.start) > start
        })
    }
}
