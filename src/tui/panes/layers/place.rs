//! Where things stand in the pane: names, cells, what is beside them, and the lines at the foot.

use ratatui::layout::Rect;

/// Columns of a row's name, and of a cell; both with the gap after them.
pub const NAME: u16 = 10;
pub const CELL: u16 = 9;
/// Lines of the whole pane from which on there are one, two and three at the foot.
const FOOT: [u16; 3] = [5, 8, 12];

/// The pane, cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// The heads of the columns; of no height in very low panes.
    pub head: Rect,
    /// Rows of names, cells and side columns.
    pub rows: Rect,
    pub foot: Rect,
    /// Columns of a cell with its gap.
    pub cell: u16,
    /// Where the side columns begin.
    pub side: u16,
}

impl Places {
    /// For a grid of so many kinds, and a foot of at most so many lines.
    pub fn of(area: Rect, kinds: usize, most_foot: u16) -> Self {
        let foot_lines = FOOT.iter().filter(|from| area.height >= **from).count().min(usize::from(most_foot)) as u16;
        let head_lines = u16::from(area.height >= 3);
        let head = Rect { height: head_lines, ..area };
        let foot = Rect { y: area.bottom().saturating_sub(foot_lines), height: foot_lines, ..area };
        let height = area.height.saturating_sub(head_lines + foot_lines);
        let rows = Rect { y: area.y.saturating_add(head_lines), height, ..area };
        let kinds = u16::try_from(kinds).unwrap_or(u16::MAX);
        // One column more is for the scroll bar.
        let cell = area.width.saturating_sub(NAME + 1).checked_div(kinds).unwrap_or(0).min(CELL);
        let side = area.x.saturating_add(NAME).saturating_add(cell.saturating_mul(kinds));
        Self { head, rows, foot, cell, side }
    }

    /// Of a cell in the line at `y`, without its gap.
    pub fn cell_at(&self, column: usize, y: u16) -> Rect {
        let column = u16::try_from(column).unwrap_or(u16::MAX);
        let x = self.rows.x.saturating_add(NAME).saturating_add(column.saturating_mul(self.cell));
        Rect { x, y, width: self.cell.saturating_sub(1), height: 1 }
    }

    /// Columns beside the cells, without that of the scroll bar.
    pub fn side_width(&self) -> u16 {
        self.rows.right().saturating_sub(self.side).saturating_sub(1)
    }
}

/// One line among the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    Row(usize),
    Frost,
}

/// The rows from the top, with the frost line under the row that it runs below.
pub fn lines(rows: usize, frost_row: Option<usize>) -> Vec<Line> {
    let mut lines: Vec<Line> = (0..rows).map(Line::Row).collect();
    if let Some(row) = frost_row.filter(|row| *row < rows) {
        lines.insert(row + 1, Line::Frost);
    }
    lines
}

/// The first line to show so that the cursor's is seen, as near as possible to the one shown before.
pub fn top(lines: &[Line], room: usize, before: usize, cursor: Option<usize>) -> usize {
    let top = before.min(lines.len().saturating_sub(room));
    let cursor = cursor.and_then(|row| lines.iter().position(|line| *line == Line::Row(row)));
    match cursor {
        Some(at) if at < top => at,
        Some(at) if at >= top + room => (at + 1).saturating_sub(room.max(1)),
        _ => top,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frost_line_is_a_line_of_its_own() {
        assert_eq!(lines(3, Some(1)), [Line::Row(0), Line::Row(1), Line::Frost, Line::Row(2)]);
        assert_eq!(lines(2, None).len(), 2);
    }

    #[test]
    fn the_cursor_stays_in_sight_and_the_view_moves_no_more_than_needed() {
        let lines = lines(20, Some(9));
        assert_eq!(top(&lines, 5, 0, Some(3)), 0);
        assert_eq!(top(&lines, 5, 0, Some(5)), 1);
        assert_eq!(top(&lines, 5, 12, Some(3)), 3);
        assert_eq!(top(&lines, 5, 12, Some(19)), 16);
        assert_eq!(top(&lines, 5, 99, None), 16);
        assert_eq!(top(&lines, 50, 7, Some(19)), 0);
        assert_eq!(top(&lines, 0, 0, Some(3)), 3);
    }

    #[test]
    fn everything_has_room_in_half_of_a_small_terminal() {
        let places = Places::of(Rect::new(0, 0, 38, 19), 3, 3);
        assert_eq!((places.cell, places.head.height, places.foot.height, places.rows.height), (CELL, 1, 3, 15));
        assert_eq!(Places::of(Rect::new(0, 0, 58, 15), 3, 2).side_width(), 20);
        assert_eq!(Places::of(Rect::new(0, 0, 0, 0), 3, 2).cell, 0);
    }
}
