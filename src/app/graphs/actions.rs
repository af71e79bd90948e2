//! What can be done in the graphs pane.

use super::navigate::say_window;
use super::smooth::SMOOTHINGS;
use super::window::View;
use super::{Axis, Layout};
use crate::app::action::{Action, Scope, always};
use crate::app::{App, Effect, Pane, corpus};

/// How much one press zooms.
const ZOOM: f64 = 0.5;
const PAN: f64 = 0.25;
/// Columns that the cursor leaps with shift.
const LEAP: i32 = 10;

const fn action(
    name: &'static str,
    keys: &'static [&'static str],
    label: &'static str,
    help: &'static str,
    run: fn(&mut App),
) -> Action {
    Action { name, scope: Scope::In(Pane::Graphs), keys, label, help, in_footer: false, refusal: no_history, run }
}

/// What can be done here.
pub const ACTIONS: &[Action] = &[
    Action {
        in_footer: true,
        refusal: always,
        ..action("graphs.next-metric", &["m", "down"], "metric", "Choose the next metric.", |app| choose(app, 1))
    },
    Action {
        refusal: always,
        ..action("graphs.previous-metric", &["M", "up"], "metric", "Choose the metric before.", |app| choose(app, -1))
    },
    Action {
        in_footer: true,
        refusal: one_chart_fits,
        ..action("graphs.layout", &["g"], "one/grid", "One large chart, or as many as there is room for.", turn_layout)
    },
    Action {
        in_footer: true,
        refusal: no_smoothing,
        ..action(
            "graphs.smooth",
            &["s"],
            "smooth",
            "Smooth the curves of every step: off, 0.6, 0.9, 0.99.",
            turn_smoothing,
        )
    },
    Action {
        in_footer: true,
        refusal: no_log,
        ..action(
            "graphs.log",
            &["l"],
            "log",
            "Turn the chosen metric's axis from linear to logarithmic and back.",
            turn_log,
        )
    },
    action("graphs.time", &["t"], "time", "Count the horizontal axis in steps, or in time.", turn_time),
    Action {
        in_footer: true,
        ..action("graphs.follow", &["a"], "all/newest", "Show the whole run, or follow its newest quarter.", turn_view)
    },
    Action {
        in_footer: true,
        ..action("graphs.zoom-in", &["+", "="], "zoom", "Show half as much, around the cursor.", |app| zoom(app, ZOOM))
    },
    action("graphs.zoom-out", &["-"], "wider", "Show twice as much, around the cursor.", |app| zoom(app, 1.0 / ZOOM)),
    action("graphs.pan-left", &["<", "c-left", "pgup"], "earlier", "Move the window to earlier steps.", |app| {
        pan(app, -PAN)
    }),
    action("graphs.pan-right", &[">", "c-right", "pgdn"], "later", "Move the window to later steps.", |app| {
        pan(app, PAN)
    }),
    action("graphs.phase", &["p"], "phase", "Fill the window with one phase; again for the next.", show_phase),
    Action {
        in_footer: true,
        ..action("graphs.cursor-left", &["left"], "read", "Read the values a column to the left.", |app| step(app, -1))
    },
    action("graphs.cursor-right", &["right"], "read", "Read the values a column to the right.", |app| step(app, 1)),
    action("graphs.leap-left", &["s-left", "H"], "leap", "Move the cursor ten columns to the left.", |app| {
        step(app, -LEAP)
    }),
    action("graphs.leap-right", &["s-right", "L"], "leap", "Move the cursor ten columns to the right.", |app| {
        step(app, LEAP)
    }),
    action("graphs.first", &["home"], "first", "Read the first step.", |app| read(app, 0)),
    action("graphs.last", &["end"], "newest", "Read the newest step.", |app| read(app, u64::MAX)),
    Action {
        refusal: no_cursor,
        ..action("graphs.cursor-off", &["c"], "no cursor", "Take the cursor away and read the newest values.", |app| {
            app.graphs.cursor = None
        })
    },
    Action {
        in_footer: true,
        refusal: |app| no_mark(app, true),
        ..action("graphs.next-mark", &["n"], "mark", "Read the next change, checkpoint or phase.", |app| {
            to_mark(app, true)
        })
    },
    Action {
        refusal: |app| no_mark(app, false),
        ..action("graphs.previous-mark", &["N"], "mark", "Read the change, checkpoint or phase before.", |app| {
            to_mark(app, false)
        })
    },
    Action {
        in_footer: true,
        refusal: no_batch,
        ..action("graphs.batch", &["b"], "batch", "Show the text that the step at the cursor learned from.", show_batch)
    },
    Action {
        in_footer: true,
        refusal: no_plane,
        ..action(
            "graphs.plane",
            &["r"],
            "plane",
            "Show every evaluation as a point: the task against retention.",
            turn_plane,
        )
    },
    Action {
        in_footer: true,
        refusal: no_branches,
        ..action(
            "graphs.branches",
            &["B"],
            "branches",
            "Draw what the run went back from, and related runs, beside its own curve, or not.",
            turn_branches,
        )
    },
    Action {
        in_footer: true,
        refusal: |app| app.cannot_ask_host().or_else(|| no_history(app)),
        ..action(
            "graphs.fork",
            &["F"],
            "fork",
            "Make a run that has this one's steps up to the cursor, and goes on by itself; without a cursor, up to the \
             newest checkpoint.",
            |app| app.fork(app.graphs.cursor),
        )
    },
    action("graphs.export", &["x"], "CSV", "Write the values of the charts that are shown to a CSV file.", export),
    Action {
        refusal: always,
        ..action(
            "graphs.glyphs",
            &["d"],
            "dots",
            "Draw curves with braille, half blocks, ASCII or octants.",
            turn_glyphs,
        )
    },
];

fn no_history(app: &App) -> Option<String> {
    (app.graphs.history.newest == 0).then(|| "no step yet: the first one will show here".to_string())
}

fn one_chart_fits(app: &App) -> Option<String> {
    let fits_one = app.graphs.layout == Layout::Grid && app.graphs.last_slots.get() <= 1;
    fits_one.then(|| "only one chart has room here: z gives this pane the whole screen".to_string())
}

fn no_smoothing(app: &App) -> Option<String> {
    (app.graphs.layout == Layout::Plane).then(|| "the plane shows evaluations: there is nothing to smooth".to_string())
}

fn no_log(app: &App) -> Option<String> {
    let graphs = &app.graphs;
    if graphs.layout == Layout::Plane {
        return Some("the plane has linear axes: r goes back to the charts".to_string());
    }
    graphs.metric.is_signed().then(|| "retention can be below zero: a log axis cannot show it".to_string())
}

fn no_cursor(app: &App) -> Option<String> {
    app.graphs.cursor.is_none().then(|| "there is no cursor: ← puts one".to_string())
}

fn no_mark(app: &App, forwards: bool) -> Option<String> {
    let side = if forwards { "after" } else { "before" };
    let found = app.graphs.next_mark(&app.mirror, forwards);
    found.is_none().then(|| format!("nothing was changed or saved {side} this step"))
}

fn no_batch(app: &App) -> Option<String> {
    match app.graphs.cursor {
        None => Some("put the cursor on a step first: ← or a click".to_string()),
        Some(step) if app.mirror.steps.step.binary_search(&step).is_err() => {
            Some(format!("no batch made step {step}: it is a measurement of the weights before training"))
        }
        Some(_) => None,
    }
}

fn no_plane(app: &App) -> Option<String> {
    let has_none = app.graphs.layout != Layout::Plane && app.graphs.plane().is_none();
    has_none
        .then(|| "no evaluation of what the base knew yet: retention is measured from the second phase on".to_string())
}

fn no_branches(app: &App) -> Option<String> {
    app.graphs
        .branches
        .all
        .is_empty()
        .then(|| "there is no branch: an undo that goes back steps leaves one, and so does a fork".to_string())
}

fn turn_branches(app: &mut App) {
    app.graphs.hides_branches = !app.graphs.hides_branches;
    app.say(if app.graphs.hides_branches { "branches are hidden" } else { "branches are drawn" });
}

fn choose(app: &mut App, by: isize) {
    let graphs = &mut app.graphs;
    let metrics = graphs.metrics();
    let chosen = metrics.iter().position(|metric| *metric == graphs.metric).unwrap_or(0) as isize;
    let next = (chosen + by).rem_euclid(metrics.len() as isize);
    graphs.metric = metrics.get(next as usize).copied().unwrap_or_default();
    if graphs.layout == Layout::Plane {
        graphs.layout = Layout::Grid;
    }
}

fn turn_layout(app: &mut App) {
    app.graphs.layout = if app.graphs.layout == Layout::Grid { Layout::One } else { Layout::Grid };
}

fn turn_plane(app: &mut App) {
    app.graphs.layout = if app.graphs.layout == Layout::Plane { Layout::Grid } else { Layout::Plane };
}

fn turn_smoothing(app: &mut App) {
    let App { graphs, mirror, .. } = app;
    graphs.smoothing = (graphs.smoothing + 1) % SMOOTHINGS.len();
    graphs.refresh(mirror);
    let said = match graphs.smoothing() {
        0.0 => "not smoothed".to_string(),
        beta => format!("smoothed over about {:.0} steps, the measured values behind", 1.0 / (1.0 - beta)),
    };
    app.say(said);
}

fn turn_log(app: &mut App) {
    let graphs = &mut app.graphs;
    match graphs.logs.iter().position(|metric| *metric == graphs.metric) {
        Some(place) => drop(graphs.logs.remove(place)),
        None => graphs.logs.push(graphs.metric),
    }
}

fn turn_time(app: &mut App) {
    app.graphs.turn_axis(&app.mirror);
    app.say(if app.graphs.axis == Axis::Seconds { "over time" } else { "over steps" });
}

fn turn_view(app: &mut App) {
    let App { graphs, mirror, .. } = app;
    match graphs.view {
        View::All => graphs.follow(mirror, graphs.timeline(mirror).latest() / 4.0),
        View::Follow(_) | View::Fixed(_) => graphs.view = View::All,
    }
    say_window(app);
}

fn zoom(app: &mut App, factor: f64) {
    app.graphs.zoom(&app.mirror, factor, None);
    say_window(app);
}

fn pan(app: &mut App, share: f64) {
    if !app.graphs.pan(&app.mirror, share) {
        app.refuse(match app.graphs.view {
            View::All => "the whole run is shown: + shows less of it",
            _ if share < 0.0 => "the run begins here",
            _ => "the run has not come further",
        });
    }
}

fn show_phase(app: &mut App) {
    app.graphs.show_next_phase(&app.mirror);
}

fn step(app: &mut App, columns: i32) {
    app.graphs.move_cursor(&app.mirror, columns);
}

fn read(app: &mut App, step: u64) {
    app.graphs.read(&app.mirror, step);
}

fn to_mark(app: &mut App, forwards: bool) {
    if let Some(step) = app.graphs.next_mark(&app.mirror, forwards) {
        app.graphs.read(&app.mirror, step);
    }
}

fn show_batch(app: &mut App) {
    if let Some(step) = app.graphs.cursor {
        corpus::show_batch(app, step);
        app.focus = Pane::Corpus;
        app.zoomed = false;
    }
}

fn export(app: &mut App) {
    let run = app.mirror.welcome.as_ref().map_or("run", |welcome| welcome.run.as_str());
    // A run's name is a folder's; anything that could lead elsewhere becomes a dash.
    let run: String = run.chars().map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    let name = format!("frostline-{run}-metrics.csv");
    let text = app.graphs.csv(&app.mirror);
    app.say(format!("{} rows to {name}", text.lines().count().saturating_sub(1)));
    app.effect(Effect::WriteFile { name, text });
}

fn turn_glyphs(app: &mut App) {
    app.graphs.glyphs = app.graphs.glyphs.next();
    let name = app.graphs.glyphs.name();
    app.say(format!("curves in {name}"));
}
