//! The welcome: a name, and what can be opened.

use super::overlays::{first_shown, input};
use super::panes::Canvas;
use super::text;
use super::widgets::{columns, fit, put, put_right, row, skip, wrap};
use crate::app::welcome::{Choices, Entry, RunLine, Welcome};
use crate::app::{App, Spot};
use ratatui::layout::Rect;

/// A line of the screen: the head of a section, or what can be chosen.
enum Shown {
    Head(&'static str),
    Air,
    Entry(usize, Entry),
}

pub fn draw(app: &App, area: Rect, canvas: &mut Canvas) {
    let Some(welcome) = &app.welcome else { return };
    let width = area.width.saturating_sub(4).min(96);
    let inner = Rect { x: area.x + (area.width - width) / 2, width, ..area };
    let lines = lines(welcome);
    let foot = foot(welcome, width, canvas);
    let name_rows = if area.height >= 22 { 5 } else { 2 };
    let wanted = name_rows + lines.len() as u16 + foot.len() as u16 + 1;
    let top = area.height.saturating_sub(wanted) / 3;
    name(Rect { y: inner.y + top, height: name_rows.min(inner.height.saturating_sub(top)), ..inner }, canvas);

    let used = top + name_rows;
    let foot_rows = foot.len() as u16 + u16::from(!foot.is_empty());
    let rows = inner.height.saturating_sub(used + foot_rows);
    let list = Rect { y: inner.y + used, height: rows, ..inner };
    let selected = lines.iter().position(|line| matches!(line, Shown::Entry(index, _) if *index == welcome.selected));
    let first = first_shown(selected.unwrap_or(0), lines.len(), usize::from(rows));
    for (line, index) in lines.iter().skip(first).zip(0..rows) {
        let place = row(list, index);
        match line {
            Shown::Head(title) => drop(put(canvas.buffer, place, title, canvas.theme.dim)),
            Shown::Air => {}
            Shown::Entry(index, entry) => draw_entry(welcome, *index, *entry, place, canvas),
        }
    }
    let below = used + (lines.len() as u16).min(rows) + 1;
    for ((line, style), index) in foot.into_iter().zip(below..inner.height) {
        put(canvas.buffer, row(inner, index), &line, style);
    }
}

fn lines(welcome: &Welcome) -> Vec<Shown> {
    let mut lines = Vec::new();
    // What was asked for on the command line needs no list.
    if welcome.starting.is_some() && welcome.choices == Choices::default() {
        return lines;
    }
    let mut section = "";
    for (index, entry) in welcome.entries().into_iter().enumerate() {
        let head = match entry {
            Entry::Guided => "begin",
            Entry::Run(_) => "runs",
            Entry::Preset(_) | Entry::Corpus => "new",
        };
        if head != section {
            if !section.is_empty() {
                lines.push(Shown::Air);
            }
            lines.push(Shown::Head(head));
            section = head;
        }
        lines.push(Shown::Entry(index, entry));
    }
    lines
}

fn name(area: Rect, canvas: &mut Canvas) {
    let theme = canvas.theme;
    let used = put(canvas.buffer, row(area, 0), "❄ ", theme.frozen);
    let used = used + put(canvas.buffer, skip(row(area, 0), used), "frostline", theme.title);
    let short = "  a workbench for language models";
    put(canvas.buffer, skip(row(area, 0), used), short, theme.dim);
    if area.height >= 5 {
        put(
            canvas.buffer,
            row(area, 2),
            "Train a small model, watch it learn, and freeze its layers while it does.",
            theme.text,
        );
        put(
            canvas.buffer,
            row(area, 3),
            "Then teach it a task, and read what it was beside what it became.",
            theme.text,
        );
    }
}

fn draw_entry(welcome: &Welcome, index: usize, entry: Entry, area: Rect, canvas: &mut Canvas) {
    let theme = canvas.theme;
    let is_selected = index == welcome.selected;
    let used = put(canvas.buffer, area, if is_selected { " › " } else { "   " }, theme.key);
    let at = skip(area, used);
    let name_style = if is_selected { theme.title } else { theme.text };
    // Names stand in a column of their own.
    let about = skip(at, 22);
    let mut named = |name: &str| {
        put(canvas.buffer, Rect { width: at.width.min(20), ..at }, &fit(name, 20), name_style);
    };
    match entry {
        Entry::Guided => {
            named("guided first run");
            let text = "about four minutes, on any computer; enter starts it";
            put(canvas.buffer, about, &fit(text, about.width), theme.dim);
        }
        Entry::Preset(preset) => {
            if let Some(preset) = welcome.choices.presets.get(preset) {
                named(&preset.name);
                put(canvas.buffer, about, &fit(&preset.about, about.width), theme.dim);
            }
        }
        Entry::Run(run) => {
            if let Some(run) = welcome.choices.runs.get(run) {
                named(&run.name);
                draw_run(run, about, canvas);
            }
        }
        Entry::Corpus => {
            named("your own text");
            match &welcome.path {
                Some(line) => input(line, "path: ", about, canvas),
                None => drop(put(canvas.buffer, about, &fit("a file or a folder to train on", about.width), theme.dim)),
            }
        }
    }
    if is_selected {
        canvas.buffer.set_style(area, theme.selection);
    }
    canvas.spots.push((area, Spot::Item(index)));
}

/// `● training   pretrain ▸ sentiment   step 1240   loss 1.83   4s ago`.
fn draw_run(run: &RunLine, area: Rect, canvas: &mut Canvas) {
    let theme = canvas.theme;
    let (sign, style) = match run.state.as_str() {
        _ if run.is_live => ("●", theme.training),
        "finished" => ("✓", theme.good),
        "failed" => ("✗", theme.error),
        _ => ("■", theme.dim),
    };
    put(canvas.buffer, Rect { width: area.width.min(12), ..area }, &fit(&format!("{sign} {}", run.state), 12), style);
    let age = format!("{:>6} ago", text::duration(run.age));
    put_right(canvas.buffer, area, &age, theme.dim);
    let loss = run.loss.map_or_else(|| " ".repeat(10), |loss| format!("loss {:<5}", text::number(loss)));
    let figures = format!("step {:<6}  {loss}", text::count(run.step));
    let mut rest = skip(area, 13);
    rest.width = rest.width.saturating_sub(columns(&age) + 2);
    let used = put(canvas.buffer, rest, &fit(&figures, rest.width), theme.text);
    let rest = skip(rest, used + 2);
    let phases = run.phases.join(" ▸ ");
    if columns(&phases) <= rest.width {
        put(canvas.buffer, rest, &phases, theme.dim);
    }
}

/// What is being started, or why it could not be.
fn foot(welcome: &Welcome, width: u16, canvas: &Canvas) -> Vec<(String, ratatui::style::Style)> {
    let theme = canvas.theme;
    let mut lines = Vec::new();
    if let Some(what) = &welcome.starting {
        lines.push((format!("… {what}: the host is on its way"), theme.pending));
    }
    if let Some(error) = &welcome.failure {
        let why = error.why.iter().map(|why| (format!("because: {why}"), theme.text));
        let next = error.next.iter().map(|next| (format!("next: {next}"), theme.key));
        for (text, style) in [(format!("✗ {}", error.what), theme.error)].into_iter().chain(why).chain(next) {
            lines.extend(wrap(&text, width).into_iter().map(|line| (line, style)));
        }
    }
    lines
}
