//! A study as a table and sentences.

use crate::cli::output;
use crate::protocol::{LabAxis, LabPoint, LabReport, LabSpread};
use comfy_table::{Cell, CellAlignment};
use std::fmt::Write;

/// Each method at its best rate, or at all rates, and what it says.
pub fn render(report: &LabReport, all_rates: bool) -> String {
    let has_labels = report.points.iter().any(|point| point.labels.is_some());
    let mut titles = vec![left("method".into()), right("rate".into())];
    if has_labels {
        titles.push(right("labels".into()));
    }
    let measured: Vec<&LabAxis> = [&report.y, &report.x].into_iter().filter(|axis| is_measured(axis)).collect();
    titles.extend(measured.iter().map(|axis| right(titled(axis))));
    titles.push(left("front".into()));
    let mut table = output::table(titles);
    for point in report.points.iter().filter(|point| all_rates || point.is_best_rate || point.is_front) {
        table.add_row(row(report, point, has_labels));
    }
    let mut text = format!("{}\n{}\n\n{}\n", report.question, report.setup, output::lay_out(table, 2));
    for finding in &report.findings {
        let sign = match finding.holds {
            Some(true) => "✓",
            Some(false) => "✗",
            None => "?",
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{sign} {}\n    {}\n", finding.claim, finding.evidence);
    }
    if !report.progress.is_done() {
        let _ = write!(text, "\n{} of {} trials are done\n", report.progress.done, report.progress.total);
    }
    text
}

fn is_measured(axis: &LabAxis) -> bool {
    axis.better != crate::protocol::LabBetter::Neither
}

fn titled(axis: &LabAxis) -> String {
    match axis.unit.as_str() {
        "" => axis.name.clone(),
        unit => format!("{}, {unit}", axis.name),
    }
}

fn row(report: &LabReport, point: &LabPoint, has_labels: bool) -> Vec<Cell> {
    let rate = if point.rate > 0.0 { format!("{:e}", point.rate) } else { "–".into() };
    let mut cells = vec![left(named(point)), right(rate)];
    if has_labels {
        cells.push(right(point.labels.map_or("–".into(), |labels| labels.to_string())));
    }
    for (axis, spread) in [(&report.y, &point.y), (&report.x, &point.x)] {
        if is_measured(axis) {
            cells.push(right(said(spread)));
        }
    }
    cells.push(left(if point.is_front { "●".into() } else { String::new() }));
    cells
}

/// A method with its setting.
fn named(point: &LabPoint) -> String {
    match point.setting.as_str() {
        "" => point.method.clone(),
        setting => format!("{} {setting}", point.method),
    }
}

fn said(spread: &LabSpread) -> String {
    match spread.count {
        1 => format!("{:.3}", spread.mean),
        _ => format!("{:.3} ±{:.3}", spread.mean, spread.deviation),
    }
}

fn left(text: String) -> Cell {
    Cell::new(text)
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}
