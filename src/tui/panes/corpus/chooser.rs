//! The list of sources to choose from.

use super::{foot, line, paragraph};
use crate::app::{App, Spot};
use crate::tui::panes::Canvas;
use ratatui::layout::Rect;

/// Draws the plan's sources that what was typed leaves, around the one that is marked.
pub(super) fn draw(app: &App, area: Rect, canvas: &mut Canvas) {
    let Some(input) = &app.corpus.input else { return };
    let choices = input.choices(app);
    if choices.is_empty() {
        return paragraph(area, "enter opens this path", canvas.theme.dim, canvas.buffer);
    }
    let lines = area.height as usize;
    let first = (input.chosen + 1).saturating_sub(lines);
    for (offset, choice) in choices.iter().enumerate().skip(first).take(lines) {
        let place = line(area, (offset - first) as u16);
        foot::source_line(choice, &phases(app, choice), place, offset == input.chosen, canvas);
        canvas.spots.push((place, Spot::Row(offset)));
    }
}

/// The phases that read a source.
fn phases(app: &App, source: &str) -> String {
    let all = app.mirror.welcome.iter().flat_map(|welcome| &welcome.sources);
    let names: Vec<&str> = all.filter(|(name, _)| name == source).map(|(_, phase)| phase.as_str()).collect();
    names.join(", ")
}
