//! How a range test is drawn.

use super::chart::HEIGHT;
use super::*;
use crate::run::range_test::Suggestions;

fn report(steps: u64) -> Report {
    let range = Range { from: 1e-4, to: 1.0, steps };
    let point = |step: u64| {
        let loss = if step < steps / 2 { 6.0 - step as f64 * 8.0 / steps as f64 } else { 9.0 };
        Point { rate: range.rate(step), loss, smoothed: loss }
    };
    let points: Vec<Point> = (0..steps).map(point).collect();
    let suggestions = Suggestions::of(&points, steps, End::Done);
    Report { phase: "a".into(), start: None, range, ended: End::Done, points, suggestions, planned: 1e-3 }
}

#[test]
fn a_curve_falls_from_the_left_and_its_readings_stand_below() {
    let text = chart::draw(&report(40));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), HEIGHT + 3);
    assert!(lines[0].starts_with("  7.14 │") && lines[HEIGHT - 1].starts_with("  2.20 │"), "{text}");
    let inked = |line: &str| line.chars().position(|c| ('\u{2801}'..='\u{28ff}').contains(&c)).unwrap();
    assert!(inked(lines[3]) < inked(lines[HEIGHT - 1]), "{text}");
    for letter in ['s', 'v', 'm', 'p'] {
        assert!(lines[HEIGHT + 1].contains(letter), "{text}");
    }
    assert_eq!(lines[HEIGHT + 2].split_whitespace().collect::<Vec<_>>(), ["1e-4", "1e-3", "1e-2", "1e-1", "1e0"]);
}

#[test]
fn few_points_and_none_are_drawn_too() {
    let mut one = report(40);
    one.points.truncate(1);
    assert_eq!(chart::draw(&one).lines().count(), HEIGHT + 3);
    one.points.clear();
    assert_eq!(chart::draw(&one).lines().count(), HEIGHT + 3);
}

#[test]
fn the_picture_has_both_curves_and_every_reading() {
    let figure = picture::draw(&report(40));
    let named: Vec<&str> = figure.series.iter().map(|series| series.name.split(' ').next().unwrap()).collect();
    assert_eq!(named, ["planned", "loss", "smoothed", "steepest", "valley", "minimum"]);
    assert!(figure.series[1..3].iter().all(|series| series.points.len() == 40));
    // The readings lie on the smoothed curve.
    let smoothed = &figure.series[2].points;
    for series in &figure.series[3..] {
        assert!(smoothed.iter().any(|point| point.y == series.points[0].y), "{}", series.name);
    }
    assert!(figure.svg().contains("valley "));
}
