//! One token of a lane: how likely it was, and what else could have stood there.

use super::{Canvas, fitting, put};
use crate::app::prompt::LaneView;
use crate::tui::text::printable;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

/// The token, and eight alternatives.
const MOST: u16 = 9;
/// The widest that a token's spelling is shown.
const SPELLING: u16 = 14;

/// Rows that it takes of those below a lane's head.
pub fn rows(height: u16) -> u16 {
    MOST.min(height / 2)
}

/// The facts of the token, then the alternatives with a bar for their probabilities.
pub fn draw(view: &LaneView, token: usize, hue: Style, area: Rect, canvas: &mut Canvas) {
    let Some(sampled) = view.tokens.get(token).filter(|_| !area.is_empty()) else { return };
    let facts = [
        format!("p {}", share(sampled.probability)),
        format!("entropy {:.2} nats", sampled.entropy),
        format!("token {} of {}", token + 1, view.tokens.len()),
    ];
    put(canvas, area, &fitting(&facts, area.width), canvas.theme.title);
    let mut lines: Vec<(&str, f32)> = sampled.alternatives.iter().map(|(text, p)| (text.as_str(), *p)).collect();
    let room = area.height.saturating_sub(1) as usize;
    lines.truncate(room);
    let chosen = position(&lines, &sampled.text, sampled.probability);
    for (row, (text, probability)) in (1..area.height).zip(&lines) {
        let area = Rect { y: area.y + row, height: 1, ..area };
        let is_chosen = chosen == Some(row as usize - 1);
        draw_alternative((text, *probability), hue, is_chosen, area, canvas);
    }
}

/// Which alternative was chosen: by its probability, and by its text where two are equally likely.
fn position(lines: &[(&str, f32)], text: &str, probability: f32) -> Option<usize> {
    let equal = |(_, (_, p)): &(usize, &(&str, f32))| *p == probability;
    let mut equals = lines.iter().enumerate().filter(equal);
    equals.clone().find(|(_, (spelling, _))| *spelling == text).or_else(|| equals.next()).map(|(index, _)| index)
}

fn draw_alternative((text, probability): (&str, f32), hue: Style, is_chosen: bool, area: Rect, canvas: &mut Canvas) {
    let (text_style, bar_style) = match is_chosen {
        true => (canvas.theme.title, hue),
        false => (canvas.theme.text, canvas.theme.dim),
    };
    put(canvas, area, if is_chosen { "▸" } else { " " }, hue);
    let columns = SPELLING.min(area.width.saturating_sub(10)).max(1);
    let at = |x: u16, width: u16| {
        let x = x.min(area.width);
        Rect { x: area.x + x, width: width.min(area.width - x), ..area }
    };
    put(canvas, at(2, columns), &spelled(text, columns), text_style);
    put(canvas, at(columns + 3, 6), &share(probability), text_style);
    let bar = at(columns + 10, area.width);
    put(canvas, bar, &bar_of(probability, bar.width), bar_style);
}

/// Four places: the likely and the unlikely stand under each other.
fn share(probability: f32) -> String {
    if probability.is_finite() { format!("{probability:.4}") } else { "–".into() }
}

/// A token's text with its spaces and line breaks to be seen, and cut where it is long.
fn spelled(text: &str, columns: u16) -> String {
    let shown = |character| match character {
        ' ' => '␣',
        '\n' => '⏎',
        other => printable(other),
    };
    let whole: String = text.chars().map(shown).collect();
    if whole.width() <= columns as usize {
        return whole;
    }
    let mut cut = String::new();
    for character in whole.chars() {
        if format!("{cut}{character}…").width() > columns as usize {
            break;
        }
        cut.push(character);
    }
    cut + "…"
}

/// A bar of a share of the columns, in halves; what is above 0 has something to show.
fn bar_of(probability: f32, columns: u16) -> String {
    let share = if probability.is_finite() { probability.clamp(0.0, 1.0) } else { 0.0 };
    let halves = (share * f32::from(columns) * 2.0).round() as usize;
    let halves = if share > 0.0 { halves.max(1) } else { halves };
    let half = if halves % 2 == 1 { "╸" } else { "" };
    if columns == 0 { String::new() } else { "━".repeat(halves / 2) + half }
}
