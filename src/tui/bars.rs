//! The line at the top, the tabs, and the line at the foot.

use super::panes::Canvas;
use super::text;
use super::widgets::{columns, fit, put, put_right, skip};
use crate::app::action::{self, Action, Scope};
use crate::app::numbers::grouped;
use crate::app::{App, Mirror, Pane, Spot, overlay};
use crate::protocol::{Progress, State, Status};
use ratatui::layout::Rect;
use ratatui::style::Style;

/// A sign, a word and whether it is good news, for what a run does. The sign says it without colour.
fn state_of(mirror: &Mirror) -> (&'static str, &'static str) {
    match (&mirror.goodbye, &mirror.status) {
        (_, Some(Status { state: State::Finished, .. })) => ("✓", "finished"),
        (_, Some(Status { state: State::Stopped, .. })) => ("■", "stopped"),
        (_, Some(Status { state: State::Failed(_), .. })) => ("✗", "failed"),
        (Some(_), _) => ("✗", "host gone"),
        (None, None) => ("○", "attaching"),
        (None, Some(status)) => match status.state {
            State::Training => ("●", "training"),
            State::Evaluating => ("◐", "evaluating"),
            State::Saving => ("▼", "saving"),
            State::Paused if status.held.is_some() => ("‖", "held"),
            State::Paused => ("‖", "paused"),
            _ => ("○", "preparing"),
        },
    }
}

fn state_style(canvas: &Canvas, sign: &str) -> Style {
    match sign {
        "●" | "◐" | "▼" => canvas.theme.training,
        "✓" => canvas.theme.good,
        "✗" => canvas.theme.error,
        _ => canvas.theme.warning,
    }
}

/// Steps done in the phase and steps it has; bytes, while text is prepared.
fn progress(status: &Status) -> Option<Progress> {
    match (&status.state, &status.phase) {
        (State::Preparing(preparation), _) => preparation.progress,
        (_, Some(phase)) => Some(Progress {
            done: (status.step + 1).saturating_sub(phase.first_step).min(phase.steps),
            total: phase.steps,
        }),
        _ => None,
    }
}

/// The line at the top: which model, how far, how long, and what it does. What matters least goes first where there is
/// little room.
pub fn header(app: &App, area: Rect, canvas: &mut Canvas) {
    canvas.buffer.set_style(area, canvas.theme.header);
    let (sign, word) = state_of(&app.mirror);
    let state = format!("{sign} {word:<10} ");
    let style = state_style(canvas, sign);
    let used = put_right(canvas.buffer, area, &state, style);
    let mut rest = Rect { width: area.width.saturating_sub(used + 2), ..area };
    if let Some(status) = &app.mirror.status {
        let waiting = status.pending.len();
        if waiting > 0 {
            let text = format!("… {waiting} asked");
            rest.width = rest.width.saturating_sub(2 + put_right(canvas.buffer, rest, &text, canvas.theme.pending));
        }
        if rest.width >= 64 {
            let left = status.seconds_left.filter(|_| status.state.is_live());
            let left = left.map_or_else(String::new, |seconds| format!("{:>6} left", text::duration(seconds)));
            rest.width = rest.width.saturating_sub(2 + put_right(canvas.buffer, rest, &left, canvas.theme.header));
        }
    }
    let used = lineage(app, rest, canvas);
    let rest = skip(rest, used + 2);
    match (&app.mirror.status, &app.mirror.goodbye) {
        (Some(Status { state: State::Failed(why), .. }), _) => {
            put_right(canvas.buffer, rest, &fit(why, rest.width), canvas.theme.error);
        }
        (Some(status), _) => run_progress(status, rest, canvas),
        (None, Some(why)) => drop(put(canvas.buffer, rest, &fit(why, rest.width), canvas.theme.error)),
        (None, None) => {}
    }
}

/// `❄ frostline  run ▸ pretrain ▸ sentiment`, the phase of now strong; only that one where there is little room.
fn lineage(app: &App, area: Rect, canvas: &mut Canvas) -> u16 {
    let theme = canvas.theme;
    let mut used = put(canvas.buffer, area, " ❄ ", theme.frozen);
    if area.width >= 84 || app.mirror.welcome.is_none() {
        used += put(canvas.buffer, skip(area, used), "frostline   ", theme.title);
    }
    let Some(welcome) = &app.mirror.welcome else { return used };
    let now = app.mirror.status.as_ref().and_then(|status| status.phase.as_ref()).map(|phase| phase.index);
    // The figures beside it need this much at least.
    let room = (area.width / 2).max(area.width.saturating_sub(34));
    let all: u16 = welcome.phases.iter().map(|name| columns(name) + 3).sum();
    let sees_all = used + columns(&welcome.run) + all <= room;
    used += put(canvas.buffer, skip(area, used), &fit(&welcome.run, room.saturating_sub(used)), theme.header);
    let line = ancestry(&welcome.parents, now.unwrap_or(0));
    let beside = (0..welcome.phases.len()).filter(|index| !line.contains(index));
    let order = line.iter().copied().chain(beside).filter(|index| sees_all || Some(*index) == now);
    for (index, name) in order.filter_map(|index| Some((index, welcome.phases.get(index)?))) {
        let style = if Some(index) == now { theme.title } else { theme.dim };
        let sign = if line.contains(&index) { " ▸ " } else { " · " };
        used += put(canvas.buffer, skip(area, used), sign, theme.dim);
        used += put(canvas.buffer, skip(area, used), &fit(name, area.width.saturating_sub(used + 10)), style);
    }
    used
}

/// The phases that one stands on, the first first, and itself; the others stand beside them.
fn ancestry(parents: &[Option<usize>], phase: usize) -> Vec<usize> {
    let parent = |place: &usize| parents.get(*place).copied().flatten().filter(|parent| parent < place);
    let mut line: Vec<usize> = std::iter::successors(Some(phase), parent).collect();
    line.reverse();
    line
}

fn run_progress(status: &Status, area: Rect, canvas: &mut Canvas) {
    let Some(Progress { done, total }) = progress(status).filter(|progress| progress.total > 0) else {
        if let State::Preparing(preparation) = &status.state {
            put_right(canvas.buffer, area, &fit(&preparation.what, area.width), canvas.theme.header);
        }
        return;
    };
    let figures = match &status.state {
        State::Preparing(preparation) => preparation.what.clone(),
        _ => {
            let (done, total) = (grouped(done), grouped(total));
            // As wide as it will ever be, so that nothing beside it moves.
            format!("step {done:>width$} / {total}", width = total.chars().count())
        }
    };
    let share = (done as f64 / total as f64).clamp(0.0, 1.0);
    let percent = format!("{:>3.0}%", (share * 100.0).floor());
    let bar_room = area.width.saturating_sub(columns(&figures) + columns(&percent) + 3).min(32);
    let bar_width = if bar_room >= 6 { bar_room } else { 0 };
    let wanted = columns(&figures) + if bar_width > 0 { bar_width + 3 } else { 1 } + columns(&percent);
    if wanted > area.width {
        put_right(canvas.buffer, area, &fit(&percent, area.width), canvas.theme.header);
        return;
    }
    let mut at = skip(area, area.width - wanted);
    at = skip(at, put(canvas.buffer, at, &figures, canvas.theme.header) + 1);
    if bar_width > 0 {
        at = skip(at, 1);
        bar(share, Rect { width: bar_width, ..at }, canvas);
        at = skip(at, bar_width + 1);
    }
    put(canvas.buffer, at, &percent, canvas.theme.header);
}

/// `━━━━━╸────`: in half columns.
pub fn bar(share: f64, area: Rect, canvas: &mut Canvas) {
    let halves = (share * f64::from(area.width) * 2.0).floor() as u16;
    let (full, half) = (usize::from(halves / 2), usize::from(halves % 2));
    let empty = usize::from(area.width).saturating_sub(full + half);
    let done = "━".repeat(full) + &"╸".repeat(half);
    let used = put(canvas.buffer, area, &done, canvas.theme.training);
    put(canvas.buffer, skip(area, used), &"─".repeat(empty), canvas.theme.border);
}

/// The names of the panes, the focused one strong.
pub fn tabs(app: &App, area: Rect, canvas: &mut Canvas) {
    let mut at = skip(area, 1);
    for (index, pane) in Pane::ALL.into_iter().enumerate() {
        let is_focused = pane == app.focus;
        let style = if is_focused { canvas.theme.cursor } else { canvas.theme.dim };
        let used = put(canvas.buffer, at, &format!(" {} {} ", index + 1, pane.name()), style);
        canvas.spots.push((Rect { width: used, ..at }, Spot::Title(pane)));
        at = skip(at, used + 1);
    }
    if app.zoomed {
        put(canvas.buffer, at, " zoomed", canvas.theme.dim);
    }
}

/// The line at the foot: what was said last, or the keys that work now; on its right what works everywhere.
pub fn footer(app: &App, area: Rect, canvas: &mut Canvas) {
    if let Some(overlay) = &app.overlay {
        let keys = overlay::keys(overlay).iter().map(|(key, label)| ((*key).to_string(), *label, None));
        key_line(keys, area, canvas);
        return;
    }
    let mut rest = area;
    if !app.wants_text() {
        let globals: Vec<_> =
            footer_keys(app, Scope::Everywhere).filter(|key| app.welcome.is_some() || !goes_on(key)).collect();
        let wide: u16 = globals.iter().map(key_width).sum();
        // What is said now goes before what can be looked up.
        let said = app.toast.as_ref().map_or(24, |toast| columns(&toast.text) + 5);
        if wide.saturating_add(said.max(24)) < area.width {
            key_line(globals.into_iter(), skip(area, area.width - wide - 1), canvas);
            rest.width = area.width - wide - 3;
        }
    }
    if let Some(toast) = &app.toast {
        let (sign, style) = if toast.is_refusal { ("!", canvas.theme.warning) } else { ("·", canvas.theme.good) };
        put(canvas.buffer, rest, &fit(&format!(" {sign} {}", toast.text), rest.width), style);
        return;
    }
    if let Some(welcome) = &app.welcome {
        let keys: &[(&str, &str)] = match welcome.path.is_some() {
            true => &[("enter", "train on it"), ("esc", "back")],
            false => &[("↑ ↓", "choose"), ("enter", "open"), ("g", "guided first run"), ("o", "own text")],
        };
        return key_line(keys.iter().map(|(key, label)| ((*key).to_string(), *label, None)), rest, canvas);
    }
    if let Some(text) = held(app) {
        put(canvas.buffer, rest, &fit(&text, rest.width), canvas.theme.warning);
        return;
    }
    let scope = if app.wants_text() { Scope::Editing } else { Scope::In(app.focus) };
    // What a run that has ended waits for comes before everything else.
    let first = footer_keys(app, Scope::Everywhere).filter(goes_on);
    key_line(first.chain(footer_keys(app, scope)), rest, canvas);
}

/// Whether it is the key that goes on with a run that has ended.
fn goes_on((.., index): &FooterKey) -> bool {
    index.and_then(|index| action::all().nth(index)).is_some_and(|action| action.name == "resume")
}

/// Why the run is held although nobody paused it, and what goes on with it.
fn held(app: &App) -> Option<String> {
    let why = app.mirror.status.as_ref()?.held.as_ref().filter(|_| app.mirror.goodbye.is_none())?;
    Some(format!(" ‖ held: {why} · {} goes on", app.keymap.keys_text("pause")))
}

type FooterKey = (String, &'static str, Option<usize>);

fn key_width((key, label, _): &FooterKey) -> u16 {
    columns(key) + columns(label) + 3
}

/// What can be done now, with its first key and its place in the table.
fn footer_keys(app: &App, scope: Scope) -> impl Iterator<Item = FooterKey> {
    let shown =
        move |action: &&'static Action| action.in_footer && action.scope == scope && (action.refusal)(app).is_none();
    action::all().enumerate().filter(move |(_, action)| shown(action)).filter_map(|(index, action)| {
        let key = app.keymap.keys(action.name).next()?;
        Some((key.to_string(), action.label, Some(index)))
    })
}

/// Keys with what they do, as many as fit whole.
fn key_line(keys: impl Iterator<Item = FooterKey>, area: Rect, canvas: &mut Canvas) {
    let mut at = skip(area, 1);
    for entry in keys {
        if key_width(&entry) > at.width + 2 {
            break;
        }
        let (key, label, action) = entry;
        let used = put(canvas.buffer, at, &key, canvas.theme.key);
        let used = used + 1 + put(canvas.buffer, skip(at, used + 1), label, canvas.theme.dim);
        if let Some(action) = action {
            canvas.spots.push((Rect { width: used.min(at.width), ..at }, Spot::Action(action)));
        }
        at = skip(at, used + 2);
    }
}
