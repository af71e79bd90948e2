//! The whole screen, drawn from the app's state: what it shows depends on nothing else.

use super::layout::{self, Places, Wish};
use super::panes::{self, Canvas};
use super::theme::Theme;
use super::widgets::{columns, fit, put, row, skip, wrap};
use super::{bars, overlays, welcome};
use crate::app::{App, Pane, Spot};
use crate::protocol::State;
use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Rect};
use ratatui::widgets::{Block, BorderType, Widget};
use ratatui_textarea::TextArea;

/// Lines that the guide has at most.
const GUIDE_ROWS: usize = 4;

/// What was drawn.
#[derive(Clone, Debug, Default)]
pub struct Drawn {
    pub buffer: Buffer,
    /// What can be pointed at; later ones lie over earlier ones.
    pub spots: Vec<(Rect, Spot)>,
    /// Where the terminal's cursor stands, if it is seen.
    pub cursor: Option<(u16, u16)>,
}

/// Draws everything in a screen of this size.
pub fn draw(app: &App, theme: &Theme, editor: &TextArea<'static>, size: (u16, u16)) -> Drawn {
    let area = Rect::new(0, 0, size.0, size.1);
    let mut drawn = Drawn { buffer: Buffer::empty(area), ..Drawn::default() };
    drawn.buffer.set_style(area, theme.screen);
    let mut canvas = Canvas {
        buffer: &mut drawn.buffer,
        theme,
        spots: &mut drawn.spots,
        is_focused: false,
        cursor: &mut drawn.cursor,
        editor,
    };
    let guide = app.guide_says().filter(|_| app.welcome.is_none());
    let guide_lines = guide.as_ref().map_or_else(Vec::new, |saying| guide_lines(&saying.text, size.0));
    let guide_rows = if guide.is_some() { guide_lines.len() as u16 + 2 } else { 0 };
    let wish = Wish { focus: app.focus, beside: app.beside, zoomed: app.zoomed, guide_rows };
    match layout::places(area, wish) {
        None => too_small(area, &mut canvas),
        Some(places) if app.welcome.is_some() => {
            let body = Rect { height: area.height.saturating_sub(1), ..area };
            welcome::draw(app, body, &mut canvas);
            overlays::draw(app, body, &mut canvas);
            bars::footer(app, places.footer, &mut canvas);
        }
        Some(places) => bench(app, area, &places, guide.map(|saying| (saying, guide_lines)), &mut canvas),
    }
    drawn
}

/// What the guide says, in lines; its box must leave room for what it speaks of.
fn guide_lines(text: &str, columns: u16) -> Vec<String> {
    let mut lines = wrap(text, columns.saturating_sub(4));
    if lines.len() > GUIDE_ROWS {
        lines.truncate(GUIDE_ROWS);
        lines.last_mut().into_iter().for_each(|line| line.push('…'));
    }
    lines
}

type GuideText = (crate::app::guide::Saying, Vec<String>);

fn bench(app: &App, area: Rect, places: &Places, guide: Option<GuideText>, canvas: &mut Canvas) {
    bars::header(app, places.header, canvas);
    if let Some(tabs) = places.tabs {
        bars::tabs(app, tabs, canvas);
    }
    for (pane, area) in &places.panes {
        framed(app, *pane, *area, canvas);
    }
    canvas.is_focused = false;
    if let (Some(area), Some((saying, lines))) = (places.guide, guide) {
        let title = format!(" ❄ {} of {} · {} ", saying.number, saying.of, saying.title);
        let block = Block::bordered().border_type(BorderType::Rounded).border_style(canvas.theme.frozen);
        let inner = skip(block.inner(area), 1);
        block.render(area, canvas.buffer);
        put(canvas.buffer, Rect { width: area.width.saturating_sub(4), ..skip(area, 2) }, &title, canvas.theme.title);
        for (index, line) in (0..inner.height).zip(lines) {
            put(canvas.buffer, row(inner, index), &line, canvas.theme.text);
        }
    }
    if app.overlay.is_some() {
        *canvas.cursor = None;
    }
    overlays::draw(app, Rect { height: area.height.saturating_sub(2), y: area.y + 1, ..area }, canvas);
    bars::footer(app, places.footer, canvas);
}

fn too_small(area: Rect, canvas: &mut Canvas) {
    let (width, height) = layout::SMALLEST;
    let text = format!("frostline needs {width}×{height}; this is {}×{}. q detaches.", area.width, area.height);
    for (index, line) in (0..area.height).zip(wrap(&text, area.width)) {
        put(canvas.buffer, row(area, index), &line, canvas.theme.text);
    }
}

/// A pane in its frame.
fn framed(app: &App, pane: Pane, area: Rect, canvas: &mut Canvas) {
    let theme = canvas.theme;
    canvas.is_focused = pane == app.focus && app.overlay.is_none();
    let style = if pane == app.focus { theme.border_focused } else { theme.border };
    let block = Block::bordered().border_type(BorderType::Rounded).border_style(style).title_alignment(Alignment::Left);
    let inner = block.inner(area);
    block.render(area, canvas.buffer);
    canvas.spots.push((area, Spot::Pane(pane)));

    let number = Pane::ALL.iter().position(|other| *other == pane).map_or(0, |at| at + 1);
    let name = format!(" {number} {} ", pane.name());
    let line = Rect { height: 1, width: area.width.saturating_sub(4), ..skip(area, 2) };
    let name_style = if pane == app.focus { theme.title } else { theme.dim };
    let used = put(canvas.buffer, line, &name, name_style);
    let room = line.width.saturating_sub(used + 3);
    let more = whole_parts(&title(app, pane, room), room);
    if !more.is_empty() {
        put(canvas.buffer, skip(line, used), &format!("· {more} "), theme.dim);
    }
    canvas.spots.push((Rect { height: area.height.min(1), ..area }, Spot::Title(pane)));

    let before = canvas.spots.len();
    match pane {
        Pane::Corpus => panes::corpus::draw(app, inner, canvas),
        Pane::Graphs => panes::graphs::draw(app, inner, canvas),
        Pane::Layers => panes::layers::draw(app, inner, canvas),
        Pane::Prompt => panes::prompt::draw(app, inner, canvas),
    }
    if canvas.spots.len() == before {
        hint(app, inner, canvas);
    }
}

fn title(app: &App, pane: Pane, room: u16) -> String {
    match pane {
        Pane::Corpus => panes::corpus::title(app, room),
        Pane::Graphs => panes::graphs::title(app, room),
        Pane::Layers => panes::layers::title(app, room),
        Pane::Prompt => panes::prompt::title(app, room),
    }
}

/// As many parts between dots as fit: a title is never cut within one.
pub(super) fn whole_parts(title: &str, room: u16) -> String {
    let mut kept = title;
    while columns(kept) > room {
        match kept.rsplit_once(" · ") {
            Some((before, _)) => kept = before,
            None => return String::new(),
        }
    }
    kept.to_string()
}

/// A pane that has nothing to show yet says what is warming up.
fn hint(app: &App, area: Rect, canvas: &mut Canvas) {
    let is_blank = area.positions().all(|place| canvas.buffer.cell(place).is_none_or(|cell| cell.symbol() == " "));
    let mirror = &app.mirror;
    let text = match (&mirror.goodbye, &mirror.status) {
        _ if !is_blank || !mirror.steps.is_empty() => return,
        (Some(why), _) => why.clone(),
        (None, None) => "attaching to the host…".to_string(),
        (None, Some(status)) => match &status.state {
            State::Preparing(preparation) => format!("{}…", preparation.what),
            _ => return,
        },
    };
    let text = fit(&text, area.width);
    let middle = skip(row(area, area.height / 2), (area.width.saturating_sub(columns(&text))) / 2);
    put(canvas.buffer, middle, &text, canvas.theme.dim);
}
