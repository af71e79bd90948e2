//! The corpus pane: any source, browsed, searched, and read through a model's eyes.

mod actions;
mod answers;
mod explanations;
mod input;
mod layout;
mod pointing;
mod tokens;
mod window;

pub use actions::ACTIONS;
pub use answers::{answered, refresh};
pub use explanations::EXPLANATIONS;
pub use input::{Input, Purpose, typed};
pub use layout::{Glyph, Layout, Shape};
pub use pointing::pointed;
pub use tokens::{Summary, TokenCache, summary};
pub use window::{Screen, Window};

use super::{App, Pane};
use crate::protocol::{Ask, BatchView, CorpusAsk, CorpusRow, Lane, Place, RowLengths, SearchHit, TokenView};
use answers::Pending;
use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

/// Columns left of the text: the cursor, and the sign of what is learned.
pub const GUTTER: u16 = 2;

/// What the pane shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Rows,
    /// How long rows are.
    Lengths,
    /// The rows of a step.
    Batch,
}

/// A search, as far as it has come.
#[derive(Clone, Debug, Default)]
pub struct Search {
    pub pattern: String,
    pub hit: Option<SearchHit>,
    pub running: Option<Running>,
}

/// A search that is under way: its request, and bytes done of how many.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    pub id: u64,
    pub backwards: bool,
    pub done: u64,
    pub total: u64,
}

/// What a step was made of.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub step: u64,
    pub phase: String,
    /// Its rows, under their places in the batch.
    pub window: Window,
    pub tokens: Vec<Vec<TokenView>>,
    pub failure: Option<String>,
}

/// The state of the pane.
#[derive(Default)]
pub struct Corpus {
    /// The run that the sources are of.
    run: Option<String>,
    /// As it is asked for: a name in the plan, or a path.
    pub source: Option<String>,
    pub window: Window,
    pub mode: Mode,
    pub shows_tokens: bool,
    /// Whose surprise shades the tokens.
    pub surprise: Option<Lane>,
    /// Long lines go out of sight, from this column on, instead of on below.
    pub unwrapped: Option<usize>,
    pub tokens: TokenCache,
    /// The token with the cursor, in the cursor's row.
    pub token: Option<usize>,
    pub search: Search,
    pub input: Option<Input>,
    pub lengths: Option<Result<RowLengths, String>>,
    pub batch: Batch,
    /// Why there is nothing to show.
    pub failure: Option<String>,
    pending: HashMap<u64, Pending>,
    /// When the facts were asked for last.
    facts_asked: Duration,
    /// Columns and lines of the text, as it was drawn last.
    pub last_size: Cell<(u16, u16)>,
}

impl Corpus {
    /// Whether a line is being typed.
    pub fn is_typing(&self) -> bool {
        self.input.is_some()
    }

    /// The rows on the screen: of the source, or of a batch.
    pub fn shown(&self) -> &Window {
        if self.mode == Mode::Batch { &self.batch.window } else { &self.window }
    }

    fn shown_mut(&mut self) -> &mut Window {
        if self.mode == Mode::Batch { &mut self.batch.window } else { &mut self.window }
    }

    /// Whether an answer about the rows on the screen is still to come.
    pub fn is_waiting(&self) -> bool {
        self.pending.values().any(|pending| match self.mode {
            Mode::Rows => matches!(pending, Pending::Jump(_)),
            Mode::Lengths => matches!(pending, Pending::Lengths),
            Mode::Batch => matches!(pending, Pending::Batch(_)),
        })
    }

    /// Whether rows are shown as tokens.
    pub fn is_cut_in_tokens(&self) -> bool {
        self.shows_tokens || self.surprise.is_some() || self.mode == Mode::Batch
    }

    /// The tokens of a row that is on the screen, where they are known.
    pub fn tokens_of(&self, row: &CorpusRow) -> Option<&[TokenView]> {
        match self.mode {
            Mode::Batch => self.batch.tokens.get(row.offset as usize).map(Vec::as_slice),
            _ => self.tokens.get(row.offset)?.ok().map(|tokens| tokens.tokens.as_slice()),
        }
    }

    /// The stretches of text that a row is shown in: its tokens, or what is learned and what is not.
    pub fn spans<'a>(&'a self, row: &'a CorpusRow) -> Vec<&'a str> {
        match self.tokens_of(row).filter(|_| self.is_cut_in_tokens()) {
            Some(tokens) => tokens.iter().map(|token| token.text.as_str()).collect(),
            None => row.segments.iter().map(|segment| segment.text.as_str()).collect(),
        }
    }

    /// A row in lines of `columns` columns, the gutter not counted.
    pub fn layout(&self, row: &CorpusRow, columns: u16) -> Layout {
        let shows_breaks = self.is_cut_in_tokens() && self.tokens_of(row).is_some();
        let shape = Shape { columns: columns as usize, wraps: self.unwrapped.is_none(), shows_breaks };
        Layout::new(self.spans(row), shape)
    }

    /// Lines of a row, with the one that says why it is broken.
    pub fn height(&self, row: &CorpusRow, columns: u16) -> usize {
        (self.layout(row, columns).len() + row.broken.is_some() as usize).max(1)
    }

    /// Moves in the rows that are shown, knowing how they lie on the screen.
    fn moving(&mut self, change: impl FnOnce(&mut Window, &Screen)) {
        let mut window = std::mem::take(self.shown_mut());
        let (columns, lines) = self.last_size.get();
        let height = |row: &CorpusRow| self.height(row, columns.saturating_sub(GUTTER));
        change(&mut window, &Screen { lines: lines as usize, height: &height });
        *self.shown_mut() = window;
    }

    /// The token with the cursor, if there is one.
    pub fn pointed_token(&self) -> Option<&TokenView> {
        self.tokens_of(self.shown().row()?)?.get(self.token?)
    }

    /// Counts and means of the row with the cursor, where its tokens are known.
    pub fn row_summary(&self) -> Option<Summary> {
        Some(summary(self.tokens_of(self.shown().row()?)?))
    }

    /// Whose surprise is shown, in the host's words: `live, step 1240`.
    pub fn weights(&self) -> Option<&str> {
        let tokens = self.tokens.get(self.window.row()?.offset)?.ok()?;
        tokens.weights.as_deref()
    }

    /// What `source` is called on the screen: a set of the world by its name, a file by its own.
    pub fn short_name(source: &str) -> &str {
        let name = source.strip_prefix("world:").unwrap_or(source);
        let name = name.trim_end_matches('/');
        name.rsplit('/').next().filter(|last| !last.is_empty()).unwrap_or(name)
    }
}

/// The plan's sources, each once, in the plan's order.
pub fn sources(app: &App) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in app.mirror.welcome.iter().flat_map(|welcome| &welcome.sources) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

/// Opens a source at its beginning.
pub fn open(app: &mut App, source: &str) {
    stop_search(app);
    let corpus = &mut app.corpus;
    let kept =
        (corpus.run.take(), corpus.shows_tokens, corpus.surprise.take(), corpus.unwrapped, corpus.last_size.get());
    *corpus = Corpus::default();
    (corpus.run, corpus.shows_tokens, corpus.surprise, corpus.unwrapped) = (kept.0, kept.1, kept.2, kept.3);
    corpus.last_size.set(kept.4);
    corpus.source = Some(source.into());
    answers::jump(app, Place::Byte(0));
}

/// Ends a search that is under way; says whether there was one.
fn stop_search(app: &mut App) -> bool {
    let Some(running) = app.corpus.search.running.take() else { return false };
    app.corpus.pending.remove(&running.id);
    app.ask(Ask::Cancel(running.id));
    true
}

/// Another host is on the line: what was asked of the one before is asked again where it is lacking.
pub fn left(app: &mut App) {
    let corpus = &mut app.corpus;
    corpus.pending.clear();
    corpus.search.running = None;
    if corpus.window.rows.is_empty() {
        corpus.run = None;
    }
}

/// Shows the batch that a step was made of.
pub fn show_batch(app: &mut App, step: u64) {
    app.focus = Pane::Corpus;
    app.corpus.mode = Mode::Batch;
    app.corpus.token = None;
    app.corpus.batch = Batch { step, ..Batch::default() };
    answers::ask(app, CorpusAsk::Batch { step }, Pending::Batch(step));
}

impl Batch {
    /// Takes in what came; the rows are kept as rows of a page are, so that everything moves the same.
    fn fill(&mut self, view: BatchView) {
        let (rows, tokens): (Vec<CorpusRow>, Vec<Vec<TokenView>>) =
            view.rows.into_iter().enumerate().map(|(index, tokens)| (batch_row(index, &tokens), tokens)).unzip();
        self.phase = view.phase;
        self.window = Window { rows: rows.into(), at_start: true, at_end: true, ..Window::default() };
        self.tokens = tokens;
    }
}

fn batch_row(index: usize, tokens: &[TokenView]) -> CorpusRow {
    let stretches = tokens.chunk_by(|a, b| a.learned == b.learned);
    let segments = stretches.map(|stretch| crate::protocol::RowSegment {
        text: stretch.iter().map(|token| token.text.as_str()).collect(),
        learned: stretch.first().is_some_and(|token| token.learned),
    });
    CorpusRow {
        offset: index as u64,
        bytes: 1,
        number: Some(index as u64 + 1),
        file: String::new(),
        segments: segments.collect(),
        is_cut: false,
        broken: None,
    }
}

/// The key of what the cursor is on, for the explanation of it.
pub fn explained(app: &App) -> Option<&'static str> {
    let corpus = &app.corpus;
    let has_prompt = corpus.shown().row().is_some_and(|row| row.segments.iter().any(|segment| !segment.learned));
    Some(match corpus.mode {
        Mode::Lengths => "lengths",
        Mode::Batch => "batch",
        Mode::Rows if corpus.surprise.is_some() => "surprise",
        Mode::Rows if corpus.shows_tokens => "tokens",
        Mode::Rows if has_prompt => "masked",
        Mode::Rows => "bytes-per-token",
    })
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
