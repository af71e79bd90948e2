//! The layer grid: what trains, how fast, and what that costs.

mod cells;
mod figure;
mod foot;
mod place;
mod side;
#[cfg(test)]
mod tests;

use super::Canvas;
use crate::app::App;
use crate::app::layers::{View, chosen_groups, prospect};
use crate::protocol::{PrefixState, State};
use crate::tui::text;
use crate::tui::widgets::{columns, put, put_right, row, skip};
use cells::Cells;
use foot::Tone;
use place::{Line, Places};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::{Scrollbar, ScrollbarOrientation, ScrollbarState, StatefulWidget};
use side::Told;

/// Draws the inside of the pane. The frame around it, with what [`title`] says, is drawn already.
pub fn draw(app: &App, area: Rect, canvas: &mut Canvas) {
    let area = area.intersection(canvas.buffer.area);
    if area.is_empty() {
        return;
    }
    match View::of(app) {
        Some(view) => draw_grid(app, &view, area, canvas),
        None => draw_nothing(app, area, canvas),
    }
}

/// What stands in the frame after the pane's name, in as many columns as there are.
pub fn title(app: &App, room: u16) -> String {
    let Some(view) = View::of(app) else { return String::new() };
    let cost = view.cost();
    let train = format!("{} of {} train", text::count(cost.trainable), text::count(view.parameters()));
    let step =
        cost.by(&view.full_cost()).map_or(String::new(), |ratio| format!(" · step {}×", figure::three_digits(ratio)));
    let short = format!("{} train", text::count(cost.trainable));
    foot::longest(&[format!("{train}{step} of a full one"), format!("{train}{step}"), train, short], room)
}

fn draw_nothing(app: &App, area: Rect, canvas: &mut Canvas) {
    let doing = match app.mirror.status.as_ref().map(|status| &status.state) {
        Some(State::Preparing(preparation)) => preparation.what.as_str(),
        _ => "",
    };
    let message = "the model is not there yet";
    let line = foot::longest(&[format!("{message}: {doing}"), message.into(), "no model yet".into()], area.width);
    let line =
        if doing.is_empty() { foot::longest(&[message.into(), "no model yet".into()], area.width) } else { line };
    center(canvas.buffer, row(area, area.height / 2), &line, canvas.theme.dim);
}

fn draw_grid(app: &App, view: &View, area: Rect, canvas: &mut Canvas) {
    let places = Places::of(area, view.grid.kinds.len(), foot::wanted(app));
    let lines = place::lines(view.grid.layers.len(), view.frost_row());
    let room = usize::from(places.rows.height);
    let cursor = app.layers.cursor.inside(&view.grid);
    let top = place::top(&lines, room, app.layers.last_top.get(), cursor.row);
    app.layers.last_top.set(top);
    app.layers.last_lines.set(room);

    let sides = side::sides(places.side_width());
    let history = sides.first().map_or(0, |(_, _, width)| *width);
    let told = Told::of(app, view, history);
    let chosen = chosen_groups(app, view);
    let cells = Cells::of(app, view, &places, &chosen);
    cells.draw_head(canvas);
    draw_side_heads(&places, &sides, canvas);
    for (line, y) in lines.iter().skip(top).zip(places.rows.y..places.rows.bottom()) {
        match line {
            Line::Frost => draw_frost_line(view, &places, y, canvas),
            Line::Row(row) => {
                cells.draw_row(*row, y, canvas);
                draw_sides(view, &places, &sides, &told, (*row, y), canvas);
            }
        }
    }
    draw_scroll_bar(&places, lines.len(), top, canvas);
    let foot = foot::lines(app, view, prospect(app, view), places.foot.height, places.foot.width);
    for (index, line) in (0..places.foot.height).zip(&foot) {
        let style = match line.tone {
            Tone::News => canvas.theme.text,
            Tone::Reminder | Tone::Legend => canvas.theme.dim,
            Tone::Warning => canvas.theme.warning,
        };
        put(canvas.buffer, row(places.foot, index), &line.text, style);
    }
    if let Some(line) = foot.last().filter(|line| line.tone == Tone::Legend) {
        let last = row(places.foot, places.foot.height.saturating_sub(1));
        cells.draw_scale(last, &line.text, canvas);
    }
}

fn draw_side_heads(places: &Places, sides: &[(side::Side, u16, u16)], canvas: &mut Canvas) {
    for (side, at, width) in sides {
        let area = Rect { x: places.side.saturating_add(*at), width: *width, ..places.head };
        align(canvas.buffer, area, side.heading(*width), side.is_figure(), canvas.theme.dim);
    }
}

fn draw_sides(
    view: &View,
    places: &Places,
    sides: &[(side::Side, u16, u16)],
    told: &Told,
    (number, y): (usize, u16),
    canvas: &mut Canvas,
) {
    let groups: Vec<usize> = view.grid.row(number).collect();
    for (side, at, width) in sides.iter().filter(|_| !groups.is_empty()) {
        let area = Rect { x: places.side.saturating_add(*at), y, width: *width, height: 1 };
        let (text, style) = told.text(*side, &groups, *width, canvas.theme);
        align(canvas.buffer, area, &text, side.is_figure(), style);
    }
}

fn draw_frost_line(view: &View, places: &Places, y: u16, canvas: &mut Canvas) {
    let columns_there = places.rows.width.saturating_sub(1);
    let width = usize::from(columns_there);
    let room = columns_there.saturating_sub(place::NAME.min(columns_there));
    let label = if width >= 20 { frost_label(view.prefix.as_ref(), room) } else { String::new() };
    let dashes = width.saturating_sub(usize::from(columns(&label)));
    // As far in as the cells begin, whatever the width.
    let before = dashes.min(usize::from(place::NAME));
    let line = format!("{}{label}{}", "┄".repeat(before), "┄".repeat(dashes - before));
    put(canvas.buffer, Rect { y, height: 1, ..places.rows }, &line, canvas.theme.frozen);
}

/// What the frost line says, with how the prefix cache stands where there is room for it.
fn frost_label(prefix: Option<&PrefixState>, room: u16) -> String {
    let plain = " frost line ".to_string();
    let Some(prefix) = prefix.filter(|prefix| prefix.rows > 0) else { return plain };
    let size = crate::tui::text::bytes(prefix.bytes + prefix.disk_bytes);
    let what = match prefix.served > 0.0 {
        true => format!("prefix cache {:.0}% of rows", 100.0 * prefix.served),
        false => "prefix cache fills".to_string(),
    };
    let variants =
        [format!(" frost line · {what} · {size} "), format!(" frost line · {what} "), format!(" {what} "), plain];
    foot::longest(&variants, room)
}

fn draw_scroll_bar(places: &Places, lines: usize, top: usize, canvas: &mut Canvas) {
    let room = usize::from(places.rows.height);
    if room == 0 || lines <= room {
        return;
    }
    let mut state = ScrollbarState::new(lines - room + 1).position(top).viewport_content_length(room);
    Scrollbar::new(ScrollbarOrientation::VerticalRight)
        .begin_symbol(None)
        .end_symbol(None)
        .track_symbol(Some("│"))
        .thumb_symbol("┃")
        .track_style(canvas.theme.border)
        .thumb_style(canvas.theme.text)
        .render(places.rows, canvas.buffer, &mut state);
}

/// Writes at the left or the right of a line.
fn align(buffer: &mut Buffer, area: Rect, text: &str, to_the_right: bool, style: Style) {
    if to_the_right {
        put_right(buffer, area, text, style)
    } else {
        put(buffer, area, text, style)
    };
}

/// Writes in the middle of a line.
fn center(buffer: &mut Buffer, area: Rect, text: &str, style: Style) {
    put(buffer, skip(area, area.width.saturating_sub(columns(text)) / 2), text, style);
}
