//! How long rows are: counts of rows by their tokens, as bars.

use super::{Canvas, grouped, line, paragraph, put};
use crate::app::App;
use crate::protocol::RowLengths;
use crate::tui::text::number;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

/// Eighths of a cell, from the left.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
/// Columns of the length, and of the count with its share.
const LABEL: u16 = 11;
const COUNT: u16 = 16;

pub(super) fn draw(app: &App, area: Rect, canvas: &mut Canvas) {
    match &app.corpus.lengths {
        None => paragraph(area, "measuring rows …", canvas.theme.dim, canvas.buffer),
        Some(Err(why)) => paragraph(area, why, canvas.theme.error, canvas.buffer),
        Some(Ok(lengths)) => bars(lengths, area, canvas),
    }
}

fn bars(lengths: &RowLengths, area: Rect, canvas: &mut Canvas) {
    if area.is_empty() {
        return;
    }
    let mut facts = vec![
        format!("median {} tokens", grouped(lengths.median)),
        format!("longest {}", grouped(lengths.longest)),
        format!("{} rows", grouped(lengths.rows)),
    ];
    facts.extend(lengths.bytes_per_token.map(|ratio| format!("{} bytes/token", number(ratio))));
    while facts.len() > 1 && facts.join(" · ").width() + 1 > area.width as usize {
        facts.pop();
    }
    put(canvas.buffer, Rect { height: 1, ..area }, &format!(" {}", facts.join(" · ")), canvas.theme.text);
    let bins = merged(&lengths.histogram, area.height.saturating_sub(1) as usize);
    let most = bins.iter().map(|&(_, count)| count).max().unwrap_or(0).max(1);
    let total = lengths.rows.max(1) as f64;
    let room = area.width.saturating_sub(LABEL + COUNT);
    for (index, (bound, count)) in bins.into_iter().enumerate() {
        let place = line(area, index as u16 + 1);
        let taken = put(canvas.buffer, place, &format!(" ≤ {:>6}  ", grouped(bound)), canvas.theme.dim);
        let rest = Rect { x: place.x + taken, width: place.width - taken, ..place };
        let bar = Rect { width: room.min(rest.width), ..rest };
        put(canvas.buffer, bar, &blocks(count as f64 / most as f64, bar.width), canvas.theme.series[0]);
        let after = Rect { x: bar.x + bar.width, width: rest.width - bar.width, ..rest };
        let share = 100.0 * count as f64 / total;
        let text = format!("{:>7} {share:>5.1}%", grouped(count));
        if text.width() <= after.width as usize {
            put(canvas.buffer, after, &text, canvas.theme.text);
        }
    }
}

/// A bar of a share of `columns`; anything above nothing is seen.
fn blocks(share: f64, columns: u16) -> String {
    let eighths = (share * columns as f64 * 8.0).round() as usize;
    let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

/// No more bins than there are lines: neighbours are put together.
fn merged(histogram: &[(u64, u64)], lines: usize) -> Vec<(u64, u64)> {
    if lines == 0 || histogram.is_empty() {
        return Vec::new();
    }
    let together = histogram.len().div_ceil(lines);
    let sum = |bins: &[(u64, u64)]| {
        let bound = bins.last().map_or(0, |&(bound, _)| bound);
        (bound, bins.iter().map(|&(_, count)| count).sum())
    };
    histogram.chunks(together).map(sum).collect()
}
