//! From a metric's lines to what a chart draws.

use super::{Canvas, branch_style, point_sign, series_style};
use crate::app::App;
use crate::app::graphs::branches::BranchSeries;
use crate::app::graphs::history::{Mark as Happening, MarkKind};
use crate::app::graphs::scale::Unit;
use crate::app::graphs::trace::{Curve, Trace};
use crate::app::graphs::window::Window;
use crate::app::graphs::{Axis, Glyphs, Metric, Series};
use crate::protocol::BranchKind;
use crate::tui::widgets::chart::{Chart, Frame, Line, Mark};

/// The unit of the horizontal axis.
pub fn unit(app: &App) -> Unit {
    match app.graphs.axis {
        Axis::Steps => Unit::Steps,
        Axis::Seconds => Unit::Seconds,
    }
}

/// The chart of a metric within the frame.
pub fn chart<'a>(
    app: &'a App,
    metric: Metric,
    (series, branches): (&[Series], &[BranchSeries]),
    frame: Frame,
    canvas: &Canvas,
) -> Chart<'a> {
    let graphs = &app.graphs;
    let (window, timeline) = (graphs.window(&app.mirror), graphs.timeline(&app.mirror));
    let columns = usize::from(frame.plot.width) * graphs.glyphs.dots().0;
    let edges = timeline.edges(window, columns);
    let trace = |curve: &Curve| curve.trace(&timeline, window, &edges);
    let branches = branches.iter().flat_map(|branch| branch_lines(branch, window, columns, app, canvas));
    // What was measured lies behind what is smoothed, and lines between a few points behind those of every step.
    let raw = series.iter().filter_map(|line| line.raw.as_ref());
    let raw = raw.map(|raw| Line { trace: trace(raw), style: canvas.theme.ghost, point: None, is_dotted: false });
    // Branches lie behind everything that is the run's own.
    let mut lines: Vec<Line> = branches.chain(raw).collect();
    let is_sparse = |line: &&Series| line.phases.is_some();
    let back_to_front = series.iter().filter(is_sparse).chain(series.iter().filter(|line| !is_sparse(line)));
    lines.extend(back_to_front.map(|line| Line {
        trace: trace(&line.curve),
        style: series_style(canvas, line.tint),
        point: line.phases.map(|_| point_sign(line.tint, graphs.glyphs)),
        is_dotted: false,
    }));
    let is_log = graphs.is_log(metric);
    let extremes = lines.iter().filter_map(|line| line.trace.extremes(is_log.then_some(0.0)));
    let (low, high) =
        extremes.fold((f64::INFINITY, f64::NEG_INFINITY), |found, (low, high)| (found.0.min(low), found.1.max(high)));
    let place = |step: u64| window.share(timeline.place(step));
    Chart {
        frame,
        lines,
        marks: marks(app, canvas),
        span: graphs.span(metric, low, high),
        window,
        unit: unit(app),
        zero: metric.is_signed(),
        cursor: graphs.cursor.map(place),
        selected: graphs.dragged.map(|(from, to)| (window.share(from), window.share(to))),
        glyphs: graphs.glyphs,
        is_focused: canvas.is_focused,
    }
}

/// A branch's line, with what was measured behind it where it is smoothed.
fn branch_lines(branch: &BranchSeries, window: Window, columns: usize, app: &App, canvas: &Canvas) -> Vec<Line> {
    let edges = branch.timeline.edges(window, columns);
    let BranchSeries { series, kind, timeline } = branch;
    let is_dotted = *kind == BranchKind::Undone;
    let line = |curve: &Curve, style, point| Line {
        trace: curve.trace(timeline, window, &edges),
        style,
        point,
        is_dotted: is_dotted && point.is_none(),
    };
    let raw = series.raw.as_ref().map(|raw| line(raw, canvas.theme.ghost, None));
    let point = series.phases.map(|_| point_sign(series.tint, app.graphs.glyphs));
    let own = line(&series.curve, branch_style(canvas, *kind), point);
    raw.into_iter().chain([own]).collect()
}

/// What happened within the window.
fn marks<'a>(app: &'a App, canvas: &Canvas) -> Vec<Mark<'a>> {
    let graphs = &app.graphs;
    let (window, timeline) = (graphs.window(&app.mirror), graphs.timeline(&app.mirror));
    let all = &graphs.history.marks;
    let from = all.partition_point(|mark| timeline.place(mark.step) < window.from);
    let within = all[from..].iter().take_while(|mark| timeline.place(mark.step) <= window.to);
    let is_ascii = graphs.glyphs == Glyphs::Ascii;
    let drawn = |happening: &'a Happening| {
        let (style, sign) = match happening.kind {
            MarkKind::Phase => (canvas.theme.dim, None),
            MarkKind::Steered => (canvas.theme.mark, None),
            MarkKind::Notice => (canvas.theme.warning, Some('!')),
            MarkKind::Rewound => (canvas.theme.undone, None),
            MarkKind::Guarded => (canvas.theme.error, None),
            MarkKind::Checkpoint => (canvas.theme.dim, Some(if is_ascii { '^' } else { '▴' })),
        };
        Mark { share: window.share(timeline.place(happening.step)), label: &happening.label, sign, style }
    };
    // The beginning of the run is no border.
    within.filter(|mark| mark.kind != MarkKind::Phase || mark.step > 0).map(drawn).collect()
}

/// A line through points in a plane, by share of its width.
pub fn joined(points: &[(f64, f64)], columns: usize) -> Trace {
    use crate::app::graphs::trace::Column;
    let mut trace = Trace { columns: vec![None; columns], ..Trace::default() };
    for &(share, value) in points {
        let at = (share * columns as f64).max(0.0) as usize;
        if let Some(place) = trace.columns.get_mut(at) {
            let column = place.get_or_insert(Column {
                low: value,
                high: value,
                first: Some(value),
                last: None,
                broken: false,
                starts: false,
                count: 0,
            });
            column.low = column.low.min(value);
            column.high = column.high.max(value);
            column.last = Some(value);
            column.count += 1;
        }
    }
    trace
}
