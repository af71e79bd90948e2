//! A chart of lines: every column shows its lowest and highest value, so that spikes survive any zoom; round numbers on
//! both axes; marks, gaps, a cursor. It draws traces and knows nothing of where they come from.

mod frame;
mod raster;
#[cfg(test)]
mod tests;

pub use frame::Frame;

use crate::app::graphs::Glyphs;
use crate::app::graphs::scale::{Span, Unit};
use crate::app::graphs::trace::Trace;
use crate::app::graphs::window::Window;
use crate::tui::text::printable;
use crate::tui::theme::Theme;
use raster::Raster;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthChar;

/// Rows from the top in which labels of marks may stand.
const LABEL_ROWS: u16 = 3;
/// The shortest label that still says something.
const SHORTEST_LABEL: usize = 5;

/// A curve, reduced to as many columns as the plot has dots across.
pub struct Line {
    pub trace: Trace,
    pub style: Style,
    /// What its points are drawn as where they stand apart.
    pub point: Option<char>,
    /// With gaps where it runs level.
    pub is_dotted: bool,
}

/// Something that happened, at a share of the window's width.
pub struct Mark<'a> {
    pub share: f64,
    /// At the top of its line.
    pub label: &'a str,
    /// What stands on the axis instead of a line.
    pub sign: Option<char>,
    pub style: Style,
}

/// What a chart shows.
pub struct Chart<'a> {
    pub frame: Frame,
    /// From the back to the front.
    pub lines: Vec<Line>,
    pub marks: Vec<Mark<'a>>,
    pub span: Span,
    pub window: Window,
    /// Of the horizontal axis.
    pub unit: Unit,
    /// Draws a line at zero.
    pub zero: bool,
    pub cursor: Option<f64>,
    /// The shares between which the mouse is selecting.
    pub selected: Option<(f64, f64)>,
    pub glyphs: Glyphs,
    pub is_focused: bool,
}

impl Chart<'_> {
    pub fn draw(&self, buffer: &mut Buffer, theme: &Theme) {
        let plot = self.frame.plot.intersection(*buffer.area());
        if plot.is_empty() {
            return;
        }
        self.frame.draw(self, buffer, theme);
        self.draw_guides(plot, buffer, theme);
        for line in &self.lines {
            let mut raster = Raster::new(self.glyphs, plot);
            raster.is_dotted = line.is_dotted;
            raster.line(&line.trace, &self.span);
            raster.draw(buffer, line.style);
        }
        for line in &self.lines {
            self.draw_points(line, plot, buffer);
        }
        self.draw_breaks(plot, buffer, theme);
        for mark in self.marks.iter().filter(|mark| mark.sign.is_none()) {
            self.draw_label(mark, plot, buffer);
        }
        self.draw_selection(plot, buffer, theme);
    }

    /// What lies behind the curves: the zero line, marks, the cursor.
    fn draw_guides(&self, plot: Rect, buffer: &mut Buffer, theme: &Theme) {
        let is_ascii = self.glyphs == Glyphs::Ascii;
        let zero = self.span.share(0.0);
        if self.zero && (0.0..=1.0).contains(&zero) {
            let y = self.row_of(plot, 0.0);
            for x in plot.left()..plot.right() {
                put(buffer, (x, y), if is_ascii { '-' } else { '┄' }, theme.dim);
            }
        }
        for mark in self.marks.iter().filter(|mark| mark.sign.is_none()) {
            if let Some(x) = column_at(plot, mark.share) {
                (plot.top()..plot.bottom())
                    .for_each(|y| put(buffer, (x, y), if is_ascii { ':' } else { '┊' }, mark.style));
            }
        }
        if let Some(x) = self.cursor.and_then(|share| column_at(plot, share)) {
            let style = if self.is_focused { theme.title } else { theme.dim };
            (plot.top()..plot.bottom()).for_each(|y| put(buffer, (x, y), if is_ascii { '|' } else { '│' }, style));
        }
    }

    /// Signs on the points of a line that was measured now and then, where they do not run into each other.
    fn draw_points(&self, line: &Line, plot: Rect, buffer: &mut Buffer) {
        let Some(sign) = line.point else { return };
        let across = self.glyphs.dots().0;
        let measured = line.trace.columns.iter().enumerate();
        let points: Vec<(u16, f64)> =
            measured.filter_map(|(at, column)| Some(((at / across) as u16, column.as_ref()?.last?))).collect();
        let mut free_from = 0;
        for (x, value) in points {
            if x >= free_from && x < plot.width {
                let y = self.row_of(plot, value);
                if let Some(cell) = buffer.cell_mut((plot.x + x, y)) {
                    cell.set_char(sign).set_style(line.style);
                }
                free_from = x + 3;
            }
        }
    }

    /// The row of cells that a value stands in.
    pub fn row_of(&self, plot: Rect, value: f64) -> u16 {
        let down = self.glyphs.dots().1 as f64;
        let last = f64::from(plot.height) * down - 1.0;
        let row = ((1.0 - self.span.share(value)) * last).round().clamp(0.0, last) / down;
        plot.y + (row as u16).min(plot.height.saturating_sub(1))
    }

    /// A × at the bottom wherever a value is no number, however many others stand in its column.
    fn draw_breaks(&self, plot: Rect, buffer: &mut Buffer, theme: &Theme) {
        let across = self.glyphs.dots().0;
        let sign = if self.glyphs == Glyphs::Ascii { "x" } else { "×" };
        for at in self.lines.iter().flat_map(|line| line.trace.breaks()) {
            let x = plot.x.saturating_add((at / across) as u16);
            if x < plot.right()
                && let Some(cell) = buffer.cell_mut((x, plot.bottom() - 1))
            {
                cell.set_symbol(sign).set_style(theme.error);
            }
        }
    }

    /// To the right of its mark, in the first of the upper rows that is free; shortened, or left out, where none is.
    fn draw_label(&self, mark: &Mark, plot: Rect, buffer: &mut Buffer) {
        let Some(x) = column_at(plot, mark.share) else { return };
        let wanted = mark.label.chars().count();
        let rows = plot.top()..plot.bottom().min(plot.top() + LABEL_ROWS);
        let room = |y: u16| free_cells(buffer, plot, x + 1, y);
        // A label needs a free cell behind it, or it reads on into what stands there.
        let roomiest =
            rows.map(|y| (room(y).saturating_sub(1), y)).map(|(room, y)| (room.min(wanted), std::cmp::Reverse(y)));
        let Some((room, std::cmp::Reverse(y))) = roomiest.max() else { return };
        if room >= wanted.min(SHORTEST_LABEL) {
            write(buffer, (x + 1, y), mark.label, room as u16, mark.style);
        }
    }

    fn draw_selection(&self, plot: Rect, buffer: &mut Buffer, theme: &Theme) {
        let Some((from, to)) = self.selected else { return };
        let ends = [from.min(to), from.max(to)].map(|share| column_at(plot, share.clamp(0.0, 0.999_999)));
        if let [Some(left), Some(right)] = ends {
            let cells = Rect { x: left, width: right - left + 1, ..plot };
            buffer.set_style(cells, theme.selection);
        }
    }
}

/// The column of cells at a share of the plot's width; `None` outside. The right border is in the last column.
fn column_at(plot: Rect, share: f64) -> Option<u16> {
    let share = if share > 1.0 - 1e-9 && share <= 1.0 + 1e-9 { 1.0 - 1e-9 } else { share };
    let column = (share * f64::from(plot.width)).floor();
    (0.0..f64::from(plot.width)).contains(&column).then(|| plot.x + column as u16)
}

fn put(buffer: &mut Buffer, position: (u16, u16), character: char, style: Style) {
    if let Some(cell) = buffer.cell_mut(position) {
        cell.set_char(character).set_style(style);
    }
}

/// Cells in a row from `x` on, within the plot, that nothing stands in but perhaps the cursor's line.
fn free_cells(buffer: &Buffer, plot: Rect, x: u16, y: u16) -> usize {
    let is_free = |x: &u16| buffer.cell((*x, y)).is_some_and(|cell| [" ", "│"].contains(&cell.symbol()));
    (x..plot.right()).take_while(is_free).count()
}

/// Writes foreign text into at most `room` columns, with an ellipsis where it is cut; returns the columns it took.
pub fn write(buffer: &mut Buffer, (x, y): (u16, u16), text: &str, room: u16, style: Style) -> u16 {
    let shown: Vec<(char, u16)> = text
        .chars()
        .map(printable)
        .filter_map(|character| Some((character, character.width()? as u16)).filter(|(_, width)| *width > 0))
        .collect();
    let whole: u16 = shown.iter().fold(0, |sum, (_, width)| sum.saturating_add(*width));
    let room = room.min(buffer.area().right().saturating_sub(x));
    let limit = if whole > room { room.saturating_sub(1) } else { room };
    let mut used = 0;
    for (character, width) in shown {
        if used + width > limit {
            break;
        }
        put(buffer, (x + used, y), character, style);
        for covered in 1..width {
            // What a wide character covers is nobody's.
            put(buffer, (x + used + covered, y), ' ', style);
        }
        used += width;
    }
    if whole > room && room > 0 {
        put(buffer, (x + used, y), '…', style);
        used += 1;
    }
    used
}
