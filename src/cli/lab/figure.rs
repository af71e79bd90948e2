//! A study's plane as a picture.

use crate::cli::figure::{Axis, Figure, Look, Point, Series};
use crate::protocol::{LabAxis, LabBetter, LabPoint, LabReport};

/// Every point with its spread, a series for each method, with the setting beside those at their best rate; the Pareto front
/// as a line. What trials start from is left out: it knows so little of the new that it would push the others together.
/// Where one axis is only set, the points of each method at its best rate are joined.
pub fn plane(report: &LabReport) -> Figure {
    let is_curve = report.x.better == LabBetter::Neither;
    let shown = |point: &&LabPoint| point.rate > 0.0 && (!is_curve || point.is_best_rate);
    let mut series: Vec<Series> = Vec::new();
    if !is_curve {
        series.push(Series { name: "Pareto front".into(), look: Look::Dashed, points: front(report) });
    }
    for point in report.points.iter().filter(shown) {
        let label = if point.is_best_rate { point.setting.as_str() } else { "" };
        let place = spread(point).named(label);
        match series.iter_mut().find(|series| series.name == point.method) {
            Some(own) => own.points.push(place),
            None => {
                let look = if is_curve { Look::Joined } else { Look::Points };
                series.push(Series { name: point.method.clone(), look, points: vec![place] });
            }
        }
    }
    Figure {
        title: report.question.clone(),
        note: report.setup.clone(),
        x: axis(&report.x),
        y: axis(&report.y),
        series,
    }
}

fn axis(own: &LabAxis) -> Axis {
    let title = if own.unit.is_empty() { own.name.clone() } else { format!("{}, {}", own.name, own.unit) };
    Axis { log: own.is_logarithmic, ..Axis::titled(title) }
}

/// One standard deviation to each side.
fn spread(point: &LabPoint) -> Point {
    let around = |mean: f64, deviation: f64| (mean - deviation, mean + deviation);
    Point::at(point.x.mean, point.y.mean)
        .spread(around(point.x.mean, point.x.deviation), around(point.y.mean, point.y.deviation))
}

fn front(report: &LabReport) -> Vec<Point> {
    let on_front = |point: &&LabPoint| point.is_front && point.rate > 0.0;
    let mut front: Vec<&LabPoint> = report.points.iter().filter(on_front).collect();
    front.sort_by(|a, b| a.x.mean.total_cmp(&b.x.mean));
    front.into_iter().map(|point| Point::at(point.x.mean, point.y.mean)).collect()
}
