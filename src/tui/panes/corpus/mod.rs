//! The corpus pane: any source, browsed, searched, and read through a model's eyes.

mod chooser;
mod foot;
mod lengths;
mod rows;
mod shade;

use super::Canvas;
use crate::app::App;
use crate::app::corpus::{Corpus, Mode, Purpose};
use crate::tui::text::printable;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

/// From this many lines on there is room for a line below the text, and for one more.
const WITH_FOOT: u16 = 3;
const WITH_LEGEND: u16 = 6;

/// Draws the inside of the pane. The frame around it, with what [`title`] says, is drawn already.
pub fn draw(app: &App, area: Rect, canvas: &mut Canvas) {
    let area = area.intersection(*canvas.buffer.area());
    let corpus = &app.corpus;
    let has_foot = area.height >= WITH_FOOT || (area.height > 0 && corpus.is_typing());
    let has_legend = area.height >= WITH_LEGEND && corpus.mode != Mode::Lengths && foot::has_legend(corpus);
    let body = Rect { height: area.height - has_foot as u16 - has_legend as u16, ..area };
    corpus.last_size.set((body.width, body.height));
    if area.is_empty() {
        return;
    }
    draw_body(app, body, canvas);
    if has_legend {
        foot::legend(app, line(area, body.height), canvas);
    }
    if has_foot {
        foot::draw(app, line(area, area.height - 1), !has_legend, canvas);
    }
}

/// Line `index` of an area.
fn line(area: Rect, index: u16) -> Rect {
    Rect { y: area.y + index, height: 1, ..area }
}

fn draw_body(app: &App, area: Rect, canvas: &mut Canvas) {
    let corpus = &app.corpus;
    let is_choosing = corpus.input.as_ref().is_some_and(|input| input.purpose == Purpose::Source);
    let failure = if corpus.mode == Mode::Batch { &corpus.batch.failure } else { &corpus.failure };
    match (corpus.mode, failure) {
        _ if is_choosing => chooser::draw(app, area, canvas),
        (Mode::Lengths, _) => lengths::draw(app, area, canvas),
        (_, Some(why)) => paragraph(area, why, canvas.theme.error, canvas.buffer),
        _ if corpus.shown().rows.is_empty() => paragraph(area, &waiting(app), canvas.theme.dim, canvas.buffer),
        _ => rows::draw(corpus, area, canvas),
    }
}

/// What stands where there are no rows.
fn waiting(app: &App) -> String {
    let corpus = &app.corpus;
    match (&app.mirror.welcome, &corpus.source) {
        (None, _) => "waiting for the run".into(),
        (Some(_), None) if corpus.mode == Mode::Rows => "the plan names no source: o opens any file or folder".into(),
        _ if corpus.mode == Mode::Batch && corpus.is_waiting() => {
            format!("reading the batch of step {} …", corpus.batch.step)
        }
        (_, Some(source)) if corpus.is_waiting() => format!("opening {} …", Corpus::short_name(source)),
        _ => "there is nothing in it".into(),
    }
}

/// Text in lines, broken anywhere.
fn paragraph(area: Rect, text: &str, style: Style, buffer: &mut Buffer) {
    use crate::app::corpus::{Layout, Shape};
    let inner = Rect { x: area.x.saturating_add(1), width: area.width.saturating_sub(2), ..area };
    let shape = Shape { columns: inner.width as usize, wraps: true, shows_breaks: false };
    let layout = Layout::new([text], shape);
    for index in 0..layout.len().min(inner.height as usize) {
        let glyphs = layout.line(index);
        let range = glyphs.first().map_or(0, |glyph| glyph.start)..glyphs.last().map_or(0, |glyph| glyph.end);
        put(buffer, line(inner, index as u16), text.get(range).unwrap_or_default(), style);
    }
}

/// Writes foreign text into a line, as much as fits; gives back the columns it took.
fn put(buffer: &mut Buffer, area: Rect, text: &str, style: Style) -> u16 {
    if area.is_empty() {
        return 0;
    }
    let shown: String = text.chars().map(printable).collect();
    let (end, _) = buffer.set_stringn(area.x, area.y, shown, area.width as usize, style);
    end - area.x
}

/// 12 430, in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// What stands in the frame after the pane's name, in as many columns as there are.
pub fn title(app: &App, columns: u16) -> String {
    let corpus = &app.corpus;
    let printed = |text: &str| text.chars().map(printable).collect::<String>();
    let Some(source) = corpus.source.as_deref().or((corpus.mode == Mode::Batch).then_some("")) else {
        return String::new();
    };
    let name = printed(Corpus::short_name(source));
    let candidates = match corpus.mode {
        Mode::Lengths => vec![format!("{name} · lengths"), "lengths".into()],
        Mode::Batch => {
            let step = format!("batch of step {}", grouped(corpus.batch.step));
            let phase = printed(&corpus.batch.phase);
            let long = if phase.is_empty() { step.clone() } else { format!("{step} · {phase}") };
            vec![long, step, "batch".into()]
        }
        Mode::Rows => vec![format!("{name} · {}", place(corpus)), place(corpus), name],
    };
    let fits = |title: &String| title.width() <= columns as usize;
    candidates.into_iter().find(|title| fits(title) && !title.is_empty()).unwrap_or_default()
}

/// Where the cursor is: row of rows, or the share of the bytes while rows are not counted that far.
fn place(corpus: &Corpus) -> String {
    let facts = &corpus.window.facts;
    let Some(row) = corpus.window.row() else { return String::new() };
    let sign = if facts.indexed < facts.bytes { "~" } else { "" };
    let rows = grouped(facts.rows);
    match row.number {
        Some(number) => format!("{} of {sign}{rows}", grouped(number)),
        None => format!("{:.0}% of {sign}{rows}", 100.0 * row.offset as f64 / facts.bytes.max(1) as f64),
    }
}

#[cfg(test)]
mod tests;
