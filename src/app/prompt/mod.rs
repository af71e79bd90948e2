//! The prompt pane: one prompt, answered by several checkpoints side by side.

use super::action::Action;
use super::explain::Explanation;
use super::{App, Key, Pointer};
use crate::protocol::SampleAnswer;

/// The state of the pane.
#[derive(Default)]
pub struct Prompt {}

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

/// The host answered a request of this pane.
pub fn answered(_app: &mut App, _id: u64, _answer: SampleAnswer) {}

/// A key while a line is typed here; whether it meant something to it.
pub fn typed(_app: &mut App, _key: Key) -> bool {
    false
}

impl Prompt {
    /// Whether a line is being typed.
    pub fn is_typing(&self) -> bool {
        false
    }

    /// Whether keys are text for the editor.
    pub fn is_editing(&self) -> bool {
        false
    }
}
