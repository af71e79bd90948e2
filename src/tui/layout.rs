//! What stands where, by the size of the screen.

use crate::app::Pane;
use ratatui::layout::{Constraint, Layout, Rect};

/// The smallest screen that can be worked with.
pub const SMALLEST: (u16, u16) = (60, 16);

/// Screens at least this large show all four panes.
const FOUR: (u16, u16) = (100, 28);

/// Where everything is. Areas may be empty, and never overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    pub header: Rect,
    /// Names of the panes, where not all of them are to be seen.
    pub tabs: Option<Rect>,
    /// With their frames.
    pub panes: Vec<(Pane, Rect)>,
    pub guide: Option<Rect>,
    pub footer: Rect,
}

/// What the layout depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    pub focus: Pane,
    /// What is seen beside the graphs where there is room for two.
    pub beside: Pane,
    pub zoomed: bool,
    /// Rows that the guide needs; 0 without one.
    pub guide_rows: u16,
}

/// `None` where the screen is too small.
pub fn places(area: Rect, wish: Wish) -> Option<Places> {
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        return None;
    }
    let sees_all = area.width >= FOUR.0 && area.height >= FOUR.1 && !wish.zoomed;
    let rows = [1, u16::from(!sees_all), 0, wish.guide_rows, 1];
    let [header, tabs, body, guide, footer] = Layout::vertical([
        Constraint::Length(rows[0]),
        Constraint::Length(rows[1]),
        Constraint::Fill(1),
        Constraint::Length(rows[3]),
        Constraint::Length(rows[4]),
    ])
    .areas(area);
    let panes = match (sees_all, wish.zoomed) {
        (true, _) => four(body),
        (false, true) => vec![(wish.focus, body)],
        (false, false) => two(body, wish.beside),
    };
    Some(Places {
        header,
        tabs: (!sees_all).then_some(tabs),
        panes,
        guide: (wish.guide_rows > 0).then_some(guide),
        footer,
    })
}

fn four(body: Rect) -> Vec<(Pane, Rect)> {
    let halves = Layout::vertical([Constraint::Fill(1); 2]).areas::<2>(body);
    let [top, bottom] = halves.map(|half| Layout::horizontal([Constraint::Fill(1); 2]).areas::<2>(half));
    vec![(Pane::Corpus, top[0]), (Pane::Graphs, top[1]), (Pane::Layers, bottom[0]), (Pane::Prompt, bottom[1])]
}

/// The graphs stay in view, so that one sees what comes of what is done in the other pane.
fn two(body: Rect, beside: Pane) -> Vec<(Pane, Rect)> {
    let fill = [Constraint::Fill(1); 2];
    let [one, other] = match body.width >= FOUR.0 {
        true => Layout::horizontal(fill).areas(body),
        false => Layout::vertical(fill).areas(body),
    };
    vec![(Pane::Graphs, one), (if beside == Pane::Graphs { Pane::Layers } else { beside }, other)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wish(focus: Pane, zoomed: bool) -> Wish {
        Wish { focus, beside: focus, zoomed, guide_rows: 0 }
    }

    fn shown(width: u16, height: u16, wish: Wish) -> Vec<Pane> {
        let places = places(Rect::new(0, 0, width, height), wish);
        places.map_or_else(Vec::new, |places| places.panes.into_iter().map(|(pane, _)| pane).collect())
    }

    #[test]
    fn as_many_panes_as_there_is_room_for() {
        assert_eq!(shown(120, 36, wish(Pane::Graphs, false)), Pane::ALL);
        assert_eq!(shown(120, 36, wish(Pane::Prompt, true)), [Pane::Prompt]);
        assert_eq!(shown(80, 24, wish(Pane::Corpus, false)), [Pane::Graphs, Pane::Corpus]);
        assert_eq!(shown(80, 24, wish(Pane::Graphs, false)), [Pane::Graphs, Pane::Layers]);
        assert!(shown(59, 24, wish(Pane::Graphs, false)).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_overlaps_and_the_focus_is_in_view(
            width in 0u16..320, height in 0u16..110, pane in 0usize..4, zoomed: bool, guide_rows in 0u16..5,
        ) {
            let focus = Pane::ALL[pane];
            let area = Rect::new(0, 0, width, height);
            let Some(places) = places(area, Wish { guide_rows, ..wish(focus, zoomed) }) else { return Ok(()) };
            prop_assert!(places.panes.iter().any(|(pane, _)| *pane == focus));
            let mut areas: Vec<Rect> = places.panes.iter().map(|(_, area)| *area).collect();
            areas.extend([places.header, places.footer]);
            areas.extend(places.tabs.into_iter().chain(places.guide));
            for (at, one) in areas.iter().enumerate() {
                prop_assert!(area.intersection(*one) == *one);
                prop_assert!(areas[at + 1..].iter().all(|other| one.intersection(*other).is_empty()));
            }
        }
    }
}
