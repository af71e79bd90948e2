//! The data of what is shown, as a table for other programs.

use super::Graphs;
use super::metric::Series;
use super::trace::Curve;
use super::window::Timeline;
use crate::app::Mirror;
use std::fmt::Write;

/// One column: a curve, and the phases in which its values were measured where they do not follow from the step.
struct Field<'a> {
    head: String,
    curve: Curve<'a>,
    phases: Option<&'a [usize]>,
    /// The first value that is not written yet.
    next: usize,
}

/// A row: a step, and the phase that it was measured in. One phase's end and the next one's beginning are two rows.
type Row = (u64, Option<usize>);

impl Graphs {
    /// Every value of the charts that are shown, within their window: step, phase, seconds, and a column a line. What
    /// was not measured at a step is empty.
    pub fn csv(&self, mirror: &Mirror) -> String {
        let timeline = self.timeline(mirror);
        let window = self.window(mirror);
        let edges = timeline.edges(window, 1);
        let steps = edges[0]..edges[1];
        let mut fields = self.fields(mirror);
        let mut rows: Vec<Row> =
            fields.iter().flat_map(|field| (0..field.curve.steps.len()).map(|at| self.row(field, at))).collect();
        rows.retain(|(step, _)| steps.contains(step));
        rows.sort_unstable();
        rows.dedup();
        let heads = fields.iter().map(|field| quoted(&field.head));
        let mut text =
            ["step", "phase", "seconds"].into_iter().map(String::from).chain(heads).collect::<Vec<_>>().join(",");
        text.push('\n');
        for row in rows {
            self.write_row(&mut text, row, &mut fields, &timeline);
        }
        text
    }

    fn fields<'a>(&'a self, mirror: &'a Mirror) -> Vec<Field<'a>> {
        let mut fields = Vec::new();
        for metric in self.charts(mirror, self.last_slots.get()) {
            let name = self.metric_name(metric).replace(' ', "_");
            for Series { name: line, curve, raw, phases, .. } in self.series(mirror, metric) {
                let head = if phases.is_some() || line == "train" { format!("{name}:{line}") } else { name.clone() };
                if raw.is_some() {
                    let head = format!("{head}:smoothed_{}", self.smoothing());
                    fields.push(Field { head, curve, phases, next: 0 });
                }
                fields.push(Field { head, curve: raw.unwrap_or(curve), phases, next: 0 });
            }
        }
        fields
    }

    fn row(&self, field: &Field, at: usize) -> Row {
        let step = field.curve.steps.get(at).copied().unwrap_or(u64::MAX);
        let phase = field.phases.map_or_else(|| self.history.phase_of(step), |phases| phases.get(at).copied());
        (step, phase)
    }

    fn write_row(&self, text: &mut String, row: Row, fields: &mut [Field], timeline: &Timeline) {
        let (step, phase) = row;
        let phase = phase.and_then(|phase| self.history.phases.get(phase)).map_or("", |phase| phase.name.as_str());
        let seconds = timeline.seconds_at(step).map(|seconds| format!("{seconds:.3}")).unwrap_or_default();
        // Writing into a string cannot fail.
        let _ = write!(text, "{step},{},{seconds}", quoted(phase));
        for field in fields {
            let mut value = None;
            while field.next < field.curve.steps.len() && self.row(field, field.next) <= row {
                value = Some(field.next).filter(|at| self.row(field, *at) == row);
                field.next += 1;
            }
            text.push(',');
            if let Some(value) = value.and_then(|at| field.curve.value(at)) {
                // As exact as it was kept.
                let _ = write!(text, "{}", value as f32);
            }
        }
        text.push('\n');
    }
}

/// As RFC 4180 wants it: what holds a comma, a quote or a line break stands in quotes.
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_string(),
    }
}
