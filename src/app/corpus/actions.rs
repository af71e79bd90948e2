//! What can be done in the corpus pane.

use super::input::{Input, Purpose};
use super::{Mode, answers, open, show_batch, sources, stop_search};
use crate::app::action::{Action, Scope, action, always};
use crate::app::{App, Effect, Pane};
use crate::protocol::{Lane, Place};

const HERE: Scope = Scope::In(Pane::Corpus);

const fn in_footer(action: Action) -> Action {
    Action { in_footer: true, ..action }
}

/// What can be done here.
pub const ACTIONS: &[Action] = &[
    in_footer(action(
        HERE,
        "corpus.search",
        &["/"],
        "search",
        "search for a regular expression, from the cursor on",
        needs_rows,
        |app| app.corpus.input = Some(Input::new(Purpose::Search)),
    )),
    in_footer(action(
        HERE,
        "corpus.next-match",
        &["n"],
        "next",
        "go to the next row that matches",
        needs_pattern,
        |app| answers::search(app, false, false),
    )),
    action(
        HERE,
        "corpus.previous-match",
        &["N"],
        "previous",
        "go to the row before that matches",
        needs_pattern,
        |app| answers::search(app, true, false),
    ),
    in_footer(action(
        HERE,
        "corpus.tokens",
        &["t"],
        "tokens",
        "show where the tokenizer cuts the text, or hide it",
        needs_source,
        |app| {
            app.corpus.shows_tokens = !app.corpus.shows_tokens;
            app.corpus.token = None;
            changed(app);
        },
    )),
    in_footer(action(
        HERE,
        "corpus.surprise",
        &["s"],
        "surprise",
        "shade each token by how surprised the live model is, then the base (θ*), then none",
        needs_source,
        next_surprise,
    )),
    in_footer(action(
        HERE,
        "corpus.open",
        &["o"],
        "open",
        "open a source of the plan, or any file or folder",
        needs_run,
        |app| app.corpus.input = Some(Input::new(Purpose::Source)),
    )),
    action(HERE, "corpus.next-source", &[">"], "next source", "open the plan's next source", needs_sources, |app| {
        by_source(app, 1)
    }),
    action(
        HERE,
        "corpus.previous-source",
        &["<"],
        "source back",
        "open the plan's source before",
        needs_sources,
        |app| by_source(app, -1),
    ),
    in_footer(action(
        HERE,
        "corpus.jump",
        &["J"],
        "jump",
        "go to a row (12430), a share (50%) or a byte (@4096)",
        needs_source,
        |app| app.corpus.input = Some(Input::new(Purpose::Jump)),
    )),
    in_footer(action(
        HERE,
        "corpus.lengths",
        &["i"],
        "lengths",
        "show how long rows are, in tokens",
        needs_source,
        |app| {
            if app.corpus.mode == Mode::Lengths { app.corpus.mode = Mode::Rows } else { answers::lengths(app) }
        },
    )),
    action(HERE, "corpus.batch", &["b"], "batch", "show the rows that the last step learned from", needs_step, |app| {
        let step = app.mirror.status.as_ref().map_or(0, |status| status.step);
        show_batch(app, step);
    }),
    action(HERE, "corpus.wrap", &["w"], "wrap", "let long lines go on below, or out of sight", always, |app| {
        let corpus = &mut app.corpus;
        corpus.unwrapped = if corpus.unwrapped.is_some() { None } else { Some(0) };
        changed(app);
    }),
    action(HERE, "corpus.down", &["down", "j"], "down", "go to the next row", needs_rows, |app| {
        moved(app, |window, screen| window.down(screen))
    }),
    action(HERE, "corpus.up", &["up", "k"], "up", "go to the row before", needs_rows, |app| {
        moved(app, |window, screen| window.up(screen))
    }),
    action(HERE, "corpus.page-down", &["pgdn", "space"], "page down", "go a screen on", needs_rows, |app| {
        moved(app, |window, screen| window.page(true, screen))
    }),
    action(HERE, "corpus.page-up", &["pgup"], "page up", "go a screen back", needs_rows, |app| {
        moved(app, |window, screen| window.page(false, screen))
    }),
    action(HERE, "corpus.home", &["home", "g"], "start", "go to the first row", needs_source, |app| to_end(app, false)),
    action(HERE, "corpus.end", &["end", "G"], "end", "go to the last row", needs_source, |app| to_end(app, true)),
    action(
        HERE,
        "corpus.right",
        &["right", "l"],
        "token on",
        "read the next token; or look further right",
        needs_rows,
        |app| aside(app, true),
    ),
    action(
        HERE,
        "corpus.left",
        &["left", "h"],
        "token back",
        "read the token before; or look further left",
        needs_rows,
        |app| aside(app, false),
    ),
    action(
        HERE,
        "corpus.copy-row",
        &["Y"],
        "copy row",
        "copy the text of the row to the terminal's clipboard",
        needs_rows,
        copy_row,
    ),
    action(
        HERE,
        "corpus.reopen",
        &["r"],
        "open again",
        "open the source again, after its files changed",
        needs_source,
        |app| {
            if let Some(source) = app.corpus.source.clone() {
                open(app, &source);
            }
        },
    ),
    action(
        HERE,
        "corpus.back",
        &["esc"],
        "back",
        "end the search, or go back to the rows",
        needs_something_to_leave,
        back,
    ),
];

fn needs_run(app: &App) -> Option<String> {
    app.mirror.welcome.is_none().then(|| "not attached to a run yet".into())
}

fn needs_source(app: &App) -> Option<String> {
    app.corpus.source.is_none().then(|| "no source is open: o opens one".into())
}

fn needs_rows(app: &App) -> Option<String> {
    let is_empty = app.corpus.mode != Mode::Lengths && app.corpus.shown().rows.is_empty();
    needs_source(app)
        .filter(|_| app.corpus.mode != Mode::Batch)
        .or_else(|| is_empty.then(|| "there are no rows yet".into()))
}

fn needs_pattern(app: &App) -> Option<String> {
    let has_none = app.corpus.search.pattern.is_empty();
    has_none.then(|| "nothing was searched for: / searches".to_string()).or_else(|| needs_rows(app))
}

fn needs_sources(app: &App) -> Option<String> {
    (sources(app).len() < 2).then(|| "the plan has no other source: o opens any file or folder".into())
}

fn needs_step(app: &App) -> Option<String> {
    let steps = app.mirror.status.as_ref().map_or(0, |status| status.step);
    (steps == 0).then(|| "no step is done yet".into())
}

fn needs_something_to_leave(app: &App) -> Option<String> {
    let corpus = &app.corpus;
    let has_something = corpus.search.running.is_some() || corpus.mode != Mode::Rows || corpus.token.is_some();
    (!has_something).then(|| "there is nothing to go back from".into())
}

/// Something about how rows are shown changed: their heights may have.
fn changed(app: &mut App) {
    app.corpus.moving(|window, screen| window.show_cursor(screen));
    answers::refresh(app);
}

fn moved(app: &mut App, change: impl FnOnce(&mut super::Window, &super::Screen)) {
    if app.corpus.mode == Mode::Lengths {
        app.corpus.mode = Mode::Rows;
    }
    let before = app.corpus.shown().cursor;
    app.corpus.moving(change);
    if app.corpus.shown().cursor != before {
        app.corpus.token = None;
    }
    answers::refresh(app);
}

fn to_end(app: &mut App, is_last: bool) {
    let window = app.corpus.shown();
    let is_here = if is_last { window.at_end } else { window.at_start };
    if app.corpus.mode == Mode::Rows && !is_here {
        return answers::jump(app, if is_last { Place::End } else { Place::Byte(0) });
    }
    moved(app, |window, screen| {
        window.cursor = if is_last { window.rows.len().saturating_sub(1) } else { 0 };
        window.show_cursor(screen);
    });
}

fn next_surprise(app: &mut App) {
    let corpus = &mut app.corpus;
    corpus.mode = Mode::Rows;
    corpus.surprise = match &corpus.surprise {
        None => Some(Lane::Live),
        Some(Lane::Live) => Some(Lane::Base),
        Some(_) => None,
    };
    changed(app);
}

fn by_source(app: &mut App, by: isize) {
    let sources = sources(app);
    let current = sources.iter().position(|source| Some(*source) == app.corpus.source.as_deref());
    let next = match current {
        Some(current) => (current as isize + by).rem_euclid(sources.len() as isize) as usize,
        None => 0,
    };
    if let Some(source) = sources.get(next).map(|source| source.to_string()) {
        open(app, &source);
    }
}

/// Columns that unwrapped text moves by.
const SIDESTEP: usize = 8;

fn aside(app: &mut App, is_right: bool) {
    if let Some(shift) = app.corpus.unwrapped.filter(|_| !app.corpus.is_cut_in_tokens()) {
        app.corpus.unwrapped = Some(if is_right { shift + SIDESTEP } else { shift.saturating_sub(SIDESTEP) });
        return;
    }
    if app.corpus.mode == Mode::Rows && !app.corpus.is_cut_in_tokens() {
        app.corpus.shows_tokens = true;
    }
    let last =
        app.corpus.shown().row().and_then(|row| app.corpus.tokens_of(row)).map(|tokens| tokens.len().saturating_sub(1));
    app.corpus.token = match (app.corpus.token, last) {
        (_, None) => None,
        (None, Some(last)) => Some(if is_right { 0 } else { last }),
        (Some(token), Some(last)) => Some(if is_right { (token + 1).min(last) } else { token.saturating_sub(1) }),
    };
    app.corpus.show_token();
    answers::refresh(app);
}

impl super::Corpus {
    /// Brings the token with the cursor on the screen.
    pub(super) fn show_token(&mut self) {
        let (columns, _) = self.last_size.get();
        let columns = columns.saturating_sub(super::GUTTER);
        let place = self.shown().row().zip(self.token).map(|(row, token)| {
            let layout = self.layout(row, columns);
            let line = layout.line_of(token).unwrap_or(0);
            let column: usize =
                layout.line(line).iter().take_while(|glyph| glyph.span < token).map(|glyph| glyph.width).sum();
            (line, column)
        });
        let Some((line, column)) = place else { return };
        if let Some(shift) = &mut self.unwrapped {
            let room = (columns as usize).saturating_sub(SIDESTEP).max(1);
            *shift = (*shift).clamp((column + 1).saturating_sub(room), column);
        }
        self.moving(|window, screen| window.show_line(line, screen));
    }
}

fn copy_row(app: &mut App) {
    let Some(row) = app.corpus.shown().row() else { return };
    let text: String = row.segments.iter().map(|segment| segment.text.as_str()).collect();
    app.say(format!("copied {} bytes", text.len()));
    app.effect(Effect::Copy(text));
}

fn back(app: &mut App) {
    if stop_search(app) {
        app.say("the search was stopped");
    } else if app.corpus.mode != Mode::Rows {
        app.corpus.mode = Mode::Rows;
        app.corpus.token = None;
        answers::refresh(app);
    } else {
        app.corpus.token = None;
    }
}
