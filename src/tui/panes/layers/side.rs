//! What stands beside the cells, of a whole row each: as much as there is room for.

use super::figure::{self, snapped_up};
use crate::app::App;
use crate::app::layers::View;
use crate::protocol::{GroupReport, GroupReports};
use crate::tui::text;
use crate::tui::theme::Theme;
use ratatui::style::Style;

/// Never the whole height: the rows stay apart.
const HEIGHTS: [&str; 7] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇"];
const WIDEST_HISTORY: u16 = 40;
const DRIFT_WITH_FIGURE: u16 = 18;

/// One thing that is told of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The recent gradient norm.
    History,
    Drift,
    Update,
    Parameters,
    Steps,
}

/// In the order in which they are left out, the last first; with the columns they need.
const SIDES: [(Side, u16); 5] =
    [(Side::History, 9), (Side::Drift, 8), (Side::Update, 8), (Side::Parameters, 8), (Side::Steps, 7)];

impl Side {
    /// The heading, in as many columns as there are.
    pub fn heading(self, width: u16) -> &'static str {
        match self {
            Side::History if width >= 13 => "gradient norm",
            Side::History => "gradient",
            Side::Drift if width >= 13 => "drift from θ*",
            Side::Drift => "drift θ*",
            Side::Update => "update",
            Side::Parameters => "weights",
            Side::Steps => "steps",
        }
    }

    /// Figures stand at the right of their column, pictures at the left.
    pub fn is_figure(self) -> bool {
        matches!(self, Side::Update | Side::Parameters | Side::Steps)
    }
}

/// What there is room for, with its distance from where the side columns begin and its width.
pub fn sides(room: u16) -> Vec<(Side, u16, u16)> {
    // A gap after the cells, beside the one that a cell has.
    let mut used = 1;
    let mut shown: Vec<(Side, u16)> = Vec::new();
    for (side, width) in SIDES {
        let gap = if shown.is_empty() { 0 } else { 2 };
        if used + gap + width > room {
            break;
        }
        used += gap + width;
        shown.push((side, width));
    }
    // What is left goes to the history, then to the bar if it is enough for its figure, and to the history again.
    let mut spare = room.saturating_sub(used);
    for (side, wanted) in [(Side::History, 18), (Side::Drift, DRIFT_WITH_FIGURE), (Side::History, WIDEST_HISTORY)] {
        let Some((_, width)) = shown.iter_mut().find(|(other, _)| *other == side) else { continue };
        let more = wanted.saturating_sub(*width).min(spare);
        let is_enough = side == Side::History || *width + more == wanted;
        if is_enough {
            *width += more;
            spare -= more;
        }
    }
    let mut at = 1;
    shown
        .into_iter()
        .map(|(side, width)| {
            let start = at;
            at += width + 2;
            (side, start, width)
        })
        .collect()
}

/// What is told of all rows, read once a frame.
pub struct Told<'a> {
    view: &'a View<'a>,
    /// The stretch of reports that histories show, the oldest first.
    window: Vec<&'a GroupReports>,
    /// The largest drift of all groups, as the bars' scale has it.
    drift_top: f64,
}

impl<'a> Told<'a> {
    /// For histories of `width` columns.
    pub fn of(app: &'a App, view: &'a View<'a>, width: u16) -> Self {
        let reports = &app.mirror.reports;
        let seen = app.layers.reports_seen();
        let dropped = seen.saturating_sub(reports.len() as u64);
        let first = window_start(seen, u64::from(width)).saturating_sub(dropped);
        let skipped = usize::try_from(first).unwrap_or(usize::MAX);
        let window = reports.iter().skip(skipped).take(usize::from(width)).collect();
        let drifts = view.measured.unwrap_or_default().iter().map(|report| f64::from(report.drift));
        let drift_top = snapped_up(drifts.filter(|drift| drift.is_finite()).fold(0.0, f64::max));
        Self { view, window, drift_top }
    }

    /// What a side column says of these groups of a row, and how.
    pub fn text(&self, side: Side, groups: &[usize], width: u16, theme: &Theme) -> (String, Style) {
        match side {
            Side::History => {
                let trains = groups.iter().any(|index| self.view.trains.get(*index) == Some(&true));
                (self.history(groups), if trains { theme.training } else { theme.dim })
            }
            Side::Drift => (self.drift(groups, width), theme.live),
            Side::Update => {
                (self.largest(groups, |report| report.update_ratio).map_or("–".into(), figure::scientific), theme.text)
            }
            Side::Parameters => {
                let parameters = groups.iter().filter_map(|index| self.view.facts.get(*index));
                (text::count(parameters.map(|facts| facts.parameters).sum()), theme.dim)
            }
            Side::Steps => {
                let steps = groups.iter().filter_map(|index| self.view.report(*index)).map(|report| report.steps).max();
                (steps.map_or("–".into(), text::count), theme.dim)
            }
        }
    }

    /// The row's norm in each report, from zero to its own largest.
    fn history(&self, groups: &[usize]) -> String {
        let norms: Vec<f64> = self.window.iter().map(|report| row_norm(report, groups)).collect();
        let top = snapped_up(norms.iter().copied().filter(|norm| norm.is_finite()).fold(0.0, f64::max));
        norms.into_iter().map(|norm| up(norm / top)).collect()
    }

    fn drift(&self, groups: &[usize], width: u16) -> String {
        let Some(drift) = self.largest(groups, |report| report.drift) else { return "–".into() };
        let has_figure = width >= DRIFT_WITH_FIGURE;
        let columns = if has_figure { width - 8 } else { width };
        let bar = right(drift / self.drift_top, columns);
        if has_figure {
            format!("{bar:<width$} {:>7}", figure::plain(drift), width = usize::from(columns))
        } else {
            bar
        }
    }

    fn largest(&self, groups: &[usize], value: impl Fn(&GroupReport) -> f32) -> Option<f64> {
        let values = groups.iter().filter_map(|index| self.view.report(*index)).map(|report| f64::from(value(report)));
        values.filter(|value| value.is_finite()).reduce(f64::max)
    }
}

/// The first report to show of `seen`: the window fills from the left, and when it is full it jumps on by half of its
/// width. One that slides would be sent anew with every report.
fn window_start(seen: u64, width: u64) -> u64 {
    let jump = (width / 2).max(1);
    seen.saturating_sub(width).div_ceil(jump) * jump
}

/// The norm of all gradients of a row together; NaN where none was measured.
fn row_norm(report: &GroupReports, groups: &[usize]) -> f64 {
    let norms =
        groups.iter().filter_map(|index| report.groups.get(*index)).map(|report| f64::from(report.gradient_norm));
    let squares = norms.filter(|norm| norm.is_finite()).map(|norm| norm * norm);
    squares.reduce(|sum, square| sum + square).map_or(f64::NAN, f64::sqrt)
}

fn up(share: f64) -> &'static str {
    if share.is_nan() {
        return " ";
    }
    let level = (share.clamp(0.0, 1.0) * (HEIGHTS.len() - 1) as f64).round() as usize;
    HEIGHTS.get(level).copied().unwrap_or(" ")
}

/// A bar to the right, in halves of a column; what is above zero shows at least one.
fn right(share: f64, columns: u16) -> String {
    let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
    let halves = (share * f64::from(columns) * 2.0).ceil() as usize;
    "━".repeat(halves / 2) + if halves % 2 == 1 { "╸" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_fill_and_jump_by_half() {
        let starts = [0, 5, 10, 11, 15, 16, 20].map(|seen| window_start(seen, 10));
        assert_eq!(starts, [0, 0, 0, 5, 5, 10, 10]);
        assert_eq!(window_start(7, 1), 6);
    }

    #[test]
    fn what_has_room_is_shown_and_what_is_left_is_used() {
        assert!(sides(9).is_empty());
        assert_eq!(sides(20), [(Side::History, 1, 9), (Side::Drift, 12, 8)]);
        let wide = sides(60);
        assert_eq!(wide.len(), 5);
        assert_eq!(wide.last().map(|(_, at, width)| at + width), Some(60));
        assert_eq!(wide[0], (Side::History, 1, 20));
        assert!(sides(300).iter().all(|(_, _, width)| *width <= WIDEST_HISTORY));
    }

    #[test]
    fn bars_and_heights_keep_to_their_room() {
        assert_eq!(right(0.0, 4), "");
        assert_eq!(right(1e-9, 4), "╸");
        assert_eq!(right(0.5, 4), "━━");
        assert_eq!(right(9.0, 2), "━━");
        assert_eq!(right(f64::NAN, 2), "");
        assert_eq!([0.0, 0.5, 1.0, 7.0, f64::NAN].map(up), ["▁", "▄", "▇", "▇", " "]);
    }
}
