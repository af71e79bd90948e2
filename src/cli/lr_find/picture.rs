//! The curve as SVG.

use super::super::output::number;
use super::chart::{heights, share};
use super::{readings, scientific};
use crate::run::range_test::Report;
use std::fmt::Write as _;

/// Of the picture, and of what stands around the plot: left, top, right, bottom.
const SIZE: (f64, f64) = (760.0, 420.0);
const MARGINS: (f64, f64, f64, f64) = (64.0, 34.0, 20.0, 46.0);

pub(super) fn draw(report: &Report) -> String {
    let (low, high) = heights(report);
    let (left, top) = (MARGINS.0, MARGINS.1);
    let (width, height) = (SIZE.0 - left - MARGINS.2, SIZE.1 - top - MARGINS.3);
    let x = |rate: f64| left + share(report, rate) * width;
    let y = |loss: f64| top + (1.0 - ((loss - low) / (high - low)).clamp(0.0, 1.0)) * height;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{left}\" y=\"20\" font-size=\"14\">{}: loss \
         (nats/token) over the learning rate</text>\n",
        SIZE.0,
        SIZE.1,
        escaped(&report.phase),
    );
    let line = |svg: &mut String, from: (f64, f64), to: (f64, f64), look: &str| {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(svg, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" {look}/>");
    };
    let text = |svg: &mut String, at: (f64, f64), anchor: &str, text: &str| {
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{text}</text>", at.0, at.1);
    };
    for power in report.range.from.log10().ceil() as i32..=report.range.to.log10().floor() as i32 {
        let at = x(10f64.powi(power));
        line(&mut svg, (at, top), (at, top + height), "stroke=\"#ddd\"");
        text(&mut svg, (at, top + height + 18.0), "middle", &format!("1e{power}"));
    }
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let loss = low + share * (high - low);
        line(&mut svg, (left, y(loss)), (left + width, y(loss)), "stroke=\"#ddd\"");
        text(&mut svg, (left - 8.0, y(loss) + 4.0), "end", &number(loss));
    }
    let curve = |of: fn(&crate::run::range_test::Point) -> f64| {
        let points = report.points.iter().map(|point| format!("{:.1},{:.1}", x(point.rate), y(of(point))));
        points.collect::<Vec<_>>().join(" ")
    };
    let _ = writeln!(svg, "<polyline fill=\"none\" stroke=\"#9bb8d3\" points=\"{}\"/>", curve(|point| point.loss));
    let smoothed = curve(|point| point.smoothed);
    let _ = writeln!(svg, "<polyline fill=\"none\" stroke=\"#1f5f99\" stroke-width=\"2\" points=\"{smoothed}\"/>");
    let found = readings(report).into_iter().filter_map(|(name, _, rate, _)| Some((name, rate?)));
    let planned = std::iter::once(("planned", report.planned));
    for (place, (name, rate)) in found.chain(planned).enumerate() {
        line(&mut svg, (x(rate), top), (x(rate), top + height), "stroke=\"#c0392b\" stroke-dasharray=\"4 3\"");
        let label = format!("{name} {}", scientific(rate));
        text(&mut svg, (x(rate) + 4.0, top + 14.0 + 15.0 * place as f64), "start", &label);
    }
    text(&mut svg, (left + width, SIZE.1 - 10.0), "end", "learning rate");
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
