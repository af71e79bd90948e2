//! The lines below the text: what the row and the token are, how a search stands, what is typed.

use super::{grouped, line, put, shade};
use crate::app::App;
use crate::app::corpus::{Corpus, Input, Mode, Purpose, Running, sources};
use crate::protocol::{Lane, TokenView};
use crate::tui::panes::Canvas;
use crate::tui::text::{number, printable};
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns of the scale of surprise.
const SCALE: u16 = 24;

/// Whether the line above the foot has something to say.
pub(super) fn has_legend(corpus: &Corpus) -> bool {
    corpus.pointed_token().is_some() || (corpus.surprise.is_some() && corpus.mode == Mode::Rows)
}

/// The token with the cursor, or the scale of surprise.
pub(super) fn legend(app: &App, area: Rect, canvas: &mut Canvas) {
    match app.corpus.pointed_token() {
        Some(token) => {
            put(canvas.buffer, indented(area), &about(token), canvas.theme.text);
        }
        None => scale(&app.corpus, indented(area), canvas),
    }
}

fn indented(area: Rect) -> Rect {
    Rect { x: area.x.saturating_add(1), width: area.width.saturating_sub(1), ..area }
}

/// What a token is: `" market" · id 512 · 2.31 nats · p 9.9%`.
fn about(token: &TokenView) -> String {
    if token.is_label {
        return format!("{} · what the text before it should be scored as", token.text.trim());
    }
    let text = match token.text.is_empty() {
        true => "a part of a character".into(),
        false => format!("\"{}\"", token.text.replace('\n', "↵")),
    };
    let role = if token.is_special { " · a mark" } else { "" };
    let learned = if token.learned { "" } else { " · only read" };
    let surprise = token.surprise.map(|nats| {
        let percent = 100.0 * (-nats as f64).exp();
        format!(" · {} nats · p {}%", number(nats as f64), number(percent))
    });
    format!("{text} · id {}{role}{}{learned}", token.id, surprise.unwrap_or_default())
}

/// Whose surprise it is, and which ground stands for how much.
fn scale(corpus: &Corpus, area: Rect, canvas: &mut Canvas) {
    let theme = canvas.theme;
    let (lane, style) = match &corpus.surprise {
        Some(Lane::Base) => ("base θ*".to_string(), theme.base),
        Some(lane) => (lane.to_string(), theme.live),
        None => return,
    };
    let whose = corpus.weights().map_or(lane, str::to_string);
    let taken = put(canvas.buffer, area, &format!("surprise of {whose}  "), style);
    let mut rest = Rect { x: area.x + taken, width: area.width - taken, ..area };
    if theme.heat.is_empty() {
        let text = format!("underlined {}+, bold {}+ nats", shade::UNDERLINED, shade::BOLD);
        if text.width() <= rest.width as usize {
            put(canvas.buffer, rest, &text, theme.dim);
        }
        return;
    }
    let end = format!(" {}+ nats", shade::HOTTEST);
    let columns = SCALE.min(rest.width.saturating_sub(2 + end.width() as u16));
    if columns < 4 {
        return;
    }
    let taken = put(canvas.buffer, rest, "0 ", theme.dim);
    (rest.x, rest.width) = (rest.x + taken, rest.width - taken);
    for column in 0..columns {
        let surprise = shade::HOTTEST * column as f64 / (columns - 1) as f64;
        put(
            canvas.buffer,
            Rect { x: rest.x + column, width: 1, ..rest },
            " ",
            shade::heated(Style::new(), surprise, theme),
        );
    }
    put(canvas.buffer, Rect { x: rest.x + columns, width: rest.width - columns, ..rest }, &end, theme.dim);
}

/// The last line: what is typed, how the search stands, or what the row is.
pub(super) fn draw(app: &App, area: Rect, has_token: bool, canvas: &mut Canvas) {
    let corpus = &app.corpus;
    match (&corpus.input, &corpus.search.running) {
        (Some(input), _) => typing(input, area, canvas),
        (None, Some(running)) => searching(&corpus.search.pattern, running, indented(area), canvas),
        (None, None) => match corpus.pointed_token().filter(|_| has_token) {
            Some(token) => {
                put(canvas.buffer, indented(area), &about(token), canvas.theme.text);
            }
            None => facts(app, indented(area), canvas),
        },
    }
}

fn typing(input: &Input, area: Rect, canvas: &mut Canvas) {
    let label = match input.purpose {
        Purpose::Search => " search: ",
        Purpose::Jump => " go to: ",
        Purpose::Source => " open: ",
    };
    let taken = put(canvas.buffer, area, label, canvas.theme.key);
    let rest = Rect { x: area.x + taken, width: area.width - taken, ..area };
    if rest.is_empty() {
        return;
    }
    // Text that is longer than its place begins with what still lets the cursor be seen.
    let mut hidden = 0;
    let excess = (input.line.cursor_columns() + 1).saturating_sub(rest.width as usize);
    let shown: String = input
        .line
        .text()
        .graphemes(true)
        .skip_while(|grapheme| {
            let is_hidden = hidden < excess;
            hidden += if is_hidden { grapheme.width() } else { 0 };
            is_hidden
        })
        .collect();
    put(canvas.buffer, rest, &shown, canvas.theme.text);
    let column = input.line.cursor_columns().saturating_sub(hidden) as u16;
    *canvas.cursor = Some((rest.x + column.min(rest.width - 1), rest.y));
    let hint = match input.purpose {
        Purpose::Search => "a regular expression",
        Purpose::Jump => "12430, 50% or @4096",
        Purpose::Source => "a path, or choose",
    };
    if input.line.text().is_empty() && rest.width as usize > hint.width() + 2 {
        put(canvas.buffer, Rect { x: rest.x + 2, width: rest.width - 2, ..rest }, hint, canvas.theme.dim);
    }
}

fn searching(pattern: &str, running: &Running, area: Rect, canvas: &mut Canvas) {
    let share = if running.total == 0 { 0.0 } else { running.done as f64 / running.total as f64 };
    let direction = if running.backwards { "↑" } else { "↓" };
    let text = format!("searching {direction} {:>3.0}% · esc stops · {pattern}", 100.0 * share.clamp(0.0, 1.0));
    put(canvas.buffer, area, &text, canvas.theme.pending);
}

/// Something that is said of a row, and how soon it is left out where there is no room.
struct Part {
    text: String,
    rank: u8,
}

fn facts(app: &App, area: Rect, canvas: &mut Canvas) {
    let corpus = &app.corpus;
    let mut parts = match corpus.mode {
        Mode::Rows => row_facts(app),
        Mode::Batch => batch_facts(corpus),
        Mode::Lengths => vec![Part { text: "i goes back to the rows".into(), rank: 0 }],
    };
    let width =
        |parts: &[Part]| parts.iter().map(|part| part.text.width()).sum::<usize>() + 3 * parts.len().saturating_sub(1);
    while width(&parts) > area.width as usize && parts.len() > 1 {
        let last = parts.iter().map(|part| part.rank).max().unwrap_or(0);
        parts.retain(|part| part.rank != last);
    }
    let texts: Vec<String> = parts.into_iter().map(|part| part.text).collect();
    put(canvas.buffer, area, &texts.join(" · "), canvas.theme.dim);
}

fn row_facts(app: &App) -> Vec<Part> {
    let corpus = &app.corpus;
    let Some(row) = corpus.window.row() else { return Vec::new() };
    let mut parts = counts(corpus);
    if parts.is_empty() {
        let text = match corpus.tokens.get(row.offset) {
            Some(Err(why)) => format!("no tokens: {}", why.lines().next().unwrap_or_default()),
            _ => format!("{} bytes, counting tokens …", grouped(row.bytes)),
        };
        parts.push(Part { text, rank: 0 });
    }
    let sources = sources(app);
    let place = sources.iter().position(|source| Some(*source) == corpus.source.as_deref());
    if let Some(place) = place {
        parts.push(Part { text: format!("source {} of {}", place + 1, sources.len()), rank: 3 });
    }
    if corpus.window.facts.files > 1 {
        parts.push(Part { text: row.file.clone(), rank: 4 });
    }
    parts
}

fn batch_facts(corpus: &Corpus) -> Vec<Part> {
    let mut parts = counts(corpus);
    let (row, rows) = (corpus.batch.window.cursor + 1, corpus.batch.window.rows.len());
    if let Some(tokens) = corpus.batch.tokens.get(corpus.batch.window.cursor) {
        let learned = tokens.iter().filter(|token| token.learned && !token.is_label).count();
        let labels = tokens.iter().filter(|token| token.is_label).count();
        parts.push(match labels {
            0 => Part { text: format!("{learned} learned"), rank: 1 },
            1 => Part { text: "a text with its label".into(), rank: 1 },
            _ => Part { text: format!("{labels} texts with their labels"), rank: 1 },
        });
        parts.insert(0, Part { text: format!("row {row} of {rows}"), rank: 0 });
    }
    parts.push(Part { text: "esc goes back".into(), rank: 4 });
    parts
}

/// Counts and means of the cursor's row, where its tokens are known.
fn counts(corpus: &Corpus) -> Vec<Part> {
    let Some(summary) = corpus.row_summary() else { return Vec::new() };
    let mut parts = vec![Part { text: format!("{:>2} tokens", summary.tokens), rank: 0 }];
    if let Some(ratio) = summary.bytes_per_token {
        parts.push(Part { text: format!("{ratio:.2} bytes/token"), rank: 2 });
    }
    if let Some(loss) = summary.loss {
        parts.push(Part { text: format!("loss {}", number(loss)), rank: 1 });
    }
    parts
}

/// A source's line in the list: its name and which phase reads it.
pub(super) fn source_line(name: &str, phase: &str, area: Rect, is_chosen: bool, canvas: &mut Canvas) {
    let style = if is_chosen { canvas.theme.cursor } else { canvas.theme.text };
    let shown: String = name.chars().map(printable).collect();
    let mark = if is_chosen { " ▸ " } else { "   " };
    let taken = put(canvas.buffer, line(area, 0), &format!("{mark}{shown} "), style);
    let rest = Rect { x: area.x + taken, width: area.width - taken, ..area };
    put(canvas.buffer, rest, &format!(" {phase}"), canvas.theme.dim);
}
