//! The graphs pane: every metric over steps, with a mark for every change made by hand.

mod build;
pub(in crate::tui) use build::joined;
mod figures;
mod plane;
#[cfg(test)]
mod tests;

use super::Canvas;
use crate::app::graphs::branches::BranchSeries;
use crate::app::graphs::window::View;
use crate::app::graphs::{Glyphs, Layout, Metric, Series, scale};
use crate::app::{App, Spot};
use crate::protocol::{BranchKind, State};
use crate::tui::widgets::chart::{Frame, write};
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

/// A chart of a grid is no smaller than this.
const LEAST_HEIGHT: u16 = 11;
/// Columns and rows of the pane from which on two charts stand beside each other, and three.
const TWO_ABREAST: u16 = 90;
const THREE_ABREAST: u16 = 150;
const MOST_CHARTS: usize = 6;
/// Below this height a chart has no line for its name and values.
const HEADED_HEIGHT: u16 = 5;

/// Draws the inside of the pane. The frame around it, with what [`title`] says, is drawn already.
pub fn draw(app: &App, area: Rect, canvas: &mut Canvas) {
    let area = area.intersection(*canvas.buffer.area());
    if area.is_empty() {
        return;
    }
    if app.graphs.history.newest == 0 && app.graphs.history.evaluated.is_empty() {
        return draw_nothing(app, area, canvas);
    }
    let below = figures::height(app, area.height);
    let (charts, figures) = split_rows(area, area.height - below);
    figures::draw(app, figures, canvas);
    if app.graphs.layout == Layout::Plane {
        return plane::draw(app, charts, canvas);
    }
    // As if there were a cursor: charts do not move when one comes.
    let (abreast, rows) = slots(Rect { height: area.height.saturating_sub(figures::MOST_LINES), ..area });
    let slots = usize::from(abreast) * usize::from(rows);
    app.graphs.last_slots.set(slots.min(MOST_CHARTS));
    let metrics = app.graphs.charts(&app.mirror, slots.min(MOST_CHARTS));
    let is_grid = metrics.len() > 1;
    for (place, (metric, cell)) in metrics.iter().zip(cells(charts, metrics.len(), abreast)).enumerate() {
        draw_chart(app, (*metric, is_grid), (place, cell), canvas);
    }
    app.graphs.last_charts.replace(metrics);
}

/// How many charts have room, across and down.
fn slots(area: Rect) -> (u16, u16) {
    let abreast = match area.width {
        ..TWO_ABREAST => 1,
        TWO_ABREAST..THREE_ABREAST => 2,
        _ => 3,
    };
    let most_rows = MOST_CHARTS as u16 / abreast;
    (abreast, (area.height / LEAST_HEIGHT).clamp(1, most_rows))
}

/// The areas of charts in a grid, row by row, with a little space between columns.
fn cells(area: Rect, count: usize, abreast: u16) -> Vec<Rect> {
    let count = count.max(1) as u16;
    let abreast = abreast.min(count);
    let rows = count.div_ceil(abreast);
    let border = |size: u16, part: u16, parts: u16| (u32::from(size) * u32::from(part) / u32::from(parts)) as u16;
    (0..count)
        .map(|place| {
            let (column, row) = (place % abreast, place / abreast);
            let (left, right) = (border(area.width, column, abreast), border(area.width, column + 1, abreast));
            let (top, bottom) = (border(area.height, row, rows), border(area.height, row + 1, rows));
            let space = if column + 1 < abreast { 2 } else { 0 };
            let width = (right - left).saturating_sub(space);
            Rect { x: area.x + left, y: area.y + top, width, height: bottom - top }
        })
        .collect()
}

fn split_rows(area: Rect, first: u16) -> (Rect, Rect) {
    let first = first.min(area.height);
    (Rect { height: first, ..area }, Rect { y: area.y + first, height: area.height - first, ..area })
}

fn draw_chart(app: &App, (metric, is_grid): (Metric, bool), (place, cell): (usize, Rect), canvas: &mut Canvas) {
    let has_head = cell.height >= HEADED_HEIGHT;
    let (head, body) = split_rows(cell, u16::from(has_head));
    let (series, branches) = (app.graphs.series(&app.mirror, metric), app.graphs.branch_series(metric));
    if has_head {
        draw_head(app, (metric, is_grid), (&series, &branches), head, canvas);
    }
    let frame = Frame::of(body);
    if series.is_empty() {
        let why = if metric.needs_evaluation() { "not evaluated yet" } else { "not measured yet" };
        centred(canvas, body, &[why.to_string()]);
    } else {
        app.graphs.last_columns.set(frame.plot.width);
        build::chart(app, metric, (&series, &branches), frame, canvas).draw(canvas.buffer, canvas.theme);
    }
    canvas.spots.push((frame.plot, Spot::Chart(place)));
}

/// The chart's name where there are several, and every line with its sign and value, as many as have room.
fn draw_head(
    app: &App,
    (metric, is_grid): (Metric, bool),
    (series, branches): (&[Series], &[BranchSeries]),
    area: Rect,
    canvas: &mut Canvas,
) {
    let (mut x, end) = (area.x, area.right());
    let is_chosen = is_grid && metric == app.graphs.metric;
    if is_grid {
        let style = if is_chosen { canvas.theme.title } else { canvas.theme.text };
        let sign = match (is_chosen, app.graphs.glyphs) {
            (false, _) => "  ",
            (true, Glyphs::Ascii) => "> ",
            (true, _) => "▸ ",
        };
        let log = if app.graphs.is_log(metric) { " · log" } else { "" };
        let name = format!("{sign}{}{log}", app.graphs.metric_name(metric));
        x += write(canvas.buffer, (x, area.y), &name, end - x, style) + 2;
    } else {
        // Above the axis, where the plot begins.
        x += Frame::of(area).plot.x - area.x;
    }
    let glyphs = app.graphs.glyphs;
    let own = series.iter().map(|line| (line, series_style(canvas, line.tint), line_sign(line, glyphs)));
    // A branch is named once, by the figure of its steps.
    let beside = branches.iter().filter(|branch| branch.series.phases.is_none());
    let beside = beside.map(|branch| (&branch.series, branch_style(canvas, branch.kind), branch_sign(branch, glyphs)));
    for (line, style, sign) in own.chain(beside).collect::<Vec<_>>() {
        let text = legend(app, metric, line);
        let width = text.width() as u16 + 2;
        if x + width > end {
            return;
        }
        write(canvas.buffer, (x, area.y), &sign.to_string(), 1, style);
        write(canvas.buffer, (x + 2, area.y), &text, width - 2, canvas.theme.text);
        x += width + 2;
    }
}

/// A line's name and value, as wide whatever the value is.
fn legend(app: &App, metric: Metric, line: &Series) -> String {
    let figures = app.graphs.figures(line);
    let value = figures.map_or_else(|| "–".into(), |(value, _)| metric.text(value));
    // Foreign, and perhaps long.
    let name: String = line.name.chars().map(crate::tui::text::printable).take(24).collect();
    let raw = match (app.graphs.cursor, figures) {
        (Some(_), Some((_, Some(raw)))) => format!(" ({})", metric.text(raw)),
        _ => String::new(),
    };
    format!("{name} {value:<5}{raw}")
}

fn series_style(canvas: &Canvas, tint: usize) -> Style {
    let series = &canvas.theme.series;
    series[tint % series.len()]
}

fn branch_style(canvas: &Canvas, kind: BranchKind) -> Style {
    match kind {
        BranchKind::Undone => canvas.theme.undone,
        BranchKind::Run => canvas.theme.branch,
    }
}

fn branch_sign(branch: &BranchSeries, glyphs: Glyphs) -> char {
    match (branch.kind, glyphs) {
        (_, Glyphs::Ascii) => '~',
        (BranchKind::Undone, _) => '┄',
        (BranchKind::Run, _) => '─',
    }
}

/// What a line's points are drawn as: another sign for every suite, beside its colour.
fn point_sign(tint: usize, glyphs: Glyphs) -> char {
    let signs = if glyphs == Glyphs::Ascii {
        ['o', '*', '+', '%', '@', '#']
    } else {
        ['•', '◦', '▪', '▫', '◆', '◇']
    };
    signs[tint.saturating_sub(1) % signs.len()]
}

fn line_sign(line: &Series, glyphs: Glyphs) -> char {
    match (line.phases, glyphs) {
        (Some(_), _) => point_sign(line.tint, glyphs),
        (None, Glyphs::Ascii) => '-',
        (None, _) => '━',
    }
}

/// Before the first step: what will be here, and what is being done until then.
fn draw_nothing(app: &App, area: Rect, canvas: &mut Canvas) {
    let state = app.mirror.status.as_ref().map(|status| &status.state);
    let doing = match state {
        Some(State::Preparing(preparation)) if !preparation.what.is_empty() => preparation.what.clone(),
        Some(state) => state.name().to_string(),
        None => "not attached to a run yet".to_string(),
    };
    centred(canvas, area, &["the first step will show here".to_string(), doing]);
}

/// Lines in the middle of an area, as many as have room.
fn centred(canvas: &mut Canvas, area: Rect, lines: &[String]) {
    let top = area.y + area.height.saturating_sub(lines.len() as u16) / 2;
    for (y, line) in (top..area.bottom()).zip(lines) {
        let left = area.width.saturating_sub(line.width() as u16) / 2;
        write(canvas.buffer, (area.x + left, y), line, area.width - left, canvas.theme.dim);
    }
}

/// What stands in the frame after the pane's name, in as many columns as there are.
pub fn title(app: &App, columns: u16) -> String {
    let graphs = &app.graphs;
    let mut parts = match graphs.layout {
        Layout::Plane => vec!["task against retention".to_string()],
        _ => vec![graphs.metric_name(graphs.metric)],
    };
    if graphs.layout != Layout::Plane {
        parts.extend(graphs.is_log(graphs.metric).then(|| "log".to_string()));
        parts.push(view_name(app));
        let beta = graphs.smoothing();
        parts.push(if beta == 0.0 { "not smoothed".to_string() } else { format!("smooth {beta}") });
    }
    let mut title = String::new();
    for part in parts {
        let longer = if title.is_empty() { part } else { format!("{title} · {part}") };
        if longer.width() > usize::from(columns) {
            break;
        }
        title = longer;
    }
    title
}

/// Which part of the run is shown.
fn view_name(app: &App) -> String {
    let window = app.graphs.window(&app.mirror);
    let unit = build::unit(app);
    let ends = || [window.from, window.to].map(|place| scale::place_name(place, window.width() / 100.0, unit));
    match app.graphs.view {
        View::All => "all".to_string(),
        View::Follow(width) => format!("newest {}", scale::place_name(width, width / 10.0, unit)),
        View::Fixed(_) => ends().join("–"),
    }
}
