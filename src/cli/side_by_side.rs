//! Texts in columns that grow while they are written.

use super::output;
use crate::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets};
use console::Term;
use std::time::{Duration, Instant};

/// Between two drawings.
const FRAME: Duration = Duration::from_millis(100);
/// Where the terminal does not tell.
const WIDTH: u16 = 100;

/// Columns on standard output: redrawn in place on a terminal, written once elsewhere.
pub struct Columns {
    names: Vec<String>,
    terminal: Term,
    /// Lines on the screen that the next drawing replaces.
    drawn: usize,
    last: Option<Instant>,
}

impl Columns {
    pub fn new(names: Vec<String>) -> Self {
        Self { names, terminal: Term::stdout(), drawn: 0, last: None }
    }

    fn table(&self, texts: &[String]) -> String {
        let width = self.terminal.size_checked().map_or(WIDTH, |(_, columns)| columns);
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::DynamicFullWidth);
        table.set_width(width).set_header(&self.names).add_row(texts);
        table.to_string()
    }

    /// Shows the texts as they stand, at most ten times a second, and only what fits the screen.
    pub fn draw(&mut self, texts: &[String]) -> Result<()> {
        if !self.terminal.is_term() || self.last.is_some_and(|last| last.elapsed() < FRAME) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        let table = self.table(texts);
        let lines: Vec<&str> = table.lines().collect();
        let room = self.terminal.size_checked().map_or(24, |(rows, _)| rows as usize).saturating_sub(1).max(1);
        let shown = &lines[lines.len().saturating_sub(room)..];
        self.clear()?;
        self.drawn = shown.len();
        output::write(&(shown.join("\n") + "\n"))
    }

    fn clear(&mut self) -> Result<()> {
        let lines = std::mem::take(&mut self.drawn);
        self.terminal.clear_last_lines(lines).what(|| "cannot draw on the terminal".into())
    }

    /// Writes the finished columns, whole.
    pub fn finish(&mut self, texts: &[String]) -> Result<()> {
        if self.terminal.is_term() {
            self.clear()?;
        }
        output::write(&(self.table(texts) + "\n"))
    }
}
