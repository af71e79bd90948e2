//! The prompt pane: one prompt, answered by several checkpoints side by side.

use super::Canvas;
use crate::app::App;
use ratatui::layout::Rect;
use ratatui_textarea::TextArea;

/// Draws the inside of the pane. The frame around it, with what [`title`] says, is drawn already.
pub fn draw(_app: &App, _area: Rect, _canvas: &mut Canvas) {}

/// What stands in the frame after the pane's name, in as many columns as there are.
pub fn title(_app: &App, _columns: u16) -> String {
    String::new()
}

/// A key that is text for the editor.
pub fn type_key(_app: &mut App, editor: &mut TextArea<'static>, key: crossterm::event::KeyEvent) {
    editor.input(key);
}

/// Text that was pasted while the editor takes text.
pub fn type_paste(_app: &mut App, editor: &mut TextArea<'static>, text: &str) {
    editor.insert_str(text);
}

/// Brings the editor in line with the app before it is drawn.
pub fn sync(_app: &App, _editor: &mut TextArea<'static>) {}
