//! What lies over the screen and takes the keys while it does.

use super::away::Away;
use super::explain::{self, Explanation};
use super::help::Help;
use super::lab::Lab;
use super::lineage::Lineage;
use super::numbers::{counted, grouped};
use super::palette::Palette;
use super::range_test::RangeTest;
use super::welcome::Choice;
use super::{App, Code, Gesture, Key, Mirror, Pointer, Spot};
use crate::protocol::{Ask, Command, Undoable};

#[derive(Debug)]
pub enum Overlay {
    Palette(Palette),
    Help(Help),
    /// The key of what is explained.
    Explain(&'static str),
    Confirm(Confirm),
    /// What happened while nobody looked on.
    Away(Away),
    Lineage(Lineage),
    Lab(Lab),
    RangeTest(RangeTest),
}

/// What is asked before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirm {
    Stop,
    /// Takes back steps too.
    Undo(Undoable),
    /// A run was forked off at a step: whether it is to be opened.
    Open {
        run: String,
        step: u64,
    },
}

impl Confirm {
    pub fn question(&self, mirror: &Mirror) -> String {
        match self {
            Confirm::Stop => {
                "Stop the run? It finishes its step and saves a checkpoint; it can go on from there later.".into()
            }
            Confirm::Undo(undo) => {
                let step = mirror.status.as_ref().map_or(undo.step, |status| status.step);
                let back = counted(step.saturating_sub(undo.step), "step");
                format!(
                    "Undo «{}» of step {}? The run goes back {back}; what it did since stays as a branch on the graphs.",
                    undo.effect,
                    grouped(undo.step),
                )
            }
            Confirm::Open { run, step } => {
                format!(
                    "Forked as {run} from step {}. Open it now? This run goes on without the screen.",
                    grouped(*step)
                )
            }
        }
    }

    /// The key and what it does, the first being yes.
    pub fn answers(&self) -> [(&'static str, &'static str); 2] {
        match self {
            Confirm::Stop => [("y", "stop and save"), ("n", "keep training")],
            Confirm::Undo(_) => [("y", "go back"), ("n", "leave it as it is")],
            Confirm::Open { .. } => [("y", "open it"), ("n", "stay here")],
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
        Overlay::Away(_) => &[("↑ ↓", "choose"), ("enter", "show in the graphs"), ("esc", "close")],
        Overlay::Lab(_) => &[
            ("↑ ↓", "choose"),
            ("← →", "study"),
            ("f", "findings"),
            ("a", "all rates"),
            ("r", "read again"),
            ("enter", "open the run"),
            ("esc", "close"),
        ],
        Overlay::RangeTest(_) => {
            &[("s v m enter", "take a rate"), ("↑ ↓", "choose"), ("r", "test again"), ("esc", "cancel, close")]
        }
        Overlay::Lineage(_) => {
            &[("↑ ↓", "choose"), ("← →", "run"), ("enter", "open the run, or show the place"), ("esc", "close")]
        }
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
                confirmed(app, confirm.clone());
            }
            !yes && !matches!(key.code, Code::Char('n' | 'q') | Code::Escape)
        }
        Overlay::Away(away) => away.key(app, key),
        Overlay::Lineage(lineage) => lineage.key(app, key),
        Overlay::Lab(lab) => lab.key(app, key),
        Overlay::RangeTest(test) => test.key(app, key),
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
        Confirm::Undo(undo) => {
            let now = app.mirror.status.as_ref().and_then(|status| status.undo.as_ref());
            match now == Some(&undo) {
                true => app.steer(Command::Undo),
                false => app.refuse(format!("not undone: \"{}\" is no longer the last change", undo.effect)),
            }
        }
        Confirm::Open { run, .. } => app.open(Choice::Run(run)),
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
        (Spot::Item(item), Some(Overlay::Away(mut away))) => {
            away.select(item);
            app.overlay = Some(Overlay::Away(away));
            key(app, Key::plain(Code::Enter));
        }
        (Spot::Item(item), Some(Overlay::Lineage(mut lineage))) => {
            lineage.select(item);
            app.overlay = Some(Overlay::Lineage(lineage));
        }
        (Spot::Item(item), Some(Overlay::Lab(mut lab))) => {
            lab.select(item);
            app.overlay = Some(Overlay::Lab(lab));
        }
        (Spot::Item(item), Some(Overlay::RangeTest(mut test))) => {
            test.select(item);
            app.overlay = Some(Overlay::RangeTest(test));
        }
        (Spot::Item(0), Some(Overlay::Confirm(confirm))) => confirmed(app, confirm),
        (Spot::Item(_), Some(Overlay::Confirm(_))) => {}
        (Spot::Item(_) | Spot::Overlay, overlay) => app.overlay = overlay,
        // A click beside it puts it away.
        (_, Some(Overlay::RangeTest(test))) => test.left(app),
        _ => {}
    }
}
