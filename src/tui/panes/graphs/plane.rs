//! The task against retention: every evaluation as a point, and the front that none of them beats.

use super::{Canvas, build, centred, figures, series_style, split_rows};
use crate::app::graphs::Glyphs;
use crate::app::graphs::plane::{Plane, Point};
use crate::app::graphs::scale::{Span, Unit};
use crate::app::graphs::window::Window;
use crate::app::{App, Spot};
use crate::tui::widgets::chart::{Chart, Frame, Line, Mark, write};
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

pub fn draw(app: &App, area: Rect, canvas: &mut Canvas) {
    let Some(plane) = app.graphs.plane() else {
        return centred(canvas, area, &["retention is measured from the second phase on".to_string()]);
    };
    let (head, body) = split_rows(area, u16::from(area.height >= super::HEADED_HEIGHT));
    draw_head(app, &plane, head, canvas);
    let frame = Frame::of(body);
    if frame.plot.is_empty() {
        return;
    }
    let spans = spans(app, &plane);
    app.graphs.last_plane.set(Some(spans));
    let chart = background(app, &plane, frame, spans, canvas);
    chart.draw(canvas.buffer, canvas.theme);
    draw_points(app, &plane, &chart, &spans.0, canvas);
    canvas.spots.push((frame.plot, Spot::Chart(0)));
}

/// Signs of points: on the front, saved, neither.
fn signs(app: &App) -> [char; 3] {
    if app.graphs.glyphs == Glyphs::Ascii { ['@', '#', 'o'] } else { ['●', '◆', '○'] }
}

fn sign(app: &App, point: &Point) -> char {
    let [front, saved, other] = signs(app);
    match (point.is_saved, point.is_front) {
        (true, _) => saved,
        (false, true) => front,
        (false, false) => other,
    }
}

/// What the axes and signs mean, as far as there is room.
fn draw_head(app: &App, plane: &Plane, area: Rect, canvas: &mut Canvas) {
    let [front, saved, other] = signs(app);
    let better = if plane.higher_is_better { "up is better" } else { "down is better" };
    let parts = [
        format!("{} over retention, nats", plane.task),
        format!("{better}, right forgets"),
        format!("{front} front  {saved} saved  {other} other"),
    ];
    let mut x = area.x;
    for part in parts {
        if area.is_empty() || x + part.width() as u16 > area.right() {
            return;
        }
        x += write(canvas.buffer, (x, area.y), &part, area.right() - x, canvas.theme.text) + 3;
    }
}

/// Of retention, which always has the base in it, and of the task.
fn spans(app: &App, plane: &Plane) -> (Span, Span) {
    let around = |of: fn(&Point) -> f64, with: Option<f64>, before| {
        let values = || plane.points.iter().map(of).chain(with);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        Span::around(low, high, false, before)
    };
    let before = app.graphs.last_plane.get();
    (
        around(|point| point.retention, Some(0.0), before.map(|spans| spans.0)),
        around(|point| point.task, None, before.map(|spans| spans.1)),
    )
}

/// Axes, the base's line, and the front as a line behind its points.
fn background<'a>(app: &App, plane: &Plane, frame: Frame, spans: (Span, Span), canvas: &Canvas) -> Chart<'a> {
    let columns = usize::from(frame.plot.width) * app.graphs.glyphs.dots().0;
    let mut front: Vec<(f64, f64)> = plane
        .points
        .iter()
        .filter(|point| point.is_front)
        .map(|point| (spans.0.share(point.retention), point.task))
        .collect();
    front.sort_by(|one, other| one.0.total_cmp(&other.0));
    let base = Mark { share: spans.0.share(0.0), label: "base θ*", sign: None, style: canvas.theme.base };
    Chart {
        frame,
        lines: vec![Line {
            trace: build::joined(&front, columns),
            style: canvas.theme.ghost,
            point: None,
            is_dotted: false,
        }],
        marks: vec![base],
        span: spans.1,
        window: Window { from: spans.0.low, to: spans.0.high },
        unit: Unit::Value,
        zero: false,
        cursor: None,
        selected: None,
        glyphs: app.graphs.glyphs,
        is_focused: canvas.is_focused,
    }
}

/// The cell of a point.
fn cell(chart: &Chart, across: &Span, point: &Point) -> (u16, u16) {
    let plot = chart.frame.plot;
    let column = (across.share(point.retention) * f64::from(plot.width)).max(0.0) as u16;
    (plot.x + column.min(plot.width.saturating_sub(1)), chart.row_of(plot, point.task))
}

/// The front over what is saved over the rest, each phase in its colour, with its name at its last point.
fn draw_points(app: &App, plane: &Plane, chart: &Chart, across: &Span, canvas: &mut Canvas) {
    let plot = chart.frame.plot;
    let mut order: Vec<&Point> = plane.points.iter().collect();
    order.sort_by_key(|point| (point.is_front, point.is_saved));
    for point in &order {
        let style = series_style(canvas, point.phase);
        write(canvas.buffer, cell(chart, across, point), &sign(app, point).to_string(), 1, style);
    }
    if let Some(chosen) = chosen(app, plane) {
        write(canvas.buffer, cell(chart, across, chosen), &sign(app, chosen).to_string(), 1, canvas.theme.cursor);
    }
    let phases = &app.graphs.history.phases;
    for (place, phase) in phases.iter().enumerate() {
        if let Some(last) = plane.points.iter().rfind(|point| point.phase == place) {
            let style = series_style(canvas, place);
            draw_label(canvas, plot, cell(chart, across, last), &phase.name, style);
        }
    }
    for point in order.iter().rev().filter(|point| point.is_front) {
        let step = figures::grouped(point.step);
        draw_label(canvas, plot, cell(chart, across, point), &step, canvas.theme.dim);
    }
}

/// Beside a point, to the right of it or else to the left, where that is free.
fn draw_label(canvas: &mut Canvas, plot: Rect, (x, y): (u16, u16), label: &str, style: Style) {
    let width = label.width() as u16;
    let is_free = |from: u16, to: u16| {
        let blank = |x| canvas.buffer.cell((x, y)).is_some_and(|cell| cell.symbol() == " ");
        from >= plot.left() && to <= plot.right() && (from..to).all(blank)
    };
    let left = x.saturating_sub(width + 1);
    if is_free(x + 1, x + width + 2) {
        write(canvas.buffer, (x + 2, y), label, width, style);
    } else if x > plot.x + width && is_free(left, x) {
        write(canvas.buffer, (left, y), label, width, style);
    }
}

/// The point at the cursor: the newest that is not after it.
fn chosen<'a>(app: &App, plane: &'a Plane) -> Option<&'a Point> {
    let cursor = app.graphs.cursor?;
    plane.points.iter().rfind(|point| point.step <= cursor)
}

/// What the line below says of the point at the cursor.
pub fn reading(app: &App) -> Vec<String> {
    let Some(plane) = app.graphs.plane() else { return Vec::new() };
    let Some(point) = chosen(app, &plane) else { return Vec::new() };
    let task = format!("{} {:.3}", plane.task, point.task);
    let mut parts = vec![format!("measured at {}", point.step), task, format!("retention {:+.3}", point.retention)];
    parts.extend(point.is_front.then(|| "on the front".to_string()));
    parts.extend(point.is_saved.then(|| "saved".to_string()));
    parts
}
