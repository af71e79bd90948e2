//! What lies over the screen and takes the keys while it does.

use super::explain::{self, Explanation};
use super::help::Help;
use super::palette::Palette;
use super::{App, Code, Gesture, Key, Pointer, Spot};
use crate::protocol::Ask;

#[derive(Debug)]
pub enum Overlay {
    Palette(Palette),
    Help(Help),
    /// The key of what is explained.
    Explain(&'static str),
    Confirm(Confirm),
}

/// What cannot be undone, and is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    Stop,
}

impl Confirm {
    pub fn question(self) -> &'static str {
        match self {
            Confirm::Stop => {
                "Stop the run? It finishes its step and saves a checkpoint; it can go on from there later."
            }
        }
    }

    /// The key and what it does, the first being yes.
    pub fn answers(self) -> [(&'static str, &'static str); 2] {
        match self {
            Confirm::Stop => [("y", "stop and save"), ("n", "keep training")],
        }
    }
}

/// The keys that every overlay has, for help and the footer.
pub fn keys(overlay: &Overlay) -> &'static [(&'static str, &'static str)] {
    match overlay {
        Overlay::Palette(_) => &[("↑ ↓", "choose"), ("enter", "run"), ("tab", "complete"), ("esc", "close")],
        Overlay::Help(_) => &[("type", "search"), ("↑ ↓ pgup pgdn", "scroll"), ("esc", "close")],
        Overlay::Explain(_) => &[("← →", "the one before, the next"), ("esc", "close")],
        Overlay::Confirm(_) => &[("y", "yes"), ("n", "no")],
    }
}

/// A key goes to what lies on top.
pub fn key(app: &mut App, key: Key) {
    let Some(mut overlay) = app.overlay.take() else { return };
    let stays = match &mut overlay {
        Overlay::Palette(palette) => palette.key(app, key),
        Overlay::Help(help) => help.key(key),
        Overlay::Explain(shown) => explain_key(shown, key),
        Overlay::Confirm(confirm) => {
            let yes = key.code == Code::Char('y');
            if yes {
                confirmed(app, *confirm);
            }
            !yes && !matches!(key.code, Code::Char('n' | 'q') | Code::Escape)
        }
    };
    // What was run may have opened something else.
    if stays && app.overlay.is_none() {
        app.overlay = Some(overlay);
    }
}

fn confirmed(app: &mut App, confirm: Confirm) {
    match confirm {
        Confirm::Stop => {
            app.say("asked: stop");
            app.ask(Ask::Stop);
        }
    }
}

fn explain_key(shown: &mut &'static str, key: Key) -> bool {
    let step = match key.code {
        Code::Left | Code::Up => -1,
        Code::Right | Code::Down => 1,
        _ => return false,
    };
    let all: Vec<&'static Explanation> = explain::all().collect();
    if let Some(now) = all.iter().position(|explanation| explanation.key == *shown) {
        let next = (now as isize + step).rem_euclid(all.len() as isize) as usize;
        *shown = all[next].key;
    }
    true
}

/// The mouse over an overlay, or beside it.
pub fn pointed(app: &mut App, pointer: Pointer) {
    let wheel = match pointer.gesture {
        Gesture::WheelUp => Some(Code::Up),
        Gesture::WheelDown => Some(Code::Down),
        _ => None,
    };
    if let Some(code) = wheel {
        return key(app, Key::plain(code));
    }
    if pointer.gesture != Gesture::Press {
        return;
    }
    match (pointer.spot, app.overlay.take()) {
        (Spot::Item(item), Some(Overlay::Palette(mut palette))) => {
            palette.select(item);
            app.overlay = Some(Overlay::Palette(palette));
            key(app, Key::plain(Code::Enter));
        }
        (Spot::Item(0), Some(Overlay::Confirm(confirm))) => confirmed(app, confirm),
        (Spot::Item(_), Some(Overlay::Confirm(_))) => {}
        (Spot::Item(_) | Spot::Overlay, overlay) => app.overlay = overlay,
        // A click beside it puts it away.
        _ => {}
    }
}
