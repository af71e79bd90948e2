//! The lists that open in the place of the lanes: settings, and lanes to add.

use super::{Canvas, below, put, put_wrapped};
use crate::app::line::Line;
use crate::app::prompt::{Picker, Setting, SettingsList};
use crate::app::{App, Spot};
use crate::tui::text::printable;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

/// The longest name of a setting, and a space.
const NAMES: u16 = 19;
/// Of a value, as long as nothing longer is typed.
const VALUES: u16 = 12;

/// Every setting with its value; the selected one can be changed.
pub fn draw_settings(app: &App, list: &SettingsList, area: Rect, canvas: &mut Canvas) {
    let hints = ["↑↓ choose   ←→ change   0–9 type   enter edit   esc close", "↑↓ ←→ change   esc close", "esc close"];
    let mut body = draw_hint(&hints, area, canvas);
    // What the selected one does stands beside its value, and below the list where there is no room for that.
    let is_beside = list.setting().about().width() + usize::from(NAMES + VALUES + 4) <= area.width as usize;
    if !is_beside && body.height as usize > Setting::ALL.len() + 2 {
        let rows = 2;
        body.height -= rows;
        let about = Rect { y: body.bottom(), height: rows, ..body };
        put_wrapped(canvas, about, list.setting().about(), canvas.theme.dim);
    }
    for (index, row) in window(Setting::ALL.len(), list.selected, body) {
        let setting = Setting::ALL[index];
        let is_selected = index == list.selected;
        canvas.spots.push((row, Spot::Choice(index)));
        put(canvas, row, if is_selected { "▸" } else { " " }, canvas.theme.mark);
        let name = if is_selected { canvas.theme.title } else { canvas.theme.text };
        put(canvas, part(row, 2, NAMES), setting.name(), name);
        let value = part(row, 2 + NAMES, row.width);
        match list.typing.as_ref().filter(|_| is_selected) {
            Some(line) => draw_typed(line, value, canvas),
            None => {
                let is_on = setting.is_on(&app.prompt.settings);
                let style = if is_on { canvas.theme.text } else { canvas.theme.dim };
                let style = if is_selected { canvas.theme.cursor } else { style };
                let text: String = setting.shown(&app.prompt.settings).chars().map(printable).collect();
                let text = if text.is_empty() { "none".into() } else { text };
                let used = put(canvas, value, &text, style);
                let about = part(value, used.max(VALUES) + 2, value.width);
                if setting.about().width() <= about.width as usize {
                    put(canvas, about, setting.about(), canvas.theme.dim);
                }
            }
        }
    }
}

/// What can be added, below the line that filters it.
pub fn draw_picker(app: &App, picker: &Picker, area: Rect, canvas: &mut Canvas) {
    let hints = [
        "↑↓ choose   enter add   esc close   or type the name of any checkpoint",
        "type a name   enter add",
        "enter add",
    ];
    let body = draw_hint(&hints, area, canvas);
    let used = put(canvas, body, "lane: ", canvas.theme.dim);
    draw_typed(&picker.typed, part(body, used, body.width), canvas);
    let choices = picker.choices(&app.mirror);
    if let Some(problem) = picker.problem().filter(|_| choices.is_empty()) {
        put_wrapped(canvas, below(body, 1), &problem, canvas.theme.warning);
    }
    for (index, row) in window(choices.len(), picker.selected, below(body, 1)) {
        let choice = &choices[index];
        let is_selected = index == picker.selected;
        canvas.spots.push((row, Spot::Choice(index)));
        put(canvas, row, if is_selected { "▸" } else { " " }, canvas.theme.mark);
        let name: String = choice.lane.to_string().chars().map(printable).collect();
        let style = if is_selected { canvas.theme.cursor } else { canvas.theme.text };
        let used = put(canvas, part(row, 2, row.width), &name, style);
        let about = part(row, used.max(VALUES) + 4, row.width);
        if choice.about.width() <= about.width as usize {
            put(canvas, about, &choice.about, canvas.theme.dim);
        }
    }
}

/// The longest hint that fits, on the last row; returns what is above it.
fn draw_hint(hints: &[&str], area: Rect, canvas: &mut Canvas) -> Rect {
    if area.height < 3 {
        return area;
    }
    let body = Rect { height: area.height - 1, ..area };
    let hint = hints.iter().find(|hint| hint.width() <= area.width as usize).unwrap_or(&"");
    put(canvas, Rect { y: body.bottom(), height: 1, ..area }, hint, canvas.theme.dim);
    body
}

/// A line that is being typed, scrolled so that its cursor can be seen.
fn draw_typed(line: &Line, area: Rect, canvas: &mut Canvas) {
    if area.is_empty() {
        return;
    }
    let text: String = line.text().chars().map(printable).collect();
    let room = area.width.saturating_sub(1) as usize;
    let hidden = line.cursor_columns().saturating_sub(room);
    let mut columns = 0;
    let start = text.char_indices().find(|(at, _)| {
        columns = text[..*at].width();
        columns >= hidden
    });
    put(canvas, area, start.map_or("", |(at, _)| &text[at..]), canvas.theme.text);
    let cursor = u16::try_from(line.cursor_columns().saturating_sub(columns)).unwrap_or(u16::MAX);
    let x = area.x + cursor.min(area.width - 1);
    if canvas.is_focused {
        *canvas.cursor = Some((x, area.y));
    }
}

/// Rows for the entries of a list that are shown, the selected one among them.
fn window(count: usize, selected: usize, area: Rect) -> Vec<(usize, Rect)> {
    let room = area.height as usize;
    let top = (selected + 1).saturating_sub(room).min(count.saturating_sub(room));
    (top..count).zip(area.y..area.bottom()).map(|(index, y)| (index, Rect { y, height: 1, ..area })).collect()
}

/// Columns of a row from a place on, as far as there are any.
fn part(row: Rect, from: u16, width: u16) -> Rect {
    let from = from.min(row.width);
    Rect { x: row.x + from, width: width.min(row.width - from), ..row }
}
