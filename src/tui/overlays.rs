//! What lies over the screen: palette, help, explanations, questions.

use super::panes::Canvas;
use super::widgets::{columns, fit, popup, put, put_right, row, skip, wrap};
use super::{family, lab, range_test};
use crate::app::help::{Help, HelpLine};
use crate::app::line::Line;
use crate::app::overlay::Overlay;
use crate::app::palette::{Entry, Palette};
use crate::app::{App, Spot, explain};
use ratatui::layout::Rect;
use ratatui::style::Style;

pub fn draw(app: &App, area: Rect, canvas: &mut Canvas) {
    match &app.overlay {
        None => {}
        Some(Overlay::Palette(palette)) => draw_palette(palette, area, canvas),
        Some(Overlay::Help(help)) => draw_help(help, area, canvas),
        Some(Overlay::Explain(key)) => draw_explanation(key, area, canvas),
        Some(Overlay::Confirm(confirm)) => {
            draw_question(&confirm.question(&app.mirror), confirm.answers(), area, canvas)
        }
        Some(Overlay::Away(away)) => family::away(away, area, canvas),
        Some(Overlay::Lineage(lineage)) => family::lineage(lineage, area, canvas),
        Some(Overlay::Lab(study)) => lab::draw(app, study, area, canvas),
        Some(Overlay::RangeTest(test)) => range_test::draw(app, test, area, canvas),
    }
}

/// A line that is being typed, with the terminal's cursor in it. Its end is seen where it is too long.
pub fn input(line: &Line, sign: &str, area: Rect, canvas: &mut Canvas) {
    let used = put(canvas.buffer, area, sign, canvas.theme.key);
    let room = skip(area, used);
    if room.is_empty() {
        return;
    }
    let cursor = line.cursor_columns();
    let hidden = cursor.saturating_sub(usize::from(room.width - 1));
    let mut passed = 0;
    let shown: String = line
        .text()
        .chars()
        .skip_while(|character| {
            let is_hidden = passed < hidden;
            passed += usize::from(columns(character.encode_utf8(&mut [0; 4])));
            is_hidden
        })
        .collect();
    put(canvas.buffer, room, &shown, canvas.theme.text);
    let at = u16::try_from(cursor - hidden).unwrap_or(0).min(room.width - 1);
    *canvas.cursor = Some((room.x + at, room.y));
}

/// The first line of a list that is drawn, so that the selected one is among them.
pub fn first_shown(selected: usize, count: usize, rows: usize) -> usize {
    let last = count.saturating_sub(rows);
    selected.saturating_sub(rows / 2).min(last)
}

fn draw_palette(palette: &Palette, area: Rect, canvas: &mut Canvas) {
    let inner = popup(canvas, area, "command", (76, 18));
    input(&palette.line, ": ", row(inner, 0), canvas);
    let problem = palette.problem.as_ref().map_or_else(Vec::new, |why| wrap(why, inner.width));
    let mut used = 1;
    for line in &problem {
        put(canvas.buffer, row(inner, used), line, canvas.theme.warning);
        used += 1;
    }
    let rows = inner.height.saturating_sub(used);
    let first = first_shown(palette.selected, palette.entries.len(), usize::from(rows));
    for (index, line) in (first..palette.entries.len()).zip(used..inner.height) {
        let place = row(inner, line);
        palette_entry(&palette.entries[index], index == palette.selected, place, canvas);
        canvas.spots.push((place, Spot::Item(index)));
    }
    if palette.entries.is_empty() {
        put(canvas.buffer, row(inner, used), "nothing is called so", canvas.theme.dim);
    }
}

fn palette_entry(entry: &Entry, is_selected: bool, area: Rect, canvas: &mut Canvas) {
    let theme = canvas.theme;
    let (name, help, keys, style) = match entry {
        Entry::Recent(text) => (text.clone(), "again", "", theme.text),
        Entry::Command(command) => (command.to_string(), "tell the run", "enter", theme.training),
        Entry::Lane(lane) => (lane.to_string(), "a lane of base and live", "enter", theme.live),
        Entry::Action { name, keys, help, refusal } => {
            let style = if refusal.is_some() { theme.dim } else { theme.text };
            ((*name).to_string(), refusal.as_deref().unwrap_or(help), keys.as_str(), style)
        }
        Entry::Theme(name) => (format!("theme {name}"), "how the screen looks", "", theme.text),
        Entry::Grammar { form, help } => ((*form).to_string(), *help, "", theme.frozen),
    };
    let sign = if is_selected { "› " } else { "  " };
    let mut rest = area;
    rest.width = rest.width.saturating_sub(put_right(canvas.buffer, area, keys, theme.key) + 1);
    let used = put(canvas.buffer, rest, sign, theme.key);
    let used = used + put(canvas.buffer, skip(rest, used), &fit(&name, rest.width.saturating_sub(used)), style);
    let room = skip(rest, (used + 2).max(26));
    put(canvas.buffer, room, &fit(help, room.width), theme.dim);
    if is_selected {
        canvas.buffer.set_style(area, theme.selection);
    }
}

fn draw_help(help: &Help, area: Rect, canvas: &mut Canvas) {
    let inner = popup(canvas, area, "help", (112, area.height));
    let (search, count) = (row(inner, 0), help.lines().len());
    input(&help.search, "search ", search, canvas);
    let rows = inner.height.saturating_sub(1);
    help.last_rows.set(usize::from(rows));
    let first = help.scroll.min(count.saturating_sub(usize::from(rows)));
    if count > usize::from(rows) {
        let seen = (first + usize::from(rows)).min(count);
        put_right(canvas.buffer, search, &format!("{seen} of {count} lines"), canvas.theme.dim);
    }
    for (line, index) in help.lines().into_iter().skip(first).zip(1..inner.height) {
        let place = row(inner, index);
        match line {
            HelpLine::Group(title) => drop(put(canvas.buffer, place, title, canvas.theme.title)),
            HelpLine::Entry { keys, name, help } => {
                put_right(canvas.buffer, Rect { width: place.width.min(11), ..place }, keys, canvas.theme.key);
                let used = put(canvas.buffer, skip(place, 13), name, canvas.theme.text);
                let room = skip(place, 13 + (used + 2).max(24));
                put(canvas.buffer, room, &fit(help, room.width), canvas.theme.dim);
            }
        }
    }
    if count == 0 {
        put(canvas.buffer, row(inner, 1), "nothing matches", canvas.theme.dim);
    }
}

fn draw_explanation(key: &str, area: Rect, canvas: &mut Canvas) {
    let Some(explanation) = explain::find(key) else { return };
    let theme = canvas.theme;
    let width = area.width.saturating_sub(8).min(76);
    let mut lines: Vec<(String, Style)> = Vec::new();
    let mut part = |label: &str, text: &str, style: Style| {
        if !text.is_empty() {
            let text = if label.is_empty() { text.to_string() } else { format!("{label}: {text}") };
            if !lines.is_empty() {
                lines.push((String::new(), theme.text));
            }
            lines.extend(wrap(&text, width).into_iter().map(|line| (line, style)));
        }
    };
    part("", explanation.what, theme.text);
    part("", explanation.formula, theme.key);
    part("normal", explanation.normal, theme.text);
    part("source", explanation.source, theme.dim);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let inner = popup(canvas, area, explanation.title, (width, height));
    for ((line, style), index) in lines.iter().zip(0..inner.height) {
        put(canvas.buffer, row(inner, index), line, *style);
    }
}

fn draw_question(question: &str, answers: [(&str, &str); 2], area: Rect, canvas: &mut Canvas) {
    let question = wrap(question, 56);
    let rows = question.len() as u16 + 1 + answers.len() as u16;
    let inner = popup(canvas, area, "sure?", (56, rows));
    for (line, index) in question.iter().zip(0..inner.height) {
        put(canvas.buffer, row(inner, index), line, canvas.theme.text);
    }
    for (item, (key, label)) in answers.iter().enumerate() {
        let place = row(inner, question.len() as u16 + 1 + item as u16);
        let used = put(canvas.buffer, place, key, canvas.theme.key);
        put(canvas.buffer, skip(place, used + 2), label, canvas.theme.text);
        canvas.spots.push((place, Spot::Item(item)));
    }
}
