//! What stands around a plot: the axes, their ticks and labels. Its sizes do not depend on what is plotted, so that a
//! plot stays where it is.

use super::{Chart, column_at, put};
use crate::app::graphs::Glyphs;
use crate::app::graphs::scale::place_ticks;
use crate::tui::theme::Theme;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Columns of the labels at the left, and with the axis.
const LABEL: u16 = 6;
const GUTTER: u16 = LABEL + 1;
/// Below these sizes the plot gets everything.
const LEAST_WIDTH: u16 = 20;
const LEAST_HEIGHT: u16 = 4;
/// From this height on, the labels of the horizontal axis have a row of their own.
const ROOMY_HEIGHT: u16 = 9;

/// How an area is shared out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    pub plot: Rect,
    has_gutter: bool,
    /// Rows below the plot: the axis, and its labels.
    rows_below: u16,
}

impl Frame {
    pub fn of(area: Rect) -> Self {
        let has_gutter = area.width >= LEAST_WIDTH;
        let rows_below = match area.height {
            ..LEAST_HEIGHT => 0,
            LEAST_HEIGHT..ROOMY_HEIGHT => 1,
            _ => 2,
        };
        let gutter = if has_gutter { GUTTER } else { 0 };
        let plot = Rect { x: area.x + gutter, y: area.y, width: area.width - gutter, height: area.height - rows_below };
        Self { plot, has_gutter, rows_below }
    }

    pub(super) fn draw(&self, chart: &Chart, buffer: &mut Buffer, theme: &Theme) {
        if self.has_gutter {
            self.draw_values(chart, buffer, theme);
        }
        if self.rows_below > 0 {
            self.draw_places(chart, buffer, theme);
        }
    }

    fn draw_values(&self, chart: &Chart, buffer: &mut Buffer, theme: &Theme) {
        let is_ascii = chart.glyphs == Glyphs::Ascii;
        let axis = self.plot.x - 1;
        for y in self.plot.top()..self.plot.bottom() {
            put(buffer, (axis, y), if is_ascii { '|' } else { '│' }, theme.dim);
        }
        let mut taken = Vec::new();
        for (value, label) in chart.span.ticks(tick_count(self.plot.height)) {
            let y = chart.row_of(self.plot, value);
            let length = label.len() as u16;
            if length > LABEL || taken.contains(&y) {
                continue;
            }
            taken.push(y);
            buffer.set_string(axis - length, y, &label, theme.dim);
            put(buffer, (axis, y), if is_ascii { '+' } else { '┤' }, theme.dim);
        }
    }

    fn draw_places(&self, chart: &Chart, buffer: &mut Buffer, theme: &Theme) {
        let is_ascii = chart.glyphs == Glyphs::Ascii;
        let (plot, axis) = (self.plot, self.plot.bottom());
        let line = if is_ascii { '-' } else { '─' };
        (plot.left()..plot.right()).for_each(|x| put(buffer, (x, axis), line, theme.dim));
        if self.has_gutter {
            put(buffer, (plot.x - 1, axis), if is_ascii { '+' } else { '└' }, theme.dim);
        }
        let mut free_from = plot.x;
        for (place, label) in place_ticks(chart.window.from, chart.window.to, chart.unit, usize::from(plot.width)) {
            let length = label.len() as u16;
            let Some(x) = column_at(plot, chart.window.share(place)).filter(|_| length < plot.width) else { continue };
            let left = x.saturating_sub(length / 2).clamp(plot.x, plot.right() - length);
            if left < free_from {
                continue;
            }
            if self.rows_below > 1 {
                put(buffer, (x, axis), if is_ascii { '+' } else { '┴' }, theme.dim);
            }
            buffer.set_string(left, axis + self.rows_below - 1, &label, theme.dim);
            free_from = left + length + 1;
        }
        for mark in &chart.marks {
            if let (Some(sign), Some(x)) = (mark.sign, column_at(plot, mark.share)) {
                // Where labels share the row, they are more important.
                let is_free =
                    buffer.cell((x, axis)).is_some_and(|cell| !cell.symbol().starts_with(char::is_alphanumeric));
                if is_free {
                    put(buffer, (x, axis), sign, mark.style);
                }
            }
        }
    }
}

/// Ticks of a value axis of this height: closer where there are few rows.
fn tick_count(rows: u16) -> usize {
    usize::from(if rows < 12 { rows / 2 } else { rows / 3 }).max(1)
}
