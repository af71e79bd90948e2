//! One lane: its name, where it stands, and what it writes.

use super::wrap::{Line, wrap};
use super::{Canvas, below, detail, put, put_wrapped, slider};
use crate::app::prompt::{LaneView, Progress, lane_name};
use crate::app::{App, Spot};
use crate::protocol::{Lane, LaneEnd};
use crate::tui::text::{count, number, printable};
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use unicode_width::UnicodeWidthStr;

/// Stands before the token where a lane parts from the first.
const PARTING: char = '├';
/// Stands after what is being written.
const WRITING: &str = "▍";
/// A token less likely than this is shaded where the theme has no colours for more.
const UNLIKELY: f32 = 0.1;

/// Draws a lane in its part of the pane.
pub fn draw(app: &App, index: usize, area: Rect, canvas: &mut Canvas) {
    let Some(view) = app.prompt.lanes.get(index).filter(|_| !area.is_empty()) else { return };
    canvas.spots.push((area, Spot::Lane(index)));
    draw_head(app, index, view, area, canvas);
    let area = slider::draw(index, view, below(area, 1), canvas);
    let (rule, mut body) = match area.height {
        0..3 => (Rect::ZERO, area),
        _ => (Rect { height: 1, ..area }, below(area, 1)),
    };
    draw_rule(view, rule, canvas);
    if let Some(token) = app.prompt.token_in(index) {
        let rows = detail::rows(body.height);
        body.height -= rows;
        let area = Rect { y: body.bottom(), height: rows, ..body };
        detail::draw(view, token, hue(view, index, canvas), area, canvas);
    }
    let hidden = draw_text(app, index, view, body, canvas);
    draw_hidden(hidden, rule, canvas);
}

/// The lane's own colour.
fn hue(view: &LaneView, index: usize, canvas: &Canvas) -> Style {
    match view.lane {
        Lane::Base => canvas.theme.base,
        Lane::Live => canvas.theme.live,
        Lane::Checkpoint(_) | Lane::Blend(_) | Lane::Graft(_) => canvas.theme.series[index % canvas.theme.series.len()],
    }
}

/// The name, what its weights are, and the prompt's perplexity.
fn draw_head(app: &App, index: usize, view: &LaneView, area: Rect, canvas: &mut Canvas) {
    let is_selected = index == app.prompt.selected && app.prompt.lanes.len() > 1;
    let mut name: String = lane_name(app, &view.lane).chars().map(printable).collect();
    if let Lane::Graft(graft) = &view.lane
        && name.width() + 2 > area.width as usize
    {
        // Which layers says the row below.
        name = format!("graft from {}", graft.from);
    }
    let mut style = hue(view, index, canvas).add_modifier(Modifier::BOLD);
    if is_selected && canvas.is_focused {
        style = style.add_modifier(Modifier::UNDERLINED);
    }
    let mark = if is_selected { "▸ " } else { "" };
    let used = put(canvas, area, mark, hue(view, index, canvas));
    let rest = Rect { x: area.x + used, width: area.width - used, ..area };
    let used = put(canvas, rest, &shortened(&name, rest.width), style);
    let mut rest = Rect { x: rest.x + used, width: rest.width - used, ..rest };
    rest = slider::draw_small(index, view, area.height, rest, canvas);
    // What was found out about other weights is not said of these.
    let Some(started) = view.started.as_ref().filter(|_| view.written_by().is_none()) else { return };
    let perplexity = started.prompt_perplexity.map_or(String::new(), |value| format!("ppl {}", number(value)));
    let columns = perplexity.width() as u16;
    if columns > 0 && columns + 2 <= rest.width {
        put(canvas, Rect { x: rest.right() - columns, width: columns, ..rest }, &perplexity, canvas.theme.text);
        rest.width -= columns + 2;
    }
    let weights: String = started.weights.chars().map(printable).collect();
    // Not twice the same words.
    if weights != name && weights.width() + 3 <= rest.width as usize {
        put(canvas, rest, &format!(" · {weights}"), canvas.theme.dim);
    }
}

/// A name that is too long keeps its end, which says more: `…un@1200`.
fn shortened(name: &str, columns: u16) -> String {
    if name.width() <= columns as usize {
        return name.to_string();
    }
    let mut end = name;
    while end.width() + 1 > columns as usize {
        let mut characters = end.chars();
        if characters.next().is_none() {
            return String::new();
        }
        end = characters.as_str();
    }
    format!("…{end}")
}

/// A line across, with where the lane stands in it.
fn draw_rule(view: &LaneView, area: Rect, canvas: &mut Canvas) {
    put(canvas, area, &"─".repeat(area.width as usize), canvas.theme.border);
    let parts = standing(view);
    // At its right end may stand how much is hidden.
    let room = area.width.saturating_sub(10);
    let text = super::fitting(&parts, room);
    let style = match &view.progress {
        Progress::Ended(LaneEnd::Failed(_)) => canvas.theme.error,
        Progress::Ended(LaneEnd::Cancelled) => canvas.theme.warning,
        _ => canvas.theme.dim,
    };
    if !text.is_empty() {
        let area = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
        put(canvas, area, &format!(" {text} "), style);
    }
}

/// Where a lane stands, in words, the most important first.
fn standing(view: &LaneView) -> Vec<String> {
    let what = match &view.progress {
        Progress::Idle => return Vec::new(),
        Progress::Reading => "reading the prompt",
        Progress::Writing => "writing",
        Progress::Ended(LaneEnd::EndOfText) => "ended its text",
        Progress::Ended(LaneEnd::StopText) => "stop text",
        Progress::Ended(LaneEnd::Complete) => "complete",
        Progress::Ended(LaneEnd::ContextFull) => "context full",
        Progress::Ended(LaneEnd::Cancelled) => "cancelled",
        Progress::Ended(LaneEnd::Failed(_)) => "failed",
    };
    let mut parts = vec![what.to_string()];
    // What stands here is not of what the head says.
    if let Some(other) = view.written_by() {
        parts.insert(0, format!("this is {other}"));
    }
    if let Some(left_out) = view.started.as_ref().map(|started| started.left_out).filter(|count| *count > 0) {
        parts.push(format!("first {} tokens left out", count(left_out)));
    }
    match view.tokens.len() {
        0 => {}
        1 => parts.push("1 token".into()),
        many => parts.push(format!("{} tokens", count(many as u64))),
    }
    parts.extend(view.tokens_per_second.map(|rate| format!("{} tokens/s", number(rate))));
    parts
}

/// At the right end of the rule, how many lines are above and below what is shown.
fn draw_hidden((above, below): (usize, usize), rule: Rect, canvas: &mut Canvas) {
    let marks = [(above, '↑'), (below, '↓')].into_iter().filter(|(lines, _)| *lines > 0);
    let text = marks.fold(String::new(), |text, (lines, mark)| format!("{text} {mark}{lines}"));
    let columns = text.width() as u16 + 1;
    if !text.is_empty() && columns + 20 < rule.width {
        let area = Rect { x: rule.right() - columns, width: columns, ..rule };
        put(canvas, area, &format!("{text} "), canvas.theme.dim);
    }
}

/// The answer in lines, scrolled: to its end while it is written, to the token that is looked at, or by hand. Returns
/// how many lines are above and below what is shown.
fn draw_text(app: &App, index: usize, view: &LaneView, area: Rect, canvas: &mut Canvas) -> (usize, usize) {
    if let Progress::Ended(LaneEnd::Failed(why)) = &view.progress {
        put_wrapped(canvas, area, why, canvas.theme.error);
        return (0, 0);
    }
    let parting = app.prompt.parting(index);
    let (mut text, starts) = joined(view, parting);
    if matches!(view.progress, Progress::Writing) {
        text += WRITING;
    }
    let lines = wrap(&text, area.width);
    let room = area.height as usize;
    view.last_lines.set((lines.len(), room));
    let token = app.prompt.token_in(index);
    let last_top = lines.len().saturating_sub(room);
    let top = match (token.and_then(|token| starts.get(token)), view.scroll.get()) {
        (Some(&start), _) => {
            let row = lines.iter().rposition(|line| line.start <= start).unwrap_or(0);
            row.saturating_sub(room / 2).min(last_top)
        }
        (None, Some(top)) => top.min(last_top),
        (None, None) => last_top,
    };
    let looks =
        Looks { view, index, parting, token, is_selected: index == app.prompt.selected, shaded: app.prompt.shaded };
    for (y, line) in (area.y..area.bottom()).zip(lines.iter().skip(top)) {
        looks.draw_line(line, &starts, Rect { y, height: 1, ..area }, canvas);
    }
    (top, lines.len().saturating_sub(top + room))
}

/// The text of all tokens, with the mark of the parting in it, and where each token begins.
fn joined(view: &LaneView, parting: Option<usize>) -> (String, Vec<usize>) {
    let (mut text, mut starts) = (String::new(), Vec::with_capacity(view.tokens.len()));
    for (index, token) in view.tokens.iter().enumerate() {
        starts.push(text.len());
        if parting == Some(index) {
            // After the spaces that the token begins with, so that no line breaks between mark and word.
            let word = token.text.trim_start_matches(' ');
            text.push_str(&token.text[..token.text.len() - word.len()]);
            text.push(PARTING);
            text.push_str(word);
        } else {
            text.push_str(&token.text);
        }
    }
    (text, starts)
}

/// How the tokens of a lane look.
struct Looks<'a> {
    view: &'a LaneView,
    index: usize,
    parting: Option<usize>,
    token: Option<usize>,
    is_selected: bool,
    shaded: bool,
}

impl Looks<'_> {
    fn draw_line(&self, line: &Line, starts: &[usize], area: Rect, canvas: &mut Canvas) {
        let mut x = area.x;
        for piece in &line.pieces {
            let token = starts.partition_point(|start| *start <= piece.at).checked_sub(1);
            let is_mark = piece.symbol == WRITING && matches!(self.view.progress, Progress::Writing);
            let style = match token {
                Some(token) if !is_mark => self.style(token, canvas),
                _ => hue(self.view, self.index, canvas),
            };
            canvas.buffer.set_stringn(x, area.y, &piece.symbol, piece.width as usize, style);
            if let Some(token) = token.filter(|_| piece.width > 0) {
                let spot = (Rect { x, width: piece.width, ..area }, Spot::Token(self.index, token));
                extend_spots(canvas, spot);
            }
            x += piece.width;
        }
    }

    fn style(&self, token: usize, canvas: &Canvas) -> Style {
        let mut style = canvas.theme.text;
        let probability = self.view.tokens.get(token).map_or(1.0, |token| token.probability);
        if self.shaded && probability.is_finite() {
            style = match canvas.theme.heat(1.0 - f64::from(probability)) {
                Some(color) => style.bg(color),
                None if probability < UNLIKELY => style.patch(canvas.theme.warning),
                None => style,
            };
        }
        if self.parting == Some(token) {
            style = style.patch(canvas.theme.mark).add_modifier(Modifier::UNDERLINED | Modifier::BOLD);
        }
        if self.token == Some(token) {
            style = style.patch(if self.is_selected { canvas.theme.cursor } else { canvas.theme.selection });
        }
        style
    }
}

/// Adds a spot, or widens the last one where it goes on.
fn extend_spots(canvas: &mut Canvas, (area, spot): (Rect, Spot)) {
    match canvas.spots.last_mut() {
        Some((last, same)) if *same == spot && last.y == area.y && last.right() == area.x => last.width += area.width,
        _ => canvas.spots.push((area, spot)),
    }
}
