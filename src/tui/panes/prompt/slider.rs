//! The row below a mixture's name: a slider from base to live, or which layers are from where.

use super::{Canvas, below, put};
use crate::app::Spot;
use crate::app::prompt::LaneView;
use crate::protocol::{Lane, Share, Side};
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

/// Rows that the rest of a lane needs at least: its rule and two of text.
const REST: u16 = 3;
/// A track shorter than this shows nothing.
const SHORTEST: u16 = 5;
/// Beside a name a track is no longer, and leaves this room for the prompt's perplexity.
const LONGEST_SMALL: u16 = 24;
const PERPLEXITY: u16 = 12;

/// Draws the row, where the lane is a mixture and there is room for it; returns what is left.
pub fn draw(index: usize, view: &LaneView, area: Rect, canvas: &mut Canvas) -> Rect {
    if area.height <= REST {
        return area;
    }
    let row = Rect { height: 1, ..area };
    match &view.lane {
        Lane::Blend(share) => draw_slider(index, *share, row, canvas),
        Lane::Graft(graft) => {
            let layers: Vec<String> = graft.layers.iter().map(ToString::to_string).collect();
            draw_sides(&layers.join(", "), graft.from, row, canvas);
        }
        Lane::Base | Lane::Live | Lane::Checkpoint(_) => return area,
    }
    below(area, 1)
}

/// `base ━━━━━━━●───── live`: how much of the way is gone. Where it is narrow the track stands alone.
fn draw_slider(index: usize, share: Share, row: Rect, canvas: &mut Canvas) {
    let (from, to) = ("base ", " live");
    let words = (from.width() + to.width()) as u16;
    let is_named = row.width >= words + SHORTEST;
    let (left, length) = if is_named { (from.width() as u16, row.width - words) } else { (0, row.width) };
    let track = Rect { x: row.x + left, width: length, ..row };
    if is_named {
        put(canvas, row, from, canvas.theme.base);
        put(canvas, Rect { x: track.right(), width: to.width() as u16, ..row }, to, canvas.theme.live);
    }
    draw_track(index, share, track, canvas);
}

/// How much of the way is gone, as a track with a handle.
fn draw_track(index: usize, share: Share, track: Rect, canvas: &mut Canvas) {
    let last = f64::from(track.width.saturating_sub(1));
    let handle = (share.value() * last).round() as u16;
    put(canvas, Rect { width: handle, ..track }, &"━".repeat(handle.into()), canvas.theme.live);
    let knob = Rect { x: track.x + handle, width: 1.min(track.width), ..track };
    put(canvas, knob, "●", canvas.theme.text.add_modifier(Modifier::BOLD));
    let rest = Rect { x: knob.right(), width: track.right().saturating_sub(knob.right()), ..track };
    put(canvas, rest, &"─".repeat(rest.width.into()), canvas.theme.base);
    canvas.spots.push((track, Spot::Slider(index)));
}

/// Beside the name, where the lane of `rows` rows has no row for its slider; returns what is left of the name's row.
pub fn draw_small(index: usize, view: &LaneView, rows: u16, rest: Rect, canvas: &mut Canvas) -> Rect {
    let Lane::Blend(share) = view.lane else { return rest };
    let length = rest.width.saturating_sub(PERPLEXITY + 1).min(LONGEST_SMALL);
    if rows > REST + 1 || length < SHORTEST {
        return rest;
    }
    let track = Rect { x: rest.x + 1, width: length, ..rest };
    draw_track(index, share, track, canvas);
    Rect { x: track.right(), width: rest.right() - track.right(), ..rest }
}

/// `base block.0–1 · live the rest`, each in its colour; what has no room is left out whole.
fn draw_sides(layers: &str, from: Side, row: Rect, canvas: &mut Canvas) {
    let style = |side: Side| if side == Side::Base { canvas.theme.base } else { canvas.theme.live };
    let (named, rest) = (style(from), style(from.other()));
    let forms = [format!("{from}: {layers}"), format!("{from}: some")];
    let form = forms.iter().find(|form| form.width() <= row.width as usize).map_or("", String::as_str);
    let used = put(canvas, row, form, named);
    let others = format!(" · {}: the rest", from.other());
    if used > 0 && others.width() <= usize::from(row.width - used) {
        put(canvas, Rect { x: row.x + used, width: row.width - used, ..row }, &others, rest);
    }
}
