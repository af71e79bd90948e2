//! The graphs pane: every metric over steps, with a mark for every change made by hand.

use super::Canvas;
use crate::app::App;
use ratatui::layout::Rect;

/// Draws the inside of the pane. The frame around it, with what [`title`] says, is drawn already.
pub fn draw(_app: &App, _area: Rect, _canvas: &mut Canvas) {}

/// What stands in the frame after the pane's name, in as many columns as there are.
pub fn title(_app: &App, _columns: u16) -> String {
    String::new()
}
