//! What happened while nobody looked on, and the tree of related runs: lists that lie over the screen.

use super::overlays::first_shown;
use super::panes::Canvas;
use super::text;
use super::widgets::{columns, fit, popup, put, put_right, row, skip};
use crate::app::Spot;
use crate::app::away::{Away, Entry, Kind};
use crate::app::lineage::{Lineage, Row, What};
use crate::app::numbers::grouped;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Columns that the lists have at most.
const WIDEST: u16 = 100;

/// Draws the lines of a list that have room, around the chosen one, and notes where they are.
fn list(inner: Rect, (selected, count): (usize, usize), canvas: &mut Canvas, draw: impl Fn(usize, Rect, &mut Canvas)) {
    let first = first_shown(selected, count, usize::from(inner.height));
    for (index, line) in (first..count).zip(0..inner.height) {
        let place = row(inner, line);
        draw(index, place, canvas);
        if index == selected {
            canvas.buffer.set_style(place, canvas.theme.selection);
        }
        canvas.spots.push((place, Spot::Item(index)));
    }
}

fn rows(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

pub fn away(away: &Away, area: Rect, canvas: &mut Canvas) {
    let width = area.width.saturating_sub(6).min(WIDEST);
    let inner = popup(canvas, area, &away.title(), (width, rows(away.entries.len())));
    let widest = away.entries.iter().map(|entry| columns(&grouped(entry.step))).max().unwrap_or(0);
    list(inner, (away.selected, away.entries.len()), canvas, |index, place, canvas| {
        happened(&away.entries[index], widest, place, canvas);
    });
}

/// `! step 1 200  the loss rose to 9.50`: the sign says without colour what it is about.
fn happened(entry: &Entry, widest: u16, area: Rect, canvas: &mut Canvas) {
    let (sign, style) = sign(entry.kind, canvas);
    put(canvas.buffer, area, sign, style);
    let at = skip(area, 2);
    put(canvas.buffer, at, "step", canvas.theme.dim);
    put_right(canvas.buffer, Rect { width: at.width.min(5 + widest), ..at }, &grouped(entry.step), canvas.theme.key);
    let rest = skip(at, 7 + widest);
    put(canvas.buffer, rest, &fit(&entry.text, rest.width), canvas.theme.text);
}

fn sign(kind: Kind, canvas: &Canvas) -> (&'static str, Style) {
    let theme = canvas.theme;
    match kind {
        Kind::Guard => ("✗", theme.error),
        Kind::End => ("■", theme.title),
        Kind::Spike => ("▲", theme.warning),
        Kind::Notice => ("!", theme.warning),
        Kind::Phase => ("▸", theme.live),
        Kind::Best => ("●", theme.good),
        Kind::Saved => ("▼", theme.dim),
        Kind::Change => ("┊", theme.mark),
    }
}

pub fn lineage(lineage: &Lineage, area: Rect, canvas: &mut Canvas) {
    let width = area.width.saturating_sub(6).min(WIDEST);
    let inner = popup(canvas, area, "where runs come from", (width, rows(lineage.rows.len())));
    list(inner, (lineage.selected, lineage.rows.len()), canvas, |index, place, canvas| {
        line_of_tree(&lineage.rows[index], place, canvas);
    });
}

fn line_of_tree(line: &Row, area: Rect, canvas: &mut Canvas) {
    let theme = canvas.theme;
    // However deep the tree is, what hangs on it is seen.
    let guides: Vec<char> = line.guides.chars().collect();
    let hidden = guides.len().saturating_sub(usize::from(area.width / 2));
    let guides: String = guides.into_iter().skip(hidden).collect();
    let at = skip(area, put(canvas.buffer, area, &guides, theme.border));
    match &line.what {
        What::Run { origin, state, step, loss, is_own } => {
            let style = if *is_own { theme.title } else { theme.text };
            let figures = format!("step {:>7}   {}", grouped(*step), said_loss(*loss));
            let mut rest = at;
            if at.width >= 60 {
                rest.width = rest.width.saturating_sub(2 + put_right(canvas.buffer, at, &figures, theme.dim));
            }
            let mut used = put(canvas.buffer, rest, if *is_own { "❄ " } else { "● " }, theme.frozen);
            used += put(canvas.buffer, skip(rest, used), &fit(&line.run, skip(rest, used).width), style);
            for (text, style) in [(state, theme.good), (origin, theme.dim)] {
                let room = skip(rest, used + 2);
                if !text.is_empty() && columns(text) <= room.width {
                    used += 2 + put(canvas.buffer, room, text, style);
                }
            }
        }
        What::Happened { step, text, is_phase } => {
            let style = if *is_phase { theme.live } else { theme.text };
            let used = put(canvas.buffer, at, &format!("{:>7}  ", grouped(*step)), theme.dim);
            let rest = skip(at, used);
            put(canvas.buffer, rest, &fit(text, rest.width), style);
        }
    }
}

/// As wide whatever it is.
fn said_loss(loss: Option<f64>) -> String {
    loss.map_or_else(|| " ".repeat(10), |loss| format!("loss {:<5}", text::number(loss)))
}
