//! Names, heads and cells of the grid.

use super::place::{NAME, Places};
use super::{align, center, figure};
use crate::app::layers::{Lens, Place, Reading, Readings, View, Wish, layer_name};
use crate::app::{App, Spot};
use crate::protocol::{Kind, Layer};
use crate::tui::panes::Canvas;
use crate::tui::theme::Theme;
use crate::tui::widgets::{columns, put, skip};
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Columns that a cell with a figure needs: a sign, and the figure.
const WITH_FIGURE: u16 = figure::WIDTH as u16 + 1;

/// What the cells are drawn from, read once a frame.
pub struct Cells<'a> {
    view: &'a View<'a>,
    places: &'a Places,
    lens: Lens,
    readings: Readings,
    /// Of each group whether it is chosen.
    is_chosen: Vec<bool>,
    cursor: Place,
}

/// What one cell shows, before cursor and selection are laid over it.
struct Shown {
    /// At the left: `❄` frozen, `…` asked for, `!` a warning.
    sign: &'static str,
    text: String,
    style: Style,
    is_figure: bool,
}

impl<'a> Cells<'a> {
    pub fn of(app: &App, view: &'a View<'a>, places: &'a Places, chosen: &[usize]) -> Self {
        let lens = app.layers.lens;
        Self {
            view,
            places,
            lens,
            readings: lens.readings(view),
            is_chosen: (0..view.groups.len()).map(|index| chosen.contains(&index)).collect(),
            cursor: app.layers.cursor.inside(&view.grid),
        }
    }

    /// The lens's name in the corner, and the kinds.
    pub fn draw_head(&self, canvas: &mut Canvas) {
        let head = self.places.head;
        let corner = Rect { width: NAME.min(head.width), ..head };
        let on_all = self.cursor == Place { row: None, column: None };
        put(canvas.buffer, corner, self.lens.name(), self.over(canvas, canvas.theme.title, on_all, on_all));
        for (column, kind) in self.view.grid.kinds.iter().enumerate().filter(|_| !head.is_empty()) {
            let area = self.places.cell_at(column, head.y);
            let is_cursor = self.cursor == Place { row: None, column: Some(column) };
            center(
                canvas.buffer,
                area,
                kind_name(*kind),
                self.over(canvas, canvas.theme.dim, is_cursor || on_all, is_cursor),
            );
            self.push_spot(canvas, area, Spot::Column(column));
        }
    }

    /// The colours of figures, from cold to hot, at the right of the line of the legend, where it leaves room for them.
    pub fn draw_scale(&self, line: Rect, legend: &str, canvas: &mut Canvas) {
        const COLORS: u16 = 12;
        let scale = self.readings.scale;
        let write = |value: f64| figure::reading(self.lens, value).trim_start().to_string();
        let (low, high) = (write(scale.low), write(scale.high));
        let width = columns(legend) + 4 + columns(&low) + COLORS + columns(&high);
        if canvas.theme.heat.is_empty() || self.lens == Lens::Trains || width > line.width {
            return;
        }
        let from_right = |columns: u16| skip(line, line.width.saturating_sub(columns));
        put(canvas.buffer, from_right(columns(&high)), &high, canvas.theme.dim);
        let colors = from_right(columns(&high) + 1 + COLORS);
        put(canvas.buffer, from_right(columns(&high) + 2 + COLORS + columns(&low)), &low, canvas.theme.dim);
        for step in 0..COLORS {
            let color = canvas.theme.heat(f64::from(step) / f64::from(COLORS - 1)).unwrap_or_default();
            put(canvas.buffer, Rect { width: 1, ..skip(colors, step) }, "■", Style::new().fg(color));
        }
    }

    pub fn draw_row(&self, row: usize, y: u16, canvas: &mut Canvas) {
        let Some(layer) = self.view.grid.layers.get(row).copied() else { return };
        let name = Rect { y, height: 1, width: NAME.saturating_sub(1).min(self.places.rows.width), ..self.places.rows };
        let is_cursor = self.cursor == Place { row: Some(row), column: None };
        let style = self.over(canvas, self.name_style(row, canvas.theme), false, is_cursor);
        put(canvas.buffer, name, &layer_name(layer), style);
        self.push_spot(canvas, name, Spot::Cell(row, None));
        let is_tied = layer == Layer::Head && self.view.grid.row(row).next().is_none();
        for column in 0..self.view.grid.kinds.len() {
            let area = self.places.cell_at(column, y);
            let group = self.view.grid.cell(row, column);
            self.push_spot(canvas, area, Spot::Cell(row, Some(column)));
            match group {
                Some(group) => self.draw_cell((row, column), group, area, canvas),
                None if is_tied => {}
                None => center(canvas.buffer, area, "·", canvas.theme.dim),
            }
        }
        if is_tied {
            self.draw_tied(row, y, canvas);
        }
    }

    fn draw_cell(&self, (row, column): (usize, usize), group: usize, area: Rect, canvas: &mut Canvas) {
        let shown = self.shown(group, area.width, canvas.theme);
        let is_cursor = self.cursor.cell(&self.view.grid) == Some((row, column));
        let is_chosen = self.is_chosen.get(group) == Some(&true);
        let style = self.over(canvas, shown.style, is_chosen, is_cursor);
        let area = area.intersection(canvas.buffer.area);
        canvas.buffer.set_style(area, style);
        if shown.is_figure {
            put(canvas.buffer, area, shown.sign, style);
            align(canvas.buffer, area, &shown.text, true, style);
        } else {
            center(canvas.buffer, area, &shown.text, style);
        }
    }

    fn draw_tied(&self, row: usize, y: u16, canvas: &mut Canvas) {
        let first = self.places.cell_at(0, y);
        let area = Rect { width: self.places.side.saturating_sub(first.x), ..first };
        let is_cursor = self.cursor.cell(&self.view.grid).is_some_and(|(at, _)| at == row);
        let text = super::foot::longest(&["tied to embedding".into(), "tied".into()], area.width);
        center(canvas.buffer, area, &text, self.over(canvas, canvas.theme.dim, false, is_cursor));
    }

    /// A name stands out where its layer trains.
    fn name_style(&self, row: usize, theme: &Theme) -> Style {
        let trains = |index: usize| self.view.trains.get(index) == Some(&true);
        if self.view.grid.row(row).any(trains) { theme.text } else { theme.dim }
    }

    fn shown(&self, group: usize, width: u16, theme: &Theme) -> Shown {
        let trains = self.view.trains.get(group) == Some(&true);
        let wish = self.view.wishes.get(group).copied().unwrap_or_default();
        let says_more = |reading: &Reading| trains || reading.value != 0.0;
        match self.readings.groups.get(group).copied().flatten().filter(says_more) {
            // What was asked for is shown through every lens.
            Some(reading) if width >= WITH_FIGURE && wish.trains.is_none() => self.figure(reading, group, wish, theme),
            reading => {
                let rate = self.view.requested_multiplier(group);
                state(State { trains, wish, rate, lens: self.lens, reading }, width, theme)
            }
        }
    }

    fn figure(&self, reading: Reading, group: usize, wish: Wish, theme: &Theme) -> Shown {
        let trains = self.view.trains.get(group) == Some(&true);
        // A group that trains and gets nothing learns nothing: that must not go unseen.
        let is_starved = self.lens == Lens::Gradient && trains && reading.value == 0.0;
        let sign = match (is_starved, wish.is_some(), trains) {
            (_, true, _) => "…",
            (true, ..) => "!",
            (.., false) => "❄",
            (.., true) => " ",
        };
        // What learns at the run's own rate is neither hot nor cold.
        let is_plain = self.lens == Lens::Multiplier && reading.value == 1.0;
        let heat = theme.heat(reading.heat).filter(|_| !is_plain);
        let base = match (is_starved, trains, heat) {
            (true, ..) => theme.warning,
            (_, false, _) => theme.frozen,
            (_, true, Some(color)) => theme.text.bg(color),
            (_, true, None) => theme.training,
        };
        let style = if wish.is_some() { base.patch(theme.pending) } else { base };
        match wish.multiplier.and_then(|wanted| self.asked_rate(group, wanted)) {
            Some(text) => Shown { sign: "", text, style, is_figure: true },
            None => Shown { sign, text: figure::reading(self.lens, reading.value), style, is_figure: true },
        }
    }

    /// The multiplier that is, beside the one that was asked for, where both are short.
    fn asked_rate(&self, group: usize, wanted: f64) -> Option<String> {
        let now = self.view.multipliers.get(group).filter(|_| self.lens == Lens::Multiplier)?;
        Some(format!("×{now}→×{wanted}")).filter(|text| columns(text) <= WITH_FIGURE)
    }

    /// Lays selection and cursor over a style.
    fn over(&self, canvas: &Canvas, style: Style, is_chosen: bool, is_cursor: bool) -> Style {
        let theme = canvas.theme;
        match (is_cursor, is_chosen, canvas.is_focused) {
            (true, _, true) => style.patch(theme.cursor),
            (true, _, false) | (_, true, true) => style.patch(theme.selection),
            _ => style,
        }
    }

    fn push_spot(&self, canvas: &mut Canvas, area: Rect, spot: Spot) {
        // With the gap after it, so that a drag does not fall between two cells.
        let area = Rect { width: area.width.saturating_add(1), ..area }.intersection(canvas.buffer.area);
        let area = area.intersection(Rect { y: self.places.head.y, height: u16::MAX, ..self.places.rows });
        if !area.is_empty() {
            canvas.spots.push((area, spot));
        }
    }
}

/// What a cell without a figure is drawn from.
struct State {
    trains: bool,
    wish: Wish,
    /// What the learning rate is multiplied by.
    rate: f64,
    lens: Lens,
    reading: Option<Reading>,
}

/// A cell without a figure: what is, after an arrow what was asked for, and a multiplier that is not one.
fn state(of: State, width: u16, theme: &Theme) -> Shown {
    let State { trains, wish, rate, lens, reading } = of;
    let sign = |trains: bool| if trains { "■■■" } else { "❄" };
    let wanted = wish.trains.unwrap_or(trains);
    let base = if wanted { theme.training } else { theme.frozen };
    let variants = match wish.trains {
        Some(_) if wanted != trains => vec![format!("{}→{}", sign(trains), sign(wanted))],
        // Asked for, and asked to be taken back.
        Some(_) => vec![format!("{}…", sign(trains))],
        None if trains && lens != Lens::Trains && reading.is_none() => vec!["–".into()],
        None if lens == Lens::Trains && wish.multiplier.is_some() => {
            vec![format!("{}→×{rate}", sign(trains)), format!("{}…", sign(trains))]
        }
        None if lens == Lens::Trains && rate != 1.0 => {
            vec![format!("{} ×{rate}", sign(trains)), format!("{}×", sign(trains))]
        }
        None => Vec::new(),
    };
    let text = variants.into_iter().find(|text| columns(text) <= width);
    // Where a cell is too narrow for its figure, the heat alone is left.
    let heat = reading.filter(|_| trains && !wish.is_some()).and_then(|reading| theme.heat(reading.heat));
    let base = heat.map_or(base, |color| base.fg(color));
    let style = if wish.is_some() { base.patch(theme.pending) } else { base };
    Shown { sign: " ", text: text.unwrap_or_else(|| sign(wanted).into()), style, is_figure: false }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Embedding => "embed",
        Kind::Attention => "attn",
        Kind::Mlp => "mlp",
        Kind::Norm => "norm",
        Kind::Head => "head",
        Kind::Score => "score",
    }
}
