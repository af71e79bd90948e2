//! The cursor, and what is chosen: a cell, a row, a column, a rectangle, or everything.

use super::grid::Grid;
use std::ops::RangeInclusive;

/// Where the cursor stands. Without a row it is on the heads of the columns, without a column on the names of the rows,
/// without both it is on everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub row: Option<usize>,
    pub column: Option<usize>,
}

/// A way to go, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    Up(usize),
    Down(usize),
    Left,
    Right,
    Top,
    Bottom,
}

impl Place {
    /// The first cell.
    pub const FIRST: Place = Place { row: Some(0), column: Some(0) };

    pub fn moved(self, step: Move, grid: &Grid) -> Place {
        let here = self.inside(grid);
        let (last_row, last_column) = last(grid);
        let (row, column) = (here.row, here.column);
        // A row of a single group has one cell, and next to it its name.
        let is_single = row.is_some_and(|row| grid.is_single(row));
        match step {
            Move::Up(by) => Place { row: row.and_then(|row| back(row, by)), ..here },
            Move::Down(by) => {
                Place { row: Some(row.map_or(by.saturating_sub(1), |row| row + by).min(last_row)), ..here }
            }
            Move::Left => Place { column: column.filter(|_| !is_single).and_then(|column| back(column, 1)), ..here },
            Move::Right if is_single && column.is_some() => here,
            Move::Right => Place { column: Some(column.map_or(0, |column| column + 1).min(last_column)), ..here },
            Move::Top => Place { row: Some(0), ..here },
            Move::Bottom => Place { row: Some(last_row), ..here },
        }
    }

    /// The same place, or the nearest there is in a smaller grid.
    pub fn inside(self, grid: &Grid) -> Place {
        let (last_row, last_column) = last(grid);
        Place { row: self.row.map(|row| row.min(last_row)), column: self.column.map(|column| column.min(last_column)) }
    }

    /// The cell under the cursor, if it is on one.
    pub fn cell(self, grid: &Grid) -> Option<(usize, usize)> {
        let here = self.inside(grid);
        let row = here.row?;
        Some((row, grid.column_at(row, here.column?)))
    }
}

fn last(grid: &Grid) -> (usize, usize) {
    (grid.layers.len().saturating_sub(1), grid.kinds.len().saturating_sub(1))
}

/// From the first place one comes out at the edge first, also with large steps.
fn back(from: usize, by: usize) -> Option<usize> {
    if from == 0 { None } else { Some(from.saturating_sub(by)) }
}

/// The groups between cursor and anchor, or under the cursor, by index. A column's head chooses the groups of that kind
/// alone; a rectangle takes in rows of a single group from whichever column.
pub fn chosen(grid: &Grid, cursor: Place, anchor: Option<Place>) -> Vec<usize> {
    let cursor = cursor.inside(grid);
    let anchor = anchor.unwrap_or(cursor).inside(grid);
    let rows = span(cursor.row, anchor.row);
    let columns = span(cursor.column, anchor.column);
    let mut found: Vec<usize> = Vec::new();
    for row in rows.clone().unwrap_or(0..=grid.layers.len().saturating_sub(1)) {
        for column in 0..grid.kinds.len() {
            let Some(group) = grid.cell(row, column) else { continue };
            let is_chosen = match (&rows, &columns) {
                (_, None) => true,
                (None, Some(columns)) => columns.contains(&column) && grid.is_of_column(row, column),
                (Some(_), Some(columns)) => grid.is_single(row) || columns.contains(&column),
            };
            found.extend(is_chosen.then_some(group));
        }
    }
    found
}

/// Both ends and what is between; `None` where an end stands for all.
fn span(from: Option<usize>, to: Option<usize>) -> Option<RangeInclusive<usize>> {
    let (from, to) = from.zip(to)?;
    Some(from.min(to)..=from.max(to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::layers::testing::groups;

    /// Head, norm, blocks 1 and 0, embedding.
    fn grid() -> Grid {
        Grid::of(&groups(2, true))
    }

    fn place(row: impl Into<Option<usize>>, column: impl Into<Option<usize>>) -> Place {
        Place { row: row.into(), column: column.into() }
    }

    fn names(cursor: Place, anchor: Option<Place>) -> Vec<String> {
        let groups = groups(2, true);
        chosen(&grid(), cursor, anchor).into_iter().map(|index| groups[index].to_string()).collect()
    }

    #[test]
    fn the_cursor_walks_to_names_and_heads_and_back() {
        let grid = grid();
        let walk = |steps: &[Move]| steps.iter().fold(Place::FIRST, |place, step| place.moved(*step, &grid));
        assert_eq!(walk(&[Move::Up(1)]), place(None, 0));
        assert_eq!(walk(&[Move::Up(1), Move::Down(1)]), Place::FIRST);
        assert_eq!(walk(&[Move::Bottom, Move::Up(9)]), place(0, 0));
        assert_eq!(walk(&[Move::Down(99), Move::Down(1)]), place(4, 0));
        assert_eq!(walk(&[Move::Down(2), Move::Left]), place(2, None));
        assert_eq!(walk(&[Move::Down(2), Move::Left, Move::Right]), place(2, 0));
        assert_eq!(walk(&[Move::Down(2), Move::Right, Move::Right, Move::Right]), place(2, 2));
    }

    #[test]
    fn rows_of_one_group_are_that_group_from_any_column() {
        let head = Place::FIRST;
        assert_eq!(head.cell(&grid()), Some((0, 1)));
        assert_eq!(head.moved(Move::Left, &grid()), place(0, None));
        assert_eq!(head.moved(Move::Right, &grid()), head);
        assert_eq!(names(head, None), ["head/head"]);
    }

    #[test]
    fn cells_rows_columns_and_rectangles_choose_their_groups() {
        assert_eq!(names(place(2, 0), None), ["block.1/attention"]);
        assert_eq!(names(place(2, None), None), ["block.1/attention", "block.1/mlp", "block.1/norm"]);
        assert_eq!(names(place(None, 1), None), ["block.1/mlp", "block.0/mlp"]);
        assert_eq!(names(place(None, 2), None), ["norm/norm", "block.1/norm", "block.0/norm"]);
        assert_eq!(names(place(None, None), None).len(), groups(2, true).len());
        assert_eq!(names(place(3, 0), Some(place(2, 0))), ["block.1/attention", "block.0/attention"]);
        assert_eq!(names(place(4, 0), Some(place(3, 0))), ["block.0/attention", "embedding/embedding"]);
        assert_eq!(names(place(3, None), Some(place(2, 1))).len(), 6);
    }

    #[test]
    fn a_tied_head_and_an_empty_grid_choose_nothing() {
        assert!(chosen(&Grid::of(&groups(2, false)), Place::FIRST, None).is_empty());
        assert!(chosen(&Grid::of(&[]), Place::FIRST, Some(place(9, 9))).is_empty());
        assert_eq!(Place::FIRST.moved(Move::Down(3), &Grid::of(&[])), Place::FIRST);
    }
}
