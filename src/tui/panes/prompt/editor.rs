//! The editor of the prompt: its keys, and how it is drawn.

use super::wrap::{Line, wrap};
use super::{Canvas, put};
use crate::app::prompt::LONGEST_PROMPT;
use crate::app::{App, Spot};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use ratatui::layout::Rect;
use ratatui_textarea::{CursorMove, TextArea};

/// What stands before the prompt.
const MARK: &str = "› ";
const PLACEHOLDERS: [&str; 3] = [
    "nothing here: lanes begin a new text; write what they go on from",
    "write what the lanes go on from",
    "write here",
];

/// A key that is text, or moves in it. Sending, leaving and history are actions of their own.
pub fn type_key(app: &mut App, editor: &mut TextArea<'static>, key: KeyEvent) {
    let is_key = key.kind != KeyEventKind::Release && !matches!(key.code, KeyCode::Tab | KeyCode::BackTab);
    let is_text = matches!(key.code, KeyCode::Char(_) | KeyCode::Enter);
    if is_text && app.prompt.text.len() >= LONGEST_PROMPT {
        return app.refuse(too_long());
    }
    sync(app, editor);
    if is_key {
        editor.input(key);
        take(app, editor);
    }
}

/// Pasted text, as it is; line breaks of other systems become our own.
pub fn type_paste(app: &mut App, editor: &mut TextArea<'static>, text: &str) {
    if app.prompt.text.len().saturating_add(text.len()) > LONGEST_PROMPT {
        return app.refuse(too_long());
    }
    sync(app, editor);
    editor.insert_str(text.replace("\r\n", "\n").replace('\r', "\n"));
    take(app, editor);
}

fn too_long() -> String {
    format!("a prompt is at most {} KiB long", LONGEST_PROMPT >> 10)
}

fn take(app: &mut App, editor: &TextArea<'static>) {
    let cursor = editor.cursor();
    app.prompt.edited(editor.lines().join("\n"), (cursor.0, cursor.1));
}

/// Brings the app's text into the editor where the app changed it. The editor can undo that, too.
pub fn sync(app: &App, editor: &mut TextArea<'static>) {
    let (line, character) = app.prompt.cursor;
    if !editor.lines().iter().map(String::as_str).eq(app.prompt.text.split('\n')) {
        editor.select_all();
        editor.delete_char();
        editor.insert_str(&app.prompt.text);
    }
    let cursor = editor.cursor();
    if (cursor.0, cursor.1) != (line, character) {
        let narrow = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
        editor.cancel_selection();
        editor.move_cursor(CursorMove::Jump(narrow(line), narrow(character)));
    }
}

/// Rows that the prompt takes of a pane of this size.
pub fn rows(app: &App, area: Rect) -> u16 {
    let lines = wrap(&app.prompt.text, area.width.saturating_sub(MARK.len() as u16)).len();
    let most = if app.prompt.is_editing() { area.height / 2 } else { area.height / 4 };
    u16::try_from(lines).unwrap_or(u16::MAX).clamp(1, most.max(1)).min(area.height)
}

/// Draws the prompt, scrolled so that the cursor can be seen.
pub fn draw(app: &App, area: Rect, canvas: &mut Canvas) {
    canvas.spots.push((area, Spot::Editor));
    let (text, is_editing) = (&app.prompt.text, app.prompt.is_editing());
    let mark = if is_editing { canvas.theme.border_focused } else { canvas.theme.dim };
    let used = put(canvas, area, MARK, mark);
    let area = Rect { x: area.x + used, width: area.width - used, ..area };
    let cursor = byte_of(text, app.prompt.cursor);
    let lines = wrap(text, area.width);
    // A place between two lines belongs to the second.
    let cursor_row = lines.iter().rposition(|line| line.start <= cursor).unwrap_or(0);
    let last_top = lines.len().saturating_sub(area.height as usize);
    let top = if is_editing { cursor_row.saturating_sub(area.height.saturating_sub(1) as usize) } else { last_top };
    if text.is_empty() {
        let fitting = PLACEHOLDERS.iter().find(|text| text.chars().count() <= area.width as usize);
        put(canvas, area, fitting.unwrap_or(&""), canvas.theme.dim);
    }
    let selection = canvas.editor.selection_range().filter(|_| is_editing);
    let selected = selection.map(|(from, to)| byte_of(text, from)..byte_of(text, to)).unwrap_or(0..0);
    for (y, line) in (area.y..area.bottom()).zip(lines.iter().skip(top)) {
        draw_line(line, Rect { y, height: 1, ..area }, &selected, canvas);
    }
    if is_editing && canvas.is_focused && !area.is_empty() {
        let column = lines.get(cursor_row).map_or(0, |line| line.column(cursor)).min(area.width - 1);
        let row = u16::try_from(cursor_row - top).unwrap_or(u16::MAX).min(area.height - 1);
        *canvas.cursor = Some((area.x + column, area.y + row));
    }
}

fn draw_line(line: &Line, area: Rect, selected: &std::ops::Range<usize>, canvas: &mut Canvas) {
    let mut x = area.x;
    for piece in &line.pieces {
        let style = if selected.contains(&piece.at) { canvas.theme.selection } else { canvas.theme.text };
        canvas.buffer.set_stringn(x, area.y, &piece.symbol, piece.width as usize, style);
        x += piece.width;
    }
}

/// The byte of a line and character.
fn byte_of(text: &str, (line, character): (usize, usize)) -> usize {
    let start = text.split('\n').take(line).map(|line| line.len() + 1).sum::<usize>().min(text.len());
    let line = text[start..].split('\n').next().unwrap_or_default();
    start + line.char_indices().nth(character).map_or(line.len(), |(at, _)| at)
}
