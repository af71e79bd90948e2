//! The lines below the charts: what the cursor is on, and every metric's value at it, or the newest.

use super::Canvas;
use crate::app::graphs::history::MarkKind;
use crate::app::graphs::{Glyphs, Layout, Metric, Trend};
pub use crate::app::numbers::grouped;
use crate::app::{App, Spot};
use crate::tui::text;
use crate::tui::widgets::chart::write;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

/// Below these heights of the pane there is no line, and no second one.
const ONE_LINE: u16 = 4;
const TWO_LINES: u16 = 8;

pub const MOST_LINES: u16 = 2;

/// Rows that the lines take of a pane of this height.
pub fn height(app: &App, rows: u16) -> u16 {
    match (rows, app.graphs.cursor) {
        (..ONE_LINE, _) => 0,
        (TWO_LINES.., Some(_)) => 2,
        _ => 1,
    }
}

pub fn draw(app: &App, area: Rect, canvas: &mut Canvas) {
    match (area.height, app.graphs.cursor) {
        (0, _) => {}
        (1, None) => draw_entries(app, area, canvas),
        (1, Some(_)) => draw_reading(app, area, canvas),
        _ => {
            draw_reading(app, area, canvas);
            draw_entries(app, Rect { y: area.y + 1, height: 1, ..area }, canvas);
        }
    }
}

/// `train 1.83 ▾   valid 1.91 ▴`: each as wide as its figure can get, as many as have room.
fn draw_entries(app: &App, area: Rect, canvas: &mut Canvas) {
    let theme = canvas.theme;
    let mut x = area.x + u16::from(area.width > 1);
    for (place, entry) in app.graphs.entries(&app.mirror).iter().enumerate() {
        let label = entry.label.width() as u16;
        let figure = if entry.metric == Metric::LearningRate { 7 } else { 6 };
        let width = label + 1 + figure + 2;
        if x + width > area.right() {
            return;
        }
        let is_chosen = entry.metric == app.graphs.metric && app.graphs.layout != Layout::Plane;
        write(canvas.buffer, (x, area.y), &entry.label, label, if is_chosen { theme.title } else { theme.dim });
        write(canvas.buffer, (x + label + 1, area.y), &entry.text, figure, theme.text);
        let arrow = match (entry.trend, app.graphs.glyphs) {
            (Trend::Steady, _) => " ",
            (Trend::Up, Glyphs::Ascii) => "^",
            (Trend::Down, Glyphs::Ascii) => "v",
            (Trend::Up, _) => "▴",
            (Trend::Down, _) => "▾",
        };
        let behind = x + label + 1 + (entry.text.width() as u16).min(figure) + 1;
        write(canvas.buffer, (behind, area.y), arrow, 1, theme.dim);
        canvas.spots.push((Rect { x, y: area.y, width, height: 1 }, Spot::Metric(place)));
        x += width + 1;
    }
}

/// `step 1 240 · 2m10s · pretrain · ┊ froze 0–3 at 1 200`.
fn draw_reading(app: &App, area: Rect, canvas: &mut Canvas) {
    let Some(reading) = app.graphs.reading(&app.mirror) else { return };
    let mut parts = vec![format!("step {}", grouped(reading.step))];
    parts.extend(reading.seconds.map(text::duration));
    parts.extend(reading.phase);
    let mut with_step = parts.len();
    match app.graphs.layout {
        Layout::Plane => parts.extend(super::plane::reading(app)),
        _ => parts.extend(reading.mark.map(|(step, kind, label)| {
            let sign = match kind {
                MarkKind::Checkpoint => "▴",
                MarkKind::Notice => "!",
                MarkKind::Rewound => "↶",
                MarkKind::Guarded => "✗",
                MarkKind::Phase | MarkKind::Steered => "┊",
            };
            let sign = if app.graphs.glyphs == Glyphs::Ascii { "|" } else { sign };
            match step == reading.step {
                true => format!("{sign} {label}"),
                false => format!("{sign} {label} at {}", grouped(step)),
            }
        })),
    }
    let x = area.x + u16::from(area.width > 1);
    let room = area.right() - x;
    let between = if app.graphs.glyphs == Glyphs::Ascii { ", " } else { " · " };
    let mut text = parts.join(between);
    // Without room for everything, when it was and in which phase say the least.
    while text.width() > usize::from(room) && with_step > 1 {
        parts.remove(1);
        with_step -= 1;
        text = parts.join(between);
    }
    write(canvas.buffer, (x, area.y), &text, room, canvas.theme.text);
}
