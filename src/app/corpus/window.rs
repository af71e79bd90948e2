//! The rows around what is on the screen, and where in them it stands.

use crate::protocol::{CorpusPage, CorpusRow, SourceFacts};
use std::collections::VecDeque;

/// Rows that are kept around the cursor.
const MOST_ROWS: usize = 400;

/// Rows without gaps, some of them on the screen.
#[derive(Clone, Debug, Default)]
pub struct Window {
    pub rows: VecDeque<CorpusRow>,
    pub facts: SourceFacts,
    /// Whether the first row is the source's first, and the last its last.
    pub at_start: bool,
    pub at_end: bool,
    /// The row with the cursor.
    pub cursor: usize,
    /// The first row on the screen, and how many of its lines are above the edge.
    pub top: usize,
    pub above: usize,
}

/// What is known of the screen while moving: its lines, and how many each row takes.
pub struct Screen<'a> {
    pub lines: usize,
    pub height: &'a dyn Fn(&CorpusRow) -> usize,
}

impl Window {
    pub fn of(page: CorpusPage) -> Window {
        let CorpusPage { facts, rows, at_start, at_end } = page;
        Window { rows: rows.into(), facts, at_start, at_end, ..Window::default() }
    }

    pub fn row(&self) -> Option<&CorpusRow> {
        self.rows.get(self.cursor)
    }

    /// Where the rows before the window end, and where those after it begin.
    pub fn first(&self) -> Option<u64> {
        self.rows.front().map(|row| row.offset)
    }

    pub fn end(&self) -> Option<u64> {
        self.rows.back().map(|row| row.offset + row.bytes)
    }

    /// Takes in rows that follow, if they do.
    pub fn append(&mut self, page: CorpusPage) {
        self.facts = page.facts;
        if page.rows.first().map(|row| row.offset) != self.end() {
            self.at_end |= page.rows.is_empty();
            return;
        }
        self.at_end = page.at_end;
        self.rows.extend(page.rows);
        // Rows above the screen go first, and never those on it.
        let surplus = self.rows.len().saturating_sub(MOST_ROWS).min(self.top.min(self.cursor));
        self.rows.drain(..surplus);
        self.at_start &= surplus == 0;
        self.top -= surplus;
        self.cursor -= surplus;
        self.renumber();
    }

    /// Takes in rows that come before, if they do.
    pub fn prepend(&mut self, page: CorpusPage) {
        self.facts = page.facts;
        if page.rows.last().map(|row| row.offset + row.bytes) != self.first() {
            self.at_start |= page.rows.is_empty();
            return;
        }
        self.at_start = page.at_start;
        self.top += page.rows.len();
        self.cursor += page.rows.len();
        page.rows.into_iter().rev().for_each(|row| self.rows.push_front(row));
        let kept = MOST_ROWS.max(self.cursor + MOST_ROWS / 4);
        self.at_end &= self.rows.len() <= kept;
        self.rows.truncate(kept);
        self.renumber();
    }

    /// Takes in what a page says of the source, and the numbers of rows that are here.
    pub fn learn(&mut self, page: CorpusPage) {
        self.facts = page.facts;
        for known in page.rows.into_iter().filter(|row| row.number.is_some()) {
            if let Some(row) = self.rows.iter_mut().find(|row| row.offset == known.offset) {
                row.number = known.number;
            }
        }
        self.renumber();
    }

    /// Rows that came before they were counted get their numbers from one that came after.
    fn renumber(&mut self) {
        let known = self.rows.iter().enumerate().find_map(|(index, row)| row.number.map(|number| (index, number)));
        let Some((known, number)) = known else { return };
        for (index, row) in self.rows.iter_mut().enumerate() {
            row.number = (number + index as u64).checked_sub(known as u64).filter(|&number| number > 0);
        }
    }

    /// Moves the text under the screen by lines, down for positive ones; says whether anything moved.
    pub fn scroll(&mut self, lines: isize, screen: &Screen) -> bool {
        let before = (self.top, self.above);
        for _ in 0..lines.unsigned_abs().min(10_000) {
            let moved = if lines > 0 { self.scroll_down(screen) } else { self.scroll_up(screen) };
            if !moved {
                break;
            }
        }
        before != (self.top, self.above)
    }

    fn scroll_down(&mut self, screen: &Screen) -> bool {
        if self.lines_until(self.rows.len(), screen, screen.lines + 1) <= screen.lines {
            return false;
        }
        self.above += 1;
        if self.above >= self.height(self.top, screen) {
            (self.top, self.above) = (self.top + 1, 0);
        }
        true
    }

    fn scroll_up(&mut self, screen: &Screen) -> bool {
        match (self.above, self.top) {
            (0, 0) => return false,
            (0, top) => (self.top, self.above) = (top - 1, self.height(top - 1, screen).saturating_sub(1)),
            (above, _) => self.above = above - 1,
        }
        true
    }

    fn height(&self, row: usize, screen: &Screen) -> usize {
        self.rows.get(row).map_or(1, |row| (screen.height)(row).max(1))
    }

    /// Lines from the upper edge to where row `row` begins; counting ends above `most`.
    fn lines_until(&self, row: usize, screen: &Screen, most: usize) -> usize {
        let mut lines = 0;
        for index in self.top..row.min(self.rows.len()) {
            lines += self.height(index, screen);
            if lines > most + self.above {
                break;
            }
        }
        lines.saturating_sub(self.above)
    }

    /// One row on, or one line where the row goes on below the edge.
    pub fn down(&mut self, screen: &Screen) {
        let ends = self.lines_until(self.cursor + 1, screen, screen.lines + 1);
        if ends > screen.lines && self.cursor <= self.top {
            self.scroll_down(screen);
        } else if self.cursor + 1 < self.rows.len() {
            self.cursor += 1;
            self.show_cursor(screen);
        }
    }

    /// One row back, or one line where the row begins above the edge.
    pub fn up(&mut self, screen: &Screen) {
        if self.cursor == self.top && self.above > 0 {
            self.scroll_up(screen);
        } else if self.cursor > 0 {
            self.cursor -= 1;
            if self.cursor < self.top {
                let height = self.height(self.cursor, screen);
                (self.top, self.above) = (self.cursor, height.saturating_sub(screen.lines));
            }
        }
    }

    /// A screen on or back; the cursor goes with it.
    pub fn page(&mut self, is_down: bool, screen: &Screen) {
        let lines = screen.lines.saturating_sub(1).max(1) as isize;
        if self.scroll(if is_down { lines } else { -lines }, screen) {
            self.keep_cursor_on(screen);
        } else {
            self.cursor = if is_down { self.rows.len().saturating_sub(1) } else { 0 };
        }
    }

    /// Puts the cursor on a row that is on the screen; one that begins there, if any does.
    pub fn keep_cursor_on(&mut self, screen: &Screen) {
        let mut last = self.top;
        while last + 1 < self.rows.len() && self.lines_until(last + 1, screen, screen.lines) < screen.lines {
            last += 1;
        }
        let first = if self.above > 0 { self.top + 1 } else { self.top };
        self.cursor = self.cursor.clamp(first.min(last), last);
    }

    /// Moves the text so that the cursor's row is seen: all of it where it fits.
    pub fn show_cursor(&mut self, screen: &Screen) {
        self.cursor = self.cursor.min(self.rows.len().saturating_sub(1));
        if self.cursor <= self.top {
            (self.top, self.above) = (self.cursor, 0);
            return;
        }
        let ends = self.lines_until(self.cursor + 1, screen, usize::MAX - self.above - 1);
        if ends <= screen.lines {
            return;
        }
        let height = self.height(self.cursor, screen);
        if height >= screen.lines {
            (self.top, self.above) = (self.cursor, 0);
            return;
        }
        let mut excess = ends - screen.lines + self.above;
        self.above = 0;
        while excess > 0 && self.top < self.cursor {
            let height = self.height(self.top, screen);
            if excess < height {
                self.above = excess;
                break;
            }
            excess -= height;
            self.top += 1;
        }
    }

    /// Moves the text so that a line of the cursor's row is seen.
    pub fn show_line(&mut self, line: usize, screen: &Screen) {
        let begins = self.lines_until(self.cursor, screen, usize::MAX - self.above - 1);
        let hidden = if self.cursor == self.top { self.above } else { 0 };
        if line < hidden {
            self.above = line;
        } else if begins + line - hidden >= screen.lines.max(1) {
            let excess = begins + line - hidden + 1 - screen.lines.max(1);
            for _ in 0..excess {
                self.above += 1;
                if self.above >= self.height(self.top, screen) && self.top < self.cursor {
                    (self.top, self.above) = (self.top + 1, 0);
                }
            }
        }
    }
}
