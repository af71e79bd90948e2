//! The prompt pane: one prompt, answered by several checkpoints side by side.

mod detail;
mod editor;
mod lane;
mod lists;
mod slider;
mod wrap;
#[cfg(test)]
mod tests;

pub use editor::{sync, type_key, type_paste};

use super::Canvas;
use crate::app::prompt::{AGAIN_STEPS, Again, List, Setting};
use crate::app::{App, Pane, Spot};
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;
use wrap::wrap;

/// A lane is not narrower where lanes stand side by side.
const NARROWEST: u16 = 24;
/// Between two lanes.
const GAP: u16 = 2;
/// A lane is not lower where lanes stand above each other.
const LOWEST: u16 = 4;

/// Draws the inside of the pane. The frame around it, with what [`title`] says, is drawn already.
pub fn draw(app: &App, area: Rect, canvas: &mut Canvas) {
    let area = area.intersection(*canvas.buffer.area());
    if area.is_empty() {
        return;
    }
    canvas.spots.push((area, Spot::Pane(Pane::Prompt)));
    let rows = editor::rows(app, area);
    editor::draw(app, Rect { height: rows, ..area }, canvas);
    let gap = u16::from(area.height >= 12);
    let mut body = below(area, rows + gap);
    let foot = foot(app);
    if body.height >= 5 && app.prompt.list.is_none() && !foot.is_empty() {
        body.height -= 1;
        draw_foot(&foot, Rect { y: body.bottom(), height: 1, ..body }, canvas);
    }
    match &app.prompt.list {
        Some(List::Settings(list)) => lists::draw_settings(app, list, body, canvas),
        Some(List::Lanes(picker)) => lists::draw_picker(app, picker, body, canvas),
        None => draw_lanes(app, body, canvas),
    }
}

/// What is left of an area below its first rows.
fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// Writes one line of our own words, as far as there is room; returns the columns it took.
fn put(canvas: &mut Canvas, area: Rect, text: &str, style: Style) -> u16 {
    if area.is_empty() {
        return 0;
    }
    let (end, _) = canvas.buffer.set_stringn(area.x, area.y, text, area.width as usize, style);
    end.saturating_sub(area.x)
}

/// Writes a text in as many lines as there are.
fn put_wrapped(canvas: &mut Canvas, area: Rect, text: &str, style: Style) {
    for (y, line) in (area.y..area.bottom()).zip(wrap(text, area.width)) {
        let text: String = line.pieces.iter().map(|piece| piece.symbol.as_str()).collect();
        put(canvas, Rect { y, height: 1, ..area }, &text, style);
    }
}

fn draw_lanes(app: &App, body: Rect, canvas: &mut Canvas) {
    let count = u16::try_from(app.prompt.lanes.len()).unwrap_or(u16::MAX).max(1);
    let fitting = (body.width + GAP) / (NARROWEST + GAP);
    if fitting < count && body.height / count >= LOWEST {
        let height = body.height / count;
        for (index, row) in (0..count).enumerate() {
            let is_last = row + 1 == count;
            let rest = if is_last { body.height - height * row } else { height };
            // A line stays free between two lanes.
            let free = u16::from(!is_last && rest > LOWEST);
            let area = Rect { y: body.y + row * height, height: rest - free, ..body };
            lane::draw(app, index, area, canvas);
        }
        return;
    }
    let shown = fitting.clamp(1, count);
    let first = (app.prompt.selected + 1).saturating_sub(shown as usize).min((count - shown) as usize);
    let width = body.width.saturating_sub(GAP * (shown - 1)) / shown;
    for column in 0..shown {
        let x = body.x + column * (width + GAP);
        let width = if column + 1 == shown { body.right().saturating_sub(x) } else { width };
        lane::draw(app, first + column as usize, Rect { x, width, ..body }, canvas);
    }
}

/// What is said below the lanes, the most important first.
fn foot(app: &App) -> Vec<String> {
    let status = app.mirror.status.as_ref();
    let is_writing = app.prompt.is_busy() || app.prompt.again != Again::Never;
    let cost = status.and_then(|status| status.sampling_cost).filter(|_| is_writing);
    let mut parts = Vec::new();
    parts.extend(cost.map(|cost| format!("training at {cost:.2}× while lanes write")));
    match app.prompt.again {
        Again::Never => {}
        Again::Evaluations => parts.push("again after each evaluation".into()),
        Again::Steps => parts.push(format!("again every {AGAIN_STEPS} steps")),
    }
    if app.prompt.shaded {
        parts.push("shaded: unlikely tokens".into());
    }
    parts
}

fn draw_foot(parts: &[String], area: Rect, canvas: &mut Canvas) {
    put(canvas, area, &fitting(parts, area.width), canvas.theme.dim);
}

/// As many parts as there is room for, whole.
fn fitting(parts: &[String], columns: u16) -> String {
    let mut text = String::new();
    for part in parts {
        let longer = if text.is_empty() { part.clone() } else { format!("{text} · {part}") };
        if longer.width() > columns as usize {
            break;
        }
        text = longer;
    }
    text
}

/// What stands in the frame after the pane's name, in as many columns as there are.
pub fn title(app: &App, columns: u16) -> String {
    let settings = &app.prompt.settings;
    let shown = Setting::ALL.iter().filter(|setting| setting.is_on(settings));
    // Stop texts may be long, and the length says little.
    let shown = shown.filter(|setting| !matches!(setting, Setting::Stop | Setting::MaxTokens));
    let parts: Vec<String> = shown
        .map(|setting| match setting {
            Setting::Chat => "chat".into(),
            Setting::Temperature if settings.temperature == 0.0 => "greedy".into(),
            setting => format!("{} {}", setting.name(), setting.shown(settings)),
        })
        .collect();
    fitting(&parts, columns)
}
