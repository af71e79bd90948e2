//! The curve as a figure.

use super::super::figure::{Axis, Figure, Look, Point, Series};
use super::chart::heights;
use super::{readings, scientific};
use crate::run::range_test::{self, Report};

/// The loss as it was and smoothed, with the readings on it. What rises above where it began stays at the upper edge: a loss
/// that diverges would press everything else flat.
pub(super) fn draw(report: &Report) -> Figure {
    let (low, high) = heights(report);
    let curve = |name: &str, look, of: fn(&range_test::Point) -> f64| {
        // NaN stays NaN, and is left out.
        let place = |point: &range_test::Point| Point::at(point.rate, of(point).clamp(f64::NEG_INFINITY, high));
        Series { name: name.into(), look, points: report.points.iter().map(place).collect() }
    };
    let found = readings(report).into_iter().filter_map(|(name, _, rate, _)| Some((name, rate?)));
    let marks = found.map(|(name, rate)| Series {
        name: format!("{name} {}", scientific(rate)),
        look: Look::Points,
        points: vec![Point::at(rate, smoothed_at(report, rate))],
    });
    let planned = Series {
        name: format!("planned {}", scientific(report.planned)),
        look: Look::Dashed,
        points: [low, high].map(|loss| Point::at(report.planned, loss)).into(),
    };
    let curves = [curve("loss", Look::Line, |point| point.loss), curve("smoothed", Look::Line, |point| point.smoothed)];
    Figure {
        title: "Loss over the learning rate".into(),
        note: format!("{}, from {}", report.phase, report.start.as_deref().unwrap_or("new weights")),
        x: Axis { log: true, ..Axis::titled("learning rate") },
        y: Axis::titled("loss, nats/token"),
        series: std::iter::once(planned).chain(curves).chain(marks).collect(),
    }
}

/// The smoothed loss where the rate was nearest.
fn smoothed_at(report: &Report, rate: f64) -> f64 {
    let far = |point: &&range_test::Point| (point.rate / rate).ln().abs();
    let nearest = report.points.iter().min_by(|a, b| far(a).total_cmp(&far(b)));
    nearest.map_or(f64::NAN, |point| point.smoothed)
}
