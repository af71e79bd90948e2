//! The mouse over the grid: a press moves the cursor, a press on the cursor toggles, a drag selects, the wheel scrolls.

use super::select::Place;
use super::steer;
use super::view::View;
use crate::app::{App, Gesture, Pointer, Spot};

/// Lines that one notch of the wheel goes.
const NOTCH: usize = 3;

/// A button that is held down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Press {
    at: Place,
    /// It is a click on the cursor unless it becomes a drag.
    toggles: bool,
}

/// The mouse did something over one of this pane's spots.
pub fn pointed(app: &mut App, pointer: Pointer) {
    let at = place(pointer.spot);
    match (pointer.gesture, at) {
        (Gesture::Press, Some(at)) => press(app, at),
        (Gesture::Drag, Some(at)) => drag(app, at),
        (Gesture::Release, _) => release(app),
        (Gesture::WheelUp, _) => scroll(app, false),
        (Gesture::WheelDown, _) => scroll(app, true),
        (Gesture::Press | Gesture::Drag, None) => {}
    }
}

fn place(spot: Spot) -> Option<Place> {
    match spot {
        Spot::Cell(row, column) => Some(Place { row: Some(row), column }),
        Spot::Column(column) => Some(Place { row: None, column: Some(column) }),
        _ => None,
    }
}

fn press(app: &mut App, at: Place) {
    let Some(is_cursor) = View::of(app).map(|view| is_same(app.layers.cursor, at, &view)) else { return };
    let toggles = is_cursor && app.layers.anchor.is_none();
    app.layers.press = Some(Press { at, toggles });
    app.layers.anchor = None;
    app.layers.cursor = at;
}

/// Whether both places are seen at the same cell.
fn is_same(left: Place, right: Place, view: &View) -> bool {
    let is_same_cell = left.cell(&view.grid).is_some_and(|cell| right.cell(&view.grid) == Some(cell));
    is_same_cell || left.inside(&view.grid) == right.inside(&view.grid)
}

fn drag(app: &mut App, at: Place) {
    let Some(press) = app.layers.press.as_mut() else { return };
    if press.at != at {
        press.toggles = false;
        app.layers.anchor = Some(press.at);
    }
    app.layers.cursor = at;
}

fn release(app: &mut App) {
    let Some(press) = app.layers.press.take() else { return };
    if !press.toggles {
        return;
    }
    match steer::cannot_steer(app) {
        Some(why) => app.refuse(why),
        None => steer::toggle(app),
    }
}

/// Moves what is seen; the cursor stays where it is until it would be out of sight.
fn scroll(app: &mut App, is_down: bool) {
    let Some(last) = View::of(app).map(|view| view.grid.layers.len().saturating_sub(1)) else { return };
    let (top, lines) = (app.layers.last_top.get(), app.layers.last_lines.get());
    let is_whole = lines > last;
    let top = match is_down {
        _ if is_whole => 0,
        true => top.saturating_add(NOTCH).min((last + 1).saturating_sub(lines)),
        false => top.saturating_sub(NOTCH),
    };
    app.layers.last_top.set(top);
    // One of the lines may be the frost line.
    let lowest = top.saturating_add(lines.saturating_sub(2)).min(last);
    app.layers.cursor.row =
        app.layers.cursor.row.map(|row| if is_whole { row } else { row.clamp(top.min(lowest), lowest) });
}
