//! Moving about: the cursor, the window, and from mark to mark.

use super::window::{Axis, View, Window, roomy};
use super::{Graphs, Layout};
use crate::app::{App, Mirror};

/// Steps that the narrowest window holds.
const NARROWEST: f64 = 8.0;

impl Graphs {
    /// The step that actions at the cursor mean; without a cursor, the newest one in the window.
    fn here(&self, mirror: &Mirror) -> u64 {
        let timeline = self.timeline(mirror);
        let last = timeline.step_near(self.window(mirror).to.min(timeline.latest()));
        self.cursor.unwrap_or(last)
    }

    /// Moves the cursor by columns of text, at least by a step.
    pub fn move_cursor(&mut self, mirror: &Mirror, columns: i32) {
        if self.layout == Layout::Plane {
            return self.move_in_plane(columns);
        }
        let here = self.here(mirror);
        if self.cursor.is_none() {
            return self.read(mirror, here);
        }
        let timeline = self.timeline(mirror);
        let column = self.window(mirror).width() / f64::from(self.last_columns.get().max(1));
        let aimed = timeline.step_near(timeline.place(here) + column * f64::from(columns));
        let step = if columns < 0 { aimed.min(here.saturating_sub(1)) } else { aimed.max(here.saturating_add(1)) };
        self.read(mirror, step);
    }

    /// From point to point of the plane, in the order in which they were measured.
    fn move_in_plane(&mut self, by: i32) {
        let steps: Vec<u64> =
            self.plane().map(|plane| plane.points.iter().map(|point| point.step).collect()).unwrap_or_default();
        let here = self.cursor.map_or(steps.len(), |cursor| steps.partition_point(|step| *step < cursor));
        // Ends of one phase and beginnings of the next are measured at the same step: both are passed at once.
        let next = match by {
            ..0 => steps.get(here.saturating_sub(by.unsigned_abs() as usize)).or(steps.last()),
            _ => {
                let after = self.cursor.map_or(0, |cursor| steps.partition_point(|step| *step <= cursor));
                steps.get(after + by as usize - 1).or(steps.last())
            }
        };
        self.cursor = next.copied().or(self.cursor);
    }

    /// Puts the cursor on a step, and the step into the window.
    pub fn read(&mut self, mirror: &Mirror, step: u64) {
        let step = step.min(self.history.newest);
        self.cursor = Some(step);
        let (window, place) = (self.window(mirror), self.timeline(mirror).place(step));
        if place < window.from {
            self.show(mirror, window.shifted(place - window.at(0.25)));
        } else if place > window.to {
            self.show(mirror, window.shifted(place - window.at(0.75)));
        }
    }

    /// Shows a window, as far as the run goes and no narrower than a chart can tell steps apart.
    pub fn show(&mut self, mirror: &Mirror, window: Window) {
        let timeline = self.timeline(mirror);
        let everything = View::All.window(self.latest(mirror));
        let narrowest = match self.axis {
            Axis::Steps => NARROWEST,
            Axis::Seconds => NARROWEST * timeline.latest() / self.history.newest.max(1) as f64,
        };
        let width = window.width().max(narrowest).min(everything.width());
        let middle = window.at(0.5);
        let from = (middle - width / 2.0).min(everything.to - width).max(0.0);
        self.view = match width >= everything.width() {
            true => View::All,
            false => View::Fixed(Window { from, to: from + width }),
        };
    }

    /// Narrower (below 1) or wider, around a place, or else around the cursor. With neither, a window that shows the
    /// newest goes on showing it.
    pub fn zoom(&mut self, mirror: &Mirror, factor: f64, place: Option<f64>) {
        let (window, timeline) = (self.window(mirror), self.timeline(mirror));
        let cursor =
            self.cursor.map(|step| timeline.place(step)).filter(|place| (0.0..=1.0).contains(&window.share(*place)));
        match (place.or(cursor), self.view) {
            (Some(place), _) => self.show(mirror, window.scaled(factor, place)),
            (None, View::Fixed(_)) => self.show(mirror, window.scaled(factor, window.at(0.5))),
            (None, _) => self.follow(mirror, window.width() * factor),
        }
    }

    /// The newest in a window of this width; everything, where that is no wider.
    pub fn follow(&mut self, mirror: &Mirror, width: f64) {
        let latest = self.timeline(mirror).latest();
        let narrowest = latest * NARROWEST / self.history.newest.max(1) as f64;
        self.view = if width >= latest { View::All } else { View::Follow(width.max(narrowest)) };
    }

    /// Moves the window by a share of its width; whether there was anywhere to go.
    pub fn pan(&mut self, mirror: &Mirror, share: f64) -> bool {
        let before = self.window(mirror);
        self.show(mirror, before.shifted(before.width() * share));
        (self.window(mirror).from - before.from).abs() > 1e-9
    }

    /// Turns from steps to time and back, with the same part of the run in the window.
    pub fn turn_axis(&mut self, mirror: &Mirror) {
        let before = self.timeline(mirror);
        self.axis = if self.axis == Axis::Steps { Axis::Seconds } else { Axis::Steps };
        let after = self.timeline(mirror);
        self.view = match self.view {
            View::All => View::All,
            View::Follow(width) => View::Follow(width * after.latest() / before.latest()),
            View::Fixed(window) => {
                let place = |place: f64| after.place(before.step_near(place));
                View::Fixed(Window { from: place(window.from), to: place(window.to) })
            }
        };
        let width = self.window(mirror).width();
        if !width.is_finite() || width <= 0.0 {
            self.view = View::All;
        }
    }

    /// The phase after the one that fills the window; at first the one that the cursor is in.
    pub fn show_next_phase(&mut self, mirror: &Mirror) {
        let windows: Vec<Window> =
            (0..self.history.phases.len()).map(|phase| self.phase_window(mirror, phase)).collect();
        let shown = windows.iter().position(|window| self.view == View::Fixed(*window));
        let next = match shown {
            Some(shown) => (shown + 1) % windows.len().max(1),
            None => self.history.phase_of(self.here(mirror)).unwrap_or(0),
        };
        match windows.get(next).filter(|window| window.width() > 0.0) {
            Some(window) => self.view = View::Fixed(*window),
            None => self.view = View::All,
        }
    }

    /// From the phase's beginning to the next one's, or as far as the newest phase has come, with some room.
    fn phase_window(&self, mirror: &Mirror, phase: usize) -> Window {
        let history = &self.history;
        let Some(span) = history.phases.get(phase) else { return self.window(mirror) };
        let from = span.first_step.saturating_sub(1);
        let to = match history.phases.get(phase + 1) {
            Some(next) => next.first_step.saturating_sub(1),
            None => from + span.steps.min(roomy(history.newest.saturating_sub(from) as f64) as u64),
        };
        let timeline = self.timeline(mirror);
        Window { from: timeline.place(from), to: timeline.place(to) }
    }

    /// The step of the nearest mark on one side of the cursor; without a cursor, of the outermost one in the window.
    pub fn next_mark(&self, mirror: &Mirror, forwards: bool) -> Option<u64> {
        let marks = &self.history.marks;
        let (window, timeline) = (self.window(mirror), self.timeline(mirror));
        let from = self.cursor.or_else(|| match forwards {
            true => timeline.step_from(window.from).checked_sub(1),
            false => Some(timeline.step_from(window.to)),
        });
        let place = match (forwards, from) {
            (true, None) => Some(0),
            (true, Some(from)) => Some(marks.partition_point(|mark| mark.step <= from)),
            (false, from) => marks.partition_point(|mark| mark.step < from.unwrap_or(u64::MAX)).checked_sub(1),
        };
        marks.get(place?).map(|mark| mark.step)
    }
}

/// Says where the window is, after it moved.
pub fn say_window(app: &mut App) {
    let text = match app.graphs.view {
        View::All => "the whole run".to_string(),
        View::Follow(_) => "following the newest".to_string(),
        View::Fixed(_) => return,
    };
    app.say(text);
}
