//! What can be done in the layer grid.

use super::select::{Move, Place};
use super::steer;
use super::view::View;
use super::{Layers, Lens};
use crate::app::action::{Action, always};
use crate::app::{App, Pane, Scope};

type Refusal = fn(&App) -> Option<String>;

const fn action(
    name: &'static str,
    keys: &'static [&'static str],
    label: &'static str,
    help: &'static str,
    refusal: Refusal,
    run: fn(&mut App),
) -> Action {
    Action { name, scope: Scope::In(Pane::Layers), keys, label, help, in_footer: false, refusal, run }
}

const fn in_footer(action: Action) -> Action {
    Action { in_footer: true, ..action }
}

pub const ACTIONS: &[Action] = &[
    in_footer(action(
        "layers.toggle",
        &["space"],
        "freeze/thaw",
        "freeze what the cursor is on, or thaw it where all of it is frozen: a cell, a row by its name, a column by its head, or the selection",
        steer::cannot_steer,
        steer::toggle,
    )),
    in_footer(action(
        "layers.frost-line",
        &["f"],
        "frost line here",
        "train this layer and everything above it, and freeze everything below",
        steer::cannot_draw_line,
        steer::draw_line,
    )),
    in_footer(action(
        "layers.lens",
        &["l"],
        "lens",
        "show something else in the cells: what trains, gradient norms, update ratios, drift, learning rates, memory, time",
        always,
        |app| turn_lens(app, 1),
    )),
    action("layers.lens-back", &["L"], "lens back", "the lens before", always, |app| {
        turn_lens(app, Lens::ALL.len() - 1)
    }),
    in_footer(action(
        "layers.select",
        &["v"],
        "select",
        "begin a selection here, which moving the cursor stretches; or end it",
        steer::cannot_show,
        select,
    )),
    action(
        "layers.end-selection",
        &["esc"],
        "end selection",
        "end the selection",
        |app| app.layers.anchor.is_none().then(|| "nothing is selected".into()),
        |app| app.layers.anchor = None,
    ),
    in_footer(action(
        "layers.slower",
        &["<", ","],
        "rate ×0.5",
        "half the rate for what the cursor is on",
        steer::cannot_steer,
        steer::slower,
    )),
    in_footer(action(
        "layers.faster",
        &[">", "."],
        "rate ×2",
        "twice the rate for what the cursor is on",
        steer::cannot_steer,
        steer::faster,
    )),
    action(
        "layers.rate-one",
        &["="],
        "rate ×1",
        "the run's own rate again for what the cursor is on",
        steer::cannot_steer,
        steer::reset_rate,
    ),
    action("layers.freeze", &["F"], "freeze", "freeze what the cursor is on", steer::cannot_steer, steer::freeze),
    action("layers.thaw", &["T"], "thaw", "thaw what the cursor is on", steer::cannot_steer, steer::thaw),
    action(
        "layers.copy-state",
        &["Y"],
        "copy as plan",
        "copy what is frozen as a line for a plan",
        steer::cannot_show,
        steer::copy_state,
    ),
    action(
        "layers.graft",
        &["b"],
        "graft",
        "a lane in the prompt pane: what the cursor is on is put back to the base's, all else is live; f there turns it round",
        steer::cannot_graft,
        steer::graft,
    ),
    action("layers.up", &["up", "k"], "up", "the layer above; from the top, the heads of the columns", always, |app| {
        go(app, Move::Up(1))
    }),
    action("layers.down", &["down", "j"], "down", "the layer below", always, |app| go(app, Move::Down(1))),
    action(
        "layers.left",
        &["left", "h"],
        "left",
        "the column to the left; from the first, the whole row",
        always,
        |app| go(app, Move::Left),
    ),
    action("layers.right", &["right"], "right", "the column to the right", always, |app| go(app, Move::Right)),
    action("layers.page-up", &["pgup"], "page up", "a screenful of layers up", always, |app| {
        let by = app.layers.page();
        go(app, Move::Up(by))
    }),
    action("layers.page-down", &["pgdn"], "page down", "a screenful of layers down", always, |app| {
        let by = app.layers.page();
        go(app, Move::Down(by))
    }),
    action("layers.top", &["home"], "top", "go to the head", always, |app| go(app, Move::Top)),
    action("layers.bottom", &["end"], "bottom", "go to the embedding", always, |app| go(app, Move::Bottom)),
    lens("layers.show-trains", &["t"], "show what trains and what is frozen", |app| app.layers.lens = Lens::Trains),
    lens("layers.show-gradient", &["g"], "show the norm of each group's gradient", |app| {
        app.layers.lens = Lens::Gradient
    }),
    lens(
        "layers.show-update",
        &["r"],
        "show how large each group's last change was, by the size of its weights",
        |app| app.layers.lens = Lens::Update,
    ),
    lens("layers.show-drift", &["d"], "show how far each group is from the base", |app| app.layers.lens = Lens::Drift),
    lens("layers.show-rate", &["x"], "show what the learning rate is multiplied by", |app| {
        app.layers.lens = Lens::Multiplier
    }),
    lens("layers.show-memory", &["m"], "show the memory that training each group takes", |app| {
        app.layers.lens = Lens::Memory
    }),
    lens("layers.show-time", &["i"], "show each group's share of a step", |app| app.layers.lens = Lens::Time),
];

const fn lens(name: &'static str, keys: &'static [&'static str], help: &'static str, run: fn(&mut App)) -> Action {
    action(name, keys, "lens", help, always, run)
}

fn turn_lens(app: &mut App, by: usize) {
    app.layers.lens = app.layers.lens.turned(by);
}

fn select(app: &mut App) {
    let Layers { anchor, cursor, .. } = &mut app.layers;
    *anchor = if anchor.is_some() { None } else { Some(*cursor) };
}

fn go(app: &mut App, step: Move) {
    let moved: Option<Place> = View::of(app).map(|view| app.layers.cursor.moved(step, &view.grid));
    if let Some(moved) = moved {
        app.layers.cursor = moved;
    }
}
