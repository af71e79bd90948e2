//! Learning: objectives, schedules, the optimizer, one training step, and evaluation.

pub mod evaluation;
pub mod learner;
mod measure;
pub mod objective;
pub mod optimizer;
pub mod prefix;
pub mod pull;
pub mod schedule;

pub use evaluation::{ExampleScore, TextScore};
pub use learner::{Learner, LearnerState, Pass, StepReport};
pub use optimizer::{AdamW, AdamWSettings};
pub use prefix::{PrefixCache, PrefixReport, PrefixSettings, PrefixTotals};
pub use pull::{Fisher, Pull, Strengths, Teacher, fisher_key};
pub use schedule::{Course, Schedule};
