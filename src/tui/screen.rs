//! The terminal's cells: what is shown is compared with what is to be shown, and only the difference is written.

use super::frame::Drawn;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::queue;
use crossterm::style::ResetColor;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use std::io::{self, BufWriter, Write};

/// Larger than most frames, so that a frame is one write.
const FRAME_BYTES: usize = 64 * 1024;

/// A writer with the cells that it shows.
pub struct Screen<W: Write> {
    backend: CrosstermBackend<BufWriter<W>>,
    /// `None` while it is not known what is to be seen.
    shown: Option<Buffer>,
    cursor: Option<(u16, u16)>,
}

impl<W: Write> Screen<W> {
    pub fn new(writer: W) -> Self {
        let backend = CrosstermBackend::new(BufWriter::with_capacity(FRAME_BYTES, writer));
        Self { backend, shown: None, cursor: None }
    }

    /// The next frame is written whole: something else may have written to the terminal.
    pub fn forget(&mut self) {
        self.shown = None;
    }

    /// What is to be seen now.
    pub fn shown(&self) -> Option<&Buffer> {
        self.shown.as_ref()
    }

    /// Writes what is different; nothing at all where nothing is.
    pub fn show(&mut self, drawn: &Drawn) -> io::Result<()> {
        let next = &drawn.buffer;
        let known = self.shown.take().filter(|shown| shown.area == next.area);
        let is_new = known.is_none();
        let shown = known.unwrap_or_else(|| Buffer::empty(next.area));
        let changes = shown.diff(next);
        if is_new || !changes.is_empty() || drawn.cursor != self.cursor {
            queue!(self.backend, BeginSynchronizedUpdate)?;
            if is_new {
                queue!(self.backend, Hide, ResetColor, Clear(ClearType::All))?;
            }
            self.backend.draw(changes.into_iter())?;
            self.place_cursor(drawn.cursor, is_new)?;
            queue!(self.backend, EndSynchronizedUpdate)?;
            Write::flush(&mut self.backend)?;
        }
        self.shown = Some(next.clone());
        Ok(())
    }

    fn place_cursor(&mut self, cursor: Option<(u16, u16)>, is_hidden: bool) -> io::Result<()> {
        match (cursor, self.cursor) {
            // Drawing moved it, even where it is to stay.
            (Some((x, y)), before) => {
                queue!(self.backend, MoveTo(x, y))?;
                if before.is_none() || is_hidden {
                    queue!(self.backend, Show)?;
                }
            }
            (None, Some(_)) => queue!(self.backend, Hide)?,
            (None, None) => {}
        }
        self.cursor = cursor;
        Ok(())
    }

    /// Puts text onto the clipboard of the terminal (OSC 52), also through SSH.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        queue!(self.backend, crossterm::clipboard::CopyToClipboard::to_clipboard_from(text))?;
        Write::flush(&mut self.backend)
    }
}
