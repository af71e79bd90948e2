//! The search for a learning rate over the screen: the loss over the logarithm of the rate, and what the curve suggests.

use super::panes::Canvas;
use super::panes::graphs::joined;
use super::widgets::chart::{Chart, Frame, Line, Mark};
use super::widgets::{fit, popup, put, put_right, row, skip, wrap};
use crate::app::graphs::scale::{Span, Unit};
use crate::app::graphs::window::Window;
use crate::app::range_test::{RangeTest, Suggestion, heights, rounded};
use crate::app::{App, Spot};
use crate::protocol::{RangeEnd, RangeStarted};
use ratatui::layout::Rect;
use ratatui::style::Style;

const SHARES: &str = "Training shares the processor with the test: its steps take longer until the test ends.";

pub fn draw(app: &App, test: &RangeTest, area: Rect, canvas: &mut Canvas) {
    let title = match &test.started {
        Some(started) => format!("find a learning rate · {} · fork of step {}", started.phase, started.step),
        None => "find a learning rate".to_string(),
    };
    let inner = popup(canvas, area, &title, (area.width.min(140), area.height.min(44)));
    let theme = canvas.theme;
    let head = row(inner, 0);
    let done = format!("{} of {} steps", test.points.len(), test.ask.steps);
    let used = put_right(canvas.buffer, head, &done, theme.dim);
    let room = head.width.saturating_sub(used + 1);
    put(canvas.buffer, head, &fit("smoothed loss over the rate, as powers of ten", room), theme.text);
    let foot = foot(test, inner.width, canvas);
    let below = (foot.len() as u16).min(inner.height.saturating_sub(1));
    let body = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1 + below), ..inner };
    draw_curve(app, test, body, canvas);
    for (line, y) in foot.iter().zip(body.bottom()..inner.bottom()) {
        let place = Rect { y, height: 1, ..inner };
        draw_line(test, line, place, canvas);
    }
}

/// What stands below the curve.
enum Foot {
    Said(String, Style),
    Suggested(usize, Suggestion),
}

fn foot(test: &RangeTest, width: u16, canvas: &Canvas) -> Vec<Foot> {
    let theme = canvas.theme;
    let mut lines = Vec::new();
    let mut say = |text: &str, style: Style| {
        lines.extend(wrap(text, width).into_iter().map(|line| Foot::Said(line, style)));
    };
    match &test.end {
        None if test.started.is_none() => say("The weights are being forked…", theme.pending),
        None => say(SHARES, theme.warning),
        Some(RangeEnd::Done(_)) => say("All rates were gone through; the run is as it was.", theme.dim),
        Some(RangeEnd::Diverged(_)) => {
            say("The loss diverged, as it should in the end; the run is as it was.", theme.dim)
        }
        Some(RangeEnd::Cancelled) => say("Cancelled; the run is as it was. r tests again, esc closes.", theme.warning),
        Some(RangeEnd::Failed(why)) => say(&why.replace("\n  ", " · "), theme.error),
    }
    if let Some(suggestions) = test.suggestions() {
        if suggestions.iter().all(|suggestion| suggestion.rate.is_none()) {
            say("The loss never fell: no rate is suggested. r tests again.", theme.warning);
        }
        lines.extend(suggestions.into_iter().enumerate().map(|(at, found)| Foot::Suggested(at, found)));
    }
    if let Some(started) = &test.started {
        lines.push(Foot::Said(rates_now(started), theme.dim));
    }
    lines
}

/// The plan's rate, and what was made of it.
fn rates_now(started: &RangeStarted) -> String {
    let RangeStarted { planned, peak, .. } = started;
    let planned = format!("p  {:<13} {:<9} at the peak", "planned", format!("{planned:.2e}"));
    match (peak / started.planned - 1.0).abs() > 1e-9 {
        true => format!("{planned}; {peak:.2e} since it was changed"),
        false => planned,
    }
}

fn draw_line(test: &RangeTest, line: &Foot, place: Rect, canvas: &mut Canvas) {
    let theme = canvas.theme;
    match line {
        Foot::Said(text, style) => drop(put(canvas.buffer, place, &fit(text, place.width), *style)),
        Foot::Suggested(at, Suggestion { key, name, what, rate }) => {
            let used = put(canvas.buffer, place, &key.to_string(), theme.key);
            let rate = rate.map_or("–".to_string(), |rate| format!("{:.2e}", rounded(rate)));
            let said = format!("{name:<13} {rate:<9} {what}");
            let room = skip(place, used + 2);
            put(canvas.buffer, room, &fit(&said, room.width), theme.text);
            if *at == test.selected {
                canvas.buffer.set_style(place, theme.selection);
            }
            canvas.spots.push((place, Spot::Item(*at)));
        }
    }
}

fn draw_curve(app: &App, test: &RangeTest, area: Rect, canvas: &mut Canvas) {
    let frame = Frame::of(area);
    let smoothed: Vec<f64> = test.points.iter().map(|point| point.smoothed).collect();
    let Some((low, high)) = heights(&smoothed).filter(|_| !frame.plot.is_empty()) else { return };
    let window = Window { from: test.ask.from.log10(), to: test.ask.to.log10() };
    let columns = usize::from(frame.plot.width) * app.graphs.glyphs.dots().0;
    let share = |rate: f64| window.share(rate.log10());
    let points = |value: fn(&crate::protocol::RangePoint) -> f64| -> Vec<(f64, f64)> {
        test.points.iter().map(|point| (share(point.rate).min(1.0 - 1e-9), value(point))).collect()
    };
    let theme = canvas.theme;
    let line = |points: &[(f64, f64)], style: Style| Line {
        trace: joined(points, columns),
        style,
        point: None,
        is_dotted: false,
    };
    let suggestions = test.suggestions();
    let found = suggestions.iter().flatten().filter_map(|found| Some((found.name, found.rate?, theme.good)));
    let planned = test.started.iter().map(|started| ("planned", started.planned, theme.mark));
    let marks = planned.chain(found).map(|(label, rate, style)| Mark { share: share(rate), label, sign: None, style });
    let chart = Chart {
        frame,
        lines: vec![
            line(&points(|point| point.loss), theme.ghost),
            line(&points(|point| point.smoothed), theme.series[0]),
        ],
        marks: marks.collect(),
        span: Span::around(low, high, false, None),
        window,
        unit: Unit::Value,
        zero: false,
        cursor: None,
        selected: None,
        glyphs: app.graphs.glyphs,
        is_focused: true,
    };
    chart.draw(canvas.buffer, theme);
}
