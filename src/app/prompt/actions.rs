//! What can be done in the prompt pane.

use super::{Again, LaneView, List, MOST_LANES, Picker, SettingsList, ask, cancel, cannot_ask};
use crate::app::action::{Action, Scope, always};
use crate::app::{App, Effect, Pane};

const HERE: Scope = Scope::In(Pane::Prompt);

/// What can be done here.
pub const ACTIONS: &[Action] = &[
    Action {
        name: "prompt.edit",
        scope: HERE,
        keys: &["i", "enter"],
        label: "write",
        help: "Write the prompt; Enter sends it, Esc leaves the editor.",
        in_footer: true,
        refusal: always,
        run: edit,
    },
    Action {
        name: "prompt.run",
        scope: HERE,
        keys: &["r"],
        label: "run",
        help: "Let every lane go on from the prompt, under the same seed.",
        in_footer: true,
        refusal: cannot_ask,
        run: send,
    },
    Action {
        name: "prompt.run-new-seed",
        scope: HERE,
        keys: &["R"],
        label: "new seed",
        help: "Let every lane go on from the prompt, under the next seed.",
        in_footer: true,
        refusal: cannot_ask,
        run: send_new_seed,
    },
    Action {
        name: "prompt.cancel",
        scope: HERE,
        keys: &["c"],
        label: "cancel",
        help: "End what the lanes are writing; what is there stays.",
        in_footer: true,
        refusal: |app| (!app.prompt.is_busy()).then(|| "no lane is writing".into()),
        run: cancel,
    },
    Action {
        name: "prompt.settings",
        scope: HERE,
        keys: &["o"],
        label: "settings",
        help: "Change temperature, cuts, penalty, seed, length and stop texts.",
        in_footer: true,
        refusal: always,
        run: toggle_settings,
    },
    Action {
        name: "prompt.tokens",
        scope: HERE,
        keys: &["t"],
        label: "tokens",
        help: "Look at single tokens: how likely each was, and what else could have stood there.",
        in_footer: true,
        refusal: without_text,
        run: toggle_tokens,
    },
    Action {
        name: "prompt.parting",
        scope: HERE,
        keys: &["p"],
        label: "parting",
        help: "Go to the first token that the lane has otherwise than the first lane.",
        in_footer: true,
        refusal: |app| parting(app).is_none().then(|| "no lane has parted from the first".into()),
        run: |app| (app.prompt.selected, app.prompt.token) = parting(app).map_or((0, None), |(a, b)| (a, Some(b))),
    },
    Action {
        name: "prompt.shade",
        scope: HERE,
        keys: &["s"],
        label: "shade",
        help: "Shade every token by how unlikely it was for the lane that wrote it.",
        in_footer: false,
        refusal: always,
        run: |app| app.prompt.shaded = !app.prompt.shaded,
    },
    Action {
        name: "prompt.left",
        scope: HERE,
        keys: &["left", "h"],
        label: "left",
        help: "The lane to the left, or the token before.",
        in_footer: false,
        refusal: always,
        run: |app| sideways(app, -1),
    },
    Action {
        name: "prompt.right",
        scope: HERE,
        keys: &["right", "l"],
        label: "right",
        help: "The lane to the right, or the token after.",
        in_footer: false,
        refusal: always,
        run: |app| sideways(app, 1),
    },
    Action {
        name: "prompt.up",
        scope: HERE,
        keys: &["up", "k"],
        label: "older",
        help: "The prompt before this one; while tokens are looked at, the lane before.",
        in_footer: false,
        refusal: always,
        run: up,
    },
    Action {
        name: "prompt.down",
        scope: HERE,
        keys: &["down", "j"],
        label: "newer",
        help: "The prompt after this one; while tokens are looked at, the lane after.",
        in_footer: false,
        refusal: always,
        run: down,
    },
    Action {
        name: "prompt.page-up",
        scope: HERE,
        keys: &["pgup"],
        label: "page up",
        help: "Scroll the lane up.",
        in_footer: false,
        refusal: always,
        run: |app| page(app, -1),
    },
    Action {
        name: "prompt.page-down",
        scope: HERE,
        keys: &["pgdn"],
        label: "page down",
        help: "Scroll the lane down.",
        in_footer: false,
        refusal: always,
        run: |app| page(app, 1),
    },
    Action {
        name: "prompt.start",
        scope: HERE,
        keys: &["home", "g"],
        label: "start",
        help: "The beginning of the answer.",
        in_footer: false,
        refusal: always,
        run: |app| to_end(app, false),
    },
    Action {
        name: "prompt.end",
        scope: HERE,
        keys: &["end", "G"],
        label: "end",
        help: "The end of the answer.",
        in_footer: false,
        refusal: always,
        run: |app| to_end(app, true),
    },
    Action {
        name: "prompt.add-lane",
        scope: HERE,
        keys: &["a"],
        label: "add lane",
        help: "Add a lane: a checkpoint of this run, or any by its name.",
        in_footer: true,
        refusal: |app| {
            let is_full = app.prompt.lanes.len() >= MOST_LANES;
            is_full.then(|| format!("there are {MOST_LANES} lanes, and no more are written at once"))
        },
        run: |app| app.prompt.list = Some(List::Lanes(Picker::default())),
    },
    Action {
        name: "prompt.remove-lane",
        scope: HERE,
        keys: &["d"],
        label: "remove",
        help: "Remove the lane.",
        in_footer: false,
        refusal: |app| (app.prompt.lanes.len() < 2).then(|| "one lane has to stay: add another first".into()),
        run: remove_lane,
    },
    Action {
        name: "prompt.move-left",
        scope: HERE,
        keys: &["<"],
        label: "move left",
        help: "Move the lane to the left; lanes part from the leftmost.",
        in_footer: false,
        refusal: |app| (app.prompt.selected == 0).then(|| "it is the leftmost lane".into()),
        run: |app| move_lane(app, -1),
    },
    Action {
        name: "prompt.move-right",
        scope: HERE,
        keys: &[">"],
        label: "move right",
        help: "Move the lane to the right.",
        in_footer: false,
        refusal: |app| (app.prompt.selected + 1 >= app.prompt.lanes.len()).then(|| "it is the rightmost lane".into()),
        run: |app| move_lane(app, 1),
    },
    Action {
        name: "prompt.again",
        scope: HERE,
        keys: &["A"],
        label: "again",
        help: "Ask the prompt again after each evaluation, every 100 steps, or not; while lanes write, training is \
               slower.",
        in_footer: false,
        refusal: always,
        run: next_again,
    },
    Action {
        name: "prompt.copy",
        scope: HERE,
        keys: &["Y"],
        label: "copy lane",
        help: "Copy what the lane has written.",
        in_footer: false,
        refusal: without_text,
        run: copy,
    },
    Action {
        name: "prompt.send",
        scope: Scope::Editing,
        keys: &["enter"],
        label: "send",
        help: "Send the prompt to every lane.",
        in_footer: true,
        refusal: cannot_ask,
        run: send,
    },
    Action {
        name: "prompt.newline",
        scope: Scope::Editing,
        keys: &["a-enter", "c-j"],
        label: "new line",
        help: "A new line in the prompt.",
        in_footer: true,
        refusal: always,
        run: newline,
    },
    Action {
        name: "prompt.leave",
        scope: Scope::Editing,
        keys: &["esc", "tab"],
        label: "leave",
        help: "Leave the editor; the text stays.",
        in_footer: true,
        refusal: always,
        run: |app| app.prompt.editing = false,
    },
    Action {
        name: "prompt.older",
        scope: Scope::Editing,
        keys: &["c-p"],
        label: "older",
        help: "The prompt that was sent before this one.",
        in_footer: true,
        refusal: always,
        run: older,
    },
    Action {
        name: "prompt.newer",
        scope: Scope::Editing,
        keys: &["c-n"],
        label: "newer",
        help: "The prompt that was sent after this one.",
        in_footer: false,
        refusal: always,
        run: newer,
    },
];

fn without_text(app: &App) -> Option<String> {
    let has_text = app.prompt.lane().is_some_and(|lane| !lane.tokens.is_empty());
    (!has_text).then(|| "the lane has written nothing yet".into())
}

/// The selected lane and where it parts from the first, or the first lane that does.
fn parting(app: &App) -> Option<(usize, usize)> {
    let lanes = std::iter::once(app.prompt.selected).chain(1..app.prompt.lanes.len());
    lanes.filter_map(|lane| Some((lane, app.prompt.parting(lane)?))).next()
}

pub(super) fn edit(app: &mut App) {
    app.prompt.list = None;
    app.prompt.token = None;
    app.prompt.editing = true;
}

fn send(app: &mut App) {
    let prompt = &mut app.prompt;
    prompt.editing = false;
    prompt.list = None;
    if !prompt.text.trim().is_empty() {
        prompt.history.keep(&prompt.text);
    }
    ask(app);
}

fn send_new_seed(app: &mut App) {
    app.prompt.settings.seed = app.prompt.settings.seed.wrapping_add(1);
    send(app);
}

fn newline(app: &mut App) {
    let prompt = &mut app.prompt;
    let (line, character) = prompt.cursor;
    let start: usize = prompt.text.split('\n').take(line).map(|line| line.len() + 1).sum();
    let rest = prompt.text.get(start..).unwrap_or_default();
    let at = start + rest.char_indices().nth(character).map_or(rest.len(), |(at, _)| at);
    if prompt.text.len() < super::LONGEST_PROMPT && prompt.text.is_char_boundary(at) {
        prompt.text.insert(at, '\n');
        prompt.cursor = (line + 1, 0);
    }
}

fn older(app: &mut App) {
    match app.prompt.history.older(&app.prompt.text) {
        Some(text) => app.prompt.set_text(text),
        None => app.refuse("there is no older prompt"),
    }
}

fn newer(app: &mut App) {
    match app.prompt.history.newer() {
        Some(text) => app.prompt.set_text(text),
        None => app.refuse("this is the newest prompt"),
    }
}

fn up(app: &mut App) {
    match app.prompt.token {
        Some(_) => select(app, -1),
        None => older(app),
    }
}

fn down(app: &mut App) {
    match app.prompt.token {
        Some(_) => select(app, 1),
        None => newer(app),
    }
}

fn toggle_settings(app: &mut App) {
    app.prompt.list = match app.prompt.list {
        Some(List::Settings(_)) => None,
        _ => Some(List::Settings(SettingsList::default())),
    };
}

fn toggle_tokens(app: &mut App) {
    app.prompt.token = match app.prompt.token {
        Some(_) => None,
        None => Some(app.prompt.parting(app.prompt.selected).unwrap_or(0)),
    };
}

fn select(app: &mut App, by: isize) {
    let last = app.prompt.lanes.len().saturating_sub(1);
    app.prompt.selected = app.prompt.selected.saturating_add_signed(by).min(last);
}

fn sideways(app: &mut App, by: isize) {
    match app.prompt.token_in(app.prompt.selected) {
        Some(token) => {
            let last = app.prompt.lane().map_or(0, |lane| lane.tokens.len().saturating_sub(1));
            app.prompt.token = Some(token.saturating_add_signed(by).min(last));
        }
        None => select(app, by),
    }
}

fn page(app: &mut App, pages: isize) {
    if let Some(lane) = app.prompt.lane() {
        let room = lane.last_lines.get().1.saturating_sub(1).max(1);
        lane.scroll_by(pages.saturating_mul(room as isize));
    }
}

fn to_end(app: &mut App, end: bool) {
    let Some(lane) = app.prompt.lane() else { return };
    let last = lane.tokens.len().saturating_sub(1);
    match app.prompt.token {
        Some(_) => app.prompt.token = Some(if end { last } else { 0 }),
        None => lane.scroll.set(if end { None } else { Some(0) }),
    }
}

fn remove_lane(app: &mut App) {
    let prompt = &mut app.prompt;
    if prompt.selected < prompt.lanes.len() {
        prompt.lanes.remove(prompt.selected);
    }
    prompt.selected = prompt.selected.min(prompt.lanes.len().saturating_sub(1));
    if !prompt.lanes.iter().any(LaneView::is_busy) {
        cancel(app);
    }
}

fn move_lane(app: &mut App, by: isize) {
    let prompt = &mut app.prompt;
    let to = prompt.selected.saturating_add_signed(by);
    if to < prompt.lanes.len() && prompt.selected < prompt.lanes.len() {
        prompt.lanes.swap(prompt.selected, to);
        prompt.selected = to;
    }
}

fn next_again(app: &mut App) {
    app.prompt.again_from = app.mirror.status.as_ref().map_or(0, |status| status.step);
    app.prompt.again = match app.prompt.again {
        Again::Never => Again::Evaluations,
        Again::Evaluations => Again::Steps,
        Again::Steps => Again::Never,
    };
    let cost = app.mirror.status.as_ref().and_then(|status| status.sampling_cost);
    let cost = cost.map_or(String::new(), |cost| format!("; training runs at {cost:.2}× while lanes write"));
    app.say(match app.prompt.again {
        Again::Never => "the prompt is asked when you ask".to_string(),
        Again::Evaluations => format!("the prompt is asked again after each evaluation{cost}"),
        Again::Steps => format!("the prompt is asked again every {} steps{cost}", super::AGAIN_STEPS),
    });
}

fn copy(app: &mut App) {
    if let Some(lane) = app.prompt.lane() {
        let (text, count) = (lane.text(), lane.tokens.len());
        app.effect(Effect::Copy(text));
        app.say(format!("copied {count} tokens"));
    }
}
