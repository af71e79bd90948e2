//! The data of what is shown, as a table for other programs.

use super::Graphs;
use super::metric::Series;
use super::trace::Curve;
use super::window::Timeline;
use crate::app::Mirror;
use std::fmt::Write;
use std::ops::Range;

/// One column: a curve, and the phases in which its values were measured where they do not follow from the step.
struct Field<'a> {
    head: String,
    curve: Curve<'a>,
    phases: Option<&'a [usize]>,
    /// Values within the window that are not written yet.
    rest: Range<usize>,
}

/// A row: a step, and the phase that it was measured in. One phase's end and the next one's beginning are two rows.
type Row = (u64, Option<usize>);

impl Graphs {
    /// Every value of the charts that are shown, within their window: step, phase, seconds, and a column a line. What
    /// was not measured at a step is empty.
    pub fn csv(&self, mirror: &Mirror) -> String {
        let timeline = self.timeline(mirror);
        let mut fields = self.fields(mirror);
        // Every figure of every step has the same rows.
        let of_steps = fields.iter().find(|field| field.phases.is_none());
        let sparse = fields.iter().filter(|field| field.phases.is_some());
        let mut rows: Vec<Row> = of_steps
            .into_iter()
            .chain(sparse)
            .flat_map(|field| field.rest.clone().map(|at| self.row(field, at)))
            .collect();
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
        let edges = self.timeline(mirror).edges(self.window(mirror), 1);
        let place = |curve: &Curve, edge: usize| curve.steps.partition_point(|step| *step < edges[edge]);
        let field =
            |head, curve: Curve<'a>, phases| Field { head, curve, phases, rest: place(&curve, 0)..place(&curve, 1) };
        let mut fields = Vec::new();
        for metric in self.charts(mirror, self.last_slots.get()) {
            let name = self.metric_name(metric).replace(' ', "_");
            for Series { name: line, curve, raw, phases, .. } in self.series(mirror, metric) {
                let head = if phases.is_some() || line == "train" { format!("{name}:{line}") } else { name.clone() };
                if raw.is_some() {
                    let head = format!("{head}:smoothed_{}", self.smoothing());
                    fields.push(field(head, curve, phases));
                }
                fields.push(field(head, raw.unwrap_or(curve), phases));
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
            while let Some(at) = Some(field.rest.start).filter(|at| *at < field.rest.end && self.row(field, *at) <= row)
            {
                value = Some(at).filter(|at| self.row(field, *at) == row);
                field.rest.start += 1;
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
