//! The lab over the screen: a study's plane with a letter for each point, and the points or the findings as a list.

use super::overlays::first_shown;
use super::panes::Canvas;
use super::panes::graphs::joined;
use super::widgets::chart::{Chart, Frame, Line, write};
use super::widgets::{fit, popup, put, put_right, row, skip, wrap};
use crate::app::graphs::Glyphs;
use crate::app::graphs::scale::{Span, Unit};
use crate::app::graphs::window::Window;
use crate::app::lab::Lab;
use crate::app::{App, Spot};
use crate::protocol::{LabAxis, LabBetter, LabPoint, LabReport, LabSpread};
use ratatui::layout::Rect;
use ratatui::style::Style;

/// From this width on the list stands beside the plane.
const WIDE: u16 = 110;

pub fn draw(app: &App, lab: &Lab, area: Rect, canvas: &mut Canvas) {
    let Some(report) = lab.report() else { return };
    let title = format!("lab · {} · {} of {}", report.name, lab.study + 1, lab.studies.len());
    let inner = popup(canvas, area, &title, (area.width, area.height));
    let head = draw_head(report, inner, canvas);
    let body = Rect { y: inner.y + head, height: inner.height.saturating_sub(head), ..inner };
    let (plane, list) = split(body);
    draw_plane(app, lab, report, plane, canvas);
    match lab.shows_findings {
        true => draw_findings(lab, report, list, canvas),
        false => draw_points(lab, report, list, canvas),
    }
}

/// The plane, and the list beside it or below it.
fn split(body: Rect) -> (Rect, Rect) {
    if body.width >= WIDE {
        let width = body.width * 48 / 100;
        return (
            Rect { width, ..body },
            Rect { x: body.x + width + 2, width: body.width.saturating_sub(width + 2), ..body },
        );
    }
    let height = body.height / 2;
    (Rect { height, ..body }, Rect { y: body.y + height, height: body.height.saturating_sub(height), ..body })
}

/// What is asked, how it was set up, and how far it is; returns how many rows that takes.
fn draw_head(report: &LabReport, area: Rect, canvas: &mut Canvas) -> u16 {
    let theme = canvas.theme;
    let done = match report.progress.is_done() {
        true => format!("{} trials", report.progress.total),
        false => format!("{} of {} trials", report.progress.done, report.progress.total),
    };
    let first = row(area, 0);
    let used = put_right(canvas.buffer, first, &done, theme.dim);
    let room = first.width.saturating_sub(used + 1);
    put(canvas.buffer, first, &fit(&report.question, room), theme.title);
    let setup = wrap(&report.setup, area.width);
    for (line, index) in setup.iter().zip(1..area.height) {
        put(canvas.buffer, row(area, index), line, theme.dim);
    }
    let axes = 1 + setup.len() as u16;
    put(canvas.buffer, row(area, axes), &fit(&axes_said(report), area.width), theme.text);
    (axes + 1).min(area.height)
}

/// `loss on the new text, nats/token ↓ over forgetting of the old text, nats/token ←`: arrows say where it is better.
fn axes_said(report: &LabReport) -> String {
    let said = |axis: &LabAxis, [low, high]: [&str; 2]| {
        let unit = if axis.unit.is_empty() { String::new() } else { format!(", {}", axis.unit) };
        let log = if axis.is_logarithmic { ", as powers of two" } else { "" };
        let better = match axis.better {
            LabBetter::Low => low,
            LabBetter::High => high,
            LabBetter::Neither => "",
        };
        format!("{}{unit}{log}{better}", axis.name)
    };
    format!("{} over {}", said(&report.y, [" ↓", " ↑"]), said(&report.x, [" ←", " →"]))
}

fn place(axis: &LabAxis, value: f64) -> f64 {
    if axis.is_logarithmic { value.max(f64::MIN_POSITIVE).log2() } else { value }
}

fn span<'a>(axis: &LabAxis, spreads: impl Iterator<Item = &'a LabSpread> + Clone) -> Span {
    let values = spreads.map(|spread| place(axis, spread.mean));
    let (low, high) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
    Span::around(low, high, false, None)
}

fn draw_plane(app: &App, lab: &Lab, report: &LabReport, area: Rect, canvas: &mut Canvas) {
    let frame = Frame::of(area);
    if !report.points.iter().any(|point| point.rate > 0.0) || frame.plot.is_empty() {
        put(canvas.buffer, row(area, 0), "nothing is measured yet", canvas.theme.dim);
        return;
    }
    // The weights that trials start from know so little of the new that they would push all others together.
    let trained = report.points.iter().filter(|point| point.rate > 0.0);
    let across = span(&report.x, trained.clone().map(|point| &point.x));
    let up = span(&report.y, trained.clone().map(|point| &point.y));
    let columns = usize::from(frame.plot.width) * app.graphs.glyphs.dots().0;
    let on_front = trained.clone().filter(|point| point.is_front);
    let mut front: Vec<(f64, f64)> =
        on_front.map(|point| (across.share(place(&report.x, point.x.mean)), place(&report.y, point.y.mean))).collect();
    front.sort_by(|one, other| one.0.total_cmp(&other.0));
    let chart = Chart {
        frame,
        lines: vec![Line { trace: joined(&front, columns), style: canvas.theme.ghost, point: None, is_dotted: false }],
        marks: Vec::new(),
        span: up,
        window: Window { from: across.low, to: across.high },
        unit: Unit::Value,
        zero: false,
        cursor: None,
        selected: None,
        glyphs: app.graphs.glyphs,
        is_focused: true,
    };
    chart.draw(canvas.buffer, canvas.theme);
    let cell = |point: &LabPoint| {
        let plot = chart.frame.plot;
        let column = (across.share(place(&report.x, point.x.mean)) * f64::from(plot.width)).max(0.0) as u16;
        (plot.x + column.min(plot.width.saturating_sub(1)), chart.row_of(plot, place(&report.y, point.y.mean)))
    };
    let other = if app.graphs.glyphs == Glyphs::Ascii { "." } else { "·" };
    for point in trained {
        write(canvas.buffer, cell(point), other, 1, canvas.theme.dim);
    }
    let listed = lab.points();
    for (index, point) in listed.iter().enumerate().rev().filter(|(_, point)| point.rate > 0.0) {
        write(canvas.buffer, cell(point), &letter(index), 1, style(point, canvas));
    }
    if let Some(chosen) = listed.get(lab.selected).filter(|point| point.rate > 0.0 && !lab.shows_findings) {
        write(canvas.buffer, cell(chosen), &letter(lab.selected), 1, canvas.theme.cursor);
    }
}

fn style(point: &LabPoint, canvas: &Canvas) -> Style {
    if point.is_front { canvas.theme.good } else { canvas.theme.text }
}

/// The sign of a listed point: a to z, then A to Z, then dots.
fn letter(index: usize) -> String {
    ('a'..='z').chain('A'..='Z').nth(index).unwrap_or('•').to_string()
}

fn draw_points(lab: &Lab, report: &LabReport, area: Rect, canvas: &mut Canvas) {
    let points = lab.points();
    let rows = usize::from(area.height);
    let first = first_shown(lab.selected, points.len(), rows);
    for (index, line) in (first..points.len()).zip(0..area.height) {
        let place = row(area, line);
        draw_point(index, points[index], report, place, canvas);
        if index == lab.selected {
            canvas.buffer.set_style(place, canvas.theme.selection);
        }
        canvas.spots.push((place, Spot::Item(index)));
    }
}

/// `a replay 0.2  2e-3   1.16 ±0.02   0.95 ±0.10`
fn draw_point(index: usize, point: &LabPoint, report: &LabReport, area: Rect, canvas: &mut Canvas) {
    let theme = canvas.theme;
    let used = put(canvas.buffer, area, &letter(index), style(point, canvas));
    let mut figures = Vec::new();
    if let Some(labels) = point.labels {
        figures.push(format!("{labels:>5}"));
    }
    figures.push(if point.rate > 0.0 {
        format!("{:>6}", format!("{:e}", point.rate))
    } else {
        format!("{:>6}", "–")
    });
    let measured = [(&report.y, &point.y), (&report.x, &point.x)];
    figures.extend(measured.iter().filter(|(axis, _)| axis.better != LabBetter::Neither).map(|(_, s)| said(s)));
    let at = skip(area, used + 1);
    let right = put_right(canvas.buffer, at, &figures.join("  "), theme.dim);
    let name = format!("{} {}", point.method, point.setting);
    put(canvas.buffer, at, &fit(name.trim_end(), at.width.saturating_sub(right + 1)), style(point, canvas));
}

fn said(spread: &LabSpread) -> String {
    match spread.count {
        1 => format!("{:>7.3}", spread.mean),
        _ => format!("{:>7.3} ±{:.3}", spread.mean, spread.deviation),
    }
}

fn draw_findings(lab: &Lab, report: &LabReport, area: Rect, canvas: &mut Canvas) {
    let theme = canvas.theme;
    let mut lines: Vec<(String, Style)> = Vec::new();
    for finding in &report.findings {
        let (sign, style) = match finding.holds {
            Some(true) => ("✓", theme.good),
            Some(false) => ("✗", theme.warning),
            None => ("?", theme.dim),
        };
        let claim = format!("{sign} {}", finding.claim);
        lines.extend(wrap(&claim, area.width).into_iter().map(|line| (line, style)));
        let evidence = wrap(&finding.evidence, area.width.saturating_sub(2));
        lines.extend(evidence.into_iter().map(|line| (format!("  {line}"), theme.dim)));
    }
    if lines.is_empty() {
        lines.push(("too little is measured to say anything yet".into(), theme.dim));
    }
    let first = lab.scroll.min(lines.len().saturating_sub(usize::from(area.height)));
    for ((line, style), index) in lines.iter().skip(first).zip(0..area.height) {
        put(canvas.buffer, row(area, index), line, *style);
    }
}
