//! Runs: plans, the run folder, checkpoints, the data of a phase, and carrying a plan out.

pub mod checkpoint;
pub mod data;
pub mod device;
pub mod disk;
pub mod execute;
pub mod folder;
pub mod home;
pub mod memory;
pub mod overview;
pub mod plan;
mod suite;
pub mod records;
pub mod steering;
mod tokenizer;

pub use execute::{Observer, execute};
pub use home::Home;
pub use plan::{Overrides, Plan};
