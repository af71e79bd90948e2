//! The layer grid: what trains, how fast, and what that costs.

use super::action::Action;
use super::explain::Explanation;
use super::{App, Key, Pointer};
use crate::protocol::Answer;

/// The state of the pane.
#[derive(Default)]
pub struct Layers {}

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

/// The host answered a command: it took effect, or was refused.
pub fn answered(_app: &mut App, _id: u64, _answer: Answer) {}

/// Takes in what is new in the mirror.
pub fn refresh(_app: &mut App) {}

/// A key while a line is typed here; whether it meant something to it.
pub fn typed(_app: &mut App, _key: Key) -> bool {
    false
}

impl Layers {
    /// Whether a line is being typed.
    pub fn is_typing(&self) -> bool {
        false
    }
}
