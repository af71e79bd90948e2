//! The corpus pane: any source, browsed, searched, and read through a model's eyes.

use super::action::Action;
use super::explain::Explanation;
use super::{App, Key, Pointer};
use crate::protocol::CorpusAnswer;

/// The state of the pane.
#[derive(Default)]
pub struct Corpus {}

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

/// The host answered a question of this pane.
pub fn answered(_app: &mut App, _id: u64, _answer: CorpusAnswer) {}

/// Shows the batch that a step was made of.
pub fn show_batch(_app: &mut App, _step: u64) {}

/// A key while a line is typed here; whether it meant something to it.
pub fn typed(_app: &mut App, _key: Key) -> bool {
    false
}

impl Corpus {
    /// Whether a line is being typed.
    pub fn is_typing(&self) -> bool {
        false
    }
}
