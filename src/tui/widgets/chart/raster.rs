//! Lines in dots finer than a cell, with lowest and highest value of every column of dots.

use crate::app::graphs::Glyphs;
use crate::app::graphs::scale::Span;
use crate::app::graphs::trace::Trace;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::pixel::OCTANTS;

/// The dots of one line over an area. A later line lies over an earlier one, cell by cell.
pub struct Raster {
    glyphs: Glyphs,
    area: Rect,
    /// Dots of the whole area.
    width: usize,
    height: usize,
    /// Of every cell, row by row; the dots of a cell from its top left, row by row, from the lowest bit on.
    cells: Vec<u8>,
    /// Leaves gaps where the line runs level; what rises out of a column is always drawn.
    pub is_dotted: bool,
}

impl Raster {
    pub fn new(glyphs: Glyphs, area: Rect) -> Self {
        let (across, down) = glyphs.dots();
        let (width, height) = (usize::from(area.width) * across, usize::from(area.height) * down);
        Self {
            glyphs,
            area,
            width,
            height,
            cells: vec![0; usize::from(area.width) * usize::from(area.height)],
            is_dotted: false,
        }
    }

    /// Draws a trace with as many columns as there are dots across.
    pub fn line(&mut self, trace: &Trace, span: &Span) {
        let mut from = trace.before.map(|(at, value)| (at, self.row(span, value)));
        for (at, column) in trace.columns.iter().enumerate() {
            let Some(column) = column else { continue };
            let from_left = from.filter(|_| !column.starts).zip(column.first);
            if let Some((start, value)) = from_left {
                self.stroke(start, (at as f64, self.row(span, value)));
            }
            if column.low <= column.high {
                self.run(at, self.row(span, column.high), self.row(span, column.low));
            }
            from = column.last.map(|value| (at as f64, self.row(span, value)));
        }
        if let Some((start, (at, value))) = from.zip(trace.after) {
            self.stroke(start, (at, self.row(span, value)));
        }
    }

    /// The row of dots of a value, from the top, within a row of the area.
    fn row(&self, span: &Span, value: f64) -> f64 {
        let last = self.height.saturating_sub(1) as f64;
        let row = (1.0 - span.share(value)) * last;
        if row.is_nan() { last } else { row.clamp(-1.0, last + 1.0) }
    }

    /// A straight line between two points, without holes: in every column from where it comes in to where it leaves.
    fn stroke(&mut self, from: (f64, f64), to: (f64, f64)) {
        let length = to.0 - from.0;
        if length <= 0.0 || length.is_nan() {
            return;
        }
        let at = |x: f64| from.1 + (to.1 - from.1) * ((x - from.0) / length).clamp(0.0, 1.0);
        let (first, last) = (from.0.round().max(0.0) as usize, to.0.round().max(0.0) as usize);
        for column in first..=last.min(self.width.saturating_sub(1)) {
            let (enters, leaves) = (at(column as f64 - 0.5), at(column as f64 + 0.5));
            self.run(column, enters.min(leaves), enters.max(leaves));
        }
    }

    /// Sets the dots of a column from row `top` to row `bottom`; what is outside of the area is cut off.
    fn run(&mut self, column: usize, top: f64, bottom: f64) {
        let (top, bottom) = (top.round(), bottom.round());
        if column >= self.width || self.height == 0 || bottom < 0.0 || top >= self.height as f64 {
            return;
        }
        let (across, down) = self.glyphs.dots();
        let is_gap = column / across % 2 == 1 && bottom - top < down as f64;
        if self.is_dotted && is_gap {
            return;
        }
        let last = (bottom as usize).min(self.height - 1);
        for row in (top.max(0.0) as usize)..=last {
            let cell = row / down * usize::from(self.area.width) + column / across;
            if let Some(dots) = self.cells.get_mut(cell) {
                *dots |= 1 << (row % down * across + column % across);
            }
        }
    }

    /// Draws the cells that hold any dot.
    pub fn draw(&self, buffer: &mut Buffer, style: Style) {
        for (index, dots) in self.cells.iter().enumerate().filter(|(_, dots)| **dots != 0) {
            let (x, y) = (index % usize::from(self.area.width), index / usize::from(self.area.width));
            let position = (self.area.x + x as u16, self.area.y + y as u16);
            if let Some(cell) = buffer.cell_mut(position) {
                cell.set_char(character(self.glyphs, *dots)).set_style(style);
            }
        }
    }
}

/// The character whose dots are these.
fn character(glyphs: Glyphs, dots: u8) -> char {
    match glyphs {
        Glyphs::Octant => OCTANTS[usize::from(dots)],
        Glyphs::Braille => {
            // Braille counts its dots down the left column, then down the right one; the last row came later.
            const BITS: [u32; 8] = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80];
            let bits = BITS.iter().enumerate().filter(|(at, _)| dots >> at & 1 == 1).map(|(_, bit)| bit);
            char::from_u32(0x2800 + bits.sum::<u32>()).unwrap_or(' ')
        }
        Glyphs::HalfBlock => ['▀', '▄', '█'].get(usize::from(dots).wrapping_sub(1)).copied().unwrap_or(' '),
        Glyphs::Ascii => ['\'', '.', '|'].get(usize::from(dots).wrapping_sub(1)).copied().unwrap_or(' '),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::graphs::trace::Column;

    fn drawn(glyphs: Glyphs, values: &[(f64, f64)]) -> String {
        let area = Rect::new(0, 0, 4, 2);
        let mut raster = Raster::new(glyphs, area);
        let column = |(low, high): &(f64, f64)| {
            Some(Column {
                low: *low,
                high: *high,
                first: Some(*low),
                last: Some(*low),
                broken: false,
                starts: false,
                count: 1,
            })
        };
        let trace = Trace { columns: values.iter().map(column).collect(), before: None, after: None };
        raster.line(&trace, &Span { low: 0.0, high: 1.0, log: false });
        let mut buffer = Buffer::empty(area);
        raster.draw(&mut buffer, Style::new());
        buffer
            .content()
            .chunks(4)
            .map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>())
            .collect::<Vec<_>>()
            .join("/")
    }

    #[test]
    fn every_rung_of_the_ladder_draws_lines_and_spikes() {
        let level = [(0.0, 0.0); 8];
        let mut spike = level;
        spike[3] = (0.0, 1.0);
        assert_eq!(drawn(Glyphs::Braille, &level), "    /⣀⣀⣀⣀");
        assert_eq!(drawn(Glyphs::Braille, &spike), " ⢸  /⣀⣸⣀⣀");
        assert_eq!(drawn(Glyphs::HalfBlock, &spike[..4]), "   █/▄▄▄█");
        assert_eq!(drawn(Glyphs::Ascii, &spike[..4]), "   |/...|");
        assert_eq!(drawn(Glyphs::Octant, &level), "    /▂▂▂▂");
    }
}
