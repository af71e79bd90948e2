//! What the engine says and is told: plain data with serde, no behaviour, no dependencies on other rooms.

mod event;

pub use event::{CheckpointSaved, Evaluation, Event, Finished, Notice, PhaseStarted, Step};
