//! The mouse over charts: a click reads, a drag selects what to zoom into, the wheel zooms where it points.

use super::window::Window;
use super::{Graphs, Layout};
use crate::app::{App, Gesture, Pointer, Spot};

/// How much one notch of the wheel zooms.
const NOTCH: f64 = 0.8;

/// The mouse did something over one of this pane's spots.
pub fn pointed(app: &mut App, pointer: Pointer) {
    match pointer.spot {
        Spot::Metric(place) if pointer.gesture == Gesture::Press => {
            if let Some(entry) = app.graphs.entries(&app.mirror).get(place) {
                app.graphs.metric = entry.metric;
                app.graphs.layout = if app.graphs.layout == Layout::Plane { Layout::Grid } else { app.graphs.layout };
            }
        }
        Spot::Chart(_) if app.graphs.layout == Layout::Plane => app.graphs.point_in_plane(pointer),
        Spot::Chart(chart) => point_in_chart(app, chart, pointer),
        _ => {}
    }
}

fn point_in_chart(app: &mut App, chart: usize, pointer: Pointer) {
    let App { graphs, mirror, .. } = app;
    let window = graphs.window(mirror);
    let width = f64::from(pointer.width.max(1));
    let place = window.at(((f64::from(pointer.x) + 0.5) / width).clamp(0.0, 1.0));
    match pointer.gesture {
        Gesture::WheelUp => graphs.zoom(mirror, NOTCH, Some(place)),
        Gesture::WheelDown => graphs.zoom(mirror, 1.0 / NOTCH, Some(place)),
        Gesture::Press => {
            let metric = graphs.last_charts.borrow().get(chart).copied();
            graphs.metric = metric.unwrap_or(graphs.metric);
            graphs.cursor = Some(graphs.timeline(mirror).step_near(place));
            graphs.dragged = Some((place, place));
        }
        Gesture::Drag => {
            if let Some((_, to)) = &mut graphs.dragged {
                *to = place;
            }
        }
        Gesture::Release => {
            // Less than two columns are a click of an unsteady hand.
            let selected = graphs.dragged.take().filter(|(from, to)| (from - to).abs() >= 1.5 * window.width() / width);
            if let Some((from, to)) = selected {
                graphs.show(mirror, Window { from: from.min(to), to: from.max(to) });
            }
        }
    }
}

impl Graphs {
    /// Puts the cursor on the nearest point of the plane.
    fn point_in_plane(&mut self, pointer: Pointer) {
        let Some((spans, plane)) = self.last_plane.get().zip(self.plane()) else { return };
        if pointer.gesture != Gesture::Press {
            return;
        }
        let (width, height) = (f64::from(pointer.width.max(1)), f64::from(pointer.height.max(1)));
        let x = (f64::from(pointer.x) + 0.5) / width;
        let y = 1.0 - (f64::from(pointer.y) + 0.5) / height;
        // In cells, of which one is about twice as high as wide.
        let distance = |retention: f64, task: f64| {
            ((spans.0.share(retention) - x) * width).hypot((spans.1.share(task) - y) * height * 2.0)
        };
        let of = |point: &&super::plane::Point| distance(point.retention, point.task);
        let nearest = plane.points.iter().min_by(|one, other| of(one).total_cmp(&of(other)));
        self.cursor = nearest.map(|point| point.step).or(self.cursor);
    }
}
