//! A box that lies over the screen.

use super::{fit, put, skip};
use crate::app::Spot;
use crate::tui::panes::Canvas;
use ratatui::layout::Rect;
use ratatui::symbols::border;
use ratatui::widgets::{Block, BorderType, Clear, Widget};

/// Clears and frames the middle of an area and returns the inside, with one column of air on both sides. `size` is that
/// of the inside; it gets smaller where there is no room.
pub fn popup(canvas: &mut Canvas, area: Rect, title: &str, size: (u16, u16)) -> Rect {
    let area = area.intersection(canvas.buffer.area);
    let (width, height) = (size.0.saturating_add(4).min(area.width), size.1.saturating_add(2).min(area.height));
    let outer = Rect {
        x: area.x + (area.width - width) / 2,
        // A little above the middle: lists grow downwards.
        y: area.y + (area.height - height) / 3,
        width,
        height,
    };
    if outer.width < 3 || outer.height < 3 {
        return Rect { width: 0, height: 0, ..outer };
    }
    let theme = canvas.theme;
    Clear.render(outer, canvas.buffer);
    canvas.buffer.set_style(outer, theme.screen);
    canvas.buffer.set_style(outer, theme.popup);
    let block = Block::bordered().border_type(BorderType::Rounded).border_style(theme.border_focused);
    let inner = block.inner(outer);
    block.border_set(border::ROUNDED).render(outer, canvas.buffer);
    let title = format!(" {} ", fit(title, outer.width.saturating_sub(6)));
    put(canvas.buffer, Rect { width: outer.width - 2, height: 1, ..skip(outer, 2) }, &title, theme.title);
    canvas.spots.push((outer, Spot::Overlay));
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
}
