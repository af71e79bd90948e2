//! What is asked of the host, when, and what becomes of the answers.

use super::{Corpus, GUTTER, Mode, Running, Window};
use crate::app::App;
use crate::protocol::{Ask, CorpusAnswer, CorpusAsk, CorpusPage, Lane, Place, SearchHit};
use std::time::Duration;

/// Rows asked for at a time.
const PAGE: u32 = 64;
/// More rows are asked for when fewer than these are left before the cursor or after it.
const MARGIN: usize = 24;
/// Rows whose tokens may be asked for at once: scoring takes the model's time.
const TOKEN_REQUESTS: usize = 2;
/// While rows are still being counted, the count is asked for this often.
const FACTS_EVERY: Duration = Duration::from_secs(1);

/// What an answer is awaited for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pending {
    Jump(Place),
    After,
    Before,
    Facts,
    Tokens { offset: u64, surprise: Option<Lane> },
    Search { backwards: bool },
    Lengths,
    Batch(u64),
}

pub(super) fn ask(app: &mut App, ask: CorpusAsk, pending: Pending) -> u64 {
    let id = app.ask(Ask::Corpus(ask));
    app.corpus.pending.insert(id, pending);
    id
}

/// Goes to a place, wherever it is; what was asked about other places is forgotten.
pub(super) fn jump(app: &mut App, place: Place) {
    let Some(source) = app.corpus.source.clone() else { return };
    app.corpus.pending.retain(|_, pending| matches!(pending, Pending::Search { .. } | Pending::Lengths));
    app.corpus.mode = Mode::Rows;
    app.corpus.token = None;
    ask(app, CorpusAsk::Page { source, place, rows: PAGE }, Pending::Jump(place));
}

/// Looks for the next match from the cursor's row on: after it, or before it.
pub(super) fn search(app: &mut App, backwards: bool, includes_cursor: bool) {
    super::stop_search(app);
    let corpus = &app.corpus;
    let (Some(source), Some(row)) = (corpus.source.clone(), corpus.window.row()) else { return };
    let from = if backwards || includes_cursor { row.offset } else { row.offset + row.bytes };
    let pattern = corpus.search.pattern.clone();
    let id = ask(app, CorpusAsk::Search { source, pattern, from, backwards }, Pending::Search { backwards });
    app.corpus.search.running = Some(Running { id, backwards, done: 0, total: 0 });
}

pub(super) fn lengths(app: &mut App) {
    let Some(source) = app.corpus.source.clone() else { return };
    app.corpus.mode = Mode::Lengths;
    let is_known = matches!(app.corpus.lengths, Some(Ok(_)));
    if !is_known && !app.corpus.is_waiting() {
        app.corpus.lengths = None;
        ask(app, CorpusAsk::Lengths { source }, Pending::Lengths);
    }
}

/// Asks for what the screen lacks. It is called after everything that may have changed that.
pub fn refresh(app: &mut App) {
    let Some(welcome) = &app.mirror.welcome else { return };
    if app.mirror.goodbye.is_some() {
        return;
    }
    if app.corpus.run.as_deref() != Some(welcome.path.as_str()) {
        let (run, size) = (welcome.path.clone(), app.corpus.last_size.get());
        app.corpus = Corpus { run: Some(run), ..Corpus::default() };
        app.corpus.last_size.set(size);
    }
    if app.corpus.source.is_none() {
        let first = super::sources(app).first().map(|first| first.to_string());
        if let Some(first) = first {
            super::open(app, &first);
        }
    }
    if app.corpus.mode == Mode::Rows && !app.corpus.is_waiting() {
        ask_for_rows(app);
        ask_for_facts(app);
        ask_for_tokens(app);
    }
}

fn ask_for_rows(app: &mut App) {
    let (corpus, Some(source)) = (&app.corpus, app.corpus.source.clone()) else { return };
    let window = &corpus.window;
    let is_asked = |pending: Pending| corpus.pending.values().any(|other| *other == pending);
    let (_, lines) = corpus.last_size.get();
    let below = window.rows.len().saturating_sub(window.cursor.max(window.top));
    let wants_after = !window.at_end && below < MARGIN + lines as usize && !is_asked(Pending::After);
    let wants_before = !window.at_start && window.top.min(window.cursor) < MARGIN && !is_asked(Pending::Before);
    let (first, end) = (window.first(), window.end());
    if let Some(end) = end.filter(|_| wants_after) {
        ask(app, CorpusAsk::Page { source: source.clone(), place: Place::Byte(end), rows: PAGE }, Pending::After);
    }
    if let Some(first) = first.filter(|_| wants_before) {
        ask(app, CorpusAsk::Page { source, place: Place::Before(first), rows: PAGE }, Pending::Before);
    }
}

fn ask_for_facts(app: &mut App) {
    let corpus = &app.corpus;
    let (Some(source), Some(row)) = (corpus.source.clone(), corpus.window.row()) else { return };
    let facts = &corpus.window.facts;
    let is_due = app.now.saturating_sub(corpus.facts_asked) >= FACTS_EVERY;
    let lacks = facts.indexed < facts.bytes || row.number.is_none();
    if lacks && is_due && !corpus.pending.values().any(|pending| *pending == Pending::Facts) {
        let place = Place::Byte(row.offset);
        app.corpus.facts_asked = app.now;
        ask(app, CorpusAsk::Page { source, place, rows: 1 }, Pending::Facts);
    }
}

/// Tokens of the cursor's row, and where tokens are shown of every row on the screen.
fn ask_for_tokens(app: &mut App) {
    let step = steps(app);
    let corpus = &app.corpus;
    let Some(source) = corpus.source.clone() else { return };
    let asked = corpus.pending.values().filter_map(|pending| match pending {
        Pending::Tokens { offset, .. } => Some(*offset),
        _ => None,
    });
    let asked: Vec<u64> = asked.collect();
    let on_screen = if corpus.is_cut_in_tokens() { rows_on_screen(corpus) } else { 0..0 };
    let window = &corpus.window;
    let rows = std::iter::once(window.cursor).chain(on_screen).filter_map(|index| window.rows.get(index));
    let mut wanted: Vec<u64> = rows
        .map(|row| row.offset)
        .filter(|offset| !asked.contains(offset) && corpus.tokens.wants(*offset, &corpus.surprise, app.now, step))
        .collect();
    wanted.dedup();
    wanted.truncate(TOKEN_REQUESTS.saturating_sub(asked.len()));
    let surprise = corpus.surprise.clone();
    for offset in wanted {
        let question = CorpusAsk::Tokens { source: source.clone(), offset, surprise: surprise.clone() };
        ask(app, question, Pending::Tokens { offset, surprise: surprise.clone() });
    }
}

fn steps(app: &App) -> u64 {
    app.mirror.status.as_ref().map_or(0, |status| status.step)
}

/// The rows that the screen shows, by their places in the window.
fn rows_on_screen(corpus: &Corpus) -> std::ops::Range<usize> {
    let (columns, lines) = corpus.last_size.get();
    let window = corpus.shown();
    let (mut filled, mut end) = (0, window.top);
    while let Some(row) = window.rows.get(end).filter(|_| filled < lines as usize + window.above) {
        filled += corpus.height(row, columns.saturating_sub(GUTTER));
        end += 1;
    }
    window.top..end
}

/// The host answered a question of this pane.
pub fn answered(app: &mut App, id: u64, answer: CorpusAnswer) {
    if let CorpusAnswer::Searching { done, total } = answer {
        if let Some(running) = app.corpus.search.running.as_mut().filter(|running| running.id == id) {
            (running.done, running.total) = (done, total);
        }
        return;
    }
    let Some(pending) = app.corpus.pending.remove(&id) else { return };
    match (pending, answer) {
        (pending, CorpusAnswer::Failed(why)) => failed(app, pending, why),
        (Pending::Jump(place), CorpusAnswer::Page(page)) => jumped(app, place, page),
        (Pending::After, CorpusAnswer::Page(page)) => app.corpus.window.append(page),
        (Pending::Before, CorpusAnswer::Page(page)) => app.corpus.window.prepend(page),
        (Pending::Facts, CorpusAnswer::Page(page)) => app.corpus.window.learn(page),
        (Pending::Tokens { offset, surprise }, CorpusAnswer::Tokens(tokens)) => {
            let (now, step) = (app.now, steps(app));
            app.corpus.tokens.insert(offset, Ok(tokens), surprise, now, step);
            app.corpus.clamp_token();
        }
        (Pending::Search { backwards }, CorpusAnswer::Found(hit)) => found(app, backwards, hit),
        (Pending::Lengths, CorpusAnswer::Lengths(lengths)) => app.corpus.lengths = Some(Ok(lengths)),
        (Pending::Batch(step), CorpusAnswer::Batch(view)) if app.corpus.batch.step == step => {
            app.corpus.batch.fill(view)
        }
        // An answer to something else than was asked says nothing.
        _ => {}
    }
    refresh(app);
}

fn jumped(app: &mut App, place: Place, page: CorpusPage) {
    let corpus = &mut app.corpus;
    (corpus.window, corpus.failure) = (Window::of(page), None);
    if matches!(place, Place::End | Place::Before(_)) {
        corpus.window.cursor = corpus.window.rows.len().saturating_sub(1);
        corpus.moving(|window, screen| window.show_cursor(screen));
    } else if corpus.window.row().map(|row| row.offset) == corpus.search.hit.as_ref().map(|hit| hit.offset) {
        corpus.show_hit();
    }
}

fn found(app: &mut App, backwards: bool, hit: Option<SearchHit>) {
    app.corpus.search.running = None;
    let Some(hit) = hit else {
        let (side, other) = if backwards { ("above", "n searches down") } else { ("below", "N searches up") };
        return app.refuse(format!("no match {side}: {other}"));
    };
    app.say("found · n for the next, N for the one before");
    let offset = hit.offset;
    app.corpus.search.hit = Some(hit);
    app.corpus.token = None;
    app.corpus.mode = Mode::Rows;
    match app.corpus.window.rows.iter().position(|row| row.offset == offset) {
        Some(index) => {
            app.corpus.window.cursor = index;
            app.corpus.show_hit();
        }
        None => jump(app, Place::Byte(offset)),
    }
}

fn failed(app: &mut App, pending: Pending, why: String) {
    let (now, step) = (app.now, steps(app));
    let corpus = &mut app.corpus;
    match pending {
        Pending::Tokens { offset, surprise } => corpus.tokens.insert(offset, Err(why), surprise, now, step),
        Pending::Lengths => corpus.lengths = Some(Err(why)),
        Pending::Batch(_) => corpus.batch.failure = Some(why),
        Pending::Search { .. } => {
            corpus.search.running = None;
            app.refuse(first_lines(&why));
        }
        Pending::Jump(_) | Pending::After | Pending::Before | Pending::Facts => {
            (corpus.failure, corpus.window) = (Some(why), Window::default());
        }
    }
}

/// What went wrong and why, on one line.
fn first_lines(why: &str) -> String {
    why.lines().take(2).map(str::trim).collect::<Vec<_>>().join("; ").replace("because: ", "")
}

impl Corpus {
    /// Keeps the token cursor on a token that there is.
    pub(super) fn clamp_token(&mut self) {
        let count = self.shown().row().and_then(|row| self.tokens_of(row)).map_or(0, <[_]>::len);
        self.token = self.token.filter(|_| count > 0).map(|token| token.min(count - 1));
    }

    /// Brings the match on the screen, also where its row is higher than the screen.
    fn show_hit(&mut self) {
        let (columns, _) = self.last_size.get();
        let start = self.search.hit.as_ref().map_or(0, |hit| hit.start as usize);
        let line = self.window.row().and_then(|row| {
            let layout = self.layout(row, columns.saturating_sub(GUTTER));
            (0..layout.len()).rev().find(|line| layout.line(*line).first().is_some_and(|glyph| glyph.at <= start))
        });
        self.moving(|window, screen| {
            window.show_cursor(screen);
            window.show_line(line.unwrap_or(0), screen);
        });
    }
}
