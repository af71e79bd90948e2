//! The insides of the four panes.

pub mod corpus;
pub mod graphs;
pub mod layers;
pub mod prompt;

use super::theme::Theme;
use crate::app::Spot;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui_textarea::TextArea;

/// What drawing works with: the cells, the colours, and the places that can be pointed at.
pub struct Canvas<'a> {
    pub buffer: &'a mut Buffer,
    pub theme: &'a Theme,
    /// Later ones lie over earlier ones.
    pub spots: &'a mut Vec<(Rect, Spot)>,
    /// The focused pane draws its cursor more strongly.
    pub is_focused: bool,
    /// Where the terminal's cursor is to stand: in the editor, while text is typed.
    pub cursor: &'a mut Option<(u16, u16)>,
    /// The prompt's editor.
    pub editor: &'a TextArea<'static>,
}
