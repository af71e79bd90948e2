//! The graphs pane: every metric over steps, with a mark for every change made by hand.

use super::Mirror;
use super::action::Action;
use super::explain::Explanation;
use super::{App, Key, Pointer};

/// The state of the pane.
#[derive(Default)]
pub struct Graphs {}

/// What can be done here.
pub const ACTIONS: &[Action] = &[];

/// What is explained here.
pub const EXPLANATIONS: &[Explanation] = &[];

/// The key of what the cursor is on, for the explanation of it.
pub fn explained(_app: &App) -> Option<&'static str> {
    None
}

/// The mouse did something over one of this pane's spots.
pub fn pointed(_app: &mut App, _pointer: Pointer) {}

impl Graphs {
    /// Takes in what is new in the mirror.
    pub fn refresh(&mut self, _mirror: &Mirror) {}
}

/// A key while a line is typed here; whether it meant something to it.
pub fn typed(_app: &mut App, _key: Key) -> bool {
    false
}

impl Graphs {
    /// Whether a line is being typed.
    pub fn is_typing(&self) -> bool {
        false
    }
}
