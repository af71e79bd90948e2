//! Lanes between base and live: the slider of a blend, and grafts of layers.

use super::{LaneView, List, MOST_LANES, Picker, ask, cannot_ask};
use crate::app::action::{Action, Scope, action};
use crate::app::line::Line;
use crate::app::{App, Pane, Pointer};
use crate::protocol::{Graft, Lane, Selector, Share, Side};
use std::time::Duration;

const HERE: Scope = Scope::In(Pane::Prompt);
/// One press of a key, in thousandths.
const STEP: i16 = 50;
const FINE: i16 = 10;
/// How long a slider rests before the prompt is asked again.
const REST: Duration = Duration::from_millis(400);

pub const ACTIONS: &[Action] = &[
    action(
        HERE,
        "prompt.blend",
        &["b"],
        "blend",
        "A lane between base and live, with a slider: (1 − α) · base + α · live. Adds it, or goes to it.",
        |app| (blend(app).is_none() && is_full(app)).then(full),
        go_to_blend,
    ),
    action(
        HERE,
        "prompt.less",
        &["-", "_"],
        "α less",
        "Move the blend 0.05 towards the base; the prompt is asked again once the slider rests.",
        without_blend,
        |app| move_blend(app, -STEP),
    ),
    action(HERE, "prompt.more", &["+", "="], "α more", "Move the blend 0.05 towards live.", without_blend, |app| {
        move_blend(app, STEP)
    }),
    action(
        HERE,
        "prompt.less-fine",
        &[","],
        "α −0.01",
        "Move the blend 0.01 towards the base.",
        without_blend,
        |app| move_blend(app, -FINE),
    ),
    action(HERE, "prompt.more-fine", &["."], "α +0.01", "Move the blend 0.01 towards live.", without_blend, |app| {
        move_blend(app, FINE)
    }),
    action(
        HERE,
        "prompt.graft",
        &["B"],
        "graft",
        "A lane of live with some layers put back to the base's: type which. In the layers pane, b takes those under the \
         cursor.",
        |app| is_full(app).then(full),
        |app| app.prompt.list = Some(List::Lanes(Picker { selected: 0, typed: Line::new("graft ") })),
    ),
    action(
        HERE,
        "prompt.flip",
        &["f"],
        "flip graft",
        "Take the graft's layers from the other side: from live into the base, or from the base into live.",
        |app| graft(app).is_none().then(|| "no lane is a graft: B adds one, and b in the layers pane".into()),
        flip,
    ),
];

fn is_full(app: &App) -> bool {
    app.prompt.lanes.len() >= MOST_LANES
}

fn full() -> String {
    format!("there are {MOST_LANES} lanes, and no more are written at once")
}

fn without_blend(app: &App) -> Option<String> {
    blend(app).is_none().then(|| "no lane is a blend: b adds one".into())
}

/// The selected lane where it is of this kind, or the first that is.
fn find(app: &App, is_meant: impl Fn(&Lane) -> bool) -> Option<usize> {
    let order = std::iter::once(app.prompt.selected).chain(0..app.prompt.lanes.len());
    order.into_iter().find(|index| app.prompt.lanes.get(*index).is_some_and(|view| is_meant(&view.lane)))
}

/// The lane that the slider's keys are about.
fn blend(app: &App) -> Option<(usize, Share)> {
    let index = find(app, |lane| matches!(lane, Lane::Blend(_)))?;
    match app.prompt.lanes.get(index)?.lane {
        Lane::Blend(share) => Some((index, share)),
        _ => None,
    }
}

fn graft(app: &App) -> Option<(usize, &Graft)> {
    let index = find(app, |lane| matches!(lane, Lane::Graft(_)))?;
    match &app.prompt.lanes.get(index)?.lane {
        Lane::Graft(graft) => Some((index, graft)),
        _ => None,
    }
}

fn go_to_blend(app: &mut App) {
    match blend(app) {
        Some((index, _)) => app.prompt.selected = index,
        None => put(app, Lane::Blend(Share::HALF)),
    }
}

fn move_blend(app: &mut App, by: i16) {
    if let Some((index, share)) = blend(app) {
        app.prompt.selected = index;
        change(app, index, Lane::Blend(share.moved(by)));
    }
}

fn flip(app: &mut App) {
    if let Some((index, Graft { layers, from })) = graft(app) {
        let turned = Graft { layers: layers.clone(), from: from.other() };
        app.prompt.selected = index;
        change(app, index, Lane::Graft(turned));
    }
}

/// A lane has other weights now: what it wrote stays until the prompt is asked again.
fn change(app: &mut App, index: usize, lane: Lane) {
    if let Some(view) = app.prompt.lanes.get_mut(index).filter(|view| view.lane != lane) {
        view.lane = lane;
        rest(app);
    }
}

/// Asks again in a moment, where there is an answer that is not up to date by then.
fn rest(app: &mut App) {
    if app.prompt.lanes.iter().any(|view| view.slot.is_some()) {
        app.prompt.rests_until = Some(app.now + REST);
    }
}

/// Puts a mixture into the pane: in the place of one of its kind, where there is one, or on the right.
pub fn put(app: &mut App, lane: Lane) {
    let is_same_kind = |other: &Lane| std::mem::discriminant(other) == std::mem::discriminant(&lane);
    let index = match find(app, is_same_kind) {
        Some(index) => {
            change(app, index, lane.clone());
            index
        }
        None if is_full(app) => return app.refuse(full()),
        None => {
            app.prompt.lanes.push(LaneView::new(lane.clone()));
            rest(app);
            app.prompt.lanes.len() - 1
        }
    };
    app.prompt.selected = index;
    match app.prompt.rests_until {
        Some(_) => app.say(format!("lane {lane}")),
        None => app.say(format!("lane {lane}: it writes when the prompt is run")),
    }
}

/// A lane of live with these layers put back to the base's; a graft that is there keeps its direction.
pub fn put_graft(app: &mut App, layers: Vec<Selector>) {
    let from = graft(app).map_or(Side::Base, |(_, graft)| graft.from);
    put(app, Lane::Graft(Graft { layers, from }));
}

/// The slider was pressed, or dragged to.
pub fn slide(app: &mut App, lane: usize, pointer: Pointer) {
    app.prompt.selected = lane;
    let last = pointer.width.saturating_sub(1).max(1);
    let share = Share::new(f64::from(pointer.x.min(last)) / f64::from(last)).map(hundredth);
    if let Some(share) = share.filter(|_| matches!(app.prompt.lanes[lane].lane, Lane::Blend(_))) {
        change(app, lane, Lane::Blend(share));
    }
}

/// A pointer is not more exact than that.
fn hundredth(share: Share) -> Share {
    Share::new((share.value() * 100.0).round() / 100.0).unwrap_or(share)
}

/// The wheel over a slider.
pub fn nudge(app: &mut App, lane: usize, up: bool) {
    if let Some(Lane::Blend(share)) = app.prompt.lanes.get(lane).map(|view| view.lane.clone()) {
        change(app, lane, Lane::Blend(share.moved(if up { FINE } else { -FINE })));
    }
}

/// Time passes: a slider that has come to rest asks the prompt again; whether it did.
pub fn tick(app: &mut App) -> bool {
    let now = app.now;
    if app.prompt.rests_until.take_if(|until| *until <= now).is_none() || cannot_ask(app).is_some() {
        return false;
    }
    ask(app);
    true
}
